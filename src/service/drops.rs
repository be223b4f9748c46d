//! What happens to a datagram or request that is dropped: it is counted by reason, and some of them are logged.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::settings::Service;
use crate::value::MacAddress;

/// Lines logged for one service and reason within [`PERIOD`]; the others are counted only.
const LINES: u32 = 5;

/// The period that [`LINES`] counts in.
const PERIOD: Duration = Duration::from_secs(10);

/// The counter of what a service dropped.
fn counter(service: Service) -> &'static str {
    match service {
        Service::Kdc => "hardline_kdc_dropped_total",
        Service::Keymgmt => "hardline_keymgmt_dropped_total",
        Service::Fqdn => "hardline_fqdn_dropped_total",
        Service::Snmp => "hardline_snmp_dropped_total",
        Service::Tftp => "hardline_tftp_dropped_total",
        Service::Http => "hardline_http_dropped_total",
        Service::Dns => "hardline_dns_dropped_total",
        Service::Admin => "hardline_admin_dropped_total",
        Service::Bootstrap => "hardline_bootstrap_dropped_total",
        Service::BootstrapLegacy => "hardline_bootstrap_legacy_dropped_total",
    }
}

/// Counts one dropped input in `hardline_<service>_dropped_total{reason}` and logs it unless too many of its kind were
/// logged lately. `reason` is a fixed word, never text from the peer; `offset` is the octet at which the input is wrong, 0
/// where it is wrong as a whole.
pub fn count(service: Service, reason: &'static str, peer: SocketAddr, offset: usize) {
    if let Some(suppressed) = admitted(service, reason) {
        tracing::warn!(service = service.name(), %peer, reason, offset, suppressed, "dropped");
    }
}

/// The same for a message that was understood and is refused, with what an operator should know of it: `mac` is the device
/// that it claims to be from, `detail` says why in full.
pub fn refused(service: Service, reason: &'static str, peer: SocketAddr, mac: Option<MacAddress>, detail: &str) {
    if let Some(suppressed) = admitted(service, reason) {
        let mac = mac.map(tracing::field::display);
        tracing::warn!(service = service.name(), %peer, mac, reason, detail, suppressed, "refused");
    }
}

/// Counts, and says how many lines of the kind were suppressed where another one may be logged.
fn admitted(service: Service, reason: &'static str) -> Option<u64> {
    metrics::counter!(counter(service), "reason" => reason).increment(1);
    static LIMITER: LazyLock<Mutex<Limiter>> = LazyLock::new(Mutex::default);
    // A panic elsewhere leaves at worst a wrong count of suppressed lines.
    LIMITER
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .admit((service, reason), Instant::now())
}

/// Lets a few lines of each kind through in each period. Kinds are fixed words, so that their number is bounded.
#[derive(Default)]
struct Limiter {
    windows: HashMap<(Service, &'static str), Window>,
}

struct Window {
    since: Instant,
    lines: u32,
    suppressed: u64,
}

impl Limiter {
    /// Whether a line of this kind may be logged now, and if so how many were suppressed before it.
    fn admit(&mut self, kind: (Service, &'static str), now: Instant) -> Option<u64> {
        let window = self.windows.entry(kind).or_insert(Window {
            since: now,
            lines: 0,
            suppressed: 0,
        });
        if now.duration_since(window.since) >= PERIOD {
            window.since = now;
            window.lines = 0;
        }
        if window.lines == LINES {
            window.suppressed += 1;
            return None;
        }
        window.lines += 1;
        Some(std::mem::take(&mut window.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_logs_a_few_lines_and_then_says_how_many_it_left_out() {
        let mut limiter = Limiter::default();
        let start = Instant::now();
        let kind = (Service::Tftp, "truncated");
        let admitted = (0..1000).filter(|_| limiter.admit(kind, start).is_some()).count();
        assert_eq!(admitted, 5);
        assert_eq!(
            limiter.admit((Service::Tftp, "opcode"), start),
            Some(0),
            "another reason is not drowned"
        );
        assert_eq!(limiter.admit(kind, start + PERIOD), Some(995));
        assert_eq!(limiter.admit(kind, start + PERIOD), Some(0));
    }
}
