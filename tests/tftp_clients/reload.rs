//! What SIGHUP does to transfers under way.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use hardline::settings::Service;

use crate::support::fetch::tftp;
use crate::support::server::Server;

/// A client that goes block by block, as slowly as the test wants it.
struct Slow {
    socket: UdpSocket,
    transfer: Option<SocketAddr>,
    file: Vec<u8>,
}

impl Slow {
    fn ask(server: SocketAddr, name: &str) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let request = [b"\0\x01", name.as_bytes(), b"\0octet\0"].concat();
        socket.send_to(&request, server).unwrap();
        let file = Vec::new();
        Self {
            socket,
            transfer: None,
            file,
        }
    }

    /// Takes the next block and acknowledges it, passing over repeats of those before it; whether it was the last. Else the
    /// text of the ERROR.
    fn block(&mut self) -> Result<bool, String> {
        let due = self.file.len() / 512 + 1;
        loop {
            let mut packet = [0; 600];
            let (length, from) = self.socket.recv_from(&mut packet).expect("an answer");
            assert_eq!(from, *self.transfer.get_or_insert(from), "the transfer keeps its port");
            let number = u16::from_be_bytes([packet[2], packet[3]]);
            match packet[1] {
                3 if usize::from(number) == due => {
                    self.file.extend_from_slice(&packet[4..length]);
                    self.socket.send_to(&[0, 4, packet[2], packet[3]], from).unwrap();
                    return Ok(length < 516);
                }
                3 => assert!(usize::from(number) < due),
                _ => return Err(String::from_utf8_lossy(&packet[4..length]).into_owned()),
            }
        }
    }

    fn rest(mut self) -> Result<Vec<u8>, String> {
        while !self.block()? {}
        Ok(self.file)
    }
}

fn image() -> Vec<u8> {
    (0..20_000u32).map(|at| ((at * at) >> 7) as u8).collect()
}

#[test]
fn a_transfer_goes_on_over_a_reload_and_later_ones_are_served_by_the_new_settings() {
    let mut server = Server::install();
    server.share("image.bin", &image());
    server.start();
    let tftp_server = server.v4(Service::Tftp);
    let mut under_way = Slow::ask(tftp_server, "image.bin");
    for _ in 0..3 {
        assert_eq!(under_way.block(), Ok(false));
    }
    // A download by HTTP that nobody reads holds up the end of the other services.
    let http = std::net::TcpStream::connect(server.v4(Service::Http)).unwrap();
    std::io::Write::write_all(&mut &http, b"GET /image.bin HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();

    // The static folder is another one.
    let other = server.site().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("new.bin"), b"new").unwrap();
    server.edit("hardline.toml", "\"static\"", "\"other\"");
    assert!(server.hang_up());
    assert_eq!(under_way.rest(), Ok(image()));
    assert_eq!(tftp("127.0.0.1", tftp_server, "new.bin"), Ok(b"new".to_vec()));
    assert!(tftp("127.0.0.1", tftp_server, "image.bin").is_err());

    // Settings that cannot be used change nothing.
    let mut under_way = Slow::ask(tftp_server, "new.bin");
    server.edit("hardline.toml", "\"other\"", "\"nowhere\"");
    assert!(!server.hang_up());
    assert_eq!(under_way.block(), Ok(true));
    server.edit("hardline.toml", "\"nowhere\"", "\"static\"");

    // Other ports end the transfers from those before.
    assert!(server.hang_up());
    let mut under_way = Slow::ask(tftp_server, "image.bin");
    assert_eq!(under_way.block(), Ok(false));
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    server.edit(
        "hardline.toml",
        "#transfer_ports = \"1758-1767\"",
        &format!("transfer_ports = \"{port}-{port}\""),
    );
    assert!(server.hang_up());
    assert_eq!(under_way.rest(), Err("the server stops; ask again\0".to_owned()));
    let anew = Slow::ask(tftp_server, "image.bin");
    assert_eq!(anew.rest(), Ok(image()));
    server.assert_unhurt();
}
