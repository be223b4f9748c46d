//! Kerberos messages, encryption types, checksums, keytabs.
