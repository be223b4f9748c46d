//! A user's keys: from a password, localised to an engine, or as key management made them (RFC 3414 §2.6, A.2).

use md5::{Digest, Md5};
use sha1::Sha1;

use super::auth::{AuthKey, AuthProtocol};
use super::privacy::{PrivKey, PrivProtocol};
use crate::value::{EngineId, Secret};

/// How many octets of the repeated password are hashed (RFC 3414 A.2).
const PASSWORD_EXPANSION: usize = 1 << 20;

/// The octets or the password make no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The key has another length.
    #[error("the key has {found} octets instead of {expected}")]
    Length {
        /// How many octets the protocol's key has.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// The password is shorter than the eight characters that RFC 3414 §11.2 asks for.
    #[error("an SNMPv3 password has at least 8 octets; this one has {0}")]
    ShortPassword(usize),
}

/// How a message is protected (RFC 3411 §3.4.3), from nothing to all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SecurityLevel {
    /// Neither authenticated nor encrypted.
    NoAuthNoPriv,
    /// Authenticated.
    AuthNoPriv,
    /// Authenticated and encrypted.
    AuthPriv,
}

/// A user's keys, localised to the engine that is authoritative for the message: for an INFORM the receiver's, for a
/// SET or GET the agent's.
///
/// A user whose keys include one for privacy was negotiated at authPriv, and no message of less is taken (profile P32).
#[derive(Debug, Clone)]
pub struct LocalizedKeys {
    /// The authentication key.
    pub auth: AuthKey,
    /// The privacy key, where messages are encrypted.
    pub privacy: Option<PrivKey>,
}

impl LocalizedKeys {
    /// The level at which this user's messages are sent, and below which none is accepted.
    pub fn level(&self) -> SecurityLevel {
        match self.privacy {
            Some(_) => SecurityLevel::AuthPriv,
            None => SecurityLevel::AuthNoPriv,
        }
    }

    /// The keys that a user's passwords give for the engine `engine`. Takes some milliseconds a password.
    ///
    /// # Errors
    /// [`KeyError::ShortPassword`].
    pub fn from_passwords(
        protocol: AuthProtocol,
        auth_password: &[u8],
        privacy: Option<(PrivProtocol, &[u8])>,
        engine: &EngineId,
    ) -> Result<Self, KeyError> {
        let localized = |password| Ok(localize(protocol, &password_to_key(protocol, password)?, engine));
        let auth = AuthKey::new(protocol, localized(auth_password)?.expose())?;
        let privacy = match privacy {
            Some((cipher, password)) => Some(PrivKey::new(cipher, localized(password)?.expose())?),
            None => None,
        };
        Ok(Self { auth, privacy })
    }
}

/// The key Ku of a password (RFC 3414 A.2): the hash of the protocol over the password, repeated to 1 MiB. 16 octets
/// for MD5, 20 for SHA-1.
///
/// # Errors
/// [`KeyError::ShortPassword`].
pub fn password_to_key(protocol: AuthProtocol, password: &[u8]) -> Result<Secret, KeyError> {
    if password.len() < 8 {
        return Err(KeyError::ShortPassword(password.len()));
    }
    Ok(match protocol {
        AuthProtocol::Md5 => expand::<Md5>(password),
        AuthProtocol::Sha1 => expand::<Sha1>(password),
    })
}

/// The localised key Kul of `key` at `engine` (RFC 3414 §2.6): the hash over key, engine id, key. `protocol` says
/// which hash; `key` may have any length, as a key from key management has (profile P8).
pub fn localize(protocol: AuthProtocol, key: &Secret, engine: &EngineId) -> Secret {
    match protocol {
        AuthProtocol::Md5 => hash::<Md5>(key, engine),
        AuthProtocol::Sha1 => hash::<Sha1>(key, engine),
    }
}

fn expand<D: Digest>(password: &[u8]) -> Secret {
    let mut digest = D::new();
    let whole = PASSWORD_EXPANSION / password.len();
    for _ in 0..whole {
        digest.update(password);
    }
    digest.update(&password[..PASSWORD_EXPANSION % password.len()]);
    Secret::new(digest.finalize().to_vec())
}

fn hash<D: Digest>(key: &Secret, engine: &EngineId) -> Secret {
    let digest = D::new()
        .chain_update(key.expose())
        .chain_update(engine.as_bytes())
        .chain_update(key.expose());
    Secret::new(digest.finalize().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::hex;

    fn engine() -> EngineId {
        EngineId::new(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]).unwrap()
    }

    #[test]
    fn rfc_3414_a_3_1_md5() {
        let key = password_to_key(AuthProtocol::Md5, b"maplesyrup").unwrap();
        assert_eq!(hex(key.expose()), "9faf3283884e92834ebc9847d8edd963");
        let localized = localize(AuthProtocol::Md5, &key, &engine());
        assert_eq!(hex(localized.expose()), "526f5eed9fcce26f8964c2930787d82b");
    }

    #[test]
    fn rfc_3414_a_3_2_sha() {
        let key = password_to_key(AuthProtocol::Sha1, b"maplesyrup").unwrap();
        assert_eq!(hex(key.expose()), "9fb5cc0381497b3793528939ff788d5d79145211");
        let localized = localize(AuthProtocol::Sha1, &key, &engine());
        assert_eq!(hex(localized.expose()), "6695febc9288e36282235fc7151f128497b38f3f");
    }

    #[test]
    fn keys_from_passwords_are_the_localised_ones_cut_to_size() {
        let privacy = Some((PrivProtocol::Aes128, &b"maplesyrup"[..]));
        let keys = LocalizedKeys::from_passwords(AuthProtocol::Sha1, b"maplesyrup", privacy, &engine()).unwrap();
        assert_eq!(
            hex(keys.auth.octets().expose()),
            "6695febc9288e36282235fc7151f128497b38f3f"
        );
        assert_eq!(
            hex(keys.privacy.as_ref().unwrap().octets().expose()),
            "6695febc9288e36282235fc7151f1284"
        );
        assert_eq!(keys.level(), SecurityLevel::AuthPriv);
    }

    #[test]
    fn rfc_3414_11_2_short_passwords_make_no_keys() {
        assert_eq!(
            password_to_key(AuthProtocol::Md5, b"").unwrap_err(),
            KeyError::ShortPassword(0)
        );
    }
}
