//! A device's TCP connections.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::fault::Fault;

/// The longest answer that a device takes from the KDC over TCP.
const LARGEST_ANSWER: usize = 65_536;

/// A connection to `server` from the device's own `address`.
///
/// # Errors
/// The socket's.
pub async fn connect(address: IpAddr, server: SocketAddr) -> Result<TcpStream, Fault> {
    let socket = if server.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.bind(SocketAddr::new(address, 0))?;
    Ok(socket.connect(server).await?)
}

/// Asks the KDC over TCP: the message and its answer each stand behind their length in four octets, big-endian
/// (RFC 4120 §7.2.2).
///
/// # Errors
/// The socket's, [`Fault::Mismatch`] where the answer is longer than a device takes, [`Fault::NoAnswer`] where none
/// comes within `limit`.
pub async fn ask_kdc(address: IpAddr, kdc: SocketAddr, request: &[u8], limit: Duration) -> Result<Vec<u8>, Fault> {
    let exchange = ask_over_tcp(address, kdc, request);
    tokio::time::timeout(limit, exchange)
        .await
        .unwrap_or(Err(Fault::NoAnswer(1)))
}

async fn ask_over_tcp(address: IpAddr, kdc: SocketAddr, request: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut stream = connect(address, kdc).await?;
    let length = u32::try_from(request.len()).map_err(|_| Fault::Mismatch("the request's length"))?;
    stream.write_all(&[&length.to_be_bytes(), request].concat()).await?;
    let length = stream.read_u32().await? as usize;
    if length > LARGEST_ANSWER {
        return Err(Fault::Mismatch("the length before the KDC's answer"));
    }
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}
