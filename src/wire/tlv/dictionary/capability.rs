//! TLV 5: what a modem can do. It travels in registration; files hold it for tests alone.

use super::{Definition, Form, flag, group, hex, mac, u8, u16, u32};

/// The sub-TLVs of TLV 5 (registry §11.1.1).
pub(super) const MODEM: &[Definition] = &[
    flag(1, "ConcatenationSupport", "Concatenation Support"),
    u8(2, "ModemDocsisVersion", "DOCSIS Version").of(0, 5),
    flag(3, "FragmentationSupport", "Fragmentation Support"),
    flag(4, "PHSSupport", "Payload Header Suppression Support"),
    flag(5, "IGMPSupport", "IGMP Support"),
    flag(6, "BaselinePrivacySupport", "Privacy Support"),
    u8(7, "DownstreamSAIDSupport", "Downstream SAID Support"),
    u8(8, "UpstreamSIDSupport", "Upstream Service Flow Support"),
    u8(9, "OptionalFilteringSupport", "Optional Filtering Support"),
    u8(
        10,
        "TransmitPreEqualizerTapsPerModulationInterval",
        "Transmit Pre-Equalizer Taps",
    )
    .of(1, 4),
    u8(
        11,
        "NumberofTransmitEqualizerTaps",
        "Number of Transmit Pre-Equalizer Taps",
    )
    .of(8, 64),
    flag(12, "DCCSupport", "DCC Support"),
    u16(13, "IPFiltersSupport", "IP Filters Support").of(64, 65535),
    u16(14, "LLCFiltersSupport", "LLC Filters Support").of(10, 65535),
    flag(15, "ExpandedUnicastSIDSpace", "Expanded Unicast SID Space"),
    hex(16, "RangingHoldOffSupport", "Ranging Hold-off Support").exactly(4),
    flag(17, "L2VPNCapability", "L2VPN Capability"),
    hex(18, "L2VPNeSAFEHostCapability", "L2VPN eSAFE Host Capability"),
    flag(
        19,
        "DUTFilteringSupport",
        "Downstream Unencrypted Traffic (DUT) Filtering",
    ),
    u8(20, "UpstreamFrequencyRangeSupport", "Upstream Frequency Range Support").of(0, 2),
    u8(21, "UpstreamSymbolRateSupport", "Upstream SC-QAM Symbol Rate Support"),
    flag(
        22,
        "SelectableActiveCodeMode2Support",
        "Selectable Active Code Mode 2 Support",
    ),
    flag(23, "CodeHoppingMode2Support", "Code Hopping Mode 2 Support"),
    u8(
        24,
        "MultipleTransmitChannelSupport",
        "Multiple Transmit SC-QAM Channel Support",
    ),
    u8(
        25,
        "M512MspsUpstreamTransmitChannel",
        "5.12 Msps Upstream Transmit SC-QAM Channel Support",
    ),
    u8(
        26,
        "M256MspsUpstreamTransmitChannel",
        "2.56 Msps Upstream Transmit SC-QAM Channel Support",
    ),
    u8(27, "TotalSIDClusterSupport", "Total SID Cluster Support"),
    u8(28, "SIDClustersPerServiceFlow", "SID Clusters per Service Flow Support").of(2, 8),
    u8(
        29,
        "MultipleReceiveChannelSupport",
        "Multiple Receive SC-QAM Channel Support",
    ),
    u8(
        30,
        "TotalDownstreamServiceIDSupport",
        "Total Downstream Service ID (DSID) Support",
    )
    .of(32, 255),
    u8(
        31,
        "ResequencingDownstreamServiceID",
        "Resequencing Downstream Service ID (DSID) Support",
    )
    .of(16, 255),
    u8(
        32,
        "MulticastDownstreamServiceID",
        "Multicast Downstream Service ID (DSID) Support",
    )
    .of(16, 255),
    u8(33, "MulticastDSIDForwarding", "Multicast DSID Forwarding").of(0, 2),
    flag(
        34,
        "FrameControlTypeForwarding",
        "Frame Control Type Forwarding Capability",
    ),
    u8(35, "DPVCapability", "DPV Capability"),
    u8(
        36,
        "UnsolicitedGrantServiceSupport",
        "Unsolicited Grant Service/Upstream Service Flow Support",
    ),
    flag(37, "MAPandUCDReceiptSupport", "MAP and UCD Receipt Support"),
    u16(38, "UpstreamDropClassifierSupport", "Upstream Drop Classifier Support").of(64, 65535),
    flag(39, "IPv6Support", "IPv6 Support"),
    u8(
        40,
        "ExtendedUpstreamTransmitPower",
        "Extended Upstream Transmit Power Capability",
    )
    .of(0, 244),
    hex(
        41,
        "MPLSClassificationSupport",
        "Optional 802.1ad, 802.1ah, MPLS Classification Support",
    )
    .exactly(4),
    hex(42, "DONUCapabilitiesEncoding", "D-ONU Capabilities"),
    hex(44, "EnergyManagementCapabilities", "Energy Management Capabilities").exactly(4),
    hex(45, "CDOCSISCapabilityEncoding", "C-DOCSIS Capability Encoding"),
    flag(46, "CMSTATUSACK", "CM-STATUS-ACK"),
    u32(47, "EnergyManagementPreferences", "Energy Management Preferences").ours(),
    u16(
        48,
        "ExtendedPacketLengthSupport",
        "Extended Packet Length Support Capability",
    )
    .ours(),
    u8(
        49,
        "MultipleReceiveOFDMChannelSupport",
        "Multiple Receive OFDM Channel Support",
    )
    .ours(),
    u8(
        50,
        "MultipleTransmitOFDMAChannelSupport",
        "Multiple Transmit OFDMA Channel Support",
    )
    .ours(),
    u8(51, "DownstreamOFDMProfileSupport", "Downstream OFDM Profile Support").ours(),
    u16(
        52,
        "DownstreamOFDMQAMSupport",
        "Downstream OFDM Channel Subcarrier QAM Modulation Support",
    )
    .ours(),
    u16(
        53,
        "UpstreamOFDMAQAMSupport",
        "Upstream OFDMA Channel Subcarrier QAM Modulation Support",
    )
    .ours(),
    u8(
        54,
        "DownstreamLowerBandEdge",
        "Downstream Lower Band Edge Configuration",
    )
    .ours(),
    u8(
        55,
        "DownstreamUpperBandEdge",
        "Downstream Upper Band Edge Configuration",
    )
    .ours(),
    u8(
        56,
        "DiplexerUpstreamUpperBandEdge",
        "Diplexer Upstream Upper Band Edge Configuration",
    )
    .ours(),
    u8(57, "DOCSISTimeProtocolMode", "DOCSIS Time Protocol Mode").ours(),
    u8(
        58,
        "DOCSISTimeProtocolPerformance",
        "DOCSIS Time Protocol Performance Support",
    )
    .ours(),
    u16(59, "Pmax", "Pmax").ours(),
    u8(
        60,
        "DiplexerDownstreamLowerBandEdgeOptions",
        "Diplexer Downstream Lower Band Edge Options",
    )
    .ours(),
    u8(
        61,
        "DiplexerDownstreamUpperBandEdgeOptions",
        "Diplexer Downstream Upper Band Edge Options",
    )
    .ours(),
    u8(
        62,
        "DiplexerUpstreamUpperBandEdgeOptions",
        "Diplexer Upstream Upper Band Edge Options",
    )
    .ours(),
    u8(63, "AdvancedBandPlanCapability", "Advanced Band Plan Capability").ours(),
    u8(
        74,
        "ExtendedSIDClusterAssignments",
        "Extended Service Flow SID Cluster Assignments Support",
    )
    .ours(),
    u8(76, "LowLatencySupport", "Low Latency Support").ours(),
    u8(
        77,
        "AbsoluteQueueDepthRequestSupport",
        "Absolute Queue-Depth Request Support",
    )
    .ours(),
    u8(78, "DistributedHQoSSupport", "Distributed HQoS Support").ours(),
];

