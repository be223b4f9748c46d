//! Who may have what: a request for a file against the lease of the client that sends it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::model::{Lease, NamePattern};
use crate::settings::{ClassRules, OnFailure, Verify, VerifyMode};
use crate::value::{MacAddress, Timestamp};

/// What holds for one class of clients.
#[derive(Debug, Clone)]
struct Rule {
    mode: VerifyMode,
    window: Duration,
    renewals: bool,
    files: Vec<NamePattern>,
}

/// The operator's rules.
#[derive(Debug, Clone)]
pub struct Rules {
    default: Rule,
    classes: BTreeMap<String, Rule>,
    shared: Vec<NamePattern>,
    on_failure: OnFailure,
}

/// How a file's name tells whose file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// By a random token, which nobody else can know: a name for one delivery to this device.
    Token(MacAddress),
    /// By the device's MAC address, which anybody can write.
    Device(MacAddress),
    /// Not at all.
    Nobody,
}

impl Owner {
    /// The device.
    pub fn mac(self) -> Option<MacAddress> {
        match self {
            Self::Token(mac) | Self::Device(mac) => Some(mac),
            Self::Nobody => None,
        }
    }
}

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// From the client itself, or from a CMTS that names its address (`netaddr`).
    At(IpAddr),
    /// From a CMTS that names its client's MAC address only (`hwaddr`).
    Device(MacAddress),
    /// From a CMTS that does not say for whom.
    BehindCmts,
}

/// What a lease is to be sought by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Search {
    /// The client's address.
    Address(IpAddr),
    /// The device that the CMTS or the file's name names.
    Device(MacAddress),
    /// There is nothing to seek by.
    Nothing,
}

/// What is known of the client.
#[derive(Debug, Clone, Copy)]
pub enum Known<'a> {
    /// Its lease.
    Lease(&'a Lease),
    /// No source has a lease of it.
    NoLease,
    /// No source that might know answers.
    NoSource,
}

/// Why a request is not approved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// The client has no lease.
    #[error("the client has no lease")]
    NoLease,
    /// Its lease is over.
    #[error("the client's lease ended at {0}")]
    Over(Timestamp),
    /// Its lease is too old for a download.
    #[error("the lease was obtained {}.{:03} s ago, the window is {} s", age.as_secs(), age.subsec_millis(), window.as_secs_f64())]
    Window {
        /// How old it is.
        age: Duration,
        /// How old it may be.
        window: Duration,
    },
    /// Its lease was obtained in the future.
    #[error(
        "the lease was obtained {} s from now: the clock of the lease source or of this machine is wrong, or the source \
         counts in another unit or time zone",
        ahead.as_secs()
    )]
    Ahead {
        /// How far in the future.
        ahead: Duration,
    },
    /// The file is another device's.
    #[error("the client's lease is that of {0}, whose file this is not")]
    Device(MacAddress),
    /// The lease does not entitle to this file.
    #[error(
        "the lease of {0} does not entitle to this file: verify.files and verify.shared of hardline.toml say what does"
    )]
    NotEntitled(MacAddress),
    /// No lease source answers.
    #[error("no lease source answers")]
    NoSource,
    /// The request comes from a CMTS that does not say for whom.
    #[error("the request comes from a CMTS and neither netaddr nor the file's name tells for whom")]
    BehindCmts,
}

impl Doubt {
    /// A fixed word for counters.
    pub fn word(&self) -> &'static str {
        match self {
            Self::NoLease => "no_lease",
            Self::Over(_) => "lease_over",
            Self::Window { .. } => "window",
            Self::Ahead { .. } => "lease_ahead",
            Self::Device(_) => "other_device",
            Self::NotEntitled(_) => "not_entitled",
            Self::NoSource => "no_source",
            Self::BehindCmts => "behind_cmts",
        }
    }
}

/// What is done about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is served without verification: the file is shared, or the class is not verified.
    Free,
    /// It is served: the lease entitles to it.
    Verified,
    /// It is served although it is not approved, and reported.
    Marked(Doubt),
    /// It is refused.
    Refused(Doubt),
}

impl Verdict {
    /// Whether there is no doubt.
    pub fn is_approved(&self) -> bool {
        matches!(self, Self::Free | Self::Verified)
    }

    /// A fixed word for counters and reports.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Verified => "verified",
            Self::Marked(_) => "marked",
            Self::Refused(_) => "refused",
        }
    }

    /// The doubt, where there is one.
    pub fn doubt(&self) -> Option<&Doubt> {
        match self {
            Self::Marked(doubt) | Self::Refused(doubt) => Some(doubt),
            Self::Free | Self::Verified => None,
        }
    }
}

