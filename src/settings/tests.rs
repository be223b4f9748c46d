//! What hardline.toml says, and what it must not say.

use std::net::SocketAddr;
use std::path::Path;

use super::*;
use crate::mib::MibDialect;
use crate::model::Family;
use crate::wire::cert::ManufacturerName;
use crate::wire::tlv::EncryptAlgorithm;

const LEAST: &str = "realm = 'PKTC.EXAMPLE.NET'\ndomain = 'pktc.example.net'\n";

fn parse(text: &str) -> Result<Settings, Vec<SettingsError>> {
    Settings::parse(Path::new("/etc/hardline/hardline.toml"), text)
}

fn line(text: &str) -> String {
    let errors = parse(text).unwrap_err();
    assert_eq!(errors.len(), 1, "{errors:?}");
    errors[0].to_string()
}

#[test]
fn a_service_without_a_table_listens_nowhere() {
    let settings = parse(LEAST).unwrap();
    assert!(
        Service::ALL
            .into_iter()
            .all(|service| settings.listeners(service).is_empty())
    );
    assert_eq!(settings.database, Path::new("/etc/hardline/hardline.db"));
    assert_eq!(settings.prov_fqdn().as_str(), "prov.pktc.example.net");
}

#[test]
fn ports_are_the_standard_ones_plus_the_offset_unless_named() {
    let settings = parse(&format!(
        "port_offset = 23000\n{LEAST}[kdc]\nlisten = ['127.0.0.1', '[::1]:88']\n[fqdn]\nlisten = ['::1']\n\
         [tftp]\nenabled = false\nlisten = ['127.0.0.1']"
    ))
    .unwrap();
    let sockets = |service| {
        settings
            .listeners(service)
            .iter()
            .map(SocketAddr::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(sockets(Service::Kdc), ["127.0.0.1:23088", "[::1]:88"]);
    assert!(sockets(Service::Tftp).is_empty());
    let own = settings.fqdn_server(&settings.prov_fqdn(), Family::V4).unwrap();
    assert_eq!(own.to_string(), "[::1]:25246");
    assert_eq!(
        settings.fqdn_server(&"prov.elsewhere.net".parse().unwrap(), Family::V4),
        None
    );
}

#[test]
fn mistakes_name_file_line_key_and_remedy() {
    let text = format!("{LEAST}[kdc]\nlisten = ['127.0.0.1']\ntickets = 5\n");
    let error = line(&text);
    assert!(
        error.starts_with("/etc/hardline/hardline.toml:5:1: kdc.tickets: unknown field"),
        "{error}"
    );
    assert!(error.contains("docs/settings.md"), "{error}");
    let error = line(&format!("{LEAST}[kdc]\nticket_lifetime = '5 weeks'\n"));
    assert!(
        error.contains(":4:19: kdc.ticket_lifetime: ") && error.contains("\"7d\""),
        "{error}"
    );
    let error = line(&format!("{LEAST}[tftp]\nlisten = [\n  '127.0.0.1',\n  'host',\n]\n"));
    assert!(
        error.contains(":4:10: tftp.listen: 'host' is not a listener"),
        "{error}"
    );
    let error = line("realm = 'PKTC.EXAMPLE.NET'\n");
    assert!(error.contains("domain: missing field `domain`; add it"), "{error}");
    let error = line(&format!("{LEAST}[http]\nenabled = true\nlisten = []\n"));
    assert!(
        error.contains(":5:1: http.listen: the service is enabled and listens nowhere"),
        "{error}"
    );
    let error = line(&format!("port_offset = 64000\n{LEAST}"));
    assert!(error.contains(":1:1: port_offset: "), "{error}");
    assert!(line(&format!("{LEAST}[pns]\n")).contains(":3:2: pns: unknown field"));
    assert!(line("realm = ").contains(":1:9: realm: "));
}

#[test]
fn the_limits_of_tftp_and_http() {
    let tftp = |text: &str| parse(&format!("{LEAST}[tftp]\nlisten = ['::1']\n{text}\n"));
    let settings = tftp("transfer_ports = '1758-1767'\nrelays = ['192.0.2.1', '2001:db8::/32']").unwrap();
    assert_eq!(settings.tftp.transfer_ports, Some(1758..=1767));
    let inside = |address: &str| {
        let networks = &settings.tftp.relays;
        networks
            .iter()
            .any(|network| network.contains(&address.parse::<std::net::IpAddr>().unwrap()))
    };
    assert!(inside("192.0.2.1") && inside("2001:db8::9") && !inside("192.0.2.2"));
    assert_eq!(
        tftp("transfer_ports = '1758'").unwrap().tftp.transfer_ports,
        Some(1758..=1758)
    );
    for wrong in [
        "transfer_ports = '9-8'",
        "transfer_ports = '0-8'",
        "transfer_ports = 'few'",
        "transfer_ports = '60-70'",
        "relays = ['cmts1']",
        "max_block_size = 7",
        "max_block_size = 65465",
        "max_window = 0",
        "min_timeout = 0",
        "min_timeout = 9\nmax_timeout = 8",
        "max_transfers = 0",
        "retransmit_after = '0s'",
    ] {
        assert!(tftp(wrong).is_err(), "{wrong}");
    }
    assert!(parse(&format!("{LEAST}[http]\nlisten = ['::1']\nstall_timeout = '0s'\n")).is_err());
    let first = |text: &str| parse(&format!("{LEAST}{text}\n")).map_err(|errors| errors[0].to_string());
    let none = first("[http]\nlisten = ['::1']\nmax_connections = 0").unwrap_err();
    assert!(
        none.contains("http.max_connections: nobody could fetch a file; set 1 or more"),
        "{none}"
    );
    let nowhere = first("[[cmts]]\nname = 'c7'\naddresses = []").unwrap_err();
    assert!(
        nowhere.contains("cmts.addresses: of 'c7': no request would come from it; name the addresses"),
        "{nowhere}"
    );
}

/// Ports that the server would find taken by itself: told with the key of the pool, before anything is bound.
#[test]
fn the_transfer_ports_leave_the_listeners_ports_alone() {
    let refused = |text: &str| match parse(&format!("{LEAST}{text}\n")) {
        Ok(_) => None,
        Err(errors) => errors.first().map(ToString::to_string),
    };
    let pool = |listen: &str, more: &str| {
        refused(&format!(
            "[tftp]\nlisten = [{listen}]\ntransfer_ports = '1060-1070'\n{more}"
        ))
    };
    for (listen, more, words) in [
        (
            "'127.0.0.1:1069'",
            "",
            "tftp.transfer_ports: the pool 1060-1070 holds the port that tftp listens on, 127.0.0.1:1069; take a range",
        ),
        (
            "'127.0.0.1'",
            "[snmp]\nlisten = ['0.0.0.0:1062']",
            "the port that snmp listens on, 0.0.0.0:1062",
        ),
        ("'0.0.0.0:69', '127.0.0.1:70'", "", "cannot both open the pool"),
    ] {
        let error = pool(listen, more).unwrap_or_default();
        assert!(error.contains(words), "{listen} {more}: {error}");
    }
    for (listen, more) in [
        ("'127.0.0.1', '::1', '127.0.0.2'", ""),
        ("'127.0.0.1'", "[snmp]\nlisten = ['127.0.0.2:1062', '[::1]:1063']"),
        ("'127.0.0.1'", "[http]\nlisten = ['127.0.0.1:1064']"),
    ] {
        assert_eq!(pool(listen, more), None, "{listen} {more}");
    }
}

#[test]
fn every_spelling_of_the_agents_port() {
    let port = |text: &str| parse(&format!("{LEAST}[snmp]\nlisten = ['::1']\nagent_port = {text}\n"));
    assert_eq!(port("161").unwrap().snmp.agent_port, AgentPort::Fixed(161));
    assert_eq!(port("'source'").unwrap().snmp.agent_port, AgentPort::Source);
    for text in ["0", "70000", "'sauce'", "true"] {
        assert!(port(text).is_err(), "{text}");
    }
}

#[test]
fn revoked_manufacturers_have_instants() {
    let text = format!(
        "{LEAST}[kdc]\nenabled = false\n[kdc.revoked_manufacturers]\n'{}ab' = 2026-01-31T02:00:00+02:00\n",
        "AB:".repeat(31)
    );
    let settings = parse(&text).unwrap();
    let at = settings.kdc.revoked_manufacturers.0[&ManufacturerName::Fingerprint([0xab; 32])];
    assert_eq!(at.to_string(), "2026-01-31T00:00:00.000Z");
    assert!(parse(&text.replace("T02:00:00+02:00", "")).is_err());
    let named = |name: &str| {
        let date = "2026-01-31T00:00:00Z";
        let text = format!("{LEAST}[kdc]\nenabled = false\n[kdc.revoked_manufacturers]\n'{name}' = {date}\n");
        parse(&text).map(|settings| settings.kdc.revoked_manufacturers.0.into_keys().next().unwrap())
    };
    let subject = "C=US, O=Example, CN=Example PacketCable CA";
    assert_eq!(named(subject), Ok(ManufacturerName::Subject(subject.into())));
    let serial = ManufacturerName::Serial {
        issuer: "The Root".into(),
        serial: vec![0x1a, 0x2b],
    };
    assert_eq!(named("serial 1A:2B of The Root"), Ok(serial.clone()));
    assert_eq!(named("serial 01a2b of The Root"), Ok(serial));
    assert!(named("serial 1x of The Root").is_err() && named("serial 12").is_err());
}

#[test]
fn the_encryption_of_a_dialect_without_encrypt_alg_is_des() {
    let algorithm = |encryption: FileEncryption, dialect| encryption.algorithm(dialect);
    assert_eq!(
        algorithm(FileEncryption::Dialect, MibDialect::Ietf),
        EncryptAlgorithm::Aes128Cbc
    );
    assert_eq!(
        algorithm(FileEncryption::Aes256, MibDialect::Euro),
        EncryptAlgorithm::Des64Cbc
    );
    assert_eq!(
        algorithm(FileEncryption::None, MibDialect::Euro),
        EncryptAlgorithm::None
    );
}
