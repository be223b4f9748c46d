//! From the AP Reply's subkey to SNMPv3 keys (fact sheet security §2; profile P5 to P8).

use hmac::Mac;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::Ciphersuite;
use super::hmac::hmac_sha1;
use crate::value::{EngineId, Secret};
use crate::wire::snmp::usm::localize;
use crate::wire::snmp::{AuthKey, LocalizedKeys, PrivKey};

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

/// The keys of a security association, by the engine that is authoritative for a message.
#[derive(Debug, Clone)]
pub struct EngineKeys {
    /// For requests to the device: its agent is authoritative.
    pub agent: LocalizedKeys,
    /// For INFORMs to the server: its engine is authoritative (RFC 3414 §1.5.1).
    pub manager: LocalizedKeys,
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
    let derived = Derived::of(subkey, suite, recipe);
    let both = |keys: LocalizedKeys| EngineKeys {
        agent: keys.clone(),
        manager: keys,
    };
    match recipe.localisation {
        Localisation::Direct => both(derived.keys(suite)),
        Localisation::Agent => both(derived.localised(suite, agent)),
        Localisation::Manager => both(derived.localised(suite, manager)),
        Localisation::Each => EngineKeys {
            agent: derived.localised(suite, agent),
            manager: derived.localised(suite, manager),
        },
    }
}

/// Keys as they come out of the stream: the authentication key has its protocol's length, the privacy key 16 octets.
struct Derived {
    auth: Secret,
    privacy: Option<Secret>,
}

impl Derived {
    fn of(subkey: &Secret, suite: Ciphersuite, recipe: &KeyRecipe) -> Self {
        let label = recipe.label.as_bytes();
        let auth_length = suite.auth.key_length();
        if suite.privacy.is_none() {
            return Self {
                auth: p_sha1(subkey, label, auth_length),
                privacy: None,
            };
        }
        let stream = || p_sha1(subkey, label, auth_length + PRIVACY_KEY_LENGTH);
        let (auth, privacy) = match &recipe.layout {
            KeyLayout::AuthenticationFirst => split(&stream(), auth_length),
            KeyLayout::PrivacyFirst => {
                let (privacy, auth) = split(&stream(), PRIVACY_KEY_LENGTH);
                (auth, privacy)
            }
            KeyLayout::SeparateLabels { privacy_label } => (
                p_sha1(subkey, label, auth_length),
                p_sha1(subkey, privacy_label.as_bytes(), PRIVACY_KEY_LENGTH),
            ),
        };
        Self {
            auth,
            privacy: Some(privacy),
        }
    }

    /// These keys bound to `engine` by the hash of the suite's authentication protocol.
    fn localised(&self, suite: Ciphersuite, engine: &EngineId) -> LocalizedKeys {
        let bound = |key| localize(suite.auth, key, engine);
        Self {
            auth: bound(&self.auth),
            privacy: self.privacy.as_ref().map(bound),
        }
        .keys(suite)
    }

    /// The keys as the SNMP engine takes them; it cuts a localised SHA-1 key to the 16 octets of a privacy key.
    fn keys(&self, suite: Ciphersuite) -> LocalizedKeys {
        let privacy = suite.privacy.zip(self.privacy.as_ref());
        let made = "the keys were made in the length that the protocol has";
        LocalizedKeys {
            auth: AuthKey::new(suite.auth, self.auth.expose()).expect(made),
            privacy: privacy.map(|(protocol, key)| PrivKey::new(protocol, key.expose()).expect(made)),
        }
    }
}

fn split(stream: &Secret, at: usize) -> (Secret, Secret) {
    let (first, second) = stream.expose().split_at_checked(at).unwrap_or_default();
    (first.into(), second.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::hex;
    use crate::wire::snmp::{AuthProtocol, PrivProtocol};

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
                    assert_eq!(keys.auth.octets().expose(), &stream[..length]);
                    let expected = privacy.map(|_| &stream[length..length + 16]);
                    assert_eq!(keys.privacy.as_ref().map(|key| key.octets().expose()), expected);
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
        assert_eq!(first.agent.privacy.unwrap().octets().expose(), &stream.expose()[..16]);
        assert_eq!(first.agent.auth.octets().expose(), &stream.expose()[16..]);

        let layout = KeyLayout::SeparateLabels {
            privacy_label: "b".into(),
        };
        let separate = derive_keys(&subkey(), sha1_des, &recipe(layout), &engine(1), &engine(2));
        assert_eq!(separate.agent.auth.octets().expose(), &stream.expose()[..20]);
        assert_eq!(
            separate.agent.privacy.unwrap().octets().expose(),
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
        assert_eq!(agent.agent.auth.octets().expose(), agent.manager.auth.octets().expose());
        assert_eq!(agent.agent.auth.octets().expose(), each.agent.auth.octets().expose());
        assert_eq!(
            manager.manager.auth.octets().expose(),
            each.manager.auth.octets().expose()
        );
        assert_ne!(each.agent.auth.octets().expose(), each.manager.auth.octets().expose());
        assert_eq!(each.agent.auth.octets().len(), 20);
        assert_eq!(each.agent.privacy.unwrap().octets().len(), 16);
    }
}
