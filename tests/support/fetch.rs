//! Fetching by curl, from an address of the test's choice: how the server answers a client of that address.

use std::net::{IpAddr, SocketAddr};
use std::process::Command;

/// Fetches `name` by TFTP from the address `from`: the file, or the word for what curl ended with.
pub fn tftp(from: &str, server: SocketAddr, name: &str) -> Result<Vec<u8>, &'static str> {
    curl(from, &format!("tftp://{server}/{name}"), &[])
}

/// Fetches `path` by HTTP from the address `from`; `path` goes out as it is.
pub fn http(from: &str, server: SocketAddr, path: &str) -> Result<Vec<u8>, &'static str> {
    curl(from, &format!("http://{server}/{path}"), &["--fail", "--path-as-is"])
}

/// Fetches by HTTP whatever the answer is: its status and its body.
pub fn answer(server: SocketAddr, path: &str) -> (u16, Vec<u8>) {
    let url = format!("http://{server}/{path}");
    let out = Command::new("curl").args(["-s", "-w", "%{http_code}", &url]).output();
    let out = out.expect("curl").stdout;
    let (body, status) = out.split_at(out.len() - 3);
    let status = std::str::from_utf8(status).expect("digits");
    (status.parse().expect("a status"), body.to_vec())
}

fn curl(from: &str, url: &str, more: &[&str]) -> Result<Vec<u8>, &'static str> {
    let interface = match from.parse::<IpAddr>() {
        Ok(address) => format!("host!{address}"),
        Err(error) => panic!("{from}: {error}"),
    };
    let out = Command::new("curl")
        .args([
            "--silent",
            "--show-error",
            "--globoff",
            "--max-time",
            "20",
            "--interface",
            &interface,
        ])
        .args(more)
        .arg(url)
        .output()
        .expect("curl");
    let errors = String::from_utf8_lossy(&out.stderr);
    match out.status.code() {
        Some(0) => Ok(out.stdout),
        Some(68) => Err("not found"),
        Some(69) => Err("refused"),
        Some(22) if errors.contains("403") => Err("refused"),
        Some(22) if errors.contains("404") => Err("not found"),
        Some(22) if errors.contains("400") => Err("malformed"),
        Some(22) if errors.contains("503") => Err("busy"),
        // TFTP error 0 has no code of its own with curl.
        Some(71) => Err("busy"),
        code => panic!("curl {url} from {from}: {code:?} {errors}"),
    }
}
