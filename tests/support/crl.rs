//! Revocation lists, made by openssl.

use std::path::PathBuf;
use std::process::Command;

use hardline::value::hex;

use super::server::Server;

/// Makes `name` in the installation's folder: the list of the CA `issuer` of its pki, in which `serials` are revoked;
/// the next one is due after `days`.
pub fn list(server: &Server, issuer: &str, name: &str, serials: &[String], days: i64) -> PathBuf {
    let folder = tempfile::tempdir().expect("a folder");
    let index: String = serials
        .iter()
        .map(|serial| format!("R\t400101000000Z\t260101000000Z\t{serial}\tunknown\t/CN=x\n"))
        .collect();
    std::fs::write(folder.path().join("index.txt"), index).expect("a file");
    let settings = folder.path().join("ca.cnf");
    let database = folder.path().join("index.txt");
    let text = format!(
        "[ca]\ndefault_ca=own\n[own]\ndatabase={}\ndefault_md=sha1\n",
        database.display()
    );
    std::fs::write(&settings, text).expect("a file");
    let pki = |file: String| server.site().join("pki").join(file);
    let out = server.site().join(name);
    let date = |days: i64| {
        let output = Command::new("date")
            .args(["-u", "-d", &format!("{days} days"), "+%Y%m%d%H%M%SZ"])
            .output()
            .expect("date");
        String::from_utf8(output.stdout).expect("UTF-8").trim().to_owned()
    };
    let output = Command::new("openssl")
        .args(["ca", "-gencrl", "-config"])
        .arg(&settings)
        .arg("-cert")
        .arg(pki(format!("{issuer}.crt.pem")))
        .arg("-keyfile")
        .arg(pki(format!("{issuer}.key.pem")))
        .args([
            "-crl_lastupdate",
            &date(days.min(0) - 1),
            "-crl_nextupdate",
            &date(days),
        ])
        .arg("-out")
        .arg(&out)
        .output()
        .expect("openssl");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    out
}

/// The serial number of a certificate as `openssl ca` writes it.
pub fn serial(octets: &[u8]) -> String {
    let text = hex(octets).to_uppercase();
    let text = text.trim_start_matches('0');
    if text.len() % 2 == 1 {
        format!("0{text}")
    } else {
        text.to_owned()
    }
}
