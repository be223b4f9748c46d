//! Interoperability with real KDCs.
