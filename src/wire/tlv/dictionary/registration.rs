//! TLVs that modem and CMTS exchange when a modem registers. A file holds none of them, as a rule; one that does is shown
//! with their names. (Numbers and sizes as Wireshark's dissector of DOCSIS TLVs has them, packet-docsis-tlv.h, 4.0.)

use super::{Definition, ERRORS, Form, group, hex, mac, text, u8, u16, u32};

/// TLV 46.
pub(super) const TRANSMIT_CHANNEL: &[Definition] = &[
    u8(1, "TCCReference", "TCC Reference").ours(),
    u8(2, "UpstreamChannelAction", "Upstream Channel Action").ours(),
    u8(3, "UpstreamChannelID", "Upstream Channel ID").ours(),
    u8(4, "NewUpstreamChannelID", "New Upstream Channel ID").ours(),
    hex(5, "UpstreamChannelDescriptor", "Upstream Channel Descriptor").ours(),
    u16(6, "RangingSID", "Ranging SID").ours(),
    u8(7, "InitializationTechnique", "Initialization Technique").ours(),
    group(8, "RangingParameters", "Ranging Parameters", RANGING).ours(),
    u8(9, "DynamicRangeWindow", "Dynamic Range Window").ours(),
    u8(10, "P16hi", "P1.6hi").ours(),
    hex(11, "OFDMAUpstreamDataProfile", "Assigned OFDMA Upstream Data Profile").ours(),
    group(254, "TCCErrors", "TCC Error Encodings", ERRORS).ours(),
];

const RANGING: &[Definition] = &[
    u8(1, "RangingReferenceChannelID", "Ranging Reference Channel ID").ours(),
    u32(2, "TimingOffsetInteger", "Timing Offset, Integer Part").ours(),
    u8(3, "TimingOffsetFraction", "Timing Offset, Fractional Part").ours(),
    u8(4, "PowerOffset", "Power Offset").ours(),
    u16(5, "FrequencyOffset", "Frequency Offset").ours(),
];

/// TLV 47.
pub(super) const SID_CLUSTER: &[Definition] = &[
    u32(1, "SIDClusterServiceFlowId", "Service Flow ID").ours(),
    group(
        2,
        "SIDClusterEncoding",
        "SID Cluster Encoding",
        &[
            u8(1, "SIDClusterID", "SID Cluster ID").ours(),
            group(
                2,
                "SIDToChannelMapping",
                "SID-to-Channel Mapping",
                &[
                    u8(1, "UpstreamChannelID", "Upstream Channel ID").ours(),
                    u16(2, "SID", "SID").ours(),
                    u8(3, "SIDToChannelMappingAction", "SID-to-Channel Mapping Action").ours(),
                ],
            )
            .ours(),
        ],
    )
    .ours(),
    group(
        3,
        "SIDClusterSwitchoverCriteria",
        "SID Cluster Switchover Criteria",
        &[
            u8(1, "MaxRequestsPerSIDCluster", "Maximum Requests per SID Cluster").ours(),
            u32(2, "MaxOutstandingBytes", "Maximum Outstanding Bytes per SID Cluster").ours(),
            u32(
                3,
                "MaxTotalBytesRequested",
                "Maximum Total Bytes Requested per SID Cluster",
            )
            .ours(),
            u16(4, "MaxTimeInSIDCluster", "Maximum Time in the SID Cluster").ours(),
        ],
    )
    .ours(),
];

/// TLV 48.
pub(super) const RECEIVE_PROFILE: &[Definition] = &[
    hex(1, "RCPID", "RCP-ID").ours(),
    text(2, "RCPName", "RCP Name").ours(),
    u8(3, "RCPCenterFrequencySpacing", "RCP Center Frequency Spacing").ours(),
    group(4, "ReceiveModule", "Receive Module Capability", MODULE).ours(),
    group(5, "ReceiveChannel", "Receive Channel", CHANNEL).ours(),
    hex(43, "RCPVendorSpecific", "RCP Vendor Specific Parameters").ours(),
];

const MODULE: &[Definition] = &[
    u8(1, "ReceiveModuleIndex", "Receive Module Index").ours(),
    u8(2, "AdjacentChannels", "Adjacent Channels").ours(),
    group(
        3,
        "ChannelBlockRange",
        "Channel Block Range",
        &[
            u32(1, "MinCenterFrequency", "Minimum Center Frequency").ours(),
            u32(2, "MaxCenterFrequency", "Maximum Center Frequency").ours(),
        ],
    )
    .ours(),
    u32(
        4,
        "FirstChannelCenterFrequency",
        "First Channel Center Frequency Assignment",
    )
    .ours(),
    hex(5, "ResequencingChannelSubset", "Resequencing Channel Subset Capability").ours(),
    hex(6, "ReceiveModuleConnectivity", "Receive Module Connectivity").ours(),
    hex(7, "PhysicalLayerParameter", "Physical Layer Parameter").ours(),
];

