//! Checks of what a server makes of input that no client sends.

use super::client::{Client, RRQ, request};
use super::fetch::Fetch;
use super::{Check, Target, Verdict, fail};
use std::time::Duration;

pub(super) const CHECKS: &[Check] = &[
    Check {
        feature: "path-traversal",
        source: "seed 004 §7.2.1",
        run: traversal,
    },
    Check {
        feature: "malformed-requests",
        source: "RFC 1350 §5",
        run: malformed,
    },
    Check {
        feature: "malformed-in-transfer",
        source: "RFC 1350 §5",
        run: malformed_in_transfer,
    },
    Check {
        feature: "option-flood",
        source: "RFC 2347",
        run: option_flood,
    },
];

/// Names that lead out of the served folder wherever it is, in the spellings that have worked somewhere.
fn traversal(target: &Target) -> Result<(), Verdict> {
    let up = "../".repeat(12);
    let names = [
        format!("{up}etc/passwd"),
        format!("/{up}etc/passwd"),
        "/etc/passwd".to_owned(),
        format!("./{up}etc/passwd"),
        format!("x/../{up}etc/passwd"),
        "..\\..\\..\\..\\..\\..\\..\\etc\\passwd".to_owned(),
        "..%2f..%2f..%2f..%2f..%2fetc%2fpasswd".to_owned(),
        "....//....//....//....//etc/passwd".to_owned(),
        "..\u{2215}..\u{2215}..\u{2215}etc\u{2215}passwd".to_owned(),
    ];
    let overlong = [b"..\xc0\xaf".repeat(8), b"etc\xc0\xafpasswd".to_vec()].concat();
    for name in names.iter().map(String::as_bytes).chain([&overlong[..]]) {
        let client = Client::new(target)?;
        client.send_request(&request(RRQ, name, "octet", &[]))?;
        if let Some(reply) = client.receive()?
            && reply.error().is_none()
        {
            client.abort(reply.from)?;
            return fail(format!(
                "{} is answered by {}",
                String::from_utf8_lossy(name),
                reply.describe()
            ));
        }
    }
    Ok(())
}

/// What is no request; after each the server still serves.
fn malformed(target: &Target) -> Result<(), Verdict> {
    let long = request(RRQ, &[b'a'; 600], "octet", &[]);
    let many = request(RRQ, b"f", "octet", &[("tsize", "0"); 100]);
    let whole = request(RRQ, target.file.as_bytes(), "octet", &[]);
    let cut = (0..whole.len()).map(|length| whole.get(..length).unwrap_or_default());
    let others: [&[u8]; 14] = [
        b"\0\0",
        b"\0\x07x\0octet\0",
        b"\xff\xff",
        b"\0\x01\0\0",
        b"\0\x01\0octet\0",
        b"\0\x01f\0\0",
        b"\0\x01f\0octet\0blksize",
        b"\0\x01f\0octet\0blksize\0",
        b"\0\x01f\0octet\0\0\0",
        b"\0\x03\0\x01data",
        b"\0\x04\0\x01",
        b"\0\x05\0\x01no\0",
        b"\0\x06blksize\x00512\0",
        b"\x01",
    ];
    let client = Client::new(target)?;
    for datagram in cut.chain(others).chain([&long[..], &many[..]]) {
        client.send_request(datagram)?;
    }
    while let Some(reply) = client.receive_for(Duration::from_millis(300))? {
        if reply.error().is_none() {
            client.abort(reply.from)?;
        }
    }
    match Fetch::new(target).same() {
        Err(Verdict::Failed(reason)) => fail(format!("afterwards: {reason}")),
        other => other.map(|_| ()),
    }
}

/// What does not belong into a transfer does not move it.
fn malformed_in_transfer(target: &Target) -> Result<(), Verdict> {
    target.larger_than(2 * 512)?;
    let client = Client::new(target)?;
    client.request(RRQ, &target.file, "octet", &[])?;
    let first = client.expect_block(1)?;
    let garbage: [&[u8]; 7] = [
        b"",
        b"\0",
        b"\0\x04",
        b"\0\x04\0",
        b"\0\x09\0\x01",
        b"\xff\xff\xff\xff",
        b"\0\x06blksize\x00512\0",
    ];
    for datagram in garbage {
        client.send(datagram, first.from)?;
    }
    if let Some(reply) = client.receive_for(Duration::from_millis(300))?
        && reply.block() != Some(1)
    {
        return fail(format!("garbage in a transfer set off {}", reply.describe()));
    }
    client.ack(1, first.from)?;
    let next = client.expect_block(2);
    client.abort(first.from)?;
    next.map(|_| ())
}

/// A request full of options is served or refused, and answered by nothing absurd.
fn option_flood(target: &Target) -> Result<(), Verdict> {
    let mut options = vec![("blksize", "1024")];
    let names: Vec<String> = (0..40).map(|number| format!("x{number}")).collect();
    options.extend(names.iter().map(|name| (name.as_str(), "1")));
    let client = Client::new(target)?;
    client.request(RRQ, &target.file, "octet", &options)?;
    let reply = client.expect("an answer")?;
    if reply.error().is_none() {
        client.abort(reply.from)?;
    }
    match reply.options() {
        Some(granted) if granted.iter().any(|(name, _)| name != "blksize") => {
            fail(format!("answered by {}", reply.describe()))
        }
        _ => Ok(()),
    }
}
