//! Checks of the transfer itself: RFC 1350 and RFC 1123.

use super::client::{Client, RRQ, Reply, WRQ};
use super::fetch::Fetch;
use super::{Check, Target, Verdict, each_time, fail};
use std::time::{Duration, Instant};

pub(super) const CHECKS: &[Check] = &[
    Check {
        feature: "transfer-port",
        source: "RFC 1350 §4",
        run: transfer_port,
    },
    Check {
        feature: "upper-case-mode",
        source: "RFC 1350 §5",
        run: upper_case_mode,
    },
    Check {
        feature: "missing-file",
        source: "RFC 1350 §5",
        run: missing_file,
    },
    Check {
        feature: "netascii",
        source: "RFC 1350 §1",
        run: netascii,
    },
    Check {
        feature: "mail-refused",
        source: "RFC 1350 §1",
        run: mail,
    },
    Check {
        feature: "write-refused",
        source: "seed 004 §7.2.1",
        run: write,
    },
    Check {
        feature: "retransmission",
        source: "RFC 1350 §2",
        run: retransmission,
    },
    Check {
        feature: "duplicate-ack",
        source: "RFC 1123 §4.2.3.1",
        run: |target| each_time(|| duplicate_ack(target)),
    },
    Check {
        feature: "old-ack",
        source: "RFC 1123 §4.2.3.1",
        run: |target| each_time(|| old_ack(target)),
    },
    Check {
        feature: "last-ack-ends",
        source: "RFC 1350 §6",
        run: |target| each_time(|| last_ack_ends(target)),
    },
    Check {
        feature: "future-ack",
        source: "RFC 1350 §2",
        run: future_ack,
    },
    Check {
        feature: "repeated-request",
        source: "RFC 1350 §4",
        run: repeated_request,
    },
    Check {
        feature: "third-port-undisturbed",
        source: "RFC 1350 §4",
        run: third_port_undisturbed,
    },
    Check {
        feature: "third-port-error-5",
        source: "RFC 1350 §4",
        run: third_port_error,
    },
    Check {
        feature: "error-ends",
        source: "RFC 1350 §7",
        run: error_ends,
    },
];

/// How long a packet that must not come is waited for.
const QUIET: Duration = Duration::from_millis(300);

/// How long a transfer that is over is listened to: longer than servers wait before they send again.
const ENDED: Duration = Duration::from_millis(1_500);

fn transfer_port(target: &Target) -> Result<(), Verdict> {
    let fetched = Fetch::new(target).same()?;
    if fetched.port.ip() != target.server.ip() && !target.server.ip().is_unspecified() {
        return fail(format!("{} answers for {}", fetched.port.ip(), target.server.ip()));
    }
    if fetched.port.port() == target.server.port() {
        return fail("the transfer comes from the listening port");
    }
    Ok(())
}

fn upper_case_mode(target: &Target) -> Result<(), Verdict> {
    let client = Client::new(target)?;
    client.request(RRQ, &target.file, "OcTeT", &[])?;
    let reply = client.expect_block(1)?;
    client.abort(reply.from)?;
    Ok(())
}

fn missing_file(target: &Target) -> Result<(), Verdict> {
    let client = Client::new(target)?;
    client.request(RRQ, "no-file-has-this-name.3f9a", "octet", &[])?;
    client.expect_error(&[1])
}

/// Lines in network form: served or refused, never served as octets under that name.
fn netascii(target: &Target) -> Result<(), Verdict> {
    let client = Client::new(target)?;
    client.request(RRQ, &target.file, "netascii", &[])?;
    let reply = client.expect("DATA or an ERROR")?;
    match (reply.error(), reply.block()) {
        (Some(code), _) if matches!(code.0, 0 | 2 | 4) => Ok(()),
        (None, Some(1)) => {
            client.abort(reply.from)?;
            let plain = target.known()?.get(..512).unwrap_or_default();
            let translates = plain.iter().any(|octet| matches!(octet, b'\n' | b'\r'));
            if translates && reply.octets.get(4..) == Some(plain) {
                return fail("line ends are not translated");
            }
            Ok(())
        }
        _ => fail(format!("got {}", reply.describe())),
    }
}

fn mail(target: &Target) -> Result<(), Verdict> {
    let client = Client::new(target)?;
    client.request(RRQ, &target.file, "mail", &[])?;
    client.expect_error(&[0, 2, 4])
}

fn write(target: &Target) -> Result<(), Verdict> {
    let client = Client::new(target)?;
    client.request(WRQ, "hardline-must-not-be-written.3f9a", "octet", &[])?;
    client.expect_error(&[0, 1, 2, 4])
}

/// An unacknowledged DATA comes again, later than at once, and the same.
fn retransmission(target: &Target) -> Result<(), Verdict> {
    let client = Client::new(target)?;
    client.request(RRQ, &target.file, "octet", &[])?;
    let first = client.expect_block(1)?;
    let sent = Instant::now();
    let Some(again) = client.receive_for(target.retransmission)? else {
        return fail(format!("not sent again within {:?}", target.retransmission));
    };
    client.abort(first.from)?;
    if again.octets != first.octets {
        return fail(format!("DATA 1 was followed by {}", again.describe()));
    }
    if sent.elapsed() < Duration::from_millis(100) {
        return fail("sent again without any wait");
    }
    Ok(())
}

