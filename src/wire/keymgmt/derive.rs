//! From the AP Reply's subkey to SNMPv3 keys (fact sheet security §2; profile P5 to P8).

use hmac::Mac;
use md5::Md5;
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha1::digest::Digest;
use zeroize::Zeroizing;

use super::Ciphersuite;
use super::hmac::hmac_sha1;
use crate::value::{EngineId, Secret};
use crate::wire::snmp::AuthProtocol;

/// Octets of a privacy key: DES key 8 and pre-IV 8 (RFC 3414 §8.1.1.1), or AES-128 (RFC 3826 §1.2).
const PRIVACY_KEY_LENGTH: usize = 16;

/// How keys come out of the subkey. Public sources do not settle it, so that it is data (profile P6 to P8).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeyRecipe {
    /// The ASCII label that seeds the stream, without a terminator.
    pub label: String,
    /// The order of the keys in the stream.
    pub layout: KeyLayout,
    /// Whether RFC 3414 localisation follows.
    pub localisation: Localisation,
}

impl Default for KeyRecipe {
    fn default() -> Self {
        Self {
            label: "SNMPv3 Signaling Security Association".to_owned(),
            layout: KeyLayout::default(),
            localisation: Localisation::default(),
        }
    }
}

/// Where the keys stand in the derived stream (profile P7).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyLayout {
    /// The authentication key, then the privacy key.
    #[default]
    AuthenticationFirst,
    /// The privacy key, then the authentication key.
    PrivacyFirst,
    /// Two streams: the recipe's label for the authentication key, this one for the privacy key.
    SeparateLabels {
        /// The label of the privacy key's stream.
        privacy_label: String,
    },
}

/// With which engine's id the derived keys are localised (profile P8, RFC 3414 §2.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Localisation {
    /// With none: the derived keys are the localised keys, for both engines.
    #[default]
    Direct,
    /// With the agent's (the device's), for both engines.
    Agent,
    /// With the manager's (the server's), for both engines.
    Manager,
    /// With the id of the engine that is authoritative for the message.
    Each,
}

/// The localised keys for messages under one authoritative engine.
#[derive(Debug, Clone)]
pub struct SnmpKeys {
    /// The authentication key: 16 octets for MD5, 20 for SHA-1.
    pub auth: Secret,
    /// The privacy key, 16 octets: DES key and pre-IV, or AES-128 key. None without privacy.
    pub privacy: Option<Secret>,
}

/// The keys of a security association, by the engine that is authoritative for a message.
#[derive(Debug, Clone)]
pub struct EngineKeys {
    /// For requests to the device: its agent is authoritative.
    pub agent: SnmpKeys,
    /// For INFORMs to the server: its engine is authoritative (RFC 3414 §1.5.1).
    pub manager: SnmpKeys,
}

/// The first `length` octets of P_SHA-1: the construction of TLS 1.0's P_hash (RFC 2246 §5) with SHA-1 alone.
pub fn p_sha1(secret: &Secret, seed: &[u8], length: usize) -> Secret {
    let keyed = hmac_sha1(secret.expose());
    // Room for the last whole block, so that key octets are never left behind by a growing vector.
    let mut stream = Vec::with_capacity(length.next_multiple_of(20));
    let mut chain = Zeroizing::new(seed.to_vec());
    while stream.len() < length {
        chain = Zeroizing::new(keyed.clone().chain_update(&*chain).finalize().into_bytes().to_vec());
        stream.extend_from_slice(
            &keyed
                .clone()
                .chain_update(&*chain)
                .chain_update(seed)
                .finalize()
                .into_bytes(),
        );
    }
    let stream = Zeroizing::new(stream);
    Secret::from(stream.get(..length).unwrap_or_default())
}

