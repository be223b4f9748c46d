//! The counters, for Prometheus: `GET /metrics`.

use std::sync::OnceLock;

use axum::Router;
use axum::routing::get;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::shutdown;

/// The bounds of histograms of seconds: from a datagram on loopback to a device that is slow to the end.
const SECONDS: [f64; 14] = [
    0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0,
];

/// Counts from here on; `None` where something else in this process already does.
fn recorder() -> Option<&'static PrometheusHandle> {
    static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    RECORDER
        .get_or_init(|| {
            let seconds = Matcher::Suffix("_seconds".to_owned());
            let builder = PrometheusBuilder::new()
                .set_buckets_for_metric(seconds, &SECONDS)
                .ok()?;
            builder.install_recorder().ok()
        })
        .as_ref()
}

/// Counts from here on. Called before the services start: a counter that one of them holds counts only what it counts once
/// there is something to count with.
pub fn install() {
    recorder();
}

/// Serves the counters on `listener` until `stop` turns true.
pub async fn run(listener: TcpListener, mut stop: watch::Receiver<bool>) {
    let Some(recorder) = recorder() else { return };
    let router = Router::new().route("/metrics", get(move || async move { recorder.render() }));
    let stopping = async move { shutdown::requested(&mut stop).await };
    if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stopping).await {
        tracing::error!(%error, "the counters are no longer served");
    }
}
