//! Values that templates ask other systems for: PostgreSQL and MariaDB themselves, and a server of HTTP.

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use hardline::settings::Service;
use support::fetch::answer;
use support::peers::{MariaDb, PASSWORD, Postgres, wait_for};
use support::server::Server;

/// An installation whose template `tier` asks the lookup `crm`, which `table` describes.
fn asking(table: &str) -> Server {
    let server = Server::install();
    server.edit(
        "hardline.toml",
        "[cable_modem]",
        &format!("[lookup.crm]\n{table}\n\n[cable_modem]"),
    );
    let template = "file cable-modem\nserve \"{who}.tier\"\nlookup crm\nauto cmts-mic off\n\
                    var cpe: integer(1..16) = crm.cpe + 1\ntlv MaxCPE {{ cpe }}\n\
                    tlv NetworkAccess {{ 1 if crm.active else 0 }}\n\
                    tlv SwUpgradeFilename {{ crm.tier }}-{{ crm.price }}\n\
                    if crm.server is defined\ntlv SwUpgradeServer {{ crm.server }}\nend\n";
    std::fs::write(server.site().join("templates/tier.tmpl"), template).expect("the folder of templates");
    server
}

/// What curl gets under a name: the status and the octets.
fn fetch(server: &Server, name: &str) -> (u16, Vec<u8>) {
    answer(server.v4(Service::Http), name)
}

/// The file of eight modems at most, gold, with a server.
fn assert_gold(server: &Server, name: &str) {
    let (status, octets) = fetch(server, name);
    assert_eq!(status, 200, "{}", server.stderr());
    let expected = b"\x12\x01\x08\x03\x01\x01\x09\x0agold-19.90\x15\x04\xc0\x00\x02\x09";
    assert!(octets.starts_with(expected), "{}", octets.escape_ascii());
}

/// A name with what would end a literal, as curl writes it: the query finds nothing, and nothing else happens.
const HOSTILE: [&str; 3] = [
    "x%27%3B%20DROP%20TABLE%20subscriber%3B--.tier",
    "%5C%27.tier",
    "%27%27%5C%5C%27.tier",
];

#[test]
fn a_row_of_postgresql_with_the_types_that_it_has() {
    let mut postgres = Postgres::start();
    postgres.sql("postgres", "CREATE DATABASE crm");
    postgres.sql(
        "crm",
        "CREATE TABLE subscriber (hw macaddr PRIMARY KEY, cpe smallint, active boolean, tier text, price numeric(8,2), server inet);
         INSERT INTO subscriber VALUES ('00:11:22:aa:bb:01', 7, true, 'gold', 19.90, '192.0.2.9'),
                                       ('00:11:22:aa:bb:02', 1, false, 'it''s', 0, NULL);
         GRANT SELECT ON subscriber TO hardline",
    );
    let password = PASSWORD.replace(' ', "%20");
    let table = format!(
        "sql = \"postgres://hardline:{password}@127.0.0.1:{}/crm\"\ncache = \"0s\"\ntimeout = \"10s\"\n\
         query = \"SELECT cpe, active, tier, price, host(server) AS server FROM subscriber WHERE hw::text = :who\"",
        postgres.port
    );
    let mut server = asking(&table);
    server.start();
    assert_gold(&server, "00:11:22:aa:bb:01.tier");
    let (_, other) = fetch(&server, "00:11:22:aa:bb:02.tier");
    assert!(
        other.starts_with(b"\x12\x01\x02\x03\x01\x00\x09\x09it's-0.00\x06"),
        "{}",
        other.escape_ascii()
    );
    for name in HOSTILE {
        assert_eq!(fetch(&server, name).0, 503, "no row, and the template asks for one");
    }
    assert_eq!(postgres.sql("crm", "SELECT count(*) FROM subscriber").trim(), "2");
    // Values take the type that they are compared with; a text that is none of it is an error of this one file.
    server.edit("hardline.toml", "hw::text = :who", "hw = :who");
    server.hang_up();
    wait_for("the reload", || server.stderr().contains("reloaded"));
    wait_for("the new query", || fetch(&server, "0011.22aa.bb01.tier").0 == 200);
    assert_gold(&server, "0011.22aa.bb01.tier");
    assert_eq!(fetch(&server, "nobody.tier").0, 503);

    // Gone and back.
    postgres.kill();
    wait_for("nothing is served without it", || {
        fetch(&server, "00:11:22:aa:bb:01.tier").0 == 503
    });
    assert!(server.stderr().contains("lookup 'crm'"), "{}", server.stderr());
    postgres.restart();
    wait_for("it is back", || fetch(&server, "00:11:22:aa:bb:01.tier").0 == 200);
    assert_gold(&server, "00:11:22:aa:bb:01.tier");
    server.assert_unhurt();
}

