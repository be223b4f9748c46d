//! Databases of leases and lookups that are reached by TLS: PostgreSQL and MariaDB with certificates of a CA of their own.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use hardline::settings::Service;
use support::fetch::{answer, tftp};
use support::peers::{MariaDb, PASSWORD, Postgres, run, wait_for};
use support::server::Server;

/// A CA and the certificate of a database that answers at 127.0.0.1.
struct Authority {
    folder: tempfile::TempDir,
}

impl Authority {
    fn new() -> Self {
        let authority = Self {
            folder: tempfile::tempdir().expect("a folder"),
        };
        let path = |name: &str| authority.path(name).display().to_string();
        let openssl = |args: &[&str]| {
            let mut command = Command::new("openssl");
            run(command
                .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"])
                .args(args))
        };
        openssl(&[
            "-subj",
            "/CN=CA of a test",
            "-keyout",
            &path("ca.key"),
            "-out",
            &path("ca.pem"),
        ]);
        let of = |name: &str, address: &str| {
            let (key, certificate) = (path(&format!("{name}.key")), path(&format!("{name}.pem")));
            let (ca, ca_key) = (path("ca.pem"), path("ca.key"));
            let names = format!("subjectAltName=IP:{address}");
            let made = [
                "-CA",
                &ca,
                "-CAkey",
                &ca_key,
                "-keyout",
                &key,
                "-out",
                &certificate,
                "-subj",
                "/CN=database",
            ];
            openssl(
                &[
                    &made[..],
                    &["-addext", &names, "-addext", "basicConstraints=critical,CA:FALSE"],
                ]
                .concat(),
            );
        };
        of("database", "127.0.0.1");
        of("elsewhere", "192.0.2.1");
        // The databases run as users of their own.
        run(Command::new("chmod").args(["-R", "a+rX"]).arg(authority.folder.path()));
        authority
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

const MAC: &str = "00:11:22:33:88:01";
const OWN: &str = "basic-ietf@001122338801";

/// An installation with this source and one device.
fn asking(source: &str) -> Server {
    let server = Server::install();
    std::fs::write(server.site().join("password"), format!("{PASSWORD}\n")).expect("a file");
    server.add_settings(&format!(
        "{source}password_file = \"password\"\n[verify]\nwindow = \"10m\"\non_failure = \"refuse\"\n"
    ));
    server.add_device(MAC, "mta1.example.net", "basic", &[]);
    server
}

/// Whether the only source answers, and what is said of it.
fn answers(server: &Server) -> (bool, String) {
    let (sources, _) = server.lease_sources();
    (sources[0]["up"] == true, sources[0].to_string())
}

fn source(url: &str, ca: Option<&Path>, query: &str) -> String {
    let ca = ca.map_or_else(String::new, |ca| format!("ca_file = \"{}\"\n", ca.display()));
    format!("[[lease_source]]\nkind = \"sql\"\nurl = \"{url}\"\nby_address = \"{query}\"\ntimeout = \"2s\"\n{ca}")
}

/// What holds of either database: `url` answers by TLS alone, `plain` has no TLS.
fn assert_verified(url: &str, plain: &str, query: &str, authority: &Authority, other: &Authority) {
    let mut server = asking(&source(url, Some(&authority.path("ca.pem")), query));
    server.start();
    let fetch = || tftp("127.5.0.1", server.v4(Service::Tftp), OWN);
    wait_for("the lease is found", || fetch().is_ok());
    assert_eq!(tftp("127.5.0.2", server.v4(Service::Tftp), OWN), Err("refused"));

    // Without a CA whose word counts, the connection is encrypted where the server wants it.
    let (up, said) = answers(&asking(&source(url, None, query)));
    assert!(up, "{said}");
    // Another CA: somebody else could be there.
    let (up, said) = answers(&asking(&source(url, Some(&other.path("ca.pem")), query)));
    assert!(!up && said.contains("certificate"), "{said}");
    // A server without TLS is not asked in clear.
    let (up, said) = answers(&asking(&source(plain, Some(&authority.path("ca.pem")), query)));
    assert!(!up && said.to_lowercase().contains("tls"), "{said}");
    let missing = asking(&source(url, Some(Path::new("/nonexistent/ca.pem")), query));
    let out = missing.run(&["check"]);
    let said = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    assert!(
        out.status.code() == Some(2) && said.contains("/nonexistent/ca.pem"),
        "{said}"
    );
    server.assert_unhurt();
}

#[test]
fn postgresql_is_known_by_its_certificate() {
    let (authority, other) = (Authority::new(), Authority::new());
    let (postgres, plain) = (Postgres::start(), Postgres::start());
    postgres.encrypt(&authority.path("database.pem"), &authority.path("database.key"));
    let url = |postgres: &Postgres| format!("postgres://hardline@127.0.0.1:{}/postgres", postgres.port);
    let query = format!("SELECT '{MAC}' AS mac, now() AS obtained WHERE :address = '127.5.0.1'");
    assert_verified(&url(&postgres), &url(&plain), &query, &authority, &other);

    // The certificate is for another host.
    postgres.encrypt(&authority.path("elsewhere.pem"), &authority.path("elsewhere.key"));
    wait_for("the other certificate", || {
        let (up, said) = answers(&asking(&source(
            &url(&postgres),
            Some(&authority.path("ca.pem")),
            &query,
        )));
        !up && said.contains("certificate")
    });

    // Lookups of templates are asked in the same way.
    postgres.encrypt(&authority.path("database.pem"), &authority.path("database.key"));
    for (ca, status) in [("ca.pem", 200), ("database.key", 503)] {
        let mut server = Server::install();
        std::fs::write(server.site().join("password"), format!("{PASSWORD}\n")).expect("a file");
        let table = format!(
            "[lookup.crm]\nsql = \"{}\"\nquery = \"SELECT 7 AS cpe\"\ntimeout = \"5s\"\npassword_file = \"password\"\nca_file = \"{}\"\n\n[cable_modem]",
            url(&postgres),
            authority.path(ca).display()
        );
        server.edit("hardline.toml", "[cable_modem]", &table);
        let template = "file cable-modem\nserve \"a.tier\"\nlookup crm\nauto cmts-mic off\ntlv MaxCPE {{ crm.cpe }}\n";
        std::fs::write(server.site().join("templates/tier.tmpl"), template).expect("a template");
        server.start();
        let (found, octets) = answer(server.v4(Service::Http), "a.tier");
        assert_eq!(found, status, "{}", server.stderr());
        assert_eq!(octets.starts_with(&[18, 1, 7]), status == 200);
    }
}

#[test]
fn mariadb_is_known_by_its_certificate() {
    let (authority, other) = (Authority::new(), Authority::new());
    let (mut maria, plain) = (MariaDb::start(), MariaDb::start());
    maria.encrypt(&authority.path("database.pem"), &authority.path("database.key"));
    maria.sql("mysql", "ALTER USER hardline@'127.0.0.1' REQUIRE SSL");
    let url = |maria: &MariaDb| format!("mysql://hardline@127.0.0.1:{}/mysql", maria.port);
    let query = format!("SELECT '{MAC}' AS mac, unix_timestamp() AS obtained FROM dual WHERE :address = '127.5.0.1'");
    assert_verified(&url(&maria), &url(&plain), &query, &authority, &other);
}
