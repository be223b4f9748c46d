//! The HMAC-SHA-1 at the end of a message: which key, over which octets.

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha1::{Digest, Sha1};

use super::{EncodeError, HEADER_LENGTH, HMAC_LENGTH};
use crate::value::Secret;

/// Which key the HMAC of an AP Request and its AP Reply uses (profile P1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HmacKeyRule {
    /// SHA-1 of the ticket's session key: 20 octets.
    #[default]
    HashedSessionKey,
    /// The ticket's session key itself.
    SessionKey,
    /// The subkey of the AP-REQ's Authenticator itself.
    AuthenticatorSubkey,
}

/// Which octets the HMAC of an AP Request and its AP Reply covers (profile P2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HmacCoverage {
    /// From the message id to the octet before the HMAC.
    #[default]
    WholeMessage,
    /// The same without the three octets of the header.
    WithoutHeader,
}

/// How a peer makes its HMACs. The AP Request of a device shows which recipe it follows ([`Sealed::recipe`]), and the
/// reply to it follows the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HmacRecipe {
    /// The key.
    pub key: HmacKeyRule,
    /// The octets under it.
    pub coverage: HmacCoverage,
}

impl HmacRecipe {
    /// Every recipe, the default first.
    pub const ALL: [Self; 6] = {
        use {HmacCoverage as C, HmacKeyRule as K};
        [
            Self {
                key: K::HashedSessionKey,
                coverage: C::WholeMessage,
            },
            Self {
                key: K::HashedSessionKey,
                coverage: C::WithoutHeader,
            },
            Self {
                key: K::SessionKey,
                coverage: C::WholeMessage,
            },
            Self {
                key: K::SessionKey,
                coverage: C::WithoutHeader,
            },
            Self {
                key: K::AuthenticatorSubkey,
                coverage: C::WholeMessage,
            },
            Self {
                key: K::AuthenticatorSubkey,
                coverage: C::WithoutHeader,
            },
        ]
    };

    /// The HMAC over `message`, which ends where the HMAC will stand; `None` where the key is not there.
    fn mac(self, message: &[u8], keys: HmacKeys<'_>) -> Option<Hmac<Sha1>> {
        let message = self.coverage.of(message);
        Some(match self.key {
            HmacKeyRule::HashedSessionKey => keyed(&hashed(keys.session_key), message),
            HmacKeyRule::SessionKey => keyed(keys.session_key, message),
            HmacKeyRule::AuthenticatorSubkey => keyed(keys.authenticator_subkey?, message),
        })
    }

    /// Appends the HMAC over `message` to it.
    pub(super) fn seal(self, mut message: Vec<u8>, keys: HmacKeys<'_>) -> Result<Vec<u8>, EncodeError> {
        let mac = self.mac(&message, keys).ok_or(EncodeError::NoHmacKey)?;
        message.extend_from_slice(&mac.finalize().into_bytes());
        Ok(message)
    }
}

impl HmacCoverage {
    fn of(self, message: &[u8]) -> &[u8] {
        match self {
            Self::WholeMessage => message,
            Self::WithoutHeader => message.get(HEADER_LENGTH..).unwrap_or_default(),
        }
    }
}

/// What a Security Parameter Recovered's HMAC covers (profile P3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecoveredRule {
    /// Its own header, by the exchange's [`HmacRecipe`] with the AP Reply's subkey in the key's place.
    #[default]
    OwnHeader,
    /// The AP Reply that it answers, all of it, under SHA-1 of that reply's subkey.
    ApReply,
}

/// The keys of an AP exchange that an HMAC may use.
#[derive(Debug, Clone, Copy)]
pub struct HmacKeys<'a> {
    /// The session key in the ticket.
    pub session_key: &'a Secret,
    /// The subkey in the Authenticator, where the client sent one.
    pub authenticator_subkey: Option<&'a Secret>,
}

/// A received message that ends with an HMAC, which nobody has checked yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealed<'a, T> {
    /// The fields; nothing of them is authentic before [`Sealed::verify`] said so.
    pub body: T,
    /// The octets before the HMAC.
    pub(super) covered: &'a [u8],
    /// The HMAC as received.
    pub(super) hmac: [u8; HMAC_LENGTH],
}

impl<'a, T> Sealed<'a, T> {
    /// The HMAC as received.
    pub fn hmac(&self) -> &[u8; HMAC_LENGTH] {
        &self.hmac
    }

    /// Whether the HMAC is the one that `recipe` gives. Compares in constant time; `false` also where the recipe asks
    /// for a key that is not there.
    pub fn verify(&self, recipe: HmacRecipe, keys: HmacKeys<'_>) -> bool {
        recipe
            .mac(self.covered, keys)
            .is_some_and(|mac| mac.verify_slice(&self.hmac).is_ok())
    }

    /// The first of `recipes` that the sender followed; `None` where the HMAC is wrong by each of them.
    pub fn recipe(&self, recipes: impl IntoIterator<Item = HmacRecipe>, keys: HmacKeys<'_>) -> Option<HmacRecipe> {
        recipes.into_iter().find(|&recipe| self.verify(recipe, keys))
    }
}

/// The HMAC of a Security Parameter Recovered: over `header` or over `ap_reply` (the whole datagram), under `subkey`.
pub(super) fn recovered_mac(
    rule: RecoveredRule,
    recipe: HmacRecipe,
    header: &[u8],
    ap_reply: &[u8],
    subkey: &Secret,
) -> Hmac<Sha1> {
    match (rule, recipe.key) {
        (RecoveredRule::ApReply, _) => keyed(&hashed(subkey), ap_reply),
        (RecoveredRule::OwnHeader, HmacKeyRule::HashedSessionKey) => keyed(&hashed(subkey), recipe.coverage.of(header)),
        (RecoveredRule::OwnHeader, HmacKeyRule::SessionKey | HmacKeyRule::AuthenticatorSubkey) => {
            keyed(subkey, recipe.coverage.of(header))
        }
    }
}

fn hashed(key: &Secret) -> Secret {
    Secret::new(Sha1::digest(key.expose()).to_vec())
}

fn keyed(key: &Secret, message: &[u8]) -> Hmac<Sha1> {
    hmac_sha1(key.expose()).chain_update(message)
}

/// HMAC-SHA-1 under `key`, of any length (RFC 2104 §3).
pub(super) fn hmac_sha1(key: &[u8]) -> Hmac<Sha1> {
    Hmac::new_from_slice(key).expect("HMAC takes a key of any length")
}
