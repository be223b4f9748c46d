//! The TLVs of which a file consists.

use super::extension::{TOP_EXTENSION, VENDOR};
use super::{
    Definition, Form, capability, classifier, flag, flow, group, hex, mac, management, registration, text, u8, u16, u32,
};

/// Something longer that TLVs of one type carry in pieces.
const fn fragment(kind: u8, name: &'static str, title: &'static str) -> Definition {
    Definition::new(kind, Form::Fragment, name, title)
}

/// The TLVs of a device file (fact sheet provisioning §1.1).
pub(super) const DEVICE: &[Definition] = &[
    Definition::new(11, Form::VarBind, "SnmpMibObject", "SNMP MIB Object"),
    group(
        38,
        "SnmpV3TrapReceiver",
        "SNMPv3 Notification Receiver",
        management::RECEIVER,
    ),
    Definition::new(
        43,
        Form::Extension(VENDOR),
        "VendorSpecific",
        "Vendor Specific Information",
    ),
    Definition::new(
        64,
        Form::VarBind,
        "SnmpMibObjectLong",
        "SNMP MIB Object with Extended Length",
    )
    .ours(),
    u8(254, "MtaConfigDelimiter", "Telephony Config File Start/End").of(1, 255),
];

/// The TLVs of a cable modem's file (registry §11.1; MULPI 3.1 Annex C).
pub(super) const CABLE_MODEM: &[Definition] = &[
    u32(1, "DownstreamFrequency", "Downstream Frequency").of(88_000_000, 1_794_000_000),
    u8(2, "UpstreamChannelId", "Upstream Channel ID"),
    flag(3, "NetworkAccess", "Network Access Control Object"),
    group(
        4,
        "ClassOfService",
        "DOCSIS 1.0 Class of Service",
        flow::CLASS_OF_SERVICE,
    ),
    group(5, "ModemCapabilities", "Modem Capabilities Encoding", capability::MODEM),
    Definition::new(6, Form::Digest, "CmMic", "CM Message Integrity Check (MIC)"),
    Definition::new(7, Form::Digest, "CmtsMic", "CMTS Message Integrity Check (MIC)"),
    hex(8, "VendorId", "Vendor ID Encoding").exactly(3).ours(),
    text(9, "SwUpgradeFilename", "SW Upgrade Filename"),
    Definition::new(10, Form::WriteControl, "SnmpWriteControl", "SNMP Write Access Control"),
    Definition::new(11, Form::VarBind, "SnmpMibObject", "SNMP MIB Object"),
    Definition::new(12, Form::Ipv4, "ModemIPAddress", "Modem IP Address"),
    hex(13, "ServicesNotAvailable", "Service(s) Not Available Response")
        .exactly(3)
        .ours(),
    mac(14, "CpeMacAddress", "CPE Ethernet MAC Address"),
    hex(15, "TelephoneSettings", "Telephone Settings Option (deprecated)").ours(),
    group(
        17,
        "BaselinePrivacy",
        "Baseline Privacy (Security)",
        management::PRIVACY,
    ),
    u8(18, "MaxCPE", "Max Number of CPEs").of(1, 254),
    u32(19, "TftpTimestamp", "TFTP Server Timestamp"),
    Definition::new(
        20,
        Form::Ipv4,
        "TftpModemAddress",
        "TFTP Server Provisioned Modem IPv4 Address",
    ),
    Definition::new(21, Form::Ipv4, "SwUpgradeServer", "SW Upgrade IPv4 TFTP Server"),
    group(
        22,
        "UsPacketClass",
        "Upstream Packet Classification",
        classifier::CLASSIFIER,
    ),
    group(
        23,
        "DsPacketClass",
        "Downstream Packet Classification",
        classifier::CLASSIFIER,
    ),
    group(24, "UsServiceFlow", "Upstream Service Flow", flow::UPSTREAM),
    group(25, "DsServiceFlow", "Downstream Service Flow", flow::DOWNSTREAM),
    group(26, "PHS", "Payload Header Suppression", classifier::SUPPRESSION),
    hex(27, "HmacDigest", "HMAC-Digest").exactly(20).ours(),
    u16(28, "MaxClassifiers", "Maximum Number of Classifiers"),
    flag(29, "GlobalPrivacyEnable", "Privacy Enable"),
    hex(30, "AuthorizationBlock", "Authorization Block").ours(),
    u8(31, "KeySequenceNumber", "Key Sequence Number").ours(),
    fragment(32, "MfgCVCData", "Manufacturer Code Verification Certificate"),
    fragment(33, "CoSignerCVCData", "Co-Signer Code Verification Certificate"),
    group(34, "SnmpV3Kickstart", "SNMPv3 Kickstart Value", management::KICKSTART),
    hex(35, "SubMgmtControl", "Subscriber Mgmt Control").exactly(3),
    Definition::new(
        36,
        Form::Ipv4List,
        "SubscriberManagementCPEIPTable",
        "Subscriber Mgmt CPE IPv4 List",
    ),
    Definition::new(37, Form::ShortList, "SubMgmtFilters", "Subscriber Mgmt Filter Groups").of(4, 10),
    group(
        38,
        "SnmpV3TrapReceiver",
        "SNMPv3 Notification Receiver",
        management::RECEIVER,
    ),
    flag(39, "DocsisTwoEnable", "Enable 2.0 Mode"),
    flag(40, "EnableTestModes", "Enable Test Modes"),
    group(41, "DsChannelList", "Downstream Channel List", management::CHANNELS),
    mac(42, "MulticastMACAddress", "Static Multicast MAC Address"),
    Definition::new(
        43,
        Form::Extension(TOP_EXTENSION),
        "VendorSpecific",
        "DOCSIS Extension Field",
    ),
    hex(44, "VendorSpecificCapabilities", "Vendor Specific Capabilities").ours(),
    group(
        45,
        "DUTFiltering",
        "Downstream Unencrypted Traffic (DUT) Filtering",
        management::UNENCRYPTED,
    ),
    group(
        46,
        "TransmitChannelConfiguration",
        "Transmit Channel Configuration (TCC)",
        registration::TRANSMIT_CHANNEL,
    )
    .ours(),
    group(
        47,
        "SIDClusterAssignment",
        "Service Flow SID Cluster Assignment",
        registration::SID_CLUSTER,
    )
    .ours(),
    group(
        48,
        "ReceiveChannelProfile",
        "Receive Channel Profile",
        registration::RECEIVE_PROFILE,
    )
    .ours(),
    group(
        49,
        "ReceiveChannelConfiguration",
        "Receive Channel Configuration",
        registration::RECEIVE_CONFIGURATION,
    )
    .ours(),
    group(50, "DSIDEncodings", "DSID Encodings", registration::DSID).ours(),
    group(
        51,
        "SecurityAssociation",
        "Security Association Encoding",
        registration::SECURITY_ASSOCIATION,
    )
    .ours(),
    u16(52, "InitializingChannelTimeout", "Initializing Channel Timeout").ours(),
    group(
        53,
        "SNMPv1v2cCoexistenceConfig",
        "SNMPv1v2c Coexistence",
        management::COEXISTENCE,
    ),
    group(
        54,
        "SNMPv3AccessViewConfiguration",
        "SNMPv3 Access View Configuration",
        management::ACCESS_VIEW,
    ),
    flag(55, "SNMPCPEAccessControl", "SNMP CPE Access Control"),
    group(
        56,
        "ChannelAssignmentConfig",
        "Channel Assignment Configuration Settings",
        management::ASSIGNMENT,
    ),
    u8(57, "CMInitializationReason", "CM Initialization Reason").ours(),
    Definition::new(58, Form::Ipv6, "SwUpgradeServer6", "SW Upgrade IPv6 TFTP Server"),
    Definition::new(
        59,
        Form::Ipv6,
        "TFTPProvisionedModemIPv6Address",
        "TFTP Server Provisioned Modem IPv6 Address",
    ),
    group(
        60,
        "UpstreamDropPacketClassification",
        "Upstream Drop Packet Classification",
        classifier::DROP,
    ),
    Definition::new(
        61,
        Form::PrefixList,
        "SubMgmtCPEIPv6PrefixList",
        "Subscriber Mgmt CPE IPv6 Prefix List",
    ),
    Definition::new(
        62,
        Form::OctetList,
        "UpstreamDropClassifierGroupID",
        "Upstream Drop Classifier Group ID",
    ),
    u16(63, "SubMgmtControl6", "Subscriber Mgmt Control Max CPE IPv6 Prefix"),
    group(
        64,
        "CMTSStaticMulticastSessionEncodings",
        "CMTS Static Multicast Session Encoding",
        management::MULTICAST,
    ),
    group(
        65,
        "L2VPNMACAgingEncoding",
        "L2VPN MAC Aging Encoding",
        management::AGING,
    ),
    u32(66, "ManagementEventControl", "Management Event Control Encoding"),
    Definition::new(
        67,
        Form::Ipv6List,
        "SubscriberManagementCPEIPv6Table",
        "Subscriber Mgmt CPE IPv6 List",
    ),
    u16(
        68,
        "DefaultUpstreamTargetBuffer",
        "Default Upstream Target Buffer Configuration",
    ),
    group(
        69,
        "MACAddressLearningControlEncoding",
        "MAC Address Learning Control Encoding",
        management::LEARNING,
    ),
    group(
        70,
        "UpstreamAggregateServiceFlow",
        "Upstream Aggregate Service Flow Encodings",
        flow::UPSTREAM_AGGREGATE,
    ),
    group(
        71,
        "DownstreamAggregateServiceFlow",
        "Downstream Aggregate Service Flow Encodings",
        flow::DOWNSTREAM_AGGREGATE,
    ),
    group(
        72,
        "MetroEthernetServiceProfile",
        "Metro Ethernet Service Profile",
        flow::METRO_ETHERNET,
    ),
    group(73, "NetworkTimingProfile", "Network Timing Profile", management::TIMING),
    group(
        74,
        "EnergyManagementParameter",
        "Energy Management Parameter Encoding",
        capability::ENERGY,
    ),
    u8(75, "EnergyManagement1x1ModeIndicator", "Energy Mgt. Mode Indicator").of(0, 2),
    flag(76, "CMUpstreamAQMDisable", "CM Upstream AQM Disable"),
    hex(77, "DOCSISTimeProtocol", "DOCSIS Time Protocol Encoding").ours(),
    hex(
        78,
        "EnergyManagementIdentifiers",
        "Energy Management Identifier List for CM",
    )
    .ours(),
    group(79, "UNIControlEncodings", "UNI Control Encoding", management::PORTS),
    hex(
        80,
        "DOCSISLightSleep",
        "Energy Management - DOCSIS Light Sleep Encodings",
    )
    .ours(),
    fragment(81, "ManufacturerCVCChain", "Manufacturer CVC Chain"),
    fragment(82, "CoSignerCVCChain", "Co-signer CVC Chain"),
    u8(83, "DTPModeConfiguration", "DTP Mode Configuration").of(0, 2),
    group(84, "DiplexerBandEdge", "Diplexer Band Edge", capability::DIPLEXER),
    hex(85, "FDXTransmissionGroup", "FDX Transmission Group Assignment").ours(),
    u8(86, "FDXReset", "FDX Reset").ours(),
    hex(87, "EchoCancellationTraining", "CM Echo Cancellation Training Control").ours(),
    hex(88, "QoSFramework", "QoS Framework for DOCSIS Encodings").ours(),
    hex(89, "ExtendedSIDClusterAssignment", "Extended SID Cluster Assignment").ours(),
    hex(90, "PrimaryServiceFlowIndicator", "Primary Service Flow Indicator").ours(),
    u8(91, "LowLatencyDisable", "Low Latency Disable").of(0, 2),
    u8(92, "DistributedHQoSEnable", "Distributed HQoS Enable").of(0, 2),
    group(
        93,
        "UpstreamEHQoSASF",
        "Upstream Enhanced HQoS ASF",
        flow::ENHANCED_AGGREGATE,
    ),
    group(
        94,
        "DownstreamEHQoSASF",
        "Downstream Enhanced HQoS ASF",
        flow::ENHANCED_AGGREGATE,
    )
    .ours(),
    hex(95, "DHQoSASFSIDBundle", "DHQoS ASF SID Bundle Assignment").ours(),
    group(
        96,
        "AdvancedDiplexerBandEdge",
        "Advanced Diplexer Band Edge",
        capability::ADVANCED_DIPLEXER,
    ),
    flag(97, "AdvancedBandPlanSupport", "Advanced Band Plan Support"),
    hex(98, "DOCSISSyncCapabilities", "DOCSIS Sync Capabilities").ours(),
    hex(99, "CMSystemInformation", "DOCSIS CM System Information").ours(),
    hex(100, "SyncDSIDAssignment", "Sync DSID Assignment").ours(),
    group(
        101,
        "DOCSISSyncConfigurations",
        "DOCSIS Sync Configurations",
        capability::SYNC,
    ),
    group(
        102,
        "PTPAddressConfigurations",
        "PTP Address Configurations",
        capability::PTP,
    ),
    hex(103, "SSHServerSettings", "CM SSH Server Configuration Settings").ours(),
    hex(104, "SecuritySettings", "Security Configuration Settings").ours(),
    hex(105, "ExtendedModemCapabilities", "Extended Modem Capabilities").ours(),
    u16(106, "FDXDownstreamUpperBandEdge", "FDX Downstream Upper Band Edge").ours(),
    fragment(201, "ePS", "ePS").ours(),
    group(202, "eRouter", "eRouter", management::ROUTER),
    fragment(216, "eMTA", "eMTA").ours(),
    group(217, "EstbSettings", "eSTB", management::SET_TOP),
    fragment(219, "eTEA", "eTEA").ours(),
    fragment(220, "eDVA", "eDVA").ours(),
    fragment(221, "eSG", "eSG").ours(),
];