/// The Sorcerer's Apprentice: each ACK of a block sent twice, and still each block sent once.
fn duplicate_ack(target: &Target) -> Result<(), Verdict> {
    target.larger_than(4 * 512)?;
    let client = Client::new(target)?;
    client.request(RRQ, &target.file, "octet", &[])?;
    let mut reply = client.expect_block(1)?;
    for block in 1..=3 {
        client.ack(block, reply.from)?;
        client.ack(block, reply.from)?;
        reply = client.expect(&format!("DATA {}", block + 1))?;
        match reply.block() {
            Some(next) if next == block + 1 => {}
            Some(again) if again == block => return multiplied(&client, &reply),
            _ => return fail(format!("expected DATA {}, got {}", block + 1, reply.describe())),
        }
    }
    if let Some(more) = client.receive_for(QUIET)? {
        return multiplied(&client, &more);
    }
    client.abort(reply.from)?;
    Ok(())
}

fn multiplied(client: &Client, more: &Reply) -> Result<(), Verdict> {
    client.abort(more.from)?;
    fail(format!("ACKs sent twice set off {} once more", more.describe()))
}

/// The Sorcerer's Apprentice with a late copy: an ACK of a block long acknowledged sets off nothing at all, not even the
/// present block once more.
fn old_ack(target: &Target) -> Result<(), Verdict> {
    unmoved_by(target, 3, 1, false)
}

/// An ACK of a block that was not sent yet is passed over; the present block may come once more.
fn future_ack(target: &Target) -> Result<(), Verdict> {
    unmoved_by(target, 1, 40, true)
}

/// In lockstep at `block`, an ACK of `wrong` sets off nothing, or with `again` the present block, and the transfer goes on.
fn unmoved_by(target: &Target, block: u16, wrong: u16, again: bool) -> Result<(), Verdict> {
    target.larger_than(usize::from(block) * 512)?;
    let client = Client::new(target)?;
    client.request(RRQ, &target.file, "octet", &[])?;
    let mut reply = client.expect_block(1)?;
    for acknowledged in 1..block {
        client.ack(acknowledged, reply.from)?;
        reply = client.expect_block(acknowledged + 1)?;
    }
    client.ack(wrong, reply.from)?;
    if let Some(more) = client.receive_for(QUIET)?
        && !(again && more.block() == Some(block))
    {
        client.abort(reply.from)?;
        let once_more = if more.octets == reply.octets { " once more" } else { "" };
        return fail(format!(
            "ACK {wrong} after DATA {block} set off {}{once_more}",
            more.describe()
        ));
    }
    client.ack(block, reply.from)?;
    let next = client.expect_block(block + 1);
    client.abort(reply.from)?;
    next.map(|_| ())
}

/// The ACK of the last block is the end: nothing comes after it.
fn last_ack_ends(target: &Target) -> Result<(), Verdict> {
    let fetched = Fetch::new(target).same()?;
    match fetched.client.receive_for(ENDED)? {
        Some(more) => {
            fetched.client.abort(more.from)?;
            fail(format!("after the last ACK came {}", more.describe()))
        }
        None => Ok(()),
    }
}

/// A request that is repeated because its answer is late is the same transfer.
fn repeated_request(target: &Target) -> Result<(), Verdict> {
    let client = Client::new(target)?;
    client.request(RRQ, &target.file, "octet", &[])?;
    client.request(RRQ, &target.file, "octet", &[])?;
    let first = client.expect_block(1)?;
    let second = client.receive_for(QUIET)?;
    client.abort(first.from)?;
    match second {
        Some(second) if second.from != first.from => {
            client.abort(second.from)?;
            fail("a repeated request begins a second transfer beside the first")
        }
        _ => Ok(()),
    }
}

/// A transfer under way, into which a third port puts an ACK and an ERROR.
fn third_port_undisturbed(target: &Target) -> Result<(), Verdict> {
    target.larger_than(2 * 512)?;
    let (client, stranger) = (Client::new(target)?, Client::new(target)?);
    client.request(RRQ, &target.file, "octet", &[])?;
    let reply = client.expect_block(1)?;
    stranger.ack(1, reply.from)?;
    stranger.abort(reply.from)?;
    if let Some(more) = client.receive_for(QUIET)?
        && more.block() != Some(1)
    {
        client.abort(reply.from)?;
        return fail(format!("a stranger's packets set off {}", more.describe()));
    }
    client.ack(1, reply.from)?;
    let next = client.expect_block(2);
    client.abort(reply.from)?;
    next.map(|_| ())
}

fn third_port_error(target: &Target) -> Result<(), Verdict> {
    target.larger_than(512)?;
    let (client, stranger) = (Client::new(target)?, Client::new(target)?);
    client.request(RRQ, &target.file, "octet", &[])?;
    let reply = client.expect_block(1)?;
    stranger.ack(1, reply.from)?;
    let told = stranger.expect_error(&[5]);
    client.abort(reply.from)?;
    told
}

fn error_ends(target: &Target) -> Result<(), Verdict> {
    target.larger_than(512)?;
    let client = Client::new(target)?;
    client.request(RRQ, &target.file, "octet", &[])?;
    let reply = client.expect_block(1)?;
    client.abort(reply.from)?;
    client.ack(1, reply.from)?;
    match client.receive_for(ENDED)? {
        Some(more) if more.error().is_none() => fail(format!("after an ERROR came {}", more.describe())),
        _ => Ok(()),
    }
}
