//! A network that loses, repeats and reorders datagrams, by rule: relays between devices and the server's UDP services.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::UdpSocket;

/// How long a held datagram is held: until those behind it have passed, and not until it counts as lost.
const HELD: Duration = Duration::from_millis(120);
/// How long the copy of a datagram comes after it.
const COPY: Duration = Duration::from_millis(15);

/// What becomes of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// It passes.
    None,
    /// It is lost.
    Lost,
    /// It comes twice.
    Twice,
    /// Those behind it overtake it.
    Late,
}

/// What becomes of the datagram with this number, from 0, of those to and from the device with this address.
pub type Rule = dyn Fn(IpAddr, usize) -> Mishap + Send + Sync;

/// The network.
pub struct Lossy {
    rule: Box<Rule>,
    counted: Mutex<HashMap<IpAddr, usize>>,
}

impl Lossy {
    /// A network with this rule.
    pub fn new(rule: impl Fn(IpAddr, usize) -> Mishap + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            rule: Box::new(rule),
            counted: Mutex::default(),
        })
    }

    /// How many datagrams went to and from the device so far.
    pub fn count(&self, device: IpAddr) -> usize {
        self.counted
            .lock()
            .expect("no panic")
            .get(&device)
            .copied()
            .unwrap_or_default()
    }

    /// Stands in for `server` at `at`; devices that send there are relayed under their own address. Where it listens.
    pub async fn stand_in(self: &Arc<Self>, at: SocketAddr, server: SocketAddr) -> SocketAddr {
        let front = Arc::new(UdpSocket::bind(at).await.expect("a socket for the relay"));
        let address = front.local_addr().expect("an address");
        let network = self.clone();
        tokio::spawn(async move {
            let mut known: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
            let mut buffer = vec![0; 65_536];
            while let Ok((length, device)) = front.recv_from(&mut buffer).await {
                let back = match known.get(&device) {
                    Some(back) => back.clone(),
                    None => {
                        let back = UdpSocket::bind((device.ip(), 0))
                            .await
                            .expect("a socket under the device's address");
                        let back = Arc::new(back);
                        tokio::spawn(network.clone().answers(back.clone(), front.clone(), device, server));
                        known.insert(device, back.clone());
                        back
                    }
                };
                network.pass(device.ip(), buffer[..length].to_vec(), back, server);
            }
        });
        address
    }

    /// Relays what comes back for one device. An answer from another port than the server's, as TFTP has them, reaches
    /// the device from another port as well, and goes on from there.
    async fn answers(
        self: Arc<Self>,
        back: Arc<UdpSocket>,
        front: Arc<UdpSocket>,
        device: SocketAddr,
        server: SocketAddr,
    ) {
        let mut others: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
        let mut buffer = vec![0; 65_536];
        loop {
            // A port that is closed meanwhile is the receiver's business.
            let Ok((length, from)) = back.recv_from(&mut buffer).await else {
                continue;
            };
            let through = match others.get(&from) {
                _ if from == server => front.clone(),
                Some(other) => other.clone(),
                None => {
                    let ip = front.local_addr().expect("an address").ip();
                    let other = Arc::new(UdpSocket::bind((ip, 0)).await.expect("a socket for the relay"));
                    tokio::spawn(self.clone().requests(other.clone(), back.clone(), from));
                    others.insert(from, other.clone());
                    other
                }
            };
            self.pass(device.ip(), buffer[..length].to_vec(), through, device);
        }
    }

    /// Relays what a device sends to a port that answered it.
    async fn requests(self: Arc<Self>, other: Arc<UdpSocket>, back: Arc<UdpSocket>, to: SocketAddr) {
        let mut buffer = vec![0; 65_536];
        loop {
            let Ok((length, device)) = other.recv_from(&mut buffer).await else {
                continue;
            };
            self.pass(device.ip(), buffer[..length].to_vec(), back.clone(), to);
        }
    }

    /// Passes one datagram on, or not.
    fn pass(&self, device: IpAddr, datagram: Vec<u8>, through: Arc<UdpSocket>, to: SocketAddr) {
        let number = {
            let mut counted = self.counted.lock().expect("no panic");
            let count = counted.entry(device).or_default();
            *count += 1;
            *count - 1
        };
        let waits: &'static [Duration] = match (self.rule)(device, number) {
            Mishap::None => &[Duration::ZERO],
            Mishap::Lost => &[],
            Mishap::Twice => &[Duration::ZERO, COPY],
            Mishap::Late => &[HELD],
        };
        tokio::spawn(async move {
            for &wait in waits {
                if !wait.is_zero() {
                    tokio::time::sleep(wait).await;
                }
                let _ = through.send_to(&datagram, to).await;
            }
        });
    }
}
