//! Opens listening sockets, and says precisely which could not be opened.

use std::io;
use std::net::SocketAddr;

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, UdpSocket};

/// The receive and send buffers asked for, in octets; the system may grant less.
const BUFFER: usize = 4 << 20;

/// Connections that the system holds until they are accepted.
const BACKLOG: i32 = 1024;

/// An address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {transport} {address}: {source}")]
pub struct BindError {
    /// `udp` or `tcp`.
    pub transport: &'static str,
    /// The address and port.
    pub address: SocketAddr,
    /// What the system says; [`io::ErrorKind::AddrInUse`] where another process has the port.
    pub source: io::Error,
}

/// `count` UDP sockets on the same `address`, among which the system shares the peers out: each peer's address and port
/// keeps to one of them (SO_REUSEPORT). Port 0 stands for one free port. To be called within a tokio runtime.
///
/// # Errors
/// [`BindError`], also where the port is in use by a socket that would share it: sharing is for sockets of this call.
pub fn udp_group(address: SocketAddr, count: usize) -> Result<Vec<UdpSocket>, BindError> {
    let sockets = std_udp_group(address, count)?.into_iter().map(UdpSocket::from_std);
    sockets.collect::<io::Result<_>>().map_err(udp_error(address))
}

/// The same outside of any runtime; the sockets do not block.
///
/// # Errors
/// [`BindError`].
pub fn std_udp_group(address: SocketAddr, count: usize) -> Result<Vec<std::net::UdpSocket>, BindError> {
    let wrong = || udp_error(address);
    if address.port() != 0 {
        // Without SO_REUSEPORT this fails where anyone has the port, another Hardline included.
        drop(open_udp(address, false).map_err(wrong())?);
    }
    let first = open_udp(address, true).map_err(wrong())?;
    let bound = first.local_addr().map_err(wrong())?;
    let others = (1..count).map(|_| open_udp(bound, true).map_err(wrong()));
    std::iter::once(Ok(first)).chain(others).collect()
}

/// One UDP socket on `address`, outside of any runtime; it does not block.
///
/// # Errors
/// [`BindError`].
pub fn std_udp(address: SocketAddr) -> Result<std::net::UdpSocket, BindError> {
    open_udp(address, false).map_err(udp_error(address))
}

fn udp_error(address: SocketAddr) -> impl FnOnce(io::Error) -> BindError {
    move |source| BindError {
        transport: "udp",
        address,
        source,
    }
}

/// A TCP listener on `address`. To be called within a tokio runtime.
///
/// # Errors
/// [`BindError`].
pub fn tcp(address: SocketAddr) -> Result<TcpListener, BindError> {
    let open = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        only_its_family(&socket, address)?;
        // A restart must not wait for the last connections' TIME_WAIT.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        TcpListener::from_std(socket.into())
    };
    open().map_err(|source| BindError {
        transport: "tcp",
        address,
        source,
    })
}

fn open_udp(address: SocketAddr, share: bool) -> io::Result<std::net::UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    only_its_family(&socket, address)?;
    socket.set_reuse_port(share)?;
    // Larger buffers ride out bursts. The first call passes the system's own bound (net.core.rmem_max) and needs
    // CAP_NET_ADMIN; what the system grants without is the fallback.
    if setsockopt(&socket, sockopt::RcvBufForce, &BUFFER).is_err() {
        let _ = socket.set_recv_buffer_size(BUFFER);
    }
    let _ = socket.set_send_buffer_size(BUFFER);
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// `[::]` and `0.0.0.0` are listened on by two sockets, so that peers show as what they are.
fn only_its_family(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    if address.is_ipv6() {
        socket.set_only_v6(true)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_in_use_is_named_even_where_it_is_shared() {
        let group = udp_group("127.0.0.1:0".parse().unwrap(), 3).unwrap();
        let address = group[0].local_addr().unwrap();
        assert!(group.iter().all(|socket| socket.local_addr().unwrap() == address));
        let error = udp_group(address, 2).unwrap_err();
        assert_eq!(
            (error.address, error.source.kind()),
            (address, io::ErrorKind::AddrInUse)
        );

        let listener = tcp("[::1]:0".parse().unwrap()).unwrap();
        let error = tcp(listener.local_addr().unwrap()).unwrap_err();
        assert!(error.to_string().starts_with("cannot listen on tcp [::1]:"), "{error}");
    }
}
