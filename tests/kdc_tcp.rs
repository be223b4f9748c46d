//! The KDC over TCP (RFC 4120 §7.2.2): the same exchange as over UDP, and the same answer to the same request.

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use hardline::model::Flow;
use hardline::value::Timestamp;
use socket2::{Domain, Socket, Type};
use support::client::{Eue, World, register};
use support::server::Server;

/// A connection to the KDC from the device's own address.
fn connect(eue: &Eue) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket
        .bind(&SocketAddr::new(eue.spec.address, 0).into())
        .expect("the device's address");
    socket.connect(&eue.at.kdc.into()).expect("the KDC accepts");
    socket.into()
}

fn ask(stream: &mut TcpStream, request: &[u8]) -> Vec<u8> {
    stream
        .write_all(&u32::try_from(request.len()).expect("a length").to_be_bytes())
        .expect("written");
    stream.write_all(request).expect("written");
    let mut length = [0; 4];
    stream.read_exact(&mut length).expect("a length");
    let mut answer = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut answer).expect("an answer");
    answer
}

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
    let mut stream = connect(&eue);
    let answer = ask(&mut stream, exchange.datagram());
    let ticket = eue.accept_as(&exchange, &answer).expect("a ticket");
    // The same request on the same connection, and then over UDP: profile P30 for the KDC.
    assert_eq!(ask(&mut stream, exchange.datagram()), answer);
    assert_eq!(eue.ask(eue.at.kdc, exchange.datagram()), answer);
    eue.associate(&ticket).expect("SNMPv3 keys");
}