#[test]
fn a_row_of_mariadb_with_the_types_that_it_has() {
    let maria = MariaDb::start();
    maria.sql("", "CREATE DATABASE crm");
    maria.sql(
        "crm",
        "CREATE TABLE subscriber (hw CHAR(17) PRIMARY KEY, cpe INT UNSIGNED, active BOOLEAN, tier ENUM('gold', 'iron'),
                                  price DECIMAL(8,2), server VARBINARY(16));
         INSERT INTO subscriber VALUES ('00:11:22:aa:bb:01', 7, TRUE, 'gold', 19.90, INET6_ATON('192.0.2.9'))",
    );
    let password = PASSWORD.replace(' ', "%20");
    let table = format!(
        "sql = \"mysql://hardline:{password}@127.0.0.1:{}/crm\"\ncache = \"60s\"\ntimeout = \"10s\"\n\
         query = \"SELECT cpe, active, tier, price, INET6_NTOA(server) AS server FROM subscriber WHERE hw = :who\"",
        maria.port
    );
    let mut server = asking(&table);
    server.start();
    assert_gold(&server, "00:11:22:aa:bb:01.tier");
    for name in HOSTILE {
        assert_eq!(fetch(&server, name).0, 503);
    }
    assert_eq!(maria.sql("crm", "SELECT count(*) FROM subscriber").trim(), "1");
    // The answer is kept while it is young.
    maria.sql("crm", "UPDATE subscriber SET tier = 'iron'");
    assert_gold(&server, "00:11:22:aa:bb:01.tier");
    drop(maria);
    assert_gold(&server, "00:11:22:aa:bb:01.tier");
    assert_eq!(fetch(&server, "00:11:22:aa:bb:02.tier").0, 503);
    server.assert_unhurt();
}

/// A server of HTTP that has one object, and notes what it is asked for.
fn crm() -> (SocketAddr, Arc<Mutex<Vec<String>>>, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let asked = Arc::new(Mutex::new(Vec::new()));
    let status = Arc::new(AtomicUsize::new(200));
    let (noted, answers) = (Arc::clone(&asked), Arc::clone(&status));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(&stream);
            let mut first = String::new();
            let _ = reader.read_line(&mut first);
            let mut line = String::from("-");
            while line.trim() != "" {
                line.clear();
                let _ = reader.read_line(&mut line);
            }
            let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
            let status = match path.ends_with("gold") {
                true => answers.load(Ordering::SeqCst),
                false => 404,
            };
            noted.lock().expect("a list").push(path);
            let body = r#"{"cpe": 7, "active": true, "tier": "gold", "price": "19.90", "server": "192.0.2.9", "more": {"x": 1}}"#;
            let head = format!(
                "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let _ = (&stream).write_all((head + body).as_bytes());
        }
    });
    (address, asked, status)
}

#[test]
fn an_object_by_http() {
    let (address, asked, status) = crm();
    let table = format!("http = \"http://{address}/device/{{who}}\"\ncache = \"0s\"\ntimeout = \"10s\"");
    let mut server = asking(&table);
    server.start();
    assert_gold(&server, "gold.tier");
    assert_eq!(fetch(&server, "a%20b.tier").0, 503, "404 leaves the columns undefined");
    assert_eq!(fetch(&server, "...tier").0, 503);
    assert_eq!(
        *asked.lock().expect("a list"),
        ["/device/gold", "/device/a%20b"],
        "no folder above is asked for"
    );
    status.store(500, Ordering::SeqCst);
    assert_eq!(fetch(&server, "gold.tier").0, 503);
    assert!(server.stderr().contains("answers 500"), "{}", server.stderr());
    // An optional one may fail: what the template says then counts.
    let zero = "cache = \"0s\"\ntimeout = \"10s\"";
    server.edit("hardline.toml", zero, &format!("{zero}\noptional = true"));
    let template = "file cable-modem\nserve \"{who}.tier\"\nlookup crm\nauto cmts-mic off\ntlv MaxCPE {{ crm.cpe | default(3) }}\n";
    std::fs::write(server.site().join("templates/tier.tmpl"), template).expect("the folder of templates");
    server.hang_up();
    wait_for("the default counts", || {
        fetch(&server, "gold.tier").1.starts_with(b"\x12\x01\x03")
    });
    server.assert_unhurt();
}
