//! The counters, for Prometheus: `GET /metrics`.

use std::sync::OnceLock;

use axum::Router;
use axum::routing::get;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::shutdown;

/// Counts from here on; `None` where something else in this process already does.
fn recorder() -> Option<&'static PrometheusHandle> {
    static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    RECORDER
        .get_or_init(|| PrometheusBuilder::new().install_recorder().ok())
        .as_ref()
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
