//! Checks of options: RFC 2347, 2348, 2349 and 7440, and the relays' addresses.

use std::time::{Duration, Instant};

use super::client::{Client, RRQ};
use super::fetch::Fetch;
use super::{Check, Target, Verdict, each_time, fail};

pub(super) const CHECKS: &[Check] = &[
    Check {
        feature: "blksize",
        source: "RFC 2348",
        run: block_size,
    },
    Check {
        feature: "blksize-largest",
        source: "RFC 2348",
        run: largest_block_size,
    },
    Check {
        feature: "blksize-too-small",
        source: "RFC 2348",
        run: |target| out_of_range(target, "blksize", "7"),
    },
    Check {
        feature: "last-block-empty",
        source: "RFC 1350 §6",
        run: last_block_empty,
    },
    Check {
        feature: "block-roll-over",
        source: "RFC 1350, in use",
        run: roll_over,
    },
    Check {
        feature: "tsize",
        source: "RFC 2349",
        run: size,
    },
    Check {
        feature: "timeout",
        source: "RFC 2349",
        run: timeout,
    },
    Check {
        feature: "timeout-out-of-range",
        source: "RFC 2349",
        run: |target| out_of_range(target, "timeout", "0"),
    },
    Check {
        feature: "windowsize",
        source: "RFC 7440",
        run: window,
    },
    Check {
        feature: "windowsize-gap",
        source: "RFC 7440 §4",
        run: window_gap,
    },
    Check {
        feature: "windowsize-out-of-range",
        source: "RFC 7440",
        run: |target| out_of_range(target, "windowsize", "0"),
    },
    Check {
        feature: "options-together",
        source: "RFC 2347",
        run: together,
    },
    Check {
        feature: "unknown-option",
        source: "RFC 2347",
        run: unknown,
    },
    Check {
        feature: "option-name-case",
        source: "RFC 2347",
        run: name_case,
    },
    Check {
        feature: "oack-repeated",
        source: "RFC 2347",
        run: oack_repeated,
    },
    Check {
        feature: "netaddr-not-echoed",
        source: "seed 004 §5.4",
        run: addresses,
    },
];

/// The timeout that is asked for.
const TIMEOUT: Duration = Duration::from_secs(3);

