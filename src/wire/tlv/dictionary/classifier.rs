//! TLVs 22, 23 and 60: which packets a service flow takes, and TLV 26: which headers are suppressed.

use super::extension::EXTENSION;
use super::{Definition, ERRORS, Form, flag, group, hex, mac, u8, u16, u32};

/// The sub-TLVs of TLVs 22 and 23 (registry §11.1.4).
pub(super) const CLASSIFIER: &[Definition] = &[
    u8(1, "ClassifierRef", "Classifier Reference").of(1, 255),
    u16(2, "ClassifierId", "Classifier Identifier").of(1, 65535),
    u16(3, "ServiceFlowRef", "Service Flow Reference").of(1, 65535),
    u32(4, "ServiceFlowId", "Service Flow Identifier").of(1, u32::MAX),
    u8(5, "RulePriority", "Rule Priority"),
    flag(6, "ActivationState", "Classifier Activation State"),
    u8(7, "DscAction", "Dynamic Service Change Action").of(0, 2),
    group(8, "ClassifierErrors", "Classifier Error Encodings", ERRORS).ours(),
    group(9, "IpPacketClassifier", "IPv4 Packet Classification Encodings", IPV4),
    group(
        10,
        "LLCPacketClassifier",
        "Ethernet LLC Packet Classification Encodings",
        ETHERNET,
    ),
    group(
        11,
        "IEEE802Classifier",
        "IEEE 802.1P/Q Packet Classification Encodings",
        TAG,
    ),
    group(
        12,
        "PcIPv6PacketClassification",
        "IPv6 Packet Classification Encodings",
        IPV6,
    ),
    hex(13, "PcCMIMEncoding", "CM Interface Mask (CMIM) Encoding"),
    group(
        14,
        "STagCTagFrameClassification",
        "[IEEE 802.1ad] S-VLAN Packet Classification Encodings",
        STAG,
    ),
    group(
        15,
        "IEEE8021ahPacketClassification",
        "[IEEE 802.1ah] I-TAG Packet Classification Encodings",
        ITAG,
    ),
    group(
        16,
        "ICMPv4ICMPv6PacketClassification",
        "ICMPv4/ICMPv6 Packet Classification Encodings",
        ICMP,
    ),
    group(17, "MPLSClassificationEncoding", "MPLS Classification Encodings", MPLS),
    Definition::new(
        43,
        Form::Extension(EXTENSION),
        "VendorSpecific",
        "Vendor-specific Classifier Parameters",
    ),
];

const IPV4: &[Definition] = &[
    hex(1, "IpTos", "IPv4 Type of Service Range and Mask").exactly(3),
    u16(2, "IpProto", "IP Protocol").of(0, 257),
    Definition::new(3, Form::Ipv4, "IpSrcAddr", "IPv4 Source Address"),
    Definition::new(4, Form::Ipv4, "IpSrcMask", "IPv4 Source Mask"),
    Definition::new(5, Form::Ipv4, "IpDstAddr", "IPv4 Destination Address"),
    Definition::new(6, Form::Ipv4, "IpDstMask", "IPv4 Destination Mask"),
    u16(7, "SrcPortStart", "TCP/UDP Source Port Start"),
    u16(8, "SrcPortEnd", "TCP/UDP Source Port End"),
    u16(9, "DstPortStart", "TCP/UDP Destination Port Start"),
    u16(10, "DstPortEnd", "TCP/UDP Destination Port End"),
];

const ETHERNET: &[Definition] = &[
    Definition::new(1, Form::MacMask, "DstMacAddress", "Destination MAC Address"),
    mac(2, "SrcMacAddress", "Source MAC Address"),
    hex(3, "EtherType", "Ethertype/DSAP/Mac Type").exactly(3),
    hex(4, "SlowProtocolSubtype", "Slow Protocol Subtype").ours(),
];

const TAG: &[Definition] = &[
    Definition::new(1, Form::OctetList, "UserPriority", "IEEE 802.1P User Priority"),
    u16(2, "VlanID", "IEEE 802.1Q VLAN_ID"),
];

