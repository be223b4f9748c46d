//! How the services learn that they are to stop.

use tokio::sync::watch;

/// Completes once `shutdown` holds `true` or its sender is gone.
pub async fn requested(shutdown: &mut watch::Receiver<bool>) {
    // The value's guard must not outlive this line: it cannot move between threads.
    let _ = shutdown.wait_for(|stop| *stop).await;
}
