//! The settings as each service takes them.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;

use super::StartError;
use super::files::{device_roots, kdc_identity, profile, revocation_lists};
use crate::mib::Names;
use crate::model::Family;
use crate::profile::Profile;
use crate::provisioning::bootstrap::Triggers;
use crate::provisioning::{Endpoints, FileMaker, Kdc, Policy};
use crate::service::http::HttpSettings;
use crate::service::kdc::FqdnServers;
use crate::service::keymgmt::{KeymgmtSettings, WakeUps};
use crate::service::tftp::{SourceLimits, TftpSettings};
use crate::settings::{Service, Settings, UrlHost};
use crate::template::{SharedLibrary, Site, TemplateLibrary};
use crate::wire::tftp::{Limits, Pace};

/// What decisions about devices need to know of the settings.
pub fn policy(settings: &Settings) -> Policy {
    Policy {
        realm: settings.realm.clone(),
        organisation: settings.organisation.clone(),
        prov_fqdn: settings.prov_fqdn(),
        provisioning_timer: settings.delivery.provisioning_timer,
        clock_skew: settings.kdc.clock_skew,
        url_host: match &settings.delivery.url_host {
            UrlHost::Address => None,
            UrlHost::Name(name) => Some(name.clone()),
        },
        get_capabilities: settings.snmp.get_capabilities,
    }
}

pub(super) fn kdc(settings: &Settings) -> Result<Kdc, StartError> {
    let profile = profile(settings)?;
    let anchors = device_roots(settings)?;
    Ok(Kdc {
        identity: kdc_identity(settings)?,
        certificates: settings.kdc.cert_policy(revocation_lists(settings, &anchors)?),
        anchors,
        allow_oakley1: settings.kdc.allow_oakley_1,
        stock_min_bits: settings.kdc.stock_min_bits,
        prefer_rfc4556: settings.kdc.prefer_rfc4556,
        etypes: settings.kdc.etypes.clone(),
        reply_key: profile.reply_key,
        pad: profile.pad,
        ticket_lifetime: settings.kdc.ticket_lifetime,
        policy: policy(settings),
    })
}

/// What makes the files of this installation.
pub fn file_maker(
    settings: &Settings,
    names: Arc<Names>,
    library: Arc<TemplateLibrary>,
    profile: Profile,
) -> FileMaker {
    FileMaker {
        library: SharedLibrary::new(library),
        names,
        site: site(settings),
        encryption: settings.delivery.encryption,
        profile,
        endpoints: Endpoints {
            tftp: settings.listeners(Service::Tftp),
            http: settings.listeners(Service::Http),
        },
        triggers: Triggers {
            added: settings.bootstrap.trigger,
            url: settings.bootstrap.url.clone(),
            modern: settings.listeners(Service::Bootstrap),
            legacy: settings.listeners(Service::BootstrapLegacy),
        },
    }
}

/// What templates see of this installation.
fn site(settings: &Settings) -> Site {
    let notifications = settings.listeners(Service::Snmp);
    let address = |family| {
        notifications
            .iter()
            .map(SocketAddr::ip)
            .find(|ip| Family::of(*ip) == family)
    };
    let ipv4 = match address(Family::V4) {
        Some(IpAddr::V4(address)) => Some(address),
        _ => None,
    };
    let ipv6 = match address(Family::V6) {
        Some(IpAddr::V6(address)) => Some(address),
        _ => None,
    };
    Site {
        realm: settings.realm.clone(),
        organisation: settings.organisation.clone(),
        prov_fqdn: settings.prov_fqdn(),
        ipv4,
        ipv6,
        notification_port: notifications.first().map_or(162, SocketAddr::port),
        vars: settings.templates.vars.clone(),
    }
}

pub(super) fn tftp_settings(settings: &Settings) -> TftpSettings {
    let tftp = &settings.tftp;
    let relays: Arc<[IpNet]> = settings.relays_that_name_clients().into();
    TftpSettings {
        limits: Limits {
            max_block_size: tftp.max_block_size,
            max_window: tftp.max_window,
            min_timeout: tftp.min_timeout,
            max_timeout: tftp.max_timeout,
        },
        pace: Pace {
            first: tftp.retransmit_after,
            longest: tftp.retransmit_after.max(Pace::default().longest),
            retries: tftp.retries,
            lifetime: tftp.lifetime,
        },
        max_transfers: tftp.max_transfers,
        sources: SourceLimits {
            per_second: tftp.rate_per_source,
            half_open: tftp.half_open_per_source,
            exempt: settings.relays().into(),
        },
        relays,
        ..TftpSettings::default()
    }
}

pub(super) fn http_settings(settings: &Settings) -> HttpSettings {
    let http = &settings.http;
    HttpSettings {
        max_connections: http.max_connections,
        connections_per_source: http.connections_per_source,
        exempt: settings.relays().into(),
        header_timeout: http.header_timeout,
        stall_timeout: http.stall_timeout,
        lifetime: http.lifetime,
        ..HttpSettings::default()
    }
}

pub(super) fn keymgmt_settings(settings: &Settings) -> KeymgmtSettings {
    let keymgmt = &settings.keymgmt;
    KeymgmtSettings {
        suites: keymgmt.ciphersuites.clone(),
        ack_required: keymgmt.ack_required,
        wake_ups: WakeUps {
            device_port: keymgmt.device_port,
            nominal: keymgmt.wake_up_timeout,
            retries: keymgmt.wake_up_retries,
            window: keymgmt.solicited_window,
        },
    }
}

/// The MTA-FQDN services by provisioning server: the operator's, and this installation's own.
pub(super) fn fqdn_servers(settings: &Settings) -> FqdnServers {
    let mut by_name = settings.kdc.fqdn_servers.clone();
    if let Some(own) = settings.listeners(Service::Fqdn).first() {
        // A wildcard is listened on, not spoken to.
        let ip = match own.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::from(std::net::Ipv4Addr::LOCALHOST),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::from(std::net::Ipv6Addr::LOCALHOST),
            ip => ip,
        };
        by_name
            .entry(settings.prov_fqdn())
            .or_insert(SocketAddr::new(ip, own.port()));
    }
    FqdnServers {
        by_name,
        timeout: settings.kdc.fqdn_timeout,
        retries: settings.kdc.fqdn_retries,
        port: Service::Fqdn.standard_port().saturating_add(settings.port_offset),
    }
}
