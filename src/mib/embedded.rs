//! The modules of mibs/, within the binary.

macro_rules! modules {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../mibs/", $name, ".mib")))),*]
    };
}

/// The name and the text of each module.
pub(super) const MODULES: &[(&str, &str)] = modules![
    "CL-PKTC-EUE-DEV-MIB",
    "CL-PKTC-EUE-EDVA-MIB",
    "CL-PKTC-EUE-EVENT-MIB",
    "CL-PKTC-EUE-PROV-MGMT-MIB",
    "CL-PKTC-EUE-RST-MIB",
    "CL-PKTC-EUE-TC-MIB",
    "CL-PKTC-EUE-USER-MIB",
    "CLAB-DEF-MIB",
    "CLAB-TOPO-MIB",
    "DIFFSERV-DSCP-TC",
    "DOCS-BPI2-MIB",
    "DOCS-CABLE-DEVICE-MIB",
    "DOCS-CABLE-DEVICE-TRAP-MIB",
    "DOCS-IETF-BPI2-MIB",
    "IF-MIB",
    "INET-ADDRESS-MIB",
    "PKTC-EN-MTA-MIB",
    "PKTC-EN-SIG-MIB",
    "PKTC-ES-IPTAP-MIB",
    "PKTC-ES-TAP-MIB",
    "PKTC-EVENT-MIB",
    "PKTC-EXCENTIS-MTA-MIB",
    "PKTC-IETF-EVENT-MIB",
    "PKTC-IETF-MTA-MIB",
    "PKTC-IETF-SIG-MIB",
    "PKTC-MTA-MIB",
    "PKTC-SEC-MIB",
    "PKTC-SIG-MIB",
    "SNMP-COMMUNITY-MIB",
    "SNMP-FRAMEWORK-MIB",
    "SNMP-NOTIFICATION-MIB",
    "SNMP-TARGET-MIB",
    "SNMP-USER-BASED-SM-MIB",
    "SNMP-VIEW-BASED-ACM-MIB",
    "SNMPv2-MIB",
    "SYSAPPL-MIB",
    "SYSLOG-TC-MIB",
    "URI-TC-MIB",
];