/// TLV 84: band edges as numbers of the options (MULPI 3.1 C.1.2.23).
pub(super) const DIPLEXER: &[Definition] = &[
    u8(1, "DiplexerUpstreamUpperBandEdge", "Diplexer Upstream Upper Band Edge").of(0, 4),
    flag(
        2,
        "DiplexerDownstreamLowerBandEdge",
        "Diplexer Downstream Lower Band Edge",
    ),
    u8(
        3,
        "DiplexerDownstreamUpperBandEdge",
        "Diplexer Downstream Upper Band Edge",
    )
    .of(0, 2),
];

/// TLV 96: band edges in MHz (DOCSIS 4.0).
pub(super) const ADVANCED_DIPLEXER: &[Definition] = &[
    u16(
        1,
        "AdvDiplexerUpstreamUpperBandEdge",
        "Advanced Diplexer Upstream Upper Band Edge",
    ),
    u16(
        2,
        "AdvDiplexerDownstreamLowerBandEdge",
        "Advanced Diplexer Downstream Lower Band Edge",
    ),
    u16(
        3,
        "AdvDiplexerDownstreamUpperBandEdge",
        "Advanced Diplexer Downstream Upper Band Edge",
    ),
];

/// TLV 74: when a modem may sleep (MULPI 3.1 C.1.1.30).
pub(super) const ENERGY: &[Definition] = &[
    u32(1, "EnergyManagementFeatureControl", "Energy Management Feature Control").of(0, 3),
    group(2, "EnergyManagement1x1Mode", "Energy Management 1x1 Mode", ACTIVITY),
    u16(3, "EnergyManagementCyclePeriod", "Energy Management Cycle Period"),
    group(4, "EnergyManagementDLSMode", "DOCSIS Light Sleep Mode", ACTIVITY),
];

