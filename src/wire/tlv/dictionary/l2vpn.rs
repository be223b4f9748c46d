//! TLV 43.5: layer 2 virtual private networks (L2VPN and DPoE specifications, registry §11.1.2.1).

use super::{Definition, Form, VENDOR, flag, group, hex, mac, text, text_zero, u8, u16, u32};

/// The sub-TLVs of TLV 43.5.
pub(super) const L2VPN: &[Definition] = &[
    hex(1, "VPNIdentifier", "VPN Identifier").of(4, 255),
    group(2, "NSIEncapsulation", "NSI encapsulation format", ENCAPSULATION),
    hex(3, "eSAFEDHCPSnooping", "eSAFE DHCP snooping"),
    hex(4, "CMInterfaceMaskCMIMSubtype", "CM Interface Mask subtype"),
    hex(5, "AttachmentGroupID", "Attachment Group ID (AGI)"),
    hex(
        6,
        "SourceAttachmentIndividualID",
        "Source Attachment Individual ID (SAII)",
    ),
    hex(
        7,
        "TargetAttachmentIndividualID",
        "Target Attachment Individual ID (TAII)",
    ),
    u8(8, "IngressUserPriority", "Upstream User Priority subtype").of(0, 7),
    Definition::new(
        9,
        Form::OctetList,
        "UserPriorityRange",
        "Downstream User Priority Range",
    ),
    hex(10, "L2VPNSADescriptorSubtype", "L2VPN SA-Descriptor Subtypes").exactly(14),
    u8(12, "PseudowireType", "Pseudowire Type").of(4, 5),
    flag(13, "L2VPNMode", "L2VPN Mode"),
    group(
        14,
        "TPIDTranslation",
        "Tag Protocol Identifier (TPID) Translation",
        TPID,
    ),
    group(
        15,
        "L2CPProcessing",
        "L2CP Processing",
        &[
            flag(1, "L2CPTunnelMode", "L2CP Tunnel Mode"),
            mac(2, "L2CPDMACAddress", "L2CP D-MAC Address"),
            mac(3, "L2CPOverwrotingDMACAddress", "L2CP L2PT D-MAC Address"),
            hex(4, "L2CPFilter", "L2CP Filter").ours(),
        ],
    ),
    flag(16, "DACDisableEnableConfiguration", "Reserved (formerly DAC)"),
    hex(18, "PseudowireClass", "Pseudowire Class"),
    group(
        19,
        "ServiceDelimiter",
        "Service Delimiter",
        &[
            hex(1, "CVIDDelimiter", "C-VID").exactly(2),
            hex(2, "SVIDDelimiter", "S-VID").exactly(2),
            hex(3, "ISIDDelimiter", "I-SID").exactly(3),
            hex(4, "BVIDDelimiter", "B-VID").exactly(2),
        ],
    ),
    group(
        20,
        "VirtualSwitchInstanceEncoding",
        "VSI Encoding",
        &[
            hex(1, "VPLSClass", "VPLS Class"),
            flag(2, "ETreeRole", "E-Tree Role"),
            hex(3, "ETreeRootVID", "E-Tree Root VID").exactly(2),
            hex(4, "ETreeLeafVID", "E-Tree Leaf VID").exactly(2),
        ],
    ),
    group(
        21,
        "BGPAttribute",
        "BGP Attribute",
        &[
            u32(1, "BGPVPNID", "BGP VPNID"),
            hex(2, "RouteDistinguisher", "Route Distinguisher").exactly(8),
            hex(3, "RouteTargetImport", "Route Target (import)"),
            hex(4, "RouteTargetExport", "Route Target (export)"),
            u16(5, "CEIDVEID", "CE-ID or VE-ID"),
        ],
    ),
    hex(22, "VPNSGAttribute", "VPN-SG Attribute").ours(),
    u8(23, "PseudowireSignaling", "Pseudowire Signaling").of(0, 2),
    group(24, "SOAMSubtype", "L2VPN SOAM Subtype", SOAM),
    u16(25, "NetworkTimingReference", "Network Timing Profile Reference").ours(),
    Definition::new(26, Form::Number(3), "L2VPNDSID", "L2VPN DSID").of(1, 0xf_ffff),
    flag(27, "MultipointEnable", "Multipoint Enable/Disable").ours(),
    Definition::new(
        43,
        Form::Extension(VENDOR),
        "VendorSpecificL2VPNSubtype",
        "Vendor Specific L2VPN Subtype",
    ),
    group(
        254,
        "L2VPNErrors",
        "L2VPN Error Encoding",
        &[
            hex(1, "L2VPNErroredParameter", "L2VPN Errored Parameter").ours(),
            u8(2, "L2VPNConfirmationCode", "L2VPN Confirmation Code").ours(),
            text_zero(3, "L2VPNErrorMessage", "L2VPN Error Message Subtype").ours(),
        ],
    )
    .ours(),
];

