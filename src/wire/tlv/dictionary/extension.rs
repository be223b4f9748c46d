//! TLV 43 and its like within other TLVs: the DOCSIS extension field, or what a vendor made of it.

use super::l2vpn::L2VPN;
use super::{Definition, Form, flag, group, hex, text, text_zero, u8, u16, u32};

/// What stands in a TLV of a vendor: its OUI, and what only the vendor knows.
pub(in super::super) const VENDOR: &[Definition] = &[hex(8, "VendorIdentifier", "Vendor ID Encoding").exactly(3)];

/// The sub-TLVs of the general extension information, under the OUI FF FF FF (MULPI 3.1 C.1.1.18.1) and within other
/// TLVs.
pub(super) const EXTENSION: &[Definition] = &[
    u32(1, "CMLoadBalancingPolicyID", "CM Load Balancing Policy ID"),
    u32(2, "CMLoadBalancingPriority", "CM Load Balancing Priority"),
    u32(3, "CMLoadBalancingGroupID", "CM Load Balancing Group ID"),
    u16(4, "CMRangingClassIDExtension", "CM Ranging Class ID Extension"),
    group(5, "L2VPNEncoding", "L2VPN Encoding", L2VPN),
    group(
        6,
        "ExtendedCMTSMICConfigurationSetting",
        "Extended CMTS MIC Configuration Setting",
        &[
            u8(1, "ExtendedCMTSMICHMACtype", "Extended CMTS MIC HMAC Type"),
            hex(2, "ExtendedCMTSMICBitmap", "Extended CMTS MIC Bitmap"),
            hex(3, "ExplicitExtendedCMTSMICDigest", "Explicit Extended CMTS MIC Digest"),
        ],
    ),
    group(
        7,
        "SAVAuthorizationEncoding",
        "Source Address Verification (SAV) Authorization Encoding",
        SAV,
    ),
    hex(8, "VendorIdentifier", "Vendor ID Encoding").exactly(3),
    group(9, "CMAttributeMasks", "Cable Modem Attribute Masks", MASKS),
    group(
        10,
        "IPMulticastJoinAuthorization",
        "IP Multicast Join Authorization",
        JOIN,
    ),
    text(11, "ServiceTypeIdentifier", "Service Type Identifier").of(1, 16),
    group(12, "DEMARCAutoConfiguration", "DEMARC Auto-Configuration (DAC)", DEMARC),
];

/// TLV 43 of the file itself: the same, with other names for the settings of 43.6 in the `docsis` encoder.
pub(super) const TOP_EXTENSION: &[Definition] = &[
    u32(1, "CMLoadBalancingPolicyID", "CM Load Balancing Policy ID"),
    u32(2, "CMLoadBalancingPriority", "CM Load Balancing Priority"),
    u32(3, "CMLoadBalancingGroupID", "CM Load Balancing Group ID"),
    u16(4, "CMRangingClassIDExtension", "CM Ranging Class ID Extension"),
    group(5, "L2VPNEncoding", "L2VPN Encoding", L2VPN),
    group(
        6,
        "ExtendedCMTSMICConfiguration",
        "Extended CMTS MIC Configuration Setting",
        &[
            u8(1, "ExtendedCMTSMICHMACDigestType", "Extended CMTS MIC HMAC Type"),
            hex(2, "ExtendedCMTSMICHMACBitmap", "Extended CMTS MIC Bitmap"),
            hex(3, "ExtendedCMTSMICHMACDigest", "Explicit Extended CMTS MIC Digest"),
        ],
    ),
    group(
        7,
        "SAVAuthorizationEncoding",
        "Source Address Verification (SAV) Authorization Encoding",
        SAV,
    ),
    hex(8, "VendorIdentifier", "Vendor ID Encoding").exactly(3),
    group(9, "CMAttributeMasks", "Cable Modem Attribute Masks", MASKS),
    group(
        10,
        "IPMulticastJoinAuthorization",
        "IP Multicast Join Authorization",
        JOIN,
    ),
    text(11, "ServiceTypeIdentifier", "Service Type Identifier").of(1, 16),
    group(12, "DEMARCAutoConfiguration", "DEMARC Auto-Configuration (DAC)", DEMARC),
];

const SAV: &[Definition] = &[
    text(1, "SAVGroupName", "SAV Group Name").of(1, 15),
    group(
        2,
        "SAVStaticPrefixRule",
        "SAV Static Prefix Rule",
        &[
            Definition::new(1, Form::Ip, "SAVStaticPrefixAddress", "SAV Static Prefix Address"),
            u8(2, "SAVStaticPrefixLength", "SAV Static Prefix Length").of(0, 128),
        ],
    ),
];

const MASKS: &[Definition] = &[
    hex(
        1,
        "CMDownstreamRequiredAttributeMask",
        "CM Downstream Required Attribute Mask",
    )
    .exactly(4),
    hex(
        2,
        "CMDownstreamForbiddenAttributeMask",
        "CM Downstream Forbidden Attribute Mask",
    )
    .exactly(4),
    hex(
        3,
        "CMUpstreamRequiredAttributeMask",
        "CM Upstream Required Attribute Mask",
    )
    .exactly(4),
    hex(
        4,
        "CMUpstreamForbiddenAttributeMask",
        "CM Upstream Forbidden Attribute Mask",
    )
    .exactly(4),
];

const JOIN: &[Definition] = &[
    text(1, "IPMulticastProfileName", "IP Multicast Profile Name").of(1, 15),
    group(
        2,
        "IPMulticastJoinAuthStaticSessionRule",
        "IP Multicast Join Authorization Static Session Rule",
        &[
            u8(1, "MulticastRulePriority", "Rule Priority"),
            flag(2, "AuthorizationAction", "Authorization Action"),
            Definition::new(3, Form::Ip, "SourcePrefixAddress", "Source Prefix Address"),
            u8(4, "SourcePrefixLength", "Source Prefix Length").of(0, 128),
            Definition::new(5, Form::Ip, "GroupPrefixAddress", "Group Prefix Address"),
            u8(6, "GroupPrefixLength", "Group Prefix Length").of(0, 128),
        ],
    ),
    u16(3, "MaximumMulticastSessions", "Maximum Multicast Sessions"),
];

const DEMARC: &[Definition] = &[
    flag(1, "DACDisableEnableConfig", "DAC Disable/Enable Configuration"),
    hex(2, "CMIMEncoding", "CMIM Encoding"),
    text_zero(3, "UpstreamServiceClassName", "Upstream Service Class Name").of(2, 16),
    text_zero(4, "DownstreamServiceClassName", "Downstream Service Class Name").of(2, 16),
];
