//! Bootstrapping, judged from outside: curl, openssl, tlslite-ng and xmllint fetch and judge documents from the real server.

#![cfg(feature = "legacy-tls")]

#[path = "bootstrap/commands.rs"]
mod commands;
#[path = "bootstrap/documents.rs"]
mod documents;
#[path = "bootstrap/refusals.rs"]
mod refusals;
mod support;
#[path = "bootstrap/telling.rs"]
mod telling;

use std::process::Command;

use support::bootstrap::{fed, text};
use support::server::Server;

const ONE: &str = "00:11:22:aa:bb:01";
const TWO: &str = "00:11:22:aa:bb:02";
const BARE: &str = "00:11:22:aa:bb:03";
const BLOCKED: &str = "00:11:22:aa:bb:04";
const STRANGER: &str = "00:11:22:aa:bb:99";
const SECRET: &str = "p<&>\"'w0rd-of-One";
const LEGACY: [&str; 3] = ["-cipher", "AES128-SHA:@SECLEVEL=0", "-quiet"];
const GET: &str = "GET /eue HTTP/1.0\r\n\r\n";

/// An installation with devices and credentials.
fn installation() -> Server {
    let server = Server::install();
    for (mac, name) in [(ONE, "one"), (TWO, "two"), (BARE, "bare"), (BLOCKED, "blocked")] {
        let fqdn = format!("{name}.pktc.example.net");
        let more: &[&str] = if mac == BLOCKED { &["--var", "blocked=yes"] } else { &[] };
        server.add_device(mac, &fqdn, "hybrid", more);
    }
    let file = server.site().join("credentials.csv");
    let secret = SECRET.replace('"', "\"\"");
    let rows = format!(
        "mac,table,index,id,impi,credentials,encoding,display\n{ONE},impi,1,one@ims.example.net,,\"{secret}\",,\n\
         {ONE},impu,1,sip:one@ims.example.net,1,,,One & <Only>\n{ONE},impu,2,tel:+12125551212,1,,,\n\
         {TWO},impi,7,two@ims.example.net,,00ff10,hex,\n{BLOCKED},impi,1,b@ims.example.net,,whatever,,\n"
    );
    std::fs::write(&file, rows).unwrap();
    server.command(&["credentials", "import", file.to_str().unwrap()]);
    server
}

/// Whether xmllint finds that a document keeps to the schema.
fn valid(document: &str) -> bool {
    let mut xmllint = Command::new("xmllint");
    xmllint.args(["--noout", "--schema", "templates/bootstrap/eue.xsd", "-"]);
    let judged = fed(xmllint, document);
    assert!(judged.status.success(), "{}\n{document}", text(judged));
    true
}
