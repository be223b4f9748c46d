//! Kerberized key management (SNMPv3 DOI).
