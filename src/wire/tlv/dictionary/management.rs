//! Management of the modem: privacy, SNMP, channels, subscribers, ports, and the eSAFE devices beside it.

use super::extension::VENDOR;
use super::{Definition, Form, flag, group, hex, text, text_zero, u8, u16, u32};

/// The sub-TLVs of TLV 17 (SECv3.0 Annex A).
pub(super) const PRIVACY: &[Definition] = &[
    u32(1, "AuthTimeout", "Authorize Wait Timeout").of(1, 30),
    u32(2, "ReAuthTimeout", "Reauthorize Wait Timeout").of(1, 30),
    u32(3, "AuthGraceTime", "Authorization Grace Time").of(1, 6_047_999),
    u32(4, "OperTimeout", "Operational Wait Timeout").of(1, 10),
    u32(5, "ReKeyTimeout", "Rekey Wait Timeout").of(1, 10),
    u32(6, "TEKGraceTime", "TEK Grace Time").of(1, 302_399),
    u32(7, "AuthRejectTimeout", "Authorize Reject Wait Timeout").of(1, 600),
    u32(8, "SAMapWaitTimeout", "SA Map Wait Timeout").of(1, 10),
    u32(9, "SAMapMaxRetries", "SA Map Max Retries").of(0, 10),
];

/// The sub-TLVs of TLV 34 (MULPI 3.1 C.1.2.9).
pub(super) const KICKSTART: &[Definition] = &[
    text(1, "SnmpV3SecurityName", "SNMPv3 Kickstart Security Name").of(1, 16),
    hex(2, "SnmpV3MgrPublicNumber", "SNMPv3 Kickstart Manager Public Number").of(1, 255),
];

/// The sub-TLVs of TLV 38 (MULPI 3.1 C.1.2.12).
pub(super) const RECEIVER: &[Definition] = &[
    Definition::new(
        1,
        Form::Ipv4,
        "SnmpV3TrapRxIP",
        "SNMPv3 Notification Receiver IPv4 Address",
    ),
    u16(2, "SnmpV3TrapRxPort", "SNMPv3 Notification Receiver UDP Port Number"),
    u16(3, "SnmpV3TrapRxType", "SNMPv3 Notification Receiver Trap Type").of(1, 5),
    u16(4, "SnmpV3TrapRxTimeout", "SNMPv3 Notification Receiver Timeout"),
    u16(5, "SnmpV3TrapRxRetries", "SNMPv3 Notification Receiver Retries"),
    Definition::new(
        6,
        Form::Oid,
        "SnmpV3TrapRxFilterOID",
        "Notification Receiver Filtering Parameters",
    ),
    text(7, "SnmpV3TrapRxSecurityName", "Notification Receiver Security Name").of(1, 16),
    Definition::new(
        8,
        Form::Ipv6,
        "SnmpV3TrapRxIP6",
        "SNMPv3 Notification Receiver IPv6 Address",
    ),
];

/// The sub-TLVs of TLV 41 (MULPI 3.1 C.1.1.22).
pub(super) const CHANNELS: &[Definition] = &[
    group(
        1,
        "SingleDsChannel",
        "Single Downstream Channel",
        &[
            u16(1, "SingleDsTimeout", "Single Downstream Channel Timeout"),
            u32(2, "SingleDsFrequency", "Single Downstream Channel Frequency"),
            u8(3, "SingleDsType", "Single Downstream Channel Type").ours(),
        ],
    ),
    group(
        2,
        "DsFreqRange",
        "Downstream Frequency Range",
        &[
            u16(1, "DsFreqRangeTimeout", "Downstream Frequency Range Timeout"),
            u32(2, "DsFreqRangeStart", "Downstream Frequency Range Start"),
            u32(3, "DsFreqRangeEnd", "Downstream Frequency Range End"),
            u32(4, "DsFreqRangeStepSize", "Downstream Frequency Range Step Size"),
            u8(5, "DsFreqRangeType", "Downstream Frequency Range Type").ours(),
        ],
    ),
    u16(3, "DefaultScanTimeout", "Default Scanning Timeout"),
];

/// The sub-TLVs of TLV 45 (registry §11.1.2.2).
pub(super) const UNENCRYPTED: &[Definition] = &[
    flag(1, "DUTControl", "Downstream Unencrypted Traffic (DUT) Control"),
    hex(2, "DUTCMIM", "Downstream Unencrypted Traffic (DUT) CMIM"),
];

/// The sub-TLVs of TLV 53 (registry §11.1.6).
pub(super) const COEXISTENCE: &[Definition] = &[
    text(1, "SNMPv1v2cCommunityName", "SNMPv1v2c Community Name"),
    group(
        2,
        "SNMPv1v2cTransportAddressAccess",
        "SNMPv1v2c Transport Address Access",
        &[
            Definition::new(
                1,
                Form::IpPort,
                "SNMPv1v2cTransportAddress",
                "SNMPv1v2c Transport Address",
            ),
            Definition::new(
                2,
                Form::IpPort,
                "SNMPv1v2cTransportAddressMask",
                "SNMPv1v2c Transport Address Mask",
            ),
        ],
    ),
    u8(3, "SNMPv1v2cAccessViewType", "SNMPv1v2c Access View Type").of(1, 2),
    text(4, "SNMPv1v2cAccessViewName", "SNMPv1v2c Access View Name"),
];