impl Rules {
    /// The rules of `[verify]`.
    pub fn new(verify: &Verify) -> Self {
        let default = Rule {
            mode: verify.mode,
            window: verify.window,
            renewals: verify.renewals,
            files: verify.files.clone(),
        };
        let class = |class: &ClassRules| Rule {
            mode: class.mode.unwrap_or(default.mode),
            window: class.window.unwrap_or(default.window),
            renewals: class.renewals.unwrap_or(default.renewals),
            files: class.files.clone().unwrap_or_else(|| default.files.clone()),
        };
        Self {
            classes: verify
                .classes
                .iter()
                .map(|(name, rules)| (name.clone(), class(rules)))
                .collect(),
            shared: verify.shared.clone(),
            on_failure: verify.on_failure,
            default,
        }
    }

    /// Whether no lease needs to be sought for this request: the file is shared, or nothing is verified. A device's own
    /// file is never shared, whatever a pattern matches.
    pub fn is_free(&self, name: &str, owner: Owner) -> bool {
        let verified = |rule: &Rule| rule.mode != VerifyMode::Off;
        let any = verified(&self.default) || self.classes.values().any(verified);
        let shared = || self.shared.iter().any(|pattern| pattern.matches(name, None));
        !any || (owner == Owner::Nobody && shared())
    }

    /// A class as counters name it: one of the rules, or `other`; `none` where the lease has none.
    pub fn class_word(&self, class: Option<&str>) -> Cow<'static, str> {
        match class {
            None => Cow::Borrowed("none"),
            Some(class) if self.classes.contains_key(class) => Cow::Owned(class.to_owned()),
            Some(_) => Cow::Borrowed("other"),
        }
    }

    fn rule(&self, class: Option<&str>) -> &Rule {
        class.and_then(|class| self.classes.get(class)).unwrap_or(&self.default)
    }

    /// What the lease of a request's client is to be sought by.
    pub fn search(client: Client, owner: Owner) -> Search {
        match (client, owner) {
            (Client::At(address), _) => Search::Address(address),
            (Client::Device(mac), _) => Search::Device(mac),
            (Client::BehindCmts, Owner::Token(mac) | Owner::Device(mac)) => Search::Device(mac),
            (Client::BehindCmts, Owner::Nobody) => Search::Nothing,
        }
    }

    /// The verdict on a request for the file `name` that is `owner`'s, from `client`, of whom `known` is known.
    pub fn verify(&self, name: &str, owner: Owner, client: Client, known: Known<'_>, now: Timestamp) -> Verdict {
        if self.is_free(name, owner) {
            return Verdict::Free;
        }
        let (rule, doubt) = match known {
            _ if Self::search(client, owner) == Search::Nothing => (&self.default, Some(Doubt::BehindCmts)),
            Known::NoSource => (&self.default, Some(Doubt::NoSource)),
            Known::NoLease => (&self.default, Some(Doubt::NoLease)),
            Known::Lease(lease) => {
                let rule = self.rule(lease.class.as_deref());
                (rule, rule.doubt(name, owner, lease, now))
            }
        };
        match (rule.mode, doubt) {
            (VerifyMode::Off, _) => Verdict::Free,
            (_, None) => Verdict::Verified,
            (VerifyMode::Mark, Some(doubt)) => Verdict::Marked(doubt),
            (VerifyMode::Enforce, Some(Doubt::NoSource)) if self.on_failure == OnFailure::Serve => {
                Verdict::Marked(Doubt::NoSource)
            }
            (VerifyMode::Enforce, Some(doubt)) => Verdict::Refused(doubt),
        }
    }
}

/// How far a lease source's clock may be ahead of this machine's at the least.
const SKEW: Duration = Duration::from_secs(60);

