//! Who may have what, judged from outside: curl fetches from addresses with and without a lease, over TFTP and HTTP.

#[path = "leases/admin.rs"]
mod admin;
#[path = "leases/answers.rs"]
mod answers;
#[path = "leases/cmts.rs"]
mod cmts;
#[path = "leases/entitlement.rs"]
mod entitlement;
mod support;
#[path = "leases/table.rs"]
mod table;

use support::server::Server;

const SHARED: &[u8] = b"firmware, which anybody may have";

/// An installation whose requests are verified against its own table, with `rules` in `[verify]`.
fn verified(rules: &str) -> Server {
    let server = Server::install();
    verify_by_the_table(&server, rules);
    server
}

fn verify_by_the_table(server: &Server, rules: &str) {
    server.add_settings(&format!("[[lease_source]]\nkind = \"table\"\n[verify]\n{rules}\n"));
    std::fs::create_dir(server.site().join("static/firmware")).expect("a folder");
    server.share("firmware/a.bin", SHARED);
    server.share("gold.bin", b"gold");
    server.share("silver.bin", b"silver");
    for last in 1..=9 {
        server.add_device(mac(last), &format!("mta{last}.example.net"), "basic", &[]);
    }
}

fn mac(last: u8) -> String {
    format!("00:11:22:33:55:{last:02x}")
}

/// The name of the device's own file.
fn own(last: u8) -> String {
    format!("basic-ietf@{}", mac(last).replace(':', ""))
}

/// The address of a device.
fn address(last: u8) -> String {
    format!("127.3.0.{last}")
}

fn lease(server: &Server, last: u8, more: &[&str]) {
    let (address, mac) = (address(last), mac(last));
    server.command(&[&["lease", "add", "--address", &address, "--mac", &mac], more].concat());
}

/// `seconds` ago, as text.
fn ago(seconds: i64) -> String {
    let now = hardline::value::Timestamp::now().unix();
    hardline::value::Timestamp::from_unix(now - seconds).to_string()
}

const RULES: &str = "files = [\"{class}.bin\"]\nshared = [\"firmware/*\"]";