const ENCAPSULATION: &[Definition] = &[
    Definition::new(1, Form::Empty, "ServiceMultiplexingValueOther", "Other"),
    u16(2, "NSIEncapsulationSingleQTag", "IEEE 802.1Q").of(0, 4096),
    Definition::new(3, Form::TagPair, "NSIEncapsulationDualQTag", "IEEE 802.1ad"),
    group(
        4,
        "ServiceMultiplexingValueMPLSPW",
        "MPLS PW",
        &[
            u32(1, "MPLSPseudowireID", "MPLS Pseudowire ID"),
            Definition::new(2, Form::TaggedIp, "MPLSPeerIpAddress", "MPLS Peer IP address"),
            u8(3, "MPLSPseudowireType", "Pseudowire Type"),
            u32(4, "MPLSBackupPseudowireID", "MPLS Backup Pseudowire ID"),
            Definition::new(
                5,
                Form::TaggedIp,
                "MPLSBackupPeerIpAddress",
                "MPLS Backup Peer IP address",
            ),
        ],
    ),
    Definition::new(5, Form::TaggedIp, "ServiceMultiplexingValueL2TPv3Peer", "L2TPv3 Peer"),
    group(6, "IEEE8021ahEncapsulation", "IEEE 802.1ah Encapsulation", BACKBONE),
    hex(
        8,
        "ServiceMultiplexingValueIEEE8021adSTPID",
        "16-bit value of [802.1ad] S-TPID",
    )
    .exactly(2),
];

const BACKBONE: &[Definition] = &[
    hex(
        1,
        "ITCIEncapsulation",
        "IEEE 802.1ah Backbone Service Instance Tag (I-Tag) TCI",
    )
    .exactly(4),
    hex(
        2,
        "BDAEncapsulation",
        "IEEE 802.1ah Destination Backbone Edge Bridge (BEB) MAC Address (B-DA)",
    )
    .exactly(6),
    hex(3, "BTCIEncapsulation", "16-bit value of [802.1ah] B-Tag TCI").exactly(2),
    hex(4, "ITPIDEncapsulation", "16-bit value of [802.1ah] I-Tag TPID").exactly(2),
    hex(5, "IPCPEncapsulation", "3 bit I-PCP").exactly(1),
    hex(6, "IDEIEncapsulation", "1 bit I-DEI").exactly(1),
    hex(7, "IUCAEncapsulation", "1 bit I-UCA").exactly(1),
    hex(8, "ISIDEncapsulation", "24-bit value of [802.1ah] I-SID").exactly(3),
    hex(9, "BTPIDEncapsulation", "16-bit value of [802.1ah] B-Tag TPID").exactly(2),
    hex(10, "BPCPEncapsulation", "3 bit B-PCP").exactly(1),
    hex(11, "BDEIEncapsulation", "1 bit B-DEI").exactly(1),
    hex(12, "BVIDEncapsulation", "12-bit value of [802.1ah] B-VID").exactly(2),
];

const TPID: &[Definition] = &[
    hex(1, "UpstreamTPIDTranslation", "Upstream TPID Translation").exactly(2),
    hex(2, "DownstreamTPIDTranslation", "Downstream TPID Translation").exactly(2),
    hex(3, "UpstreamSTPIDTranslation", "Upstream S-TPID Translation").exactly(2),
    hex(4, "DownstreamSTPIDTranslation", "Downstream S-TPID Translation").exactly(2),
    hex(5, "UpstreamBTPIDTranslation", "Upstream B-TPID Translation").exactly(2),
    hex(6, "DownstreamBTPIDTranslation", "Downstream B-TPID Translation").exactly(2),
    hex(7, "UpstreamITPIDTranslation", "Upstream I-TPID Translation").exactly(2),
    hex(8, "DownstreamITPIDTranslation", "Downstream I-TPID Translation").exactly(2),
];

const SOAM: &[Definition] = &[
    group(
        1,
        "MEPConfiguration",
        "MEP Configuration",
        &[
            u8(1, "MDLevel", "MD Level").of(0, 7),
            text(2, "MDName", "MD Name").of(2, 16),
            text(3, "MAName", "MA Name").of(2, 28),
            u16(4, "MEPID", "MEP ID").of(1, 8191),
        ],
    ),
    group(
        2,
        "RemoteMEPConfiguration",
        "Remote MEP Configuration",
        &[
            u8(1, "RemoteMDLevel", "MD Level").of(0, 7),
            text(2, "RemoteMDName", "MD Name").of(2, 16),
            text(3, "RemoteMAName", "MA Name").of(2, 28),
            u16(4, "RemoteMEPID", "MEP ID").of(1, 8191),
        ],
    ),
    group(
        3,
        "FaultManagementConfiguration",
        "Fault Management Configuration",
        &[
            u8(1, "ContinuityCheckMessages", "Continuity Check Messages").of(0, 2),
            flag(2, "LoopbackFunction", "Enable Loopback Reply Messages"),
            flag(3, "LinktraceFunction", "Enable Linktrace Messages"),
        ],
    ),
    group(
        4,
        "PerformanceManagementConfiguration",
        "Performance Management Configuration",
        &[
            group(
                1,
                "FrameDelayMeasurement",
                "Frame Delay Measurement",
                &[
                    flag(1, "FrameDelayMeasurementEnable", "Frame Delay Measurement Enable"),
                    flag(2, "FrameDelayMeasurementOneWayTwoWay", "One-Way or Two-Way"),
                    u16(
                        3,
                        "FrameDelayMeasurementTransmissionPeriodicity",
                        "Transmission Periodicity",
                    ),
                ],
            ),
            group(
                2,
                "FrameLossMeasurement",
                "Frame Loss Measurement",
                &[
                    flag(1, "FrameLossMeasurementEnable", "Frame Loss Measurement Enable"),
                    u16(
                        2,
                        "FrameLossMeasurementTransmissionPeriodicity",
                        "Transmission Periodicity",
                    ),
                ],
            ),
        ],
    ),
];
