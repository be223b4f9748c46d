//! The KDC over TCP (RFC 4120 §7.2.2): the same exchange as over UDP, and the same answer to the same request.

mod support;

use hardline::model::Flow;
use hardline::value::Timestamp;
use support::client::{Eue, World, register};
use support::kdc_tcp;
use support::server::Server;

#[test]
fn rfc4120_7_2_2_an_as_exchange_over_tcp_gives_a_ticket_that_key_management_takes() {
    let mut server = Server::install();
    let world = World::of(&server);
    let device = world.device(1, Flow::Secure);
    let address = device.address.to_string();
    register(&server, &device, &["--ip", &address]);
    server.start();
    let eue = Eue::new(device, world.known.clone());

    let exchange = eue.begin_as(Timestamp::now());
    let mut stream = kdc_tcp::connect(&eue);
    let answer = kdc_tcp::ask(&mut stream, exchange.datagram());
    let ticket = eue.accept_as(&exchange, &answer).expect("a ticket");
    // The same request on the same connection, and then over UDP: profile P30 for the KDC.
    assert_eq!(kdc_tcp::ask(&mut stream, exchange.datagram()), answer);
    assert_eq!(eue.ask(eue.at.kdc, exchange.datagram()), answer);
    eue.associate(&ticket).expect("SNMPv3 keys");
}
