//! How a device fetches its file (steps eUE-22 and eUE-23): over TFTP or HTTP.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::fault::Fault;
use super::http::{self, Response};
use super::line::{Line, after};
use super::tcp;
use crate::value::Timestamp;
use crate::wire::tftp::{Download, Pace};

/// The longest file that a device takes: seven times the largest one known from the field (fact sheet provisioning §1.1).
pub const LARGEST_FILE: usize = 65_536;

/// Fetches `file` over TFTP from a socket of its own on the device's `address`, with the options that seed 003 asks
/// for.
///
/// # Errors
/// [`Fault::Tftp`], the socket's, [`Fault::Timer`] where it takes longer than `limit`.
pub async fn tftp(address: IpAddr, server: SocketAddr, file: &str, limit: Duration) -> Result<Vec<u8>, Fault> {
    let transfer = transfer(address, server, file);
    tokio::time::timeout(limit, transfer).await.unwrap_or(Err(Fault::Timer))
}

async fn transfer(address: IpAddr, server: SocketAddr, file: &str) -> Result<Vec<u8>, Fault> {
    let mut line = Line::bind(address).await?;
    let mut out = Vec::new();
    let options = Download::device_options(server.ip());
    let pace = Pace::default();
    let mut download = Download::start(server, file, options, LARGEST_FILE, pace, Timestamp::now(), &mut out);
    line.send(&out, server).await?;
    loop {
        if let Some(result) = download.result() {
            return Ok(result.map_err(Clone::clone)?.to_vec());
        }
        let now = Timestamp::now();
        let deadline = after(download.deadline().since(now));
        out.clear();
        let to = match line.receive(deadline).await? {
            Some((datagram, from)) => download.receive(from, datagram, Timestamp::now(), &mut out),
            None => download.tick(Timestamp::now(), &mut out),
        };
        if let Some(to) = to {
            line.send(&out, to).await?;
        }
    }
}

/// Fetches `path` over HTTP/1.1 from the device's `address`.
///
/// # Errors
/// [`Fault::Http`], the socket's, [`Fault::Timer`] where it takes longer than `limit`.
pub async fn http(address: IpAddr, server: SocketAddr, path: &str, limit: Duration) -> Result<Vec<u8>, Fault> {
    let exchange = exchange(address, server, path);
    tokio::time::timeout(limit, exchange).await.unwrap_or(Err(Fault::Timer))
}

async fn exchange(address: IpAddr, server: SocketAddr, path: &str) -> Result<Vec<u8>, Fault> {
    let mut stream = tcp::connect(address, server).await?;
    stream.write_all(&http::request(server, path)).await?;
    let mut response = Response::new(LARGEST_FILE);
    let mut buffer = vec![0; 4096];
    loop {
        let length = stream.read(&mut buffer).await?;
        if length == 0 || response.receive(&buffer[..length])? {
            return Ok(response.into_body()?);
        }
    }
}
