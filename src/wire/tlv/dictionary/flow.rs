//! TLVs 24, 25, 70, 71, 93 and 94: service flows and their aggregates; TLVs 4 and 72: what came before and what Metro
//! Ethernet has instead.

use super::extension::EXTENSION;
use super::{Definition, ERRORS, Form, flag, group, hex, text_zero, u8, u16, u32};

/// The sub-TLVs of TLV 4, of DOCSIS 1.0.
pub(super) const CLASS_OF_SERVICE: &[Definition] = &[
    u8(1, "ClassID", "Class ID").of(1, 16),
    u32(2, "MaxRateDown", "Maximum Downstream Rate"),
    u32(3, "MaxRateUp", "Maximum Upstream Rate"),
    u8(4, "PriorityUp", "Upstream Channel Priority").of(0, 7),
    u32(5, "GuaranteedUp", "Guaranteed Minimum Upstream Channel Data Rate"),
    u16(6, "MaxBurstUp", "Maximum Upstream Channel Transmit Burst"),
    flag(7, "PrivacyEnable", "Class-of-Service Privacy Enable"),
];

/// The sub-TLVs of TLV 24 (registry §11.1.3).
pub(super) const UPSTREAM: &[Definition] = &[
    u16(1, "UsServiceFlowRef", "Service Flow Reference").of(1, 65535),
    u32(2, "UsServiceFlowId", "Service Flow Identifier").of(1, u32::MAX),
    u16(3, "ServiceIdentifier", "Service Identifier"),
    text_zero(4, "ServiceClassName", "Service Class Name").of(2, 16),
    group(5, "ServiceFlowErrors", "Service Flow Error Encoding", ERRORS).ours(),
    u8(6, "QosParamSetType", "Quality of Service Parameter Set Type"),
    u8(7, "TrafficPriority", "Traffic Priority").of(0, 7),
    u32(8, "MaxRateSustained", "Maximum Sustained Traffic Rate"),
    u32(9, "MaxTrafficBurst", "Maximum Traffic Burst"),
    u32(10, "MinReservedRate", "Minimum Reserved Traffic Rate"),
    u16(11, "MinResPacketSize", "Assumed Minimum Reserved Rate Packet Size"),
    u16(12, "ActQosParamsTimeout", "Timeout for Active QoS Parameters"),
    u16(13, "AdmQosParamsTimeout", "Timeout for Admitted QoS Parameters"),
    u16(14, "MaxConcatenatedBurst", "Maximum Concatenated Burst"),
    u8(15, "SchedulingType", "Service Flow Scheduling Type").of(0, 8),
    hex(16, "RequestOrTxPolicy", "Request/Transmission Policy").exactly(4),
    u32(17, "NominalPollInterval", "Nominal Polling Interval"),
    u32(18, "ToleratedPollJitter", "Tolerated Poll Jitter"),
    u16(19, "UnsolicitedGrantSize", "Unsolicited Grant Size"),
    u32(20, "NominalGrantInterval", "Nominal Grant Interval"),
    u32(21, "ToleratedGrantJitter", "Tolerated Grant Jitter"),
    u8(22, "GrantsPerInterval", "Grants per Interval").of(0, 127),
    hex(23, "IpTosOverwrite", "IP Type Of Service (DSCP) Overwrite").exactly(2),
    u32(24, "UnsolicitedGrantTimeReference", "Unsolicited Grant Time Reference").ours(),
    u8(
        25,
        "MultiplierToContentionWindow",
        "Multiplier to Contention Request Backoff Window",
    )
    .ours(),
    u8(
        26,
        "MultipliertoNumberofBytesRequested",
        "Multiplier to Number of Bytes Requested",
    )
    .of(1, 16),
    u32(27, "UpstreamPeakTrafficRate", "Peak Traffic Rate"),
    hex(
        31,
        "ServiceFlowRequiredAttributeMask",
        "Service Flow Required Attribute Mask",
    )
    .exactly(4),
    hex(
        32,
        "ServiceFlowForbiddenAttributeMask",
        "Service Flow Forbidden Attribute Mask",
    )
    .exactly(4),
    hex(
        33,
        "ServiceFlowAttributeAggregationRuleMask",
        "Service Flow Attribute Aggregation Rule Mask",
    )
    .exactly(4),
    u32(34, "ApplicationIdentifier", "Application Identifier"),
    group(35, "BufferControl", "Buffer Control", BUFFER),
    u16(
        36,
        "UpstreamAggregateServiceFlowReference",
        "Aggregate Service Flow Reference",
    )
    .of(1, 65535),
    u16(
        37,
        "UpstreamMESPReference",
        "Metro Ethernet Service Profile (MESP) Reference",
    )
    .of(1, 65535),
    text_zero(
        39,
        "SFtoIATCProfileNameReference",
        "Service Flow to IATC Profile Name Reference",
    )
    .of(2, 16),
    group(40, "AQMEncodings", "AQM Encodings", AQM),
    u8(41, "DataRateUnitSetting", "Data Rate Unit Setting").of(0, 3),
    Definition::new(
        43,
        Form::Extension(EXTENSION),
        "VendorSpecific",
        "Vendor Specific QoS Parameters",
    ),
    u16(44, "GuaranteedGrantInterval", "Guaranteed Grant Interval (GGI)"),
    u32(45, "GuaranteedGrantRate", "Guaranteed Grant Rate (GGR)"),
    u16(46, "GuaranteedRequestInterval", "Guaranteed Request Interval (GRI)"),
    flag(
        48,
        "AbsoluteQueueDepthRequestEnable",
        "Absolute Queue-Depth Request Enable",
    ),
    flag(49, "PGSActivityDetectionDisable", "PGS Activity Detection Disable"),
];

