//! What devices have shown of the interop profile, and what follows from it for the next message.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Candidates, Profile};
use crate::value::{MacAddress, Timestamp, unhex};
use crate::wire::kerberos::PadForm;
use crate::wire::keymgmt::{HmacRecipe, KeyRecipe, UserName};

/// What a device's own messages have shown of the points that the public sources leave open. A point is absent until a
/// message has shown it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Learned {
    /// Key and coverage of the key-management HMAC (P1, P2), by the AP Request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hmac: Option<HmacRecipe>,
    /// Whether the MD5 of etype 5 covers the pad (P14), by the Authenticator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pad: Option<PadForm>,
    /// How the SNMPv3 user name is written (P11), by the AP Request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// How SNMPv3 keys are derived (P5 to P8), by the first authenticated INFORM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<KeyRecipe>,
    /// Whether other candidates fit the INFORM as well, which only the device's answer to a request can tell apart
    /// (P8: keys of the device's own engine take no part in an INFORM).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unsettled: bool,
}

impl Learned {
    /// Whether `other` shows a point otherwise than this does. The pad form is left out: both are accepted of
    /// everybody, and a message may show none.
    fn contradicts(&self, other: &Self) -> bool {
        let hmac = self.hmac.zip(other.hmac).is_some_and(|(one, two)| one != two);
        let keys = self.keys.as_ref().zip(other.keys.as_ref());
        let settled = !self.unsettled && !other.unsettled;
        hmac || (settled && keys.is_some_and(|(one, two)| one != two))
    }
}

/// The pattern of a user name: the MAC address in it as `XX` pairs in upper or lower case, whatever separates them.
pub fn user_name_pattern(user: &UserName, mac: MacAddress) -> String {
    let text = user.as_str();
    // Only the address is a device's own; everything before it is the vendor's way of writing.
    let digits = mac.bare();
    let mut left = digits.as_str();
    let mut pattern = Vec::new();
    for character in text.chars().rev() {
        let next = left.chars().next_back();
        if next.is_some_and(|digit| character.eq_ignore_ascii_case(&digit)) {
            left = &left[..left.len() - 1];
            let lower = character.is_ascii_lowercase();
            pattern.push(if lower { 'x' } else { 'X' });
        } else {
            pattern.push(character);
        }
    }
    // A digit of 0 to 9 has no case: it follows the letters of the address.
    let lower = pattern.contains(&'x');
    pattern
        .into_iter()
        .rev()
        .map(|character| if lower && character == 'X' { 'x' } else { character })
        .collect()
}

/// How many type identifiers are told apart under one OUI: what devices say of themselves must not fill the store.
const MOST_TYPES: usize = 64;

/// A vendor's three octets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Oui(pub [u8; 3]);

impl Oui {
    /// Those of a device.
    pub fn of(mac: MacAddress) -> Self {
        Self(mac.oui())
    }
}

impl fmt::Display for Oui {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}")
    }
}

impl fmt::Debug for Oui {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Oui {
    type Err = String;

    /// Reads `00:11:22`, `00-11-22` and `001122`, either case.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits: String = text.chars().filter(|c| !matches!(c, ':' | '-')).collect();
        let octets = unhex(&digits).and_then(|octets| octets.try_into().ok());
        octets
            .map(Self)
            .ok_or_else(|| format!("'{text}' is not an OUI: expected 6 hexadecimal digits, such as 00:11:22"))
    }
}

impl Serialize for Oui {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What the devices of one vendor do: those with the same OUI and the same type identifier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Vendor {
    /// The OUI of their MAC addresses.
    pub oui: Oui,
    /// Their pktcMtaDevTypeIdentifier, octet by octet.
    pub type_identifier: String,
    /// What they do.
    pub learned: Learned,
    /// The device that showed it.
    pub mac: MacAddress,
    /// When it did.
    pub at: Timestamp,
}

/// What is to be tried on a message of one device: the vendor's ways where it is known, else everything, in order.
#[derive(Debug, Clone, Copy)]
pub struct Ways<'a> {
    /// The operator's profile.
    pub profile: &'a Profile,
    /// What else is tried while a vendor is unknown; none where the operator wants no learning.
    pub candidates: Option<&'a Candidates>,
    /// The known vendors with the device's OUI.
    pub vendors: &'a [Vendor],
    /// The device's type identifier, where an enrollment has said it.
    pub type_identifier: Option<&'a str>,
}

