//! Whether a device that proved who it is gets its document now.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::model::Device;
use crate::settings::{Bootstrap, BootstrapClass, Handout};
use crate::store::CredentialState;
use crate::value::{MacAddress, Timestamp};

/// The device's variable that names its class.
const CLASS: &str = "class";
/// The device's variable that shuts it out.
const BLOCKED: &str = "blocked";

/// The operator's rules, by class.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    usual: Rule,
    classes: BTreeMap<String, Rule>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Rule {
    handout: Handout,
    window: Duration,
    match_address: bool,
}

/// What is known when a device asks.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The device that its certificate names, where it is known.
    pub device: Option<&'a Device>,
    /// The method of the request.
    pub method: &'a str,
    /// The address that the request came from.
    pub source: IpAddr,
    /// Who has the lease of that address; `None` where no lease source is asked, and the device's record counts.
    pub lease: Option<Option<MacAddress>>,
    /// What is known of its credentials. Only [`Rules::needs_state`] says whether it was looked up.
    pub state: Option<&'a CredentialState>,
    /// When it was last provisioned, or told to bootstrap. Only [`Rules::needs_history`] says whether it was looked up.
    pub since: Option<Timestamp>,
    /// The time.
    pub now: Timestamp,
}

/// Why a device gets nothing. Displays as what the operator reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The method is not GET.
    #[error("only GET is answered")]
    Method,
    /// No device has the MAC address of the certificate.
    #[error("the device is not known: add it with hardline device add")]
    Unknown,
    /// The operator shut it out.
    #[error("the device is blocked: remove its variable 'blocked' to let it in again")]
    Blocked,
    /// The address is not the device's.
    #[error("{0} is none of the device's addresses")]
    Address(IpAddr),
    /// It was not provisioned, or too long ago.
    #[error("the window after its provisioning is not open: provision it, or order hardline device bootstrap")]
    Window,
    /// It asked too often.
    #[error("the device asks more often than requests_per_device of [bootstrap] allows in a minute")]
    TooOften,
    /// It has no credentials.
    #[error("the device has no credentials: add some with hardline credentials")]
    Nothing,
    /// It has had its document.
    #[error(
        "the document was handed out at {0} and is handed out once: set the credentials anew to hand them out again"
    )]
    Once(Timestamp),
    /// Its credentials are in use.
    #[error("the credentials are in use since {0}: set them anew to hand them out again")]
    InUse(Timestamp),
}

impl Refusal {
    /// The status of the HTTP answer.
    pub fn status(self) -> u16 {
        match self {
            Self::Method => 405,
            Self::Nothing => 404,
            Self::TooOften => 429,
            _ => 403,
        }
    }

    /// A fixed word for counters.
    pub fn word(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::Unknown => "unknown_device",
            Self::Blocked => "blocked",
            Self::Address(_) => "address",
            Self::Window => "window",
            Self::TooOften => "too_often",
            Self::Nothing => "no_credentials",
            Self::Once(_) => "handed_out",
            Self::InUse(_) => "in_use",
        }
    }
}

/// The device may have its document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowed {
    /// The state of its credentials that this holds for; `None` where it holds for any.
    pub decided_on: Option<(Timestamp, u32)>,
}

impl Rules {
    /// The rules of `[bootstrap]`.
    pub fn new(settings: &Bootstrap) -> Self {
        let usual = Rule {
            handout: settings.handout,
            window: settings.window,
            match_address: settings.match_address,
        };
        let class = |class: &BootstrapClass| Rule {
            handout: class.handout.unwrap_or(usual.handout),
            window: class.window.unwrap_or(usual.window),
            match_address: class.match_address.unwrap_or(usual.match_address),
        };
        let classes = settings.classes.iter().map(|(name, rule)| (name.clone(), class(rule)));
        Self {
            usual,
            classes: classes.collect(),
        }
    }

    fn rule(&self, device: &Device) -> Rule {
        let class = device.vars.get(CLASS).and_then(|class| self.classes.get(class));
        class.copied().unwrap_or(self.usual)
    }

    /// Whether the decision about this device depends on what it was handed before.
    pub fn needs_state(&self, device: &Device) -> bool {
        self.rule(device).handout != Handout::Always
    }

    /// Whether the decision depends on whose its address is.
    pub fn needs_lease(&self, device: &Device) -> bool {
        self.rule(device).match_address
    }

    /// Whether the decision depends on when it was provisioned.
    pub fn needs_history(&self, device: &Device) -> bool {
        !self.rule(device).window.is_zero()
    }
}

/// Whether the operator shut the device out: its variable `blocked` says `yes`, `true` or `1`.
pub fn is_blocked(device: &Device) -> bool {
    let value = device.vars.get(BLOCKED).map(String::as_str);
    matches!(value, Some("yes" | "true" | "1"))
}