/// The sub-TLVs of TLV 25.
pub(super) const DOWNSTREAM: &[Definition] = &[
    u16(1, "DsServiceFlowRef", "Service Flow Reference").of(1, 65535),
    u32(2, "DsServiceFlowId", "Service Flow Identifier").of(1, u32::MAX),
    u16(3, "DsServiceIdentifier", "Service Identifier").ours(),
    text_zero(4, "ServiceClassName", "Service Class Name").of(2, 16),
    group(5, "ServiceFlowErrors", "Service Flow Error Encoding", ERRORS).ours(),
    u8(6, "QosParamSetType", "Quality of Service Parameter Set Type"),
    u8(7, "TrafficPriority", "Traffic Priority").of(0, 7),
    u32(8, "MaxRateSustained", "Maximum Sustained Traffic Rate"),
    u32(9, "MaxTrafficBurst", "Maximum Traffic Burst"),
    u32(10, "MinReservedRate", "Minimum Reserved Traffic Rate"),
    u16(11, "MinResPacketSize", "Assumed Minimum Reserved Rate Packet Size"),
    u16(12, "ActQosParamsTimeout", "Timeout for Active QoS Parameters"),
    u16(13, "AdmQosParamsTimeout", "Timeout for Admitted QoS Parameters"),
    u32(14, "MaxDsLatency", "Maximum Downstream Latency"),
    flag(17, "DsResequencing", "Downstream Resequencing"),
    hex(23, "IpTosOverwrite", "IP Type Of Service (DSCP) Overwrite").exactly(2),
    u32(27, "DownstreamPeakTrafficRate", "Peak Traffic Rate"),
    hex(
        31,
        "ServiceFlowRequiredAttributeMask",
        "Service Flow Required Attribute Mask",
    )
    .exactly(4),
    hex(
        32,
        "ServiceFlowForbiddenAttributeMask",
        "Service Flow Forbidden Attribute Mask",
    )
    .exactly(4),
    hex(
        33,
        "ServiceFlowAttributeAggregationRuleMask",
        "Service Flow Attribute Aggregation Rule Mask",
    )
    .exactly(4),
    u32(34, "ApplicationIdentifier", "Application Identifier"),
    group(35, "BufferControl", "Buffer Control", BUFFER),
    u16(
        36,
        "DownstreamAggregateServiceFlowReference",
        "Aggregate Service Flow Reference",
    )
    .of(1, 65535),
    u16(
        37,
        "DownstreamMESPReference",
        "Metro Ethernet Service Profile (MESP) Reference",
    )
    .of(1, 65535),
    text_zero(
        39,
        "SFtoIATCProfileNameReference",
        "Service Flow to IATC Profile Name Reference",
    )
    .of(2, 16),
    group(40, "AQMEncodings", "AQM Encodings", AQM),
    u8(41, "DataRateUnitSetting", "Data Rate Unit Setting").of(0, 3),
    Definition::new(
        43,
        Form::Extension(EXTENSION),
        "VendorSpecific",
        "Vendor Specific QoS Parameters",
    ),
];

const BUFFER: &[Definition] = &[
    u32(1, "MinimumBuffer", "Minimum Buffer"),
    u32(2, "TargetBuffer", "Target Buffer"),
    u32(3, "MaximumBuffer", "Maximum Buffer"),
];

