//! The admin API: leases and their changes, one-time names, which credentials are in use, status. docs/admin-api.md describes it.

mod answer;
mod connections;
mod credentials;
mod leases;
mod names;
mod token;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use super::host;
use super::lease::{LeaseEvent, Leases};
use super::usage::Usage;
use crate::store::{CredentialStore, Store, StoreError};
use crate::value::MacAddress;
use answer::{Answer, Refused, ok, with};

pub use names::{DEFAULT_LIFETIME, NameOrder, make_name};
pub use token::{AdminToken, AdminTokenError};

/// Requests at once; what comes beyond is told to come again.
const AT_ONCE: usize = 64;
/// The longest time for a request, its body included.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the handlers share.
pub struct Admin {
    store: Arc<dyn Store>,
    credentials: Arc<dyn CredentialStore>,
    leases: Option<Arc<Leases>>,
    usage: Arc<Usage>,
    token: AdminToken,
    room: Semaphore,
}

impl Admin {
    /// The API over `store` and `credentials` for whoever has `token`.
    pub fn new(
        store: Arc<dyn Store>,
        credentials: Arc<dyn CredentialStore>,
        leases: Option<Arc<Leases>>,
        usage: Arc<Usage>,
        token: AdminToken,
    ) -> Arc<Self> {
        Arc::new(Self {
            store,
            credentials,
            leases,
            usage,
            token,
            room: Semaphore::new(AT_ONCE),
        })
    }

    /// What is cached of an address and a device is stale.
    fn changed(&self, address: std::net::IpAddr, mac: Option<MacAddress>) {
        if let Some(leases) = &self.leases {
            leases.forget(address, mac);
        }
    }
}

/// Stores what a DHCP server told of a lease.
///
/// # Errors
/// [`StoreError`].
pub async fn record_event(store: &dyn Store, event: LeaseEvent) -> Result<(), StoreError> {
    match event {
        LeaseEvent::Granted { lease } => store.put_leases(vec![lease]).await,
        LeaseEvent::Renewed { lease } => store.follow_lease(lease).await.map(drop),
        LeaseEvent::Ended { address } => store.remove_lease(address).await.map(drop),
    }
}

/// Serves on `listener` until `stop` turns true.
pub async fn run(listener: TcpListener, admin: Arc<Admin>, stop: watch::Receiver<bool>) {
    connections::serve(listener, router(admin), stop).await;
}

fn router(admin: Arc<Admin>) -> Router {
    let guarded = Router::new()
        .route("/leases", get(leases::list).post(leases::put))
        .route("/leases/events", post(leases::events))
        .route("/leases/{address}", get(leases::show).delete(leases::remove))
        .route("/names", post(names::order))
        .route("/credentials/used", post(credentials::used))
        .route("/credentials/{mac}", get(credentials::show))
        .route("/sources", get(sources))
        .route("/report", get(report))
        .route_layer(middleware::from_fn_with_state(admin.clone(), authorized));
    Router::new()
        .route("/health", get(|| async { ok(&json!({"status": "ok"})) }))
        .route("/ready", get(ready))
        .merge(guarded)
        .fallback(|| async { Refused::not_found("there is no such path: docs/admin-api.md lists them") })
        .method_not_allowed_fallback(|| async {
            Refused::new(StatusCode::METHOD_NOT_ALLOWED, "method", "the path has no such method")
        })
        .layer(middleware::from_fn_with_state(admin.clone(), bounded))
        .with_state(admin)
}

/// Refuses what names no host, and bounds the requests at once and the time of each.
async fn bounded(State(admin): State<Arc<Admin>>, request: Request, next: Next) -> Response {
    if !host::is_named(request.headers(), request.version()) {
        return Refused::new(
            StatusCode::BAD_REQUEST,
            "host",
            "the request needs one Host field that names a host",
        )
        .into_response();
    }
    let Ok(_room) = admin.room.try_acquire() else {
        return Refused::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "too many requests at once").into_response();
    };
    let answer = tokio::time::timeout(PATIENCE, next.run(request)).await;
    answer.unwrap_or_else(|_| Refused::new(StatusCode::REQUEST_TIMEOUT, "timeout", "it took too long").into_response())
}

/// Lets through who has the token.
async fn authorized(State(admin): State<Arc<Admin>>, request: Request, next: Next) -> Response {
    let field = request.headers().get(header::AUTHORIZATION);
    if field.is_some_and(|field| admin.token.admits(field.as_bytes())) {
        return next.run(request).await;
    }
    metrics::counter!("hardline_admin_dropped_total", "reason" => "token").increment(1);
    let message = "send Authorization: Bearer and the token of [admin] token_file";
    let mut response = Refused::new(StatusCode::UNAUTHORIZED, "unauthorized", message).into_response();
    let scheme = header::HeaderValue::from_static("Bearer");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
    response
}

/// Whether the database answers. A lease source that is down is no reason to take the server out of service: what is
/// done then is the operator's choice.
async fn ready(State(admin): State<Arc<Admin>>) -> Answer {
    let database = admin.store.leases(None, 1).await.is_ok();
    let sources = admin.leases.as_ref().map(|leases| leases.any_up());
    let status = if database {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    with(
        status,
        &json!({"ready": database, "database": database, "lease_source": sources}),
    )
}

async fn sources(State(admin): State<Arc<Admin>>) -> Answer {
    let sources = admin.leases.as_ref().map(|leases| leases.status()).unwrap_or_default();
    ok(&json!({"sources": sources}))
}

async fn report(State(admin): State<Arc<Admin>>) -> Answer {
    let (present, last) = admin.usage.reports();
    ok(&json!({"present": present, "last": last}))
}
