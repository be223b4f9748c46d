//! Names that others serve, resolved to addresses.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::OnceLock;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;

use crate::value::Fqdn;

/// How long one server is waited for, and how often all are asked again.
const TIMEOUT: Duration = Duration::from_secs(2);
const ATTEMPTS: usize = 2;
/// Answers that are cached, each for its own time.
const CACHED: u64 = 1_024;

/// A name could not be resolved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} cannot be resolved: {reason}")]
pub struct Unresolved {
    /// Which name.
    pub name: Fqdn,
    /// Why.
    pub reason: String,
}

/// Asks the operator's resolving servers, or the system's, and caches what they say.
pub struct Resolver {
    servers: Vec<SocketAddr>,
    inner: OnceLock<Result<TokioResolver, String>>,
}

impl Resolver {
    /// A resolver that asks `servers`; none stands for the system's. Nothing is read or asked before the first name.
    pub fn new(servers: Vec<SocketAddr>) -> Self {
        Self {
            servers,
            inner: OnceLock::new(),
        }
    }

    /// The addresses of `name`, IPv4 first; at least one.
    ///
    /// # Errors
    /// [`Unresolved`].
    pub async fn addresses(&self, name: &Fqdn) -> Result<Vec<IpAddr>, Unresolved> {
        let unresolved = |reason: String| Unresolved {
            name: name.clone(),
            reason,
        };
        let resolver = self.inner.get_or_init(|| build(&self.servers));
        let resolver = resolver.as_ref().map_err(|reason| unresolved(reason.clone()))?;
        // With its final dot the name is looked up as it stands, and in no search domain.
        let found = resolver.lookup_ip(format!("{name}.")).await;
        let found = found.map_err(|error| unresolved(error.to_string()))?;
        let (mut addresses, v6): (Vec<IpAddr>, Vec<IpAddr>) = found.iter().partition(IpAddr::is_ipv4);
        addresses.extend(v6);
        if addresses.is_empty() {
            return Err(unresolved("it has no address".to_owned()));
        }
        Ok(addresses)
    }
}

fn build(servers: &[SocketAddr]) -> Result<TokioResolver, String> {
    let mut builder = if servers.is_empty() {
        TokioResolver::builder_tokio().map_err(|error| format!("the system's resolver settings: {error}"))?
    } else {
        let config = ResolverConfig::from_name_servers(name_servers(servers));
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
    };
    let options: &mut ResolverOpts = builder.options_mut();
    options.timeout = TIMEOUT;
    options.attempts = ATTEMPTS;
    options.cache_size = CACHED;
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    builder.build().map_err(|error| error.to_string())
}

/// One entry an address, with each of its ports, over UDP and TCP.
fn name_servers(servers: &[SocketAddr]) -> Vec<NameServerConfig> {
    let mut by_address: BTreeMap<IpAddr, Vec<ConnectionConfig>> = BTreeMap::new();
    for server in servers {
        let connections = by_address.entry(server.ip()).or_default();
        for mut connection in [ConnectionConfig::udp(), ConnectionConfig::tcp()] {
            connection.port = server.port();
            connections.push(connection);
        }
    }
    let entry = |(address, connections)| NameServerConfig::new(address, true, connections);
    by_address.into_iter().map(entry).collect()
}