impl Rule {
    /// What speaks against the request.
    fn doubt(&self, name: &str, owner: Owner, lease: &Lease, now: Timestamp) -> Option<Doubt> {
        if let Some(ended) = lease.expires.filter(|_| lease.is_over(now)) {
            return Some(Doubt::Over(ended));
        }
        match owner.mac() {
            Some(mac) if mac != lease.mac => return Some(Doubt::Device(lease.mac)),
            Some(_) => {}
            None if self.files.iter().any(|pattern| pattern.matches(name, Some(lease))) => {}
            None => return Some(Doubt::NotEntitled(lease.mac)),
        }
        let since = lease.since(self.renewals);
        let (age, ahead) = (now.since(since), since.since(now));
        // A name for one delivery is as old as its attempt, and ends with it.
        let timed = !matches!(owner, Owner::Token(_));
        if timed && ahead > self.window.max(SKEW) {
            return Some(Doubt::Ahead { ahead });
        }
        (timed && age > self.window).then_some(Doubt::Window {
            age,
            window: self.window,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAC: MacAddress = MacAddress([0, 0x11, 0x22, 0x33, 0x44, 1]);
    const OTHER: MacAddress = MacAddress([0, 0x11, 0x22, 0x33, 0x44, 2]);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_unix(1_800_000_000 + second)
    }

    fn address() -> IpAddr {
        "192.0.2.7".parse().unwrap()
    }

    fn lease() -> Lease {
        Lease {
            expires: Some(at(600)),
            ..Lease::new(address(), MAC, at(0))
        }
    }

    fn of_class(class: &str) -> Lease {
        Lease {
            class: Some(class.into()),
            ..lease()
        }
    }

    fn rules(text: &str) -> Rules {
        Rules::new(&toml::from_str::<Verify>(text).unwrap())
    }

    /// The verdict on a request from the lease's address at `second`.
    fn verdict(rules: &Rules, name: &str, owner: Owner, lease: Option<&Lease>, second: i64) -> Verdict {
        let known = lease.map_or(Known::NoLease, Known::Lease);
        rules.verify(name, owner, Client::At(address()), known, at(second))
    }

    #[test]
    fn a_lease_entitles_to_the_devices_own_file_within_the_window() {
        let rules = rules("");
        let own = Owner::Device(MAC);
        assert_eq!(verdict(&rules, "x@1", own, Some(&lease()), 60), Verdict::Verified);
        let late = Verdict::Refused(Doubt::Window {
            age: Duration::from_secs(61),
            window: Duration::from_secs(60),
        });
        assert_eq!(verdict(&rules, "x@1", own, Some(&lease()), 61), late);
        assert_eq!(
            verdict(&rules, "x@1", Owner::Device(OTHER), Some(&lease()), 1),
            Verdict::Refused(Doubt::Device(MAC))
        );
        assert_eq!(verdict(&rules, "x@1", own, None, 1), Verdict::Refused(Doubt::NoLease));
        assert_eq!(
            verdict(&rules, "x@1", own, Some(&lease()), 600),
            Verdict::Refused(Doubt::Over(at(600)))
        );
        // A lease from the near future is one of a server whose clock is ahead.
        assert_eq!(verdict(&rules, "x@1", own, Some(&lease()), -60), Verdict::Verified);
        let ahead = Verdict::Refused(Doubt::Ahead {
            ahead: Duration::from_secs(61),
        });
        assert_eq!(verdict(&rules, "x@1", own, Some(&lease()), -61), ahead);
        let day = self::rules("window = '1d'");
        assert_eq!(verdict(&day, "x@1", own, Some(&lease()), -86_400), Verdict::Verified);
        assert!(!verdict(&day, "x@1", own, Some(&lease()), -86_401).is_approved());
    }

    #[test]
    fn renewals_open_the_window_again_where_they_count() {
        let renewed = Lease {
            renewed: Some(at(100)),
            ..lease()
        };
        let own = Owner::Device(MAC);
        assert_eq!(verdict(&rules(""), "f", own, Some(&renewed), 150), Verdict::Verified);
        let strict = rules("renewals = false");
        assert!(!verdict(&strict, "f", own, Some(&renewed), 150).is_approved());
        assert!(verdict(&strict, "f", own, Some(&renewed), 50).is_approved());
    }

    #[test]
    fn a_token_is_bound_to_its_device_and_not_to_the_window() {
        let rules = rules("");
        assert_eq!(
            verdict(&rules, "t", Owner::Token(MAC), Some(&lease()), 500),
            Verdict::Verified
        );
        assert_eq!(
            verdict(&rules, "t", Owner::Token(OTHER), Some(&lease()), 1),
            Verdict::Refused(Doubt::Device(MAC))
        );
    }

    #[test]
    fn files_by_pattern_and_shared_files_by_list() {
        let rules = rules("files = ['{class}.bin', '{mac}.cfg']\nshared = ['firmware/*']");
        let gold = of_class("gold");
        let ask = |name, lease: Option<&Lease>| verdict(&rules, name, Owner::Nobody, lease, 1);
        assert_eq!(ask("gold.bin", Some(&gold)), Verdict::Verified);
        assert_eq!(ask("001122334401.cfg", Some(&gold)), Verdict::Verified);
        assert_eq!(
            ask("silver.bin", Some(&gold)),
            Verdict::Refused(Doubt::NotEntitled(MAC))
        );
        assert_eq!(
            ask("001122334402.cfg", Some(&gold)),
            Verdict::Refused(Doubt::NotEntitled(MAC))
        );
        assert_eq!(ask("firmware/a.bin", None), Verdict::Free);
        let own = verdict(&self::rules("shared = ['**']"), "x@1", Owner::Device(MAC), None, 1);
        assert_eq!(
            own,
            Verdict::Refused(Doubt::NoLease),
            "a device's own file is never shared"
        );
        for spelling in [
            "firmware/../gold.bin",
            "firmware/x/a.bin",
            "/firmware/a.bin",
            "Firmware/a.bin",
            "firmware\\a",
        ] {
            assert!(!ask(spelling, None).is_approved(), "{spelling}");
        }
    }

    #[test]
    fn each_class_has_its_mode_window_and_files() {
        let rules = rules(
            "mode = 'enforce'\n[classes.old]\nmode = 'off'\n[classes.slow]\nwindow = '5m'\n[classes.new]\nmode = 'mark'\n\
             files = ['new.bin']",
        );
        let ask = |class, name, owner, second| verdict(&rules, name, owner, Some(&of_class(class)), second);
        let own = Owner::Device(MAC);
        assert_eq!(ask("old", "any", Owner::Device(OTHER), 500), Verdict::Free);
        assert_eq!(ask("slow", "f", own, 299), Verdict::Verified);
        assert!(matches!(
            ask("new", "f", own, 299),
            Verdict::Marked(Doubt::Window { .. })
        ));
        assert_eq!(ask("new", "new.bin", Owner::Nobody, 9), Verdict::Verified);
        assert_eq!(
            ask("new", "old.bin", Owner::Nobody, 9),
            Verdict::Marked(Doubt::NotEntitled(MAC))
        );
        assert!(matches!(ask("unheard-of", "f", own, 299), Verdict::Refused(_)));
        assert_eq!(rules.class_word(Some("slow")), "slow");
        assert_eq!(rules.class_word(Some("x")), "other");
        assert_eq!(rules.class_word(None), "none");
    }

    #[test]
    fn without_a_source_the_operators_choice_applies() {
        for (text, expected) in [
            ("", Verdict::Marked(Doubt::NoSource)),
            ("on_failure = 'refuse'", Verdict::Refused(Doubt::NoSource)),
            ("mode = 'mark'\non_failure = 'refuse'", Verdict::Marked(Doubt::NoSource)),
            ("mode = 'off'", Verdict::Free),
        ] {
            let verdict = rules(text).verify("f", Owner::Nobody, Client::At(address()), Known::NoSource, at(0));
            assert_eq!(verdict, expected, "{text}");
        }
    }

    #[test]
    fn behind_a_cmts_the_name_tells_whose_lease_it_is() {
        for (owner, expected) in [
            (Owner::Token(MAC), Search::Device(MAC)),
            (Owner::Device(MAC), Search::Device(MAC)),
            (Owner::Nobody, Search::Nothing),
        ] {
            assert_eq!(Rules::search(Client::BehindCmts, owner), expected);
            assert_eq!(Rules::search(Client::Device(OTHER), owner), Search::Device(OTHER));
            assert_eq!(Rules::search(Client::At(address()), owner), Search::Address(address()));
        }
        let ask = |owner, known: Known<'_>| rules("").verify("f", owner, Client::BehindCmts, known, at(1));
        let lease = lease();
        assert_eq!(ask(Owner::Device(MAC), Known::Lease(&lease)), Verdict::Verified);
        assert_eq!(ask(Owner::Nobody, Known::NoLease), Verdict::Refused(Doubt::BehindCmts));
        assert_eq!(ask(Owner::Nobody, Known::NoSource), Verdict::Refused(Doubt::BehindCmts));
    }

    proptest! {
        /// In mode enforce nothing but a lease of the owner gets a device's file.
        #[test]
        fn nobody_else_gets_a_devices_file(
            octets in any::<[u8; 6]>(), token in any::<bool>(), second in -100i64..1000, class in "[a-z]{0,3}", has in any::<bool>()
        ) {
            let mac = MacAddress(octets);
            let owner = if token { Owner::Token(mac) } else { Owner::Device(mac) };
            let lease = of_class(&class);
            let verdict = verdict(&rules("files = ['**']"), "f", owner, has.then_some(&lease), second);
            let due = has && mac == MAC && second < 600 && (token || second <= 60);
            prop_assert_eq!(verdict.is_approved(), due, "{:?}", verdict);
        }
    }
}