fn block_size(target: &Target) -> Result<(), Verdict> {
    for size in [8, 512, 1428, 1448] {
        let fetched = Fetch::new(target).with("blksize", size).same()?;
        match fetched
            .granted("blksize")
            .and_then(|granted| granted.parse::<u32>().ok())
        {
            None => return fail(format!("blksize {size} is not acknowledged")),
            Some(granted) if !(8..=size).contains(&granted) => {
                return fail(format!("blksize {size} is answered by {granted}"));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn largest_block_size(target: &Target) -> Result<(), Verdict> {
    let fetched = Fetch::new(target).with("blksize", 65_464).same()?;
    let Some(granted) = fetched.granted("blksize") else {
        return fail("blksize 65464 is not acknowledged");
    };
    match granted.parse::<u32>() {
        Ok(8..=65_464) => Ok(()),
        _ => fail(format!("blksize 65464 is answered by {granted}")),
    }
}

/// A value that the RFC does not allow is passed over or refused with error 8, never granted.
fn out_of_range(target: &Target, name: &str, value: &str) -> Result<(), Verdict> {
    let client = Client::new(target)?;
    client.request(RRQ, &target.file, "octet", &[(name, value)])?;
    let reply = client.expect("an answer")?;
    if reply.error().is_none() {
        client.abort(reply.from)?;
    }
    let granted = reply.options().and_then(|options| {
        let option = options.into_iter().find(|(granted, _)| granted == name)?;
        Some(option.1)
    });
    match (reply.error(), granted) {
        (Some(code), _) if code.0 != 8 => fail(format!("refused by {}", reply.describe())),
        (None, Some(granted)) if granted == value => fail(format!("{name} {value} is granted")),
        _ => Ok(()),
    }
}

/// A file of whole blocks ends with an empty one.
fn last_block_empty(target: &Target) -> Result<(), Verdict> {
    let length = target.known()?.len();
    let divides = |size: &usize| length.is_multiple_of(*size);
    let Some(size) = (8..=1468.min(length)).rev().find(divides) else {
        return Err(Verdict::Skipped("no block size divides the file's size".into()));
    };
    let fetched = Fetch::new(target).with("blksize", size).same()?;
    if fetched.granted("blksize") != Some(&size.to_string()) {
        return Err(Verdict::Skipped(format!("blksize {size} is not granted")));
    }
    if fetched.last == size {
        return fail(format!(
            "the empty last block is missing: {length} octets fill {} blocks of {size}",
            fetched.blocks
        ));
    }
    if fetched.last != 0 || fetched.blocks != (length / size) as u64 + 1 {
        return fail(format!(
            "{} blocks, the last of {} octets",
            fetched.blocks, fetched.last
        ));
    }
    Ok(())
}

fn roll_over(target: &Target) -> Result<(), Verdict> {
    target.larger_than(8 * 65_536)?;
    let fetched = Fetch::new(target).with("blksize", 8).same()?;
    if fetched.blocks <= 65_536 {
        return Err(Verdict::Skipped("blksize 8 is not granted".into()));
    }
    Ok(())
}

fn size(target: &Target) -> Result<(), Verdict> {
    let length = target.known()?.len().to_string();
    let fetched = Fetch::new(target).with("tsize", 0).same()?;
    match fetched.granted("tsize") {
        Some(told) if told == length => Ok(()),
        Some(told) => fail(format!("the file has {length} octets, tsize says {told}")),
        None => fail("tsize 0 is not acknowledged"),
    }
}

/// The timeout is granted as asked for, and the server keeps to it.
fn timeout(target: &Target) -> Result<(), Verdict> {
    let fetched = Fetch::new(target).with("timeout", TIMEOUT.as_secs()).same()?;
    match fetched.granted("timeout") {
        Some("3") => each_time(|| keeps_timeout(target)),
        Some(other) => fail(format!("timeout 3 is answered by {other}")),
        None => fail("timeout 3 is not acknowledged"),
    }
}

/// A block that is not acknowledged comes again after the timeout that was granted, and not long before.
fn keeps_timeout(target: &Target) -> Result<(), Verdict> {
    let client = Client::new(target)?;
    client.request(RRQ, &target.file, "octet", &[("timeout", "3")])?;
    let oack = client.expect("OACK")?;
    client.ack(0, oack.from)?;
    let first = client.expect_block(1)?;
    let sent = Instant::now();
    let again = client.receive_for(target.retransmission)?;
    let waited = sent.elapsed();
    client.abort(first.from)?;
    match again {
        Some(again) if again.octets != first.octets => fail(format!("DATA 1 was followed by {}", again.describe())),
        // A server whose clock ticks in seconds may be one early.
        Some(_) if waited + Duration::from_secs(1) < TIMEOUT => fail(format!(
            "timeout 3 is granted, but DATA 1 came again after {:.1} s",
            waited.as_secs_f64()
        )),
        Some(_) => Ok(()),
        None => fail(format!(
            "timeout 3 is granted, but DATA 1 did not come again within {:?}",
            target.retransmission
        )),
    }
}

fn window(target: &Target) -> Result<(), Verdict> {
    target.larger_than(512 * 5)?;
    for size in [1, 2, 4, 16] {
        let fetched = Fetch::new(target).with("windowsize", size).same()?;
        match fetched
            .granted("windowsize")
            .and_then(|granted| granted.parse::<u32>().ok())
        {
            None => return fail(format!("windowsize {size} is not acknowledged")),
            Some(granted) if !(1..=size).contains(&granted) => {
                return fail(format!("windowsize {size} is answered by {granted}"));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// The client misses block 2 of a window and acknowledges block 1: the server goes on from block 2.
fn window_gap(target: &Target) -> Result<(), Verdict> {
    target.larger_than(512 * 6)?;
    let client = Client::new(target)?;
    client.request(RRQ, &target.file, "octet", &[("windowsize", "4")])?;
    let oack = client.expect("OACK")?;
    let granted = oack
        .options()
        .is_some_and(|options| options.contains(&("windowsize".into(), "4".into())));
    if !granted {
        client.abort(oack.from)?;
        return Err(Verdict::Skipped("windowsize 4 is not granted".into()));
    }
    client.ack(0, oack.from)?;
    for block in 1..=4 {
        client.expect_block(block)?;
    }
    client.ack(1, oack.from)?;
    let resumed = client.expect("DATA 2")?;
    client.abort(oack.from)?;
    match resumed.block() {
        Some(2) => Ok(()),
        _ => fail(format!("ACK 1 of a window of 4 is followed by {}", resumed.describe())),
    }
}

fn together(target: &Target) -> Result<(), Verdict> {
    let length = target.known()?.len();
    let fetch = Fetch::new(target)
        .with("tsize", 0)
        .with("blksize", 1448)
        .with("timeout", 2);
    let fetched = fetch.same()?;
    let Some(granted) = &fetched.granted else {
        return fail("three options are not acknowledged");
    };
    let asked = ["tsize", "blksize", "timeout"];
    if let Some((name, _)) = granted.iter().find(|(name, _)| !asked.contains(&name.as_str())) {
        return fail(format!("{name} was not asked for"));
    }
    if fetched.granted("tsize").is_some_and(|told| told != length.to_string()) {
        return fail("tsize is wrong");
    }
    Ok(())
}

/// An option that nobody knows is passed over: with no other, DATA 1 answers, and no empty OACK.
fn unknown(target: &Target) -> Result<(), Verdict> {
    let fetched = Fetch::new(target).with("hardline", "1").same()?;
    match fetched.granted {
        None => Ok(()),
        Some(granted) if granted.is_empty() => fail("an unknown option is answered by an OACK of no option"),
        Some(granted) => {
            let names: Vec<&str> = granted.iter().map(|(name, _)| name.as_str()).collect();
            fail(format!(
                "an unknown option is answered by an OACK of {}",
                names.join(", ")
            ))
        }
    }
}

fn name_case(target: &Target) -> Result<(), Verdict> {
    let fetched = Fetch::new(target).with("BlkSize", 1024).same()?;
    match fetched.granted("blksize") {
        Some(_) => Ok(()),
        None => fail("BlkSize is not taken for blksize"),
    }
}

/// An OACK that is not acknowledged comes again.
fn oack_repeated(target: &Target) -> Result<(), Verdict> {
    let client = Client::new(target)?;
    client.request(RRQ, &target.file, "octet", &[("blksize", "1024")])?;
    let first = client.expect("OACK")?;
    if first.options().is_none() {
        client.abort(first.from)?;
        return Err(Verdict::Skipped("no option is acknowledged".into()));
    }
    let again = client.receive_for(target.retransmission)?;
    client.abort(first.from)?;
    match again {
        Some(again) if again.octets == first.octets => Ok(()),
        Some(again) => fail(format!("OACK was followed by {}", again.describe())),
        None => fail(format!("not sent again within {:?}", target.retransmission)),
    }
}

/// A relay's addresses are for the server; only the other options are acknowledged.
fn addresses(target: &Target) -> Result<(), Verdict> {
    let fetch = Fetch::new(target)
        .with("netaddr", "192.0.2.1")
        .with("hwaddr", "00:11:22:33:44:55");
    let fetched = fetch.with("tsize", 0).same()?;
    let echoed = ["netaddr", "hwaddr"]
        .into_iter()
        .find(|name| fetched.granted(name).is_some());
    match echoed {
        Some(name) => fail(format!("{name} is echoed")),
        None => Ok(()),
    }
}