/// Decides. The URI has no part in it: a device gets its own document, whatever it asks for.
///
/// # Errors
/// [`Refusal`].
pub fn authorise(rules: &Rules, facts: &Facts<'_>) -> Result<Allowed, Refusal> {
    if facts.method != "GET" {
        return Err(Refusal::Method);
    }
    let device = facts.device.ok_or(Refusal::Unknown)?;
    if is_blocked(device) {
        return Err(Refusal::Blocked);
    }
    let rule = rules.rule(device);
    let its_own = match facts.lease {
        Some(holder) => holder == Some(device.mac),
        None => device.may_speak_from(facts.source),
    };
    if rule.match_address && !its_own {
        return Err(Refusal::Address(facts.source.to_canonical()));
    }
    let open = |since: Timestamp| facts.now <= since.plus(rule.window);
    if !rule.window.is_zero() && !facts.since.is_some_and(open) {
        return Err(Refusal::Window);
    }
    if rule.handout == Handout::Always {
        return Ok(Allowed { decided_on: None });
    }
    let state = facts.state.ok_or(Refusal::Nothing)?;
    match (rule.handout, state.delivered, state.used) {
        (Handout::Once, Some(delivered), _) => Err(Refusal::Once(delivered)),
        (Handout::Acknowledged, _, Some(used)) => Err(Refusal::InUse(used)),
        _ => Ok(Allowed {
            decided_on: Some((state.changed, state.deliveries)),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Flow;

    const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);
    const SOURCE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

    fn device(vars: &[(&str, &str)]) -> Device {
        Device {
            addresses: vec![SOURCE],
            vars: vars.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect(),
            ..crate::provisioning::tests::device(Flow::Hybrid)
        }
    }

    fn state(delivered: Option<Timestamp>, used: Option<Timestamp>) -> CredentialState {
        CredentialState {
            mac: MacAddress([0, 1, 2, 3, 4, 5]),
            impus: 1,
            impis: 1,
            changed: NOW,
            deliveries: u32::from(delivered.is_some()),
            delivered,
            used,
        }
    }

    fn facts<'a>(device: &'a Device, state: &'a CredentialState) -> Facts<'a> {
        Facts {
            device: Some(device),
            method: "GET",
            source: SOURCE,
            lease: None,
            state: Some(state),
            since: Some(NOW),
            now: NOW,
        }
    }

    fn rules(text: &str) -> Rules {
        Rules::new(&toml::from_str::<Bootstrap>(text).unwrap())
    }

    #[test]
    fn methods_unknown_and_blocked_devices_and_those_without_credentials() {
        let (rules, known, fresh) = (rules("handout = 'once'"), device(&[]), state(None, None));
        let facts = facts(&known, &fresh);
        let status = |facts: Facts<'_>| authorise(&rules, &facts).map_err(Refusal::status);
        assert!(status(facts).is_ok());
        for method in ["HEAD", "POST", "get", "OPTIONS"] {
            assert_eq!(status(Facts { method, ..facts }), Err(405), "{method}");
        }
        assert_eq!(status(Facts { device: None, ..facts }), Err(403));
        let blocked = device(&[("blocked", "yes")]);
        assert_eq!(
            status(Facts {
                device: Some(&blocked),
                ..facts
            }),
            Err(403)
        );
        assert_eq!(status(Facts { state: None, ..facts }), Err(404));
    }

    #[test]
    fn once_until_acknowledged_or_always_by_class() {
        let rules = rules(
            "handout = 'once'\n[classes.a]\nhandout = 'acknowledged'\n[classes.b]\nhandout = 'always'\n[classes.c]\n",
        );
        let verdict = |class: &str, state: &CredentialState| {
            let device = device(&[("class", class)]);
            authorise(&rules, &facts(&device, state)).map_err(Refusal::word)
        };
        let (fresh, had, used) = (state(None, None), state(Some(NOW), None), state(Some(NOW), Some(NOW)));
        let expected = Allowed {
            decided_on: Some((NOW, 0)),
        };
        assert_eq!(verdict("", &fresh), Ok(expected));
        for class in ["", "c", "nobody"] {
            assert_eq!(verdict(class, &had), Err("handed_out"), "{class}");
        }
        assert_eq!(
            verdict("a", &had),
            Ok(Allowed {
                decided_on: Some((NOW, 1))
            })
        );
        assert_eq!(verdict("a", &used), Err("in_use"));
        assert_eq!(verdict("b", &used), Ok(Allowed { decided_on: None }));
    }

    #[test]
    fn the_window_closes_and_the_address_counts_where_the_operator_says_so() {
        let rules =
            rules("window = '10m'\nmatch_address = true\n[classes.free]\nwindow = '0s'\nmatch_address = false\n");
        let (usual, free, fresh) = (device(&[]), device(&[("class", "free")]), state(None, None));
        let verdict = |device: &Device, since, source: &str| {
            let facts = Facts {
                since,
                source: source.parse().unwrap(),
                ..facts(device, &fresh)
            };
            authorise(&rules, &facts).map_err(Refusal::word)
        };
        let ago = |seconds: i64| Some(Timestamp::from_unix(NOW.unix() - seconds));
        assert!(verdict(&usual, ago(600), "192.0.2.7").is_ok());
        assert!(verdict(&usual, ago(0), "::ffff:192.0.2.7").is_ok());
        assert_eq!(verdict(&usual, ago(601), "192.0.2.7"), Err("window"));
        assert_eq!(verdict(&usual, None, "192.0.2.7"), Err("window"));
        assert_eq!(verdict(&usual, ago(0), "192.0.2.8"), Err("address"));
        assert!(verdict(&free, None, "192.0.2.8").is_ok());
        let leased = |lease| {
            let facts = Facts {
                lease: Some(lease),
                ..facts(&usual, &fresh)
            };
            authorise(&rules, &facts).map_err(Refusal::word)
        };
        assert!(leased(Some(usual.mac)).is_ok());
        assert_eq!(leased(Some(MacAddress([9; 6]))), Err("address"));
        assert_eq!(leased(None), Err("address"), "nobody has the lease");
        assert!(rules.needs_history(&usual) && !rules.needs_history(&free) && !rules.needs_state(&usual));
    }
}