const ACTIVITY: &[Definition] = &[
    group(
        1,
        "DownstreamActivityDetectionParameters",
        "Downstream Activity Detection Parameters",
        &[
            u32(
                1,
                "DownstreamEntryBitrateThreshold",
                "Downstream Entry Bitrate Threshold",
            ),
            u16(2, "DownstreamEntryTimeThreshold", "Downstream Entry Time Threshold").of(1, 65535),
            u32(3, "DownstreamExitBitrateThreshold", "Downstream Exit Bitrate Threshold"),
            u16(4, "DownstreamExitTimeThreshold", "Downstream Exit Time Threshold").of(1, 65535),
        ],
    ),
    group(
        2,
        "UpstreamActivityDetectionParameters",
        "Upstream Activity Detection Parameters",
        &[
            u32(1, "UpstreamEntryBitrateThreshold", "Upstream Entry Bitrate Threshold"),
            u16(2, "UpstreamEntryTimeThreshold", "Upstream Entry Time Threshold").of(1, 65535),
            u32(3, "UpstreamExitBitrateThreshold", "Upstream Exit Bitrate Threshold"),
            u16(4, "UpstreamExitTimeThreshold", "Upstream Exit Time Threshold").of(1, 65535),
        ],
    ),
];

/// TLV 101: synchronisation (DOCSIS SYNC).
pub(super) const SYNC: &[Definition] = &[
    u8(1, "PTPMasterClockEnable", "PTP Master Clock Enable").of(1, 2),
    u8(2, "PTPProfileConfiguration", "PTP Profile Configuration").of(0, 3),
    u8(
        3,
        "PTPMaxNumberofClockSlavesConfiguration",
        "PTP Maximum Number of Clock Slaves",
    ),
    u8(4, "SyncEClockEnable", "SyncE Clock Enable").of(1, 2),
];

/// TLV 102: addresses of the precision time protocol (DOCSIS SYNC).
pub(super) const PTP: &[Definition] = &[
    Definition::new(1, Form::Ip, "PTPSourceIPAddressConfiguration", "PTP Source IP Address"),
    Definition::new(2, Form::Ip, "CMTSPTPIPAddressConfiguration", "CMTS PTP IP Address"),
    mac(
        3,
        "PTPDestMulticastMACAddressConfiguration",
        "PTP Destination Multicast MAC Address",
    ),
];