impl<'a> Ways<'a> {
    /// The device's vendor, where it is known.
    pub fn vendor(&self) -> Option<&'a Learned> {
        self.of_type(self.type_identifier?)
    }

    fn of_type(&self, type_identifier: &str) -> Option<&'a Learned> {
        let vendor = self
            .vendors
            .iter()
            .find(|vendor| vendor.type_identifier == type_identifier);
        vendor.map(|vendor| &vendor.learned)
    }

    /// Every way of one point of the profile, whatever is known of the device's own vendor: what the same OUI is known
    /// for, the profile's own, and the candidates.
    fn all<T: PartialEq + Clone + 'a>(
        &self,
        of: impl Fn(&Learned) -> Option<T>,
        own: &T,
        candidates: impl Fn(&'a Candidates) -> &'a [T],
    ) -> Vec<T> {
        let Some(all) = self.candidates else {
            return vec![own.clone()];
        };
        let alike = self.vendors.iter().filter_map(|vendor| of(&vendor.learned));
        let all = alike.chain([own.clone()]).chain(candidates(all).iter().cloned());
        all.fold(Vec::new(), |mut unique, way| {
            if !unique.contains(&way) {
                unique.push(way);
            }
            unique
        })
    }

    /// The HMAC recipes to try on an AP Request (P1, P2).
    pub fn hmac(&self) -> Vec<HmacRecipe> {
        match self.vendor().and_then(|known| known.hmac) {
            Some(known) => vec![known],
            None => self.all(
                |learned| learned.hmac,
                &self.profile.hmac,
                |candidates| &candidates.hmac,
            ),
        }
    }

    /// The key recipes to try on a message under SNMPv3 (P5 to P8).
    pub fn keys(&self) -> Vec<KeyRecipe> {
        match self
            .vendor()
            .filter(|known| !known.unsettled)
            .and_then(|known| known.keys.clone())
        {
            Some(known) => vec![known],
            None => self.all_keys(),
        }
    }

    /// Every key recipe of the profile and its candidates, whatever is known of the vendor: among them an unsettled one is
    /// told from those that fit the same INFORM.
    pub fn all_keys(&self) -> Vec<KeyRecipe> {
        self.all(
            |learned| learned.keys.clone(),
            &self.profile.keys,
            |candidates| &candidates.keys,
        )
    }

    /// The pad form of answers under etype 5 where the message itself shows none: the vendor's, else the ticket's, else
    /// the profile's (P14).
    pub fn pad(&self, ticket: Option<PadForm>) -> PadForm {
        let known = self.vendor().and_then(|known| known.pad);
        known.or(ticket).unwrap_or(self.profile.pad)
    }

    /// Whether a device that says it is of `type_identifier` and has shown `learned` is not what its vendor is known to
    /// be.
    pub fn denies(&self, type_identifier: &str, learned: &Learned) -> bool {
        self.of_type(type_identifier)
            .is_some_and(|known| known.contradicts(learned))
    }

    /// What is to be remembered once a device of `mac` has said its type and shown `learned`: nothing where its vendor is
    /// known, or where learning is off.
    pub fn lesson(&self, mac: MacAddress, type_identifier: &str, learned: &Learned, now: Timestamp) -> Option<Vendor> {
        let known = self.of_type(type_identifier);
        // What an INFORM left open, a device's answer to a request may settle.
        let unknown = self.candidates.is_some() && known.is_none_or(|known| known.unsettled && !learned.unsettled);
        (unknown && (known.is_some() || self.vendors.len() < MOST_TYPES)).then(|| Vendor {
            oui: Oui::of(mac),
            type_identifier: type_identifier.to_owned(),
            learned: learned.clone(),
            mac,
            at: now,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::keymgmt::{HmacCoverage, HmacKeyRule, Localisation};

    const MAC: MacAddress = MacAddress([0x00, 0x11, 0x22, 0xaa, 0xbb, 0x01]);

    fn other_hmac() -> HmacRecipe {
        HmacRecipe {
            key: HmacKeyRule::SessionKey,
            coverage: HmacCoverage::WithoutHeader,
        }
    }

    fn other_keys() -> KeyRecipe {
        KeyRecipe {
            label: "SNMPv3".into(),
            localisation: Localisation::Agent,
            ..KeyRecipe::default()
        }
    }

    fn learned() -> Learned {
        Learned {
            hmac: Some(other_hmac()),
            pad: Some(PadForm::Covered),
            keys: Some(other_keys()),
            ..Learned::default()
        }
    }

    fn vendor(type_identifier: &str, learned: Learned) -> Vendor {
        Vendor {
            oui: Oui::of(MAC),
            type_identifier: type_identifier.into(),
            learned,
            mac: MAC,
            at: Timestamp::default(),
        }
    }

    #[test]
    fn an_unknown_vendor_is_tried_under_its_relatives_ways_the_profile_s_and_every_candidate() {
        let (profile, candidates) = (Profile::default(), Candidates::shipped());
        let vendors = [vendor("pktc1.5:old", learned())];
        let ways = Ways {
            profile: &profile,
            candidates: Some(&candidates),
            vendors: &vendors,
            type_identifier: None,
        };
        assert_eq!(ways.hmac()[..2], [other_hmac(), HmacRecipe::default()]);
        assert_eq!(ways.hmac().len(), 6, "none is tried twice");
        assert_eq!(ways.keys()[..2], [other_keys(), KeyRecipe::default()]);
        assert_eq!(ways.keys().len(), 64);
        assert_eq!(ways.pad(None), PadForm::Uncovered);
        assert_eq!(ways.pad(Some(PadForm::Covered)), PadForm::Covered);
    }

    #[test]
    fn a_known_vendor_is_tried_under_its_own_ways_alone() {
        let (profile, candidates) = (Profile::default(), Candidates::shipped());
        let vendors = [
            vendor("pktc1.5:old", Learned::default()),
            vendor("pktc2.0:new", learned()),
        ];
        let ways = Ways {
            profile: &profile,
            candidates: Some(&candidates),
            vendors: &vendors,
            type_identifier: Some("pktc2.0:new"),
        };
        assert_eq!((ways.hmac(), ways.keys()), (vec![other_hmac()], vec![other_keys()]));
        assert_eq!(ways.pad(Some(PadForm::Uncovered)), PadForm::Covered);
        assert_eq!(
            ways.lesson(MAC, "pktc2.0:new", &Learned::default(), Timestamp::default()),
            None
        );
        assert!(
            ways.lesson(MAC, "pktc2.0:newer", &Learned::default(), Timestamp::default())
                .is_some()
        );
    }

    #[test]
    fn without_learning_only_the_profile_counts_unless_the_vendor_is_known() {
        let profile = Profile::default();
        let vendors = [vendor("pktc2.0:new", learned())];
        let ways = Ways {
            profile: &profile,
            candidates: None,
            vendors: &vendors,
            type_identifier: None,
        };
        assert_eq!(
            (ways.hmac(), ways.keys()),
            (vec![profile.hmac], vec![profile.keys.clone()])
        );
        let known = Ways {
            type_identifier: Some("pktc2.0:new"),
            ..ways
        };
        assert_eq!(known.hmac(), [other_hmac()]);
        assert_eq!(ways.lesson(MAC, "x", &learned(), Timestamp::default()), None);
    }

    #[test]
    fn a_known_vendor_denies_a_device_that_does_otherwise() {
        let profile = Profile::default();
        let vendors = [vendor("pktc2.0:new", learned())];
        let ways = Ways {
            profile: &profile,
            candidates: None,
            vendors: &vendors,
            type_identifier: None,
        };
        assert!(!ways.denies("pktc2.0:new", &learned()));
        assert!(
            !ways.denies("pktc2.0:new", &Learned::default()),
            "what shows nothing denies nothing"
        );
        let otherwise = Learned {
            keys: Some(KeyRecipe::default()),
            ..learned()
        };
        assert!(ways.denies("pktc2.0:new", &otherwise));
        assert!(!ways.denies("pktc2.0:newer", &otherwise));
        let pad = Learned {
            pad: Some(PadForm::Uncovered),
            ..learned()
        };
        assert!(
            !ways.denies("pktc2.0:new", &pad),
            "both pad forms are accepted of everybody"
        );
    }

    #[test]
    fn p11_the_pattern_of_a_user_name() {
        let pattern = |text: &str| user_name_pattern(&UserName::new(text.as_bytes()).unwrap(), MAC);
        assert_eq!(pattern("MTA-Prov-00:11:22:AA:BB:01"), "MTA-Prov-XX:XX:XX:XX:XX:XX");
        assert_eq!(pattern("MTA-Prov-00:11:22:aa:bb:01"), "MTA-Prov-xx:xx:xx:xx:xx:xx");
        assert_eq!(pattern("MTA-Prov-001122aabb01"), "MTA-Prov-xxxxxxxxxxxx");
    }

    #[test]
    fn an_oui_in_every_spelling() {
        for text in ["00:11:22", "00-11-22", "001122"] {
            assert_eq!(text.parse(), Ok(Oui::of(MAC)));
        }
        assert!("00:11".parse::<Oui>().is_err());
        assert_eq!(Oui([0xaa, 0xbb, 0xcc]).to_string(), "aa:bb:cc");
    }
}
