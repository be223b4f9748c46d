//! SNMP messages and the user-based security model.