const CHANNEL: &[Definition] = &[
    u8(1, "ReceiveChannelIndex", "Receive Channel Index").ours(),
    hex(2, "ReceiveChannelConnectivity", "Receive Channel Connectivity").ours(),
    u8(3, "ReceiveChannelOffset", "Receive Channel Connected Offset").ours(),
    u32(
        4,
        "ReceiveChannelCenterFrequency",
        "Receive Channel Center Frequency Assignment",
    )
    .ours(),
    u8(
        5,
        "PrimaryDownstreamIndicator",
        "Receive Channel Primary Downstream Channel Indicator",
    )
    .ours(),
];

/// TLV 49.
pub(super) const RECEIVE_CONFIGURATION: &[Definition] = &[
    hex(1, "AssignedRCPID", "Assigned RCP-ID").ours(),
    group(4, "ReceiveModule", "Receive Module Assignment", MODULE).ours(),
    group(5, "ReceiveChannel", "Receive Channel", CHANNEL).ours(),
    hex(
        6,
        "PartialServiceDownstreamChannels",
        "Partial Service Downstream Channels",
    )
    .ours(),
    group(
        7,
        "SimplifiedReceiveChannelConfiguration",
        "Simplified Receive Channel Configuration",
        &[
            hex(1, "PrimaryDownstreamChannels", "Primary Downstream Channel Assignment").ours(),
            hex(2, "DownstreamChannels", "Downstream Channel Assignment").ours(),
            hex(3, "DownstreamProfiles", "Downstream Profile Assignment").ours(),
        ],
    )
    .ours(),
    u8(8, "PrimaryDownstreamChannel", "Primary Downstream Channel").ours(),
    hex(43, "RCCVendorSpecific", "RCC Vendor Specific Parameters").ours(),
    group(
        254,
        "RCCErrors",
        "RCC Error Encodings",
        &[
            u8(1, "ModuleOrChannel", "Receive Module or Receive Channel").ours(),
            u8(2, "ModuleOrChannelIndex", "Receive Module or Channel Index").ours(),
            u8(3, "ReportedParameter", "Reported Parameter").ours(),
            u8(4, "ErrorCode", "Error Code").ours(),
            text(5, "ErrorMessage", "Error Message").ours(),
        ],
    )
    .ours(),
];

/// TLV 50.
pub(super) const DSID: &[Definition] = &[
    Definition::new(1, Form::Number(3), "DSID", "Downstream Service Identifier (DSID)").ours(),
    u8(2, "DSIDAction", "DSID Action").ours(),
    group(
        3,
        "DownstreamResequencing",
        "Downstream Resequencing Encodings",
        &[
            u8(1, "ResequencingDSID", "Resequencing DSID").ours(),
            hex(2, "ResequencingChannelList", "Downstream Resequencing Channel List").ours(),
            u8(3, "ResequencingWaitTime", "DSID Resequencing Wait Time").ours(),
            u8(4, "ResequencingWarningThreshold", "Resequencing Warning Threshold").ours(),
            u16(5, "StatusHoldOffTimer", "CM-STATUS Maximum Event Hold-Off Timer").ours(),
        ],
    )
    .ours(),
    group(
        4,
        "MulticastEncodings",
        "Multicast Encodings",
        &[
            group(
                1,
                "ClientMACAddress",
                "Client MAC Address Encodings",
                &[
                    u8(1, "ClientMACAddressAction", "Client MAC Address Action").ours(),
                    mac(2, "ClientMACAddressValue", "Client MAC Address").ours(),
                ],
            )
            .ours(),
            hex(2, "MulticastCMIM", "Multicast CM Interface Mask").ours(),
            hex(3, "MulticastGroupMACAddresses", "Multicast Group MAC Addresses").ours(),
            hex(26, "MulticastPHS", "Payload Header Suppression Encodings").ours(),
        ],
    )
    .ours(),
];

/// TLV 51.
pub(super) const SECURITY_ASSOCIATION: &[Definition] = &[
    u8(1, "SAAction", "SA Action").ours(),
    hex(23, "SADescriptor", "SA-Descriptor").ours(),
];