const AQM: &[Definition] = &[
    flag(1, "SFAQMDisable", "AQM Disable"),
    u8(2, "SFAQMLatencyTarget", "AQM Latency Target"),
    u8(3, "AQMAlgorithm", "AQM Algorithm").of(0, 2),
    u16(4, "ImmediateAQMMaxThreshold", "Immediate AQM Max Threshold"),
    u8(
        5,
        "ImmediateAQMRangeExponent",
        "Immediate AQM Range Exponent of Ramp Function",
    )
    .of(0, 25),
    Definition::new(
        6,
        Form::ShortList,
        "LatencyHistogramEncodings",
        "Latency Histogram Encodings",
    )
    .of(1, 15),
];

/// The sub-TLVs of TLV 70.
pub(super) const UPSTREAM_AGGREGATE: &[Definition] = &[
    u16(1, "UpstreamServiceFlowReference", "Aggregate Service Flow Reference").of(1, 65535),
    u32(2, "UpstreamAggregateServiceFlowId", "Aggregate Service Flow Identifier").ours(),
    text_zero(4, "ASFQoSProfileName", "ASF QoS Profile Name").of(2, 16),
    u8(7, "TrafficPriority", "Traffic Priority").of(0, 7),
    u32(8, "MaxRateSustained", "Maximum Sustained Traffic Rate"),
    u32(9, "MaxTrafficBurst", "Maximum Traffic Burst"),
    u32(10, "MinReservedRate", "Minimum Reserved Traffic Rate"),
    u16(11, "MinResPacketSize", "Assumed Minimum Reserved Rate Packet Size"),
    u32(27, "UpstreamPeakTrafficRate", "Peak Traffic Rate"),
    u16(36, "AggregateServiceFlowReference", "Aggregate Service Flow Reference").ours(),
    u16(
        37,
        "UpstreamMESPReference",
        "Metro Ethernet Service Profile (MESP) Reference",
    )
    .of(1, 65535),
    group(
        38,
        "ServiceFlowMatchingCriteria",
        "Service Flow to ASF Matching Criteria",
        MATCHING,
    ),
    u8(41, "DataRateUnitSetting", "Data Rate Unit Setting").of(0, 3),
    group(
        42,
        "LowLatencyAggregateSFEncodings",
        "Low Latency Aggregate Service Flow Encodings",
        LOW_LATENCY,
    ),
    Definition::new(
        43,
        Form::Extension(EXTENSION),
        "VendorSpecific",
        "Vendor Specific QoS Parameters",
    ),
];

/// The sub-TLVs of TLV 71.
pub(super) const DOWNSTREAM_AGGREGATE: &[Definition] = &[
    u16(1, "DownstreamServiceFlowReference", "Aggregate Service Flow Reference").of(1, 65535),
    u32(
        2,
        "DownstreamAggregateServiceFlowId",
        "Aggregate Service Flow Identifier",
    )
    .ours(),
    text_zero(4, "ASFQoSProfileName", "ASF QoS Profile Name").of(2, 16),
    u8(7, "TrafficPriority", "Traffic Priority").of(0, 7),
    u32(8, "MaxRateSustained", "Maximum Sustained Traffic Rate"),
    u32(9, "MaxTrafficBurst", "Maximum Traffic Burst"),
    u32(10, "MinReservedRate", "Minimum Reserved Traffic Rate"),
    u16(11, "MinResPacketSize", "Assumed Minimum Reserved Rate Packet Size"),
    u32(27, "DownstreamPeakTrafficRate", "Peak Traffic Rate"),
    u16(36, "AggregateServiceFlowReference", "Aggregate Service Flow Reference").ours(),
    u16(
        37,
        "DownstreamMESPReference",
        "Metro Ethernet Service Profile (MESP) Reference",
    )
    .of(1, 65535),
    group(
        38,
        "ServiceFlowMatchingCriteria",
        "Service Flow to ASF Matching Criteria",
        MATCHING,
    ),
    u8(41, "DataRateUnitSetting", "Data Rate Unit Setting").of(0, 3),
    group(
        42,
        "LowLatencyAggregateSFEncodings",
        "Low Latency Aggregate Service Flow Encodings",
        LOW_LATENCY,
    ),
    Definition::new(
        43,
        Form::Extension(EXTENSION),
        "VendorSpecific",
        "Vendor Specific QoS Parameters",
    ),
];

