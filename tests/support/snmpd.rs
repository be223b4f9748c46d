//! net-snmp's agent, from the Debian package `snmpd`.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::peers::Process;

/// Starts snmpd with the `snmpd.conf` of a folder, where its log is kept too; `state` is the folder of what it remembers.
pub fn start(folder: &Path, state: &Path, address: SocketAddr) -> Process {
    // Debian keeps it off an ordinary user's path.
    let usual = Path::new("/usr/sbin/snmpd");
    let mut serve = Command::new(if usual.exists() { usual } else { Path::new("snmpd") });
    serve
        .args(["-f", "-Lo", "-C", "-c"])
        .arg(folder.join("snmpd.conf"))
        .arg("-p")
        .arg(folder.join("pid"))
        .arg(format!("udp:{address}"))
        .env("SNMP_PERSISTENT_DIR", state)
        .env("SNMPCONFPATH", folder)
        .env("MIBS", "");
    Process::start(&mut serve, &folder.join("log"))
}
