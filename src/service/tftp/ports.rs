//! Which ports requests come to and transfers go from.

use std::net::{SocketAddr, UdpSocket};
use std::ops::RangeInclusive;

use crate::service::batch;
use crate::service::sockets::{self, BindError};

/// Transfer ports of a worker where the system chooses them: more than one, so that a client that asks again from the same
/// port is not answered by what looks like its last transfer (RFC 1350 §4).
const EPHEMERAL: usize = 2;

/// The ports that transfers go from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum TransferPorts {
    /// Ports that the system chooses.
    #[default]
    Ephemeral,
    /// These, so that an access list can name them.
    Pool(RangeInclusive<u16>),
}

/// The sockets of one worker.
#[derive(Debug)]
pub(super) struct Sockets {
    /// Takes requests, on the listening port.
    pub(super) requests: UdpSocket,
    /// Carry the transfers, each on a port of its own.
    pub(super) transfers: Vec<UdpSocket>,
}

/// The address that is listened on, and the sockets of each worker.
pub(super) fn open(
    address: SocketAddr,
    workers: usize,
    ports: &TransferPorts,
) -> Result<(SocketAddr, Vec<Sockets>), BindError> {
    let pool: Vec<u16> = match ports {
        TransferPorts::Ephemeral => vec![0; workers.max(1) * EPHEMERAL],
        TransferPorts::Pool(range) => range.clone().collect(),
    };
    let workers = workers.clamp(1, pool.len().max(1));
    let requests = sockets::std_udp_group(address, workers)?;
    let address = requests
        .first()
        .and_then(|socket| socket.local_addr().ok())
        .unwrap_or(address);
    let wrong = |source| BindError {
        transport: "udp",
        address,
        source,
    };
    let mut opened = Vec::with_capacity(workers);
    for (worker, requests) in requests.into_iter().enumerate() {
        if address.ip().is_unspecified() {
            batch::tell_local(&requests, address.is_ipv6()).map_err(wrong)?;
        }
        let own = pool.iter().skip(worker).step_by(workers);
        let transfers = own.map(|port| sockets::std_udp(SocketAddr::new(address.ip(), *port)));
        opened.push(Sockets {
            requests,
            transfers: transfers.collect::<Result<_, _>>()?,
        });
    }
    Ok((address, opened))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transfer_ports(workers: &[Sockets]) -> Vec<Vec<u16>> {
        let port = |socket: &UdpSocket| socket.local_addr().unwrap().port();
        let of = |sockets: &Sockets| sockets.transfers.iter().map(port).collect();
        workers.iter().map(of).collect()
    }

    #[test]
    fn a_pool_is_shared_out_and_bounds_the_workers() {
        let any = "127.0.0.1:0".parse().unwrap();
        let (_, ephemeral) = open(any, 3, &TransferPorts::Ephemeral).unwrap();
        let ports = transfer_ports(&ephemeral);
        assert_eq!(ports.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 2]);
        // A free range: three ports that the system has just taken back.
        let free = ports.concat().into_iter().max().unwrap();
        drop(ephemeral);
        let first = free - 2;
        if let Ok((_, pooled)) = open(any, 2, &TransferPorts::Pool(first..=free)) {
            assert_eq!(transfer_ports(&pooled), [vec![first, free], vec![first + 1]]);
            let one = open(any, 2, &TransferPorts::Pool(first..=first));
            assert!(one.unwrap_err().to_string().contains(&format!("127.0.0.1:{first}")));
            drop(pooled);
        }
        if let Ok((_, alone)) = open(any, 2, &TransferPorts::Pool(first..=first)) {
            assert_eq!(transfer_ports(&alone), [[first]]);
        }
    }
}