/// The SNMPv3 keys of `suite` from the `subkey` of an AP Reply, by `recipe`. `agent` is the device's engine, `manager`
/// the server's.
pub fn derive_keys(
    subkey: &Secret,
    suite: Ciphersuite,
    recipe: &KeyRecipe,
    agent: &EngineId,
    manager: &EngineId,
) -> EngineKeys {
    let derived = derived_keys(subkey, suite, recipe);
    let localised = |engine: &EngineId| derived.localised(suite.auth, engine);
    let both = |keys: SnmpKeys| EngineKeys {
        agent: keys.clone(),
        manager: keys,
    };
    match recipe.localisation {
        Localisation::Direct => both(derived),
        Localisation::Agent => both(localised(agent)),
        Localisation::Manager => both(localised(manager)),
        Localisation::Each => EngineKeys {
            agent: localised(agent),
            manager: localised(manager),
        },
    }
}

fn derived_keys(subkey: &Secret, suite: Ciphersuite, recipe: &KeyRecipe) -> SnmpKeys {
    let label = recipe.label.as_bytes();
    let auth_length = match suite.auth {
        AuthProtocol::Md5 => 16,
        AuthProtocol::Sha1 => 20,
    };
    if suite.privacy.is_none() {
        return SnmpKeys {
            auth: p_sha1(subkey, label, auth_length),
            privacy: None,
        };
    }
    let (auth, privacy) = match &recipe.layout {
        KeyLayout::AuthenticationFirst => split(&p_sha1(subkey, label, auth_length + PRIVACY_KEY_LENGTH), auth_length),
        KeyLayout::PrivacyFirst => {
            let stream = p_sha1(subkey, label, auth_length + PRIVACY_KEY_LENGTH);
            let (privacy, auth) = split(&stream, PRIVACY_KEY_LENGTH);
            (auth, privacy)
        }
        KeyLayout::SeparateLabels { privacy_label } => (
            p_sha1(subkey, label, auth_length),
            p_sha1(subkey, privacy_label.as_bytes(), PRIVACY_KEY_LENGTH),
        ),
    };
    SnmpKeys {
        auth,
        privacy: Some(privacy),
    }
}

fn split(stream: &Secret, at: usize) -> (Secret, Secret) {
    let (first, second) = stream.expose().split_at_checked(at).unwrap_or_default();
    (first.into(), second.into())
}

impl SnmpKeys {
    fn localised(&self, auth: AuthProtocol, engine: &EngineId) -> Self {
        Self {
            auth: localise(&self.auth, auth, engine),
            privacy: self.privacy.as_ref().map(|key| {
                let whole = localise(key, auth, engine);
                whole.expose().get(..PRIVACY_KEY_LENGTH).unwrap_or_default().into()
            }),
        }
    }
}

/// The key `key` bound to one engine: H(key, engine id, key) (RFC 3414 §2.6).
fn localise(key: &Secret, auth: AuthProtocol, engine: &EngineId) -> Secret {
    match auth {
        AuthProtocol::Md5 => localise_with::<Md5>(key, engine),
        AuthProtocol::Sha1 => localise_with::<Sha1>(key, engine),
    }
}

