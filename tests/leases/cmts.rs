//! Behind a CMTS: its options and names say for whom it fetches, its address does not.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use hardline::settings::Service;

use super::{RULES, address, ago, lease, mac, own, verified};
use crate::support::fetch::tftp;
use crate::support::peers::wait_for;

/// The first answer to a request with an option: what kind of packet it is, and an ERROR's code.
fn first_answer(from: &str, server: SocketAddr, file: &str, option: [&str; 2]) -> (u16, u16) {
    let socket = UdpSocket::bind((from, 0)).expect("an address of loopback");
    socket.set_read_timeout(Some(Duration::from_secs(5))).expect("set");
    let [name, value] = option;
    let options = if name.is_empty() {
        String::new()
    } else {
        format!("{name}\0{value}\0")
    };
    let request = format!("\0\x01{file}\0octet\0{options}");
    socket.send_to(request.as_bytes(), server).expect("sent");
    let mut packet = [0; 600];
    let (length, port) = socket.recv_from(&mut packet).expect("an answer");
    assert!(length >= 4);
    // An ERROR ends what was begun.
    socket.send_to(&[0, 5, 0, 0, 0], port).expect("sent");
    let number = |at: usize| u16::from_be_bytes([packet[at], packet[at + 1]]);
    (number(0), if number(0) == 5 { number(2) } else { 0 })
}

#[test]
fn behind_a_cmts_its_word_says_whose_lease_counts_and_nobody_elses_does() {
    const DATA: (u16, u16) = (3, 0);
    const NOT_FOR_YOU: (u16, u16) = (5, 2);
    let mut server = verified("files = [\"{class}.bin\"]");
    server.edit("hardline.toml", "[tftp]\n", "[tftp]\nrelays = [\"127.5.0.0/24\"]\n");
    lease(&server, 1, &["--class", "gold"]);
    lease(&server, 2, &["--class", "silver"]);
    server.start();
    let udp = server.v4(Service::Tftp);
    let from = |peer: &str, file: &str, option: [&str; 2]| first_answer(peer, udp, file, option);
    let (cmts, stranger) = ("127.5.0.1", "127.3.0.9");
    let (first, second) = (address(1), address(2));
    for file in ["gold.bin", &own(1)] {
        assert_eq!(from(cmts, file, ["netaddr", &first]), DATA, "{file}");
        assert_eq!(from(cmts, file, ["netaddr", &second]), NOT_FOR_YOU, "{file}");
        assert_eq!(from(cmts, file, ["hwaddr", &mac(1)]), DATA, "{file}");
        assert_eq!(from(cmts, file, ["hwaddr", &mac(2)]), NOT_FOR_YOU, "{file}");
        assert_eq!(from(stranger, file, ["netaddr", &first]), NOT_FOR_YOU, "{file}");
        assert_eq!(from(stranger, file, ["hwaddr", &mac(1)]), NOT_FOR_YOU, "{file}");
    }
    // Without either the name has to say whose file it is.
    assert_eq!(from(cmts, &own(1), ["", ""]), DATA);
    assert_eq!(from(cmts, "gold.bin", ["", ""]), NOT_FOR_YOU);
    wait_for("the warning", || {
        server
            .stderr()
            .contains("verification by address cannot work behind it")
    });
    server.assert_unhurt();
}

#[test]
fn a_cmts_fetches_for_its_devices_by_names_and_not_by_address() {
    let mut server = verified(RULES);
    server.add_settings("[[cmts]]\nname = \"blind\"\naddresses = [\"127.3.0.200\"]\n");
    let warned = server.command(&["check"]);
    assert!(
        warned.contains("warning: ") && warned.contains("behind 'blind'"),
        "{warned}"
    );
    lease(&server, 1, &["--class", "gold"]);
    lease(&server, 2, &["--obtained", &ago(100)]);
    server.start();
    let udp = server.v4(Service::Tftp);
    let cmts = "127.3.0.200";
    assert!(tftp(cmts, udp, &own(1)).is_ok(), "the name tells whose it is");
    assert_eq!(tftp(cmts, udp, &own(2)), Err("refused"), "and its lease is too old");
    assert_eq!(tftp(cmts, udp, &own(3)), Err("refused"), "and it has none");
    assert_eq!(tftp("127.3.0.201", udp, &own(1)), Err("refused"), "no CMTS");
    assert_eq!(tftp(cmts, udp, "gold.bin"), Err("refused"));
    assert_eq!(tftp(cmts, udp, "gold.bin"), Err("refused"));
    let once = server.command(&["lease", "name", &mac(1), "--single"]);
    assert!(tftp(cmts, udp, once.trim()).is_ok());
    let log = server.stderr();
    assert_eq!(
        log.matches("verification by address cannot work behind it").count(),
        1,
        "{log}"
    );
    server.assert_unhurt();
}