const IPV6: &[Definition] = &[
    hex(1, "PcIPv6TrafficClassRangeAndMask", "IPv6 Traffic Class").exactly(3),
    hex(2, "PcIPv6FlowLabel", "IPv6 Flow Label").exactly(4),
    u16(3, "PcIPv6NextHeaderType", "IPv6 Next Header Type").of(0, 257),
    Definition::new(4, Form::Ipv6, "PcIPv6SourceAddress", "IPv6 Source Address"),
    u8(5, "PcIPv6SourcePrefixLength", "IPv6 Source Prefix Length (bits)").of(0, 128),
    Definition::new(6, Form::Ipv6, "PcIPv6DestAddress", "IPv6 Destination Address"),
    u8(7, "PcIPv6DestPrefixLength", "IPv6 Destination Prefix Length (bits)").of(0, 128),
];

const STAG: &[Definition] = &[
    hex(1, "STPID", "[IEEE 802.1ad] S-TPID").exactly(2),
    hex(2, "SVID", "[IEEE 802.1ad] S-VID").exactly(2),
    hex(3, "SPCP", "[IEEE 802.1ad] S-PCP").exactly(1),
    hex(4, "SDEI", "[IEEE 802.1ad] S-DEI").exactly(1),
    hex(5, "CTPID", "[IEEE 802.1ad] C-TPID").exactly(2),
    hex(6, "CVID", "[IEEE 802.1ad] C-VID").exactly(2),
    hex(7, "CPCP", "[IEEE 802.1ad] C-PCP").exactly(1),
    hex(8, "CCFI", "[IEEE 802.1ad] C-CFI").exactly(1),
    hex(9, "STCI", "[IEEE 802.1ad] S-TCI").exactly(2),
    hex(10, "CTCI", "[IEEE 802.1ad] C-TCI").exactly(2),
];

const ITAG: &[Definition] = &[
    hex(1, "ITPID", "[IEEE 802.1ah] I-TPID").exactly(2),
    hex(2, "ISID", "[IEEE 802.1ah] I-SID").exactly(3),
    hex(3, "ITCI", "[IEEE 802.1ah] I-TCI").exactly(5),
    hex(4, "IPCP", "[IEEE 802.1ah] I-PCP").exactly(1),
    hex(5, "IDEI", "[IEEE 802.1ah] I-DEI").exactly(1),
    hex(6, "IUCA", "[IEEE 802.1ah] I-UCA").exactly(1),
    hex(7, "BTPID", "[IEEE 802.1ah] B-TPID").exactly(2),
    hex(8, "BTCI", "[IEEE 802.1ah] B-TCI").exactly(2),
    hex(9, "BPCP", "[IEEE 802.1ah] B-PCP").exactly(1),
    hex(10, "BDEI", "[IEEE 802.1ah] B-DEI").exactly(1),
    hex(11, "BVID", "[IEEE 802.1ah] B-VID").exactly(2),
    mac(12, "BDA", "[IEEE 802.1ah] B-DA"),
    mac(13, "BSA", "[IEEE 802.1ah] B-SA"),
];

const ICMP: &[Definition] = &[
    u8(1, "ICMPv4ICMPv6TypeStart", "ICMPv4/ICMPv6 Type Start"),
    u8(2, "ICMPv4ICMPv6TypeEnd", "ICMPv4/ICMPv6 Type End"),
];

const MPLS: &[Definition] = &[
    hex(1, "MPLSTCbits", "MPLS TC Bits").exactly(1),
    hex(2, "MPLSLabel", "MPLS Label").exactly(3),
];

/// The sub-TLVs of TLV 60: as TLV 22 without a service flow, under other names in the `docsis` encoder.
pub(super) const DROP: &[Definition] = &[
    u8(1, "ClassifierReference", "Classifier Reference").of(1, 255),
    u16(2, "ClassifierIdentifier", "Classifier Identifier").of(1, 65535),
    u8(5, "RulePriority", "Rule Priority"),
    u8(7, "DynamicServiceChangeAction", "Dynamic Service Change Action").of(0, 2),
    group(8, "ClassifierErrors", "Classifier Error Encodings", ERRORS).ours(),
    group(
        9,
        "IPv4PacketClassification",
        "IPv4 Packet Classification Encodings",
        DROP_IPV4,
    ),
    group(
        10,
        "EthernetLLCPacketClassification",
        "Ethernet LLC Packet Classification Encodings",
        DROP_ETHERNET,
    ),
    group(
        11,
        "IEEE8021PQPacketClassification",
        "IEEE 802.1P/Q Packet Classification Encodings",
        TAG,
    ),
    group(
        12,
        "IPv6PacketClassification",
        "IPv6 Packet Classification Encodings",
        DROP_IPV6,
    ),
    hex(13, "CMInterfaceMaskEncoding", "CM Interface Mask (CMIM) Encoding"),
    group(
        14,
        "STagCTagFrameClassification",
        "[IEEE 802.1ad] S-VLAN Packet Classification Encodings",
        STAG,
    ),
    group(
        15,
        "IEEE8021ahPacketClassification",
        "[IEEE 802.1ah] I-TAG Packet Classification Encodings",
        ITAG,
    ),
    group(
        16,
        "ICMPv4ICMPv6PacketClassification",
        "ICMPv4/ICMPv6 Packet Classification Encodings",
        ICMP,
    ),
    group(17, "MPLSClassificationEncoding", "MPLS Classification Encodings", MPLS),
    Definition::new(
        43,
        Form::Extension(EXTENSION),
        "VendorSpecific",
        "Vendor-specific Classifier Parameters",
    ),
];

