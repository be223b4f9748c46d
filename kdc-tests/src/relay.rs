//! What stands between a stock client and the KDC and writes down what they say, over UDP and TCP.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::process::free_port;

/// How long the KDC may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// One message that passed.
#[derive(Debug, Clone)]
pub struct Passed {
    /// Whether it came over TCP; then its length stands before it.
    pub tcp: bool,
    /// Whether the client sent it.
    pub from_client: bool,
    /// Its octets.
    pub octets: Vec<u8>,
}

/// A relay in front of one KDC. Its threads end with the test.
pub struct Relay {
    /// Where clients find it.
    pub address: SocketAddr,
    passed: Arc<Mutex<Vec<Passed>>>,
}

impl Relay {
    /// A relay in front of `kdc`.
    pub fn start(kdc: SocketAddr) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let passed: Arc<Mutex<Vec<Passed>>> = Arc::default();
        let udp = UdpSocket::bind(address).expect("a socket for the relay");
        let tcp = TcpListener::bind(address).expect("a listener for the relay");
        let notes = passed.clone();
        std::thread::spawn(move || datagrams(&udp, kdc, &notes));
        let notes = passed.clone();
        std::thread::spawn(move || {
            for stream in tcp.incoming().map_while(Result::ok) {
                let notes = notes.clone();
                std::thread::spawn(move || conversation(stream, kdc, &notes));
            }
        });
        Self { address, passed }
    }

    /// What passed since this was asked last.
    pub fn take(&self) -> Vec<Passed> {
        std::mem::take(&mut self.passed.lock().expect("no panic"))
    }
}

fn note(notes: &Mutex<Vec<Passed>>, tcp: bool, from_client: bool, octets: &[u8]) {
    let octets = octets.to_vec();
    notes.lock().expect("no panic").push(Passed {
        tcp,
        from_client,
        octets,
    });
}

fn datagrams(front: &UdpSocket, kdc: SocketAddr, notes: &Mutex<Vec<Passed>>) {
    let mut buffer = vec![0; 65_536];
    while let Ok((length, client)) = front.recv_from(&mut buffer) {
        let back = UdpSocket::bind("127.0.0.1:0").expect("a socket for the relay");
        back.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        note(notes, false, true, &buffer[..length]);
        let _ = back.send_to(&buffer[..length], kdc);
        // What is not answered is the client's to ask again.
        if let Ok(length) = back.recv(&mut buffer) {
            note(notes, false, false, &buffer[..length]);
            let _ = front.send_to(&buffer[..length], client);
        }
    }
}

fn conversation(mut client: TcpStream, kdc: SocketAddr, notes: &Mutex<Vec<Passed>>) {
    let Ok(mut server) = TcpStream::connect(kdc) else {
        return;
    };
    while let Some(request) = framed(&mut client) {
        note(notes, true, true, &request);
        let _ = server.write_all(&request);
        let Some(reply) = framed(&mut server) else { return };
        note(notes, true, false, &reply);
        let _ = client.write_all(&reply);
    }
}

/// One message with its length (RFC 4120 §7.2.2).
fn framed(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let mut message = length.to_vec();
    message.resize(4 + u32::from_be_bytes(length) as usize, 0);
    stream.read_exact(&mut message[4..]).ok()?;
    Some(message)
}
