//! Templates and MIB names from outside: the folder of a running server, the commands, files fetched by name. Judges:
//! curl, sqlite3, and openssl for the message integrity checks.

#[path = "templates/devices.rs"]
mod devices;
#[path = "templates/folder.rs"]
mod folder;
#[path = "templates/names.rs"]
mod names;
mod support;

use std::path::Path;
use std::process::Command;

use hardline::settings::Service;
use support::fetch::answer;
use support::server::Server;

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

fn write(server: &Server, name: &str, content: &str) {
    let path = server.site().join("templates").join(name);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("the folder of templates");
    std::fs::write(path, content).expect("the folder of templates");
}

/// What curl gets: the status and the octets.
fn fetch(server: &Server, name: &str) -> (u16, Vec<u8>) {
    answer(server.v4(Service::Http), name)
}

fn digest(path: &Path, args: &[&str]) -> Vec<u8> {
    let out = Command::new("openssl")
        .arg("dgst")
        .args(args)
        .arg("-binary")
        .arg(path)
        .output()
        .expect("openssl");
    assert!(out.status.success(), "{}", text(&out.stderr));
    out.stdout
}
