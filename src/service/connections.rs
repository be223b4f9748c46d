//! The connections of a listener: each in a task of its own, and all of them given a moment when the service stops. And how
//! one of them ends.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::shutdown;
use crate::settings::Service;

/// The wait after the system refused to accept a connection: out of descriptors, most likely, and meanwhile some end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long connections may go on when the service stops.
const LAST_ANSWERS: Duration = Duration::from_secs(2);
/// What is read and thrown away of a peer whose connection ends before it has said everything.
const LAST_OCTETS: usize = 4 << 20;
/// How long that may take.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Takes connections until `stop` turns true. `admitted` gives what serves a connection to its end, or nothing where it is
/// to be closed unread; who closes one counts it.
pub async fn accept<F>(
    service: Service,
    listener: TcpListener,
    mut stop: watch::Receiver<bool>,
    admitted: impl Fn(TcpStream, SocketAddr) -> Option<F>,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = shutdown::requested(&mut stop) => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    if let Some(served) = admitted(stream, peer) {
                        connections.spawn(served);
                    }
                }
                Err(error) => {
                    tracing::warn!(%service, %error, "a connection cannot be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    let last = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(LAST_ANSWERS, last).await;
}

/// Ends a connection so that its peer can read what was sent last: closing it while octets wait unread, or still come, would
/// reset it, and throw the answer away (RFC 9112 §9.6).
pub async fn part<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) {
    let farewell = async {
        let _ = stream.shutdown().await;
        let mut buffer = [0; 1024];
        let mut read = 0;
        while let Ok(count @ 1..) = stream.read(&mut buffer).await {
            read += count;
            if read > LAST_OCTETS {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(LAST_WORDS, farewell).await;
}