const DROP_IPV4: &[Definition] = &[
    hex(1, "IPv4Tos", "IPv4 Type of Service Range and Mask").exactly(3),
    u16(2, "IPProtocol", "IP Protocol").of(0, 257),
    Definition::new(3, Form::Ipv4, "IPv4SourceAddress", "IPv4 Source Address"),
    Definition::new(4, Form::Ipv4, "IPv4SourceMask", "IPv4 Source Mask"),
    Definition::new(5, Form::Ipv4, "IPv4DestinationAddress", "IPv4 Destination Address"),
    Definition::new(6, Form::Ipv4, "IPv4DestinationMask", "IPv4 Destination Mask"),
    u16(7, "SourcePortStart", "TCP/UDP Source Port Start"),
    u16(8, "SourcePortEnd", "TCP/UDP Source Port End"),
    u16(9, "DestinationPortStart", "TCP/UDP Destination Port Start"),
    u16(10, "DestinationPortEnd", "TCP/UDP Destination Port End"),
];

const DROP_ETHERNET: &[Definition] = &[
    Definition::new(1, Form::MacMask, "DestinationMACAddress", "Destination MAC Address"),
    mac(2, "SourceMACAddress", "Source MAC Address"),
    hex(3, "EthertypeDSAPMacType", "Ethertype/DSAP/Mac Type").exactly(3),
    hex(4, "SlowProtocolSubtype", "Slow Protocol Subtype").ours(),
];

const DROP_IPV6: &[Definition] = &[
    hex(1, "IPv6TrafficClassRangeandMask", "IPv6 Traffic Class").exactly(3),
    hex(2, "IPv6FlowLabel", "IPv6 Flow Label").exactly(4),
    u16(3, "IPv6NextHeaderType", "IPv6 Next Header Type").of(0, 257),
    Definition::new(4, Form::Ipv6, "IPv6SourceAddress", "IPv6 Source Address"),
    u8(5, "IPv6SourcePrefixLength", "IPv6 Source Prefix Length (bits)").of(0, 128),
    Definition::new(6, Form::Ipv6, "IPv6DestinationAddress", "IPv6 Destination Address"),
    u8(
        7,
        "IPv6DestinationPrefixLength",
        "IPv6 Destination Prefix Length (bits)",
    )
    .of(0, 128),
];

/// The sub-TLVs of TLV 26 (registry §11.1.5).
pub(super) const SUPPRESSION: &[Definition] = &[
    u8(1, "PHSClassifierRef", "Classifier Reference").of(1, 255),
    u16(2, "PHSClassifierId", "Classifier Identifier").of(1, 65535),
    u16(3, "PHSServiceFlowRef", "Service Flow Reference").of(1, 65535),
    u32(4, "PHSServiceFlowId", "Service Flow Identifier").of(1, u32::MAX),
    u8(5, "PHSDSCAction", "Dynamic Service Change Action").of(0, 3),
    group(6, "PHSErrors", "Payload Header Suppression Error Encodings", ERRORS).ours(),
    hex(7, "PHSField", "Payload Header Suppression Field (PHSF)").of(1, 255),
    u8(8, "PHSIndex", "Payload Header Suppression Index (PHSI)").of(1, 255),
    hex(9, "PHSMask", "Payload Header Suppression Mask (PHSM)").of(1, 255),
    u8(10, "PHSSize", "Payload Header Suppression Size (PHSS)").of(1, 255),
    flag(11, "PHSVerify", "Payload Header Suppression Verification (PHSV)"),
    flag(13, "PHSDBCAction", "Dynamic Bonding Change Action"),
    Definition::new(
        43,
        Form::Extension(EXTENSION),
        "VendorSpecific",
        "Vendor Specific PHS Parameters",
    ),
];