const MATCHING: &[Definition] = &[
    u32(
        1,
        "MatchingbyApplicationId",
        "Service Flow to ASF Matching by Application Id",
    ),
    text_zero(
        2,
        "MatchingbyServiceClassName",
        "Service Flow to ASF Matching by Service Class Name",
    )
    .of(2, 16),
    Definition::new(
        3,
        Form::OctetList,
        "MatchingbyTrafficPriorityRange",
        "Service Flow to ASF Matching by Traffic Priority Range",
    )
    .exactly(2),
];

const LOW_LATENCY: &[Definition] = &[
    u16(
        1,
        "LowLatencyServiceFlowReference",
        "Low Latency Service Flow Reference",
    )
    .of(1, 65535),
    u32(
        2,
        "LowLatencyServiceFlowIdentifier",
        "Low Latency Service Flow Identifier",
    )
    .ours(),
    text_zero(3, "ClassicSFSCN", "Classic SF SCN").of(2, 16),
    text_zero(4, "LowLatencySFSCN", "Low Latency SF SCN").of(2, 16),
    u8(5, "AQMCouplingFactor", "AQM Coupling Factor Exponent"),
    u8(6, "SchedulingWeight", "Scheduling Weight").of(1, 255),
    flag(7, "QueueProtectionEnable", "Queue Protection Enable"),
    u16(8, "QPLatencyThreshold", "QPLatencyThreshold (CRITICALqL_us)"),
    u16(
        9,
        "QPQueuingScoreThreshold",
        "QPQueuingScoreThreshold (CRITICALqLSCORE_us)",
    ),
    u8(10, "QPDrainRateExponent", "QPDrainRateExponent (LG_AGING)"),
];

/// The sub-TLVs of TLVs 93 and 94.
pub(super) const ENHANCED_AGGREGATE: &[Definition] = &[
    u16(1, "ServiceFlowReference", "Aggregate Service Flow Reference").of(1, 65535),
    u8(7, "TrafficPriority", "Traffic Priority").of(0, 7),
    u32(8, "MaxSustainedRate", "Maximum Sustained Traffic Rate"),
    u32(9, "MaxTrafficBurst", "Maximum Traffic Burst"),
    u32(10, "MinReservedRate", "Minimum Reserved Traffic Rate"),
    u16(11, "MinResPacketSize", "Assumed Minimum Reserved Rate Packet Size"),
    group(
        47,
        "EnhancedHQoSIntraASFSchedulingEncoding",
        "Enhanced HQoS Intra-ASF Scheduling Encodings",
        &[
            u16(1, "ConstituentSFReference", "Constituent SF Reference").of(1, 65535),
            text_zero(3, "ConstituentSFSCN", "Constituent SF SCN").of(2, 16),
            u8(4, "ConstituentSFPriority", "Constituent SF Priority").of(0, 7),
            u8(5, "ConstituentSFWeight", "Constituent SF Weight"),
        ],
    ),
];

/// The sub-TLVs of TLV 72 (registry §11.1.7).
pub(super) const METRO_ETHERNET: &[Definition] = &[
    u8(1, "MESPReference", "MESP Reference").of(1, 255),
    group(
        2,
        "MESPBandwidthProfile",
        "MESP Bandwidth Profile (MESP-BP)",
        &[
            u32(1, "CIR", "MESP-BP Committed Information Rate"),
            u32(2, "CBR", "MESP-BP Committed Burst Size"),
            u32(3, "EIR", "MESP-BP Excess Information Rate"),
            u32(4, "EBS", "MESP-BP Excess Burst Size"),
            flag(5, "CouplingFlag", "MESP-BP Coupling Flag"),
            group(
                6,
                "ColorMode",
                "MESP-BP Color Mode",
                &[
                    u8(1, "ColorIdentificationField", "MESP-BP-CM Color Identification Field").of(0, 9),
                    hex(
                        2,
                        "ColorIdentificationFieldValue",
                        "MESP-BP-CM Color Identification Field Value",
                    )
                    .exactly(1),
                ],
            ),
            group(
                7,
                "ColorMarking",
                "MESP-BP Color Marking",
                &[
                    u8(1, "ColorMarkingField", "MESP-BP-CR Color Marking Field").of(0, 5),
                    hex(2, "ColorMarkingFieldValue", "MESP-BP-CR Color Marking Field Value").exactly(1),
                ],
            ),
        ],
    ),
    text_zero(3, "MESPName", "MESP Name").of(2, 254),
];
