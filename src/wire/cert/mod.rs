//! Certificates: the PacketCable device and service provider profiles.
//!
//! Chains are verified here link by link, each signature over the issuer's tbsCertificate octets, and not by OpenSSL's
//! own chain builder: that one refuses what is in the field (SHA-1, RSA of 1024 bits, expired roots, missing extensions)
//! at settings that cannot be told apart. Sources: fact sheet security §5, profile P19 and P35.

mod certificate;
mod chain;
pub(crate) mod der;
mod device;
mod error;
pub mod issue;
mod pem;
mod policy;
mod provider;
mod revocation;
#[cfg(test)]
mod revocation_tests;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use certificate::{Certificate, Constraints};
pub(crate) use chain::parse_all;
pub use chain::{MAX_AUTHORITIES, MAX_CERTIFICATES, TrustAnchors, VerifiedPath};
pub(crate) use device::mac_of;
pub use device::{ChainCache, DeviceIdentity, NoCache, VerifiedDevice, chain_key};
pub use error::CertError;
pub use pem::{PemError, certificates_from_pem, certificates_to_pem, crls_from_file, key_from_pem, key_to_pem};
pub use policy::{CertPolicy, CertWarning, ExpiryPolicy};
pub use provider::{KDC_PURPOSE, PKINIT_SAN, ProviderIdentity, check_kdc_purpose, names_kdc_of};
pub use revocation::{
    CrlError, ManufacturerName, MissingPolicy, RevocationList, RevocationLists, RevokedManufacturers, StalePolicy,
};