fn localise_with<H: Digest>(key: &Secret, engine: &EngineId) -> Secret {
    let hash = H::new()
        .chain_update(key.expose())
        .chain_update(engine.as_bytes())
        .chain_update(key.expose());
    Secret::new(hash.finalize().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{hex, unhex};
    use crate::wire::snmp::PrivProtocol;

    fn subkey() -> Secret {
        Secret::new((0x00..=0x2d).collect())
    }

    fn engine(last: u8) -> EngineId {
        EngineId::cablelabs([0, 0, 0, 0, 0, 0, 0, last])
    }

    fn suite(auth: AuthProtocol, privacy: Option<PrivProtocol>) -> Ciphersuite {
        Ciphersuite { auth, privacy }
    }

    #[test]
    fn p5_the_own_vector_of_p_sha1() {
        let expected = "f99bf1a04460755036f5e647599650b0214096fa4923ec4feebdf7e5d27caeda";
        let stream = p_sha1(&subkey(), b"test label", 32);
        assert_eq!(hex(stream.expose()), expected);
        for length in [0, 1, 20, 21] {
            let shorter = p_sha1(&subkey(), b"test label", length);
            assert_eq!(hex(shorter.expose()), expected[..length * 2]);
        }
    }

    #[test]
    fn p7_the_authentication_key_stands_first_and_none_draws_nothing() {
        let stream = p_sha1(&subkey(), b"SNMPv3 Signaling Security Association", 36);
        let stream = stream.expose();
        for (auth, length) in [(AuthProtocol::Md5, 16), (AuthProtocol::Sha1, 20)] {
            for privacy in [Some(PrivProtocol::Des), Some(PrivProtocol::Aes128), None] {
                let recipe = KeyRecipe::default();
                let keys = derive_keys(&subkey(), suite(auth, privacy), &recipe, &engine(1), &engine(2));
                for keys in [keys.agent, keys.manager] {
                    assert_eq!(keys.auth.expose(), &stream[..length]);
                    let expected = privacy.map(|_| &stream[length..length + 16]);
                    assert_eq!(keys.privacy.as_ref().map(Secret::expose), expected);
                }
            }
        }
    }

    #[test]
    fn p7_the_other_layouts() {
        let sha1_des = suite(AuthProtocol::Sha1, Some(PrivProtocol::Des));
        let stream = p_sha1(&subkey(), b"a", 36);
        let recipe = |layout| KeyRecipe {
            label: "a".into(),
            layout,
            localisation: Localisation::Direct,
        };
        let first = derive_keys(
            &subkey(),
            sha1_des,
            &recipe(KeyLayout::PrivacyFirst),
            &engine(1),
            &engine(2),
        );
        assert_eq!(first.agent.privacy.unwrap().expose(), &stream.expose()[..16]);
        assert_eq!(first.agent.auth.expose(), &stream.expose()[16..]);

        let layout = KeyLayout::SeparateLabels {
            privacy_label: "b".into(),
        };
        let separate = derive_keys(&subkey(), sha1_des, &recipe(layout), &engine(1), &engine(2));
        assert_eq!(separate.agent.auth.expose(), &stream.expose()[..20]);
        assert_eq!(
            separate.agent.privacy.unwrap().expose(),
            p_sha1(&subkey(), b"b", 16).expose()
        );
    }

    #[test]
    fn p8_localisation_by_the_chosen_engine() {
        let sha1_aes = suite(AuthProtocol::Sha1, Some(PrivProtocol::Aes128));
        let derive = |localisation| {
            let recipe = KeyRecipe {
                localisation,
                ..KeyRecipe::default()
            };
            derive_keys(&subkey(), sha1_aes, &recipe, &engine(1), &engine(2))
        };
        let (agent, manager) = (derive(Localisation::Agent), derive(Localisation::Manager));
        let each = derive(Localisation::Each);
        assert_eq!(agent.agent.auth.expose(), agent.manager.auth.expose());
        assert_eq!(agent.agent.auth.expose(), each.agent.auth.expose());
        assert_eq!(manager.manager.auth.expose(), each.manager.auth.expose());
        assert_ne!(each.agent.auth.expose(), each.manager.auth.expose());
        assert_eq!(each.agent.auth.len(), 20);
        assert_eq!(each.agent.privacy.unwrap().len(), 16);
    }

    /// The localisation steps of the RFC's own password example.
    #[test]
    fn rfc_3414_a_3_1_and_a_3_2() {
        let engine = EngineId::new(&unhex("000000000000000000000002").unwrap()).unwrap();
        for (auth, key, expected) in [
            (
                AuthProtocol::Md5,
                "9faf3283884e92834ebc9847d8edd963",
                "526f5eed9fcce26f8964c2930787d82b",
            ),
            (
                AuthProtocol::Sha1,
                "9fb5cc0381497b3793528939ff788d5d79145211",
                "6695febc9288e36282235fc7151f128497b38f3f",
            ),
        ] {
            let localised = localise(&Secret::new(unhex(key).unwrap()), auth, &engine);
            assert_eq!(hex(localised.expose()), expected);
        }
    }
}
