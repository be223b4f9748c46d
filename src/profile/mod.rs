//! Floor 2: the interop profile, one value for every choice that the public sources leave open.
//!
//! The points P1 to P40 are listed in docs/interop-profile.md. The codecs take their part of the profile as arguments;
//! nothing below this floor knows of it.

mod candidates;
mod learned;

pub use candidates::{Candidates, CandidatesError};
pub use learned::{Learned, Oui, Vendor, Ways, user_name_pattern};

use serde::{Deserialize, Serialize};

use crate::wire::fqdn::ReplyForm;
use crate::wire::kerberos::{PadForm, SUBKEY_KEYMATERIAL, SUBKEY_LENGTH};
use crate::wire::keymgmt::{HmacRecipe, KeyRecipe, RecoveredRule, SuiteIds};
use crate::wire::pkinit::ReplyKeyRule;
use crate::wire::tlv::{FileForm, KeyPlacement};

/// Every choice, with the defaults of `pktc-2.0`. As data it is a TOML table with a key per point; what is left out
/// keeps its default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Profile {
    /// What the profile is called in logs and in `device show`.
    pub name: String,
    /// Key and coverage of the key-management HMAC (P1, P2). The device's own AP Request is also tried under the others.
    pub hmac: HmacRecipe,
    /// How Security Parameter Recovered is authenticated (P3).
    pub recovered: RecoveredRule,
    /// Octets of the AP Reply's subkey (P4).
    pub subkey_length: usize,
    /// Kerberos key type of the subkey (P4).
    pub subkey_type: i32,
    /// How SNMPv3 keys are derived from the subkey (P5 to P8).
    pub keys: KeyRecipe,
    /// Whether the AP Reply echoes the Authenticator's sequence number (P10).
    pub echo_sequence_number: bool,
    /// The ciphersuite ids that no source fixes (P13).
    pub suite_ids: SuiteIds,
    /// Whether the MD5 of etype 5 covers the pad, where the device's own messages do not show it (P14).
    pub pad: PadForm,
    /// How the reply key comes from the Diffie-Hellman secret (P15, P37).
    pub reply_key: ReplyKeyRule,
    /// Which form an MTA-FQDN reply has for a device with one IPv4 address (P19).
    pub fqdn_reply: ReplyForm,
    /// Which octets the file's hash covers (P21).
    pub hash_over: HashOver,
    /// IV and padding of an encrypted file (P22).
    pub file_form: FileForm,
    /// Where the key stands in the ConfigKey object (P23).
    pub key_placement: KeyPlacement,
}

/// Which octets the file's hash covers (profile P21).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HashOver {
    /// Those that are delivered, after encryption.
    #[default]
    Delivered,
    /// The plaintext.
    Plaintext,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            name: "pktc-2.0".to_owned(),
            hmac: HmacRecipe::default(),
            recovered: RecoveredRule::default(),
            subkey_length: SUBKEY_LENGTH,
            subkey_type: SUBKEY_KEYMATERIAL,
            keys: KeyRecipe::default(),
            echo_sequence_number: true,
            suite_ids: SuiteIds::default(),
            pad: PadForm::default(),
            reply_key: ReplyKeyRule::default(),
            fqdn_reply: ReplyForm::default(),
            hash_over: HashOver::default(),
            file_form: FileForm::default(),
            key_placement: KeyPlacement::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_table_is_the_default_and_an_unknown_key_an_error() {
        assert_eq!(toml::from_str::<Profile>("").expect("reads"), Profile::default());
        let other: Profile = toml::from_str("pad = 'covered'\nfqdn-reply = 'table1'").expect("reads");
        assert_eq!((other.pad, other.fqdn_reply), (PadForm::Covered, ReplyForm::Table1));
        assert!(toml::from_str::<Profile>("pads = 'covered'").is_err());
    }

    #[test]
    fn the_profile_survives_its_text() {
        let text = toml::to_string(&Profile::default()).expect("writes");
        assert_eq!(toml::from_str::<Profile>(&text).expect("reads"), Profile::default());
    }

    const PAGE: &str = include_str!("../../docs/interop-profile.md");

    #[test]
    fn the_page_describes_every_point_once() {
        for point in 1..=40 {
            assert_eq!(PAGE.matches(&format!("### P{point}: ")).count(), 1, "P{point}");
        }
    }

    #[test]
    fn the_pages_profiles_are_ones_and_the_first_is_the_default_in_full() {
        let blocks = PAGE.split("```toml\n").skip(1);
        let texts: Vec<&str> = blocks.filter_map(|block| block.split("```").next()).collect();
        let read = |text: &&str| toml::from_str::<Profile>(text).unwrap_or_else(|error| panic!("{text}{error}"));
        let profiles: Vec<Profile> = texts.iter().map(read).collect();
        assert_eq!((profiles.len(), &profiles[0]), (3, &Profile::default()));
        let keys = |text: &str| {
            text.parse::<toml::Table>()
                .expect("reads")
                .keys()
                .cloned()
                .collect::<Vec<_>>()
        };
        let all = toml::to_string(&Profile::default()).expect("writes");
        assert_eq!(keys(texts[0]), keys(&all));
    }
}
