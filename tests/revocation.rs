//! Revocation from outside: lists made by openssl, and the operator's word on a manufacturer, decide what a device gets
//! from the running KDC.

mod support;

use std::path::Path;

use hardline::model::Flow;
use hardline::simulator::Fault;
use support::client::{Eue, World, register};
use support::crl::{list, serial};
use support::server::Server;

fn check(server: &Server) -> (Option<i32>, String) {
    let output = server.run(&["check"]);
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stdout).into_owned(),
    )
}

/// The code that the device's AS Request is refused with; `None` where it gets a ticket.
fn refused(eue: &Eue) -> Option<i32> {
    match eue.ticket() {
        Ok(_) => None,
        Err(Fault::Refused { code, .. }) => Some(code),
        Err(other) => panic!("{other}"),
    }
}

fn remove(path: &Path) {
    std::fs::remove_file(path).expect("the file");
}

#[test]
fn lists_are_read_anew_on_sighup_and_decide_who_gets_a_ticket() {
    let mut server = Server::install();
    let world = World::of(&server);
    let device = world.device(1, Flow::Secure);
    register(&server, &device, &[]);
    let eue = Eue::new(device, world.known.clone());
    // The certificate that this device shows.
    let own = match &eue.spec.flow {
        hardline::simulator::FlowSpec::Secure(secure) => match &secure.ticket {
            hardline::simulator::TicketSource::Kdc { identity, .. } => serial(identity.certificate().serial()),
            hardline::simulator::TicketSource::Stored(_) => panic!("a device with a certificate"),
        },
        _ => panic!("a secure device"),
    };
    let manufacturer = {
        let pem = std::fs::read(server.site().join("pki/mfr-ca.crt.pem")).expect("a file");
        let der = hardline::wire::cert::certificates_from_pem(&pem)
            .expect("PEM")
            .remove(0);
        serial(
            hardline::wire::cert::Certificate::parse(&der, 0)
                .expect("a certificate")
                .serial(),
        )
    };
    let devices = list(&server, "mfr-ca", "devices.crl", &[], 30);
    let makers = list(&server, "mta-root", "makers.crl", &[], 30);
    server.edit(
        "hardline.toml",
        "#= files = []",
        "files = [\"devices.crl\", \"makers.crl\"]",
    );
    server.edit("hardline.toml", "#= missing = \"ignore\"", "missing = \"refuse\"");
    assert_eq!(check(&server).0, Some(0), "{}", check(&server).1);
    server.start();
    assert_eq!(refused(&eue), None);

    list(&server, "mfr-ca", "devices.crl", &[own], 30);
    assert_eq!(refused(&eue), None, "before SIGHUP nothing changes");
    assert!(server.hang_up());
    assert_eq!(refused(&eue), Some(72), "the device is revoked");

    list(&server, "mfr-ca", "devices.crl", &[], 30);
    list(&server, "mta-root", "makers.crl", &[manufacturer], 30);
    assert!(server.hang_up());
    assert_eq!(refused(&eue), Some(72), "its manufacturer is");

    list(&server, "mta-root", "makers.crl", &[], 30);
    list(&server, "mfr-ca", "devices.crl", &[], -1);
    assert!(server.hang_up());
    assert_eq!(refused(&eue), Some(74), "the list is old");
    server.edit("hardline.toml", "#= stale = \"enforce\"", "stale = \"warn\"");
    assert!(server.hang_up());
    assert_eq!(refused(&eue), None, "and is used nevertheless");

    server.edit("hardline.toml", "[\"devices.crl\", \"makers.crl\"]", "[\"makers.crl\"]");
    assert!(server.hang_up());
    assert_eq!(refused(&eue), Some(73), "there is no list");

    // A list that the root did not sign, and one that is gone, are not taken: the server goes on as before.
    server.edit("hardline.toml", "missing = \"refuse\"", "missing = \"ignore\"");
    assert!(server.hang_up());
    assert_eq!(refused(&eue), None);
    let text = std::fs::read(&makers).expect("a file");
    let mut der = hardline::wire::cert::crls_from_file(&text).expect("a list").remove(0);
    *der.last_mut().expect("octets") ^= 1;
    std::fs::write(&makers, der).expect("a file");
    assert!(!server.hang_up());
    let (code, said) = check(&server);
    assert!(
        code == Some(2) && said.contains("its signature does not verify"),
        "{said}"
    );
    remove(&makers);
    assert!(!server.hang_up());
    assert_eq!(refused(&eue), None);
    remove(&devices);
}

#[test]
fn the_operators_word_on_a_manufacturer_reaches_the_device() {
    let mut server = Server::install();
    let world = World::of(&server);
    let device = world.device(1, Flow::Secure);
    register(&server, &device, &[]);
    let eue = Eue::new(device, world.known.clone());
    let table = "[kdc.revoked_manufacturers]\n\"Look-alike Manufacturer PacketCable CA\" = 2026-01-31T00:00:00Z\n";
    server.edit("hardline.toml", "[kdc.expiry]", &format!("{table}[kdc.expiry]"));
    server.start();
    // The KDC passes the time on, and the MTA-FQDN service refuses.
    assert_eq!(refused(&eue), Some(72));
    server.edit("hardline.toml", "#= refuse_revoked = false", "refuse_revoked = true");
    assert!(server.hang_up());
    assert_eq!(refused(&eue), Some(72));
    server.edit("hardline.toml", "2026-01-31", "2046-01-31");
    assert!(server.hang_up());
    assert_eq!(refused(&eue), None, "not yet");
}

#[test]
fn check_tells_a_certificate_that_is_not_a_kdcs() {
    let server = Server::install();
    assert_eq!(check(&server).0, Some(0));
    let pki = server.site().join("pki");
    for (from, to) in [
        ("bootstrap.crt.pem", "kdc.crt.pem"),
        ("bootstrap.key.pem", "kdc.key.pem"),
    ] {
        std::fs::copy(pki.join(from), pki.join(to)).expect("a copy");
    }
    let (code, said) = check(&server);
    assert_eq!(code, Some(2));
    assert!(said.contains("does not name krbtgt/PKTC.EXAMPLE.NET"), "{said}");
    assert!(said.contains("id-pkinit-KPKdc"), "{said}");
}
