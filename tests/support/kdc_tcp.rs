//! The KDC over TCP: each message behind its length in four octets (RFC 4120 §7.2.2).

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use socket2::{Domain, Socket, Type};

use super::client::Eue;

/// A connection to the KDC from the device's own address.
pub fn connect(eue: &Eue) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket
        .bind(&SocketAddr::new(eue.spec.address, 0).into())
        .expect("the device's address");
    socket.connect(&eue.at.kdc.into()).expect("the KDC accepts");
    socket.into()
}

/// Sends a request, and gives the answer to it.
pub fn ask(stream: &mut TcpStream, request: &[u8]) -> Vec<u8> {
    let length = u32::try_from(request.len()).expect("a length").to_be_bytes();
    stream.write_all(&[&length, request].concat()).expect("written");
    let mut length = [0; 4];
    stream.read_exact(&mut length).expect("a length");
    let mut answer = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut answer).expect("an answer");
    answer
}