/// The sub-TLVs of TLV 54.
pub(super) const ACCESS_VIEW: &[Definition] = &[
    text(1, "SNMPv3AccessViewName", "SNMPv3 Access View Name"),
    Definition::new(2, Form::Oid, "SNMPv3AccessViewSubtree", "SNMPv3 Access View Subtree"),
    hex(3, "SNMPv3AccessViewMask", "SNMPv3 Access View Mask").of(0, 16),
    u8(4, "SNMPv3AccessViewType", "SNMPv3 Access View Type").of(1, 2),
];

/// The sub-TLVs of TLV 56 (MULPI 3.1 C.1.1.25).
pub(super) const ASSIGNMENT: &[Definition] = &[
    u8(1, "CaTransmit", "Transmit Channel Assignment"),
    u32(2, "CaReceive", "Receive Channel Assignment"),
];

/// The sub-TLVs of TLV 64 of a cable modem's file (MULPI 3.1 C.1.1.27).
pub(super) const MULTICAST: &[Definition] = &[
    Definition::new(
        1,
        Form::Ip,
        "CMTSStaticMulticastSessionGroup",
        "Static Multicast Group Encoding",
    ),
    Definition::new(
        2,
        Form::Ip,
        "CMTSStaticMulticastSessionSource",
        "Static Multicast Source Encoding",
    ),
    hex(3, "CMTSStaticMulticastSessionCMIM", "Static Multicast CMIM Encoding"),
];

/// The sub-TLVs of TLV 65 (registry §11.1.2.3).
pub(super) const AGING: &[Definition] = &[flag(1, "L2VPNMACAgingMode", "L2VPN MAC Aging Mode")];

/// The sub-TLVs of TLV 69 (MULPI 3.1 C.1.2.18).
pub(super) const LEARNING: &[Definition] = &[
    flag(1, "MACAddressLearningControl", "MAC Address Learning Control"),
    u8(
        2,
        "MACAddressLearningHoldoffTimer",
        "MAC Address Learning Holdoff Timer",
    )
    .of(0, 10),
];

/// The sub-TLVs of TLV 73 (MULPI 3.1 C.1.2.19).
pub(super) const TIMING: &[Definition] = &[
    u16(1, "NetworkTimingProfileReference", "Network Timing Profile Reference").of(1, 65535),
    text_zero(2, "NetworkTimingProfileName", "Network Timing Profile Name").of(2, 16),
];

/// The sub-TLVs of TLV 79 (MULPI 3.1 C.3.3).
pub(super) const PORTS: &[Definition] = &[
    hex(1, "ContextCMIM", "Context CMIM"),
    flag(2, "UNIAdminStatus", "UNI Admin Status"),
    flag(3, "UNIAutoNegotiationStatus", "UNI Auto-Negotiation Status"),
    u8(4, "UNIOperatingSpeed", "UNI Operating Speed").of(0, 6),
    u8(5, "UNIDuplex", "UNI Duplex").of(0, 2),
    flag(6, "EEEStatus", "EEE Status"),
    u16(7, "MaximumFrameSize", "Maximum Frame Size"),
    flag(8, "PowerOverEthernetStatus", "Power over Ethernet Status"),
    flag(9, "MediaType", "Media Type"),
];

/// The sub-TLVs of TLV 202 (eRouter Annex B.4).
pub(super) const ROUTER: &[Definition] = &[
    u8(1, "InitializationMode", "eRouter Initialization Mode Encoding").of(0, 4),
    group(
        2,
        "TR69ManagementServer",
        "TR-069 Management Server",
        &[
            flag(1, "EnableCWMP", "EnableCWMP"),
            text(2, "URL", "URL parameter"),
            text(3, "Username", "Username parameter"),
            text(4, "Password", "Password parameter"),
            text(5, "ConnectionRequestUsername", "Connection Request Username"),
            text(6, "ConnectionRequestPassword", "Connection Request Password"),
            flag(7, "ACSOverride", "ACSOverride"),
        ],
    ),
    flag(3, "InitializationModeOverride", "eRouter Initialization Mode Override"),
    u16(
        10,
        "RATransmissionInterval",
        "Router Advertisement (RA) Transmission Interval",
    )
    .of(3, 1800),
    Definition::new(11, Form::VarBind, "SnmpMibObject", "SNMP MIB Object"),
    text(
        12,
        "IPMulticastConfigurationServer",
        "IP Multicast Configuration Server",
    )
    .ours(),
    u8(13, "LinkIDControl", "Link-ID Control").ours(),
    u8(42, "TopologyModeEncoding", "Topology Mode Encoding").of(1, 2),
    Definition::new(
        43,
        Form::Extension(VENDOR),
        "VendorSpecific",
        "Vendor Specific Information",
    ),
    group(
        53,
        "SNMPv1v2cCoexistenceConfig",
        "SNMPv1v2c Coexistence Configuration",
        COEXISTENCE,
    ),
    group(
        54,
        "SNMPv3AccessViewConfiguration",
        "SNMPv3 Access View Configuration",
        ACCESS_VIEW,
    ),
];

/// The sub-TLVs of TLV 217 (DSG host).
pub(super) const SET_TOP: &[Definition] = &[
    u8(1, "IpModeControl", "IP Mode Control").of(0, 2),
    group(
        53,
        "Snmpv1v2Settings",
        "SNMPv1v2c Coexistence Configuration",
        &[text(1, "Snmpv1v2CommunityName", "SNMPv1v2c Community Name").of(1, 32)],
    ),
];
