//! net-snmp judges the SNMP engine: its `snmpinform` and `snmpget` as the peers of our authoritative side, its `snmpd`
//! as the agent that takes our requests. Needs the Debian packages `snmp` and `snmpd`.

#[path = "net_snmp/dissection.rs"]
mod dissection;
#[path = "net_snmp/manager.rs"]
mod manager;
#[path = "net_snmp/receiver.rs"]
mod receiver;
mod support;

use hardline::value::Oid;

const SYS_DESCR: &str = "1.3.6.1.2.1.1.1.0";
const SYS_CONTACT: &str = "1.3.6.1.2.1.1.4.0";
const SYS_NAME: &str = "1.3.6.1.2.1.1.5.0";
const USER: &str = "MTA-Prov-00:11:22:AA:BB:CC";

fn oid(text: &str) -> Oid {
    text.parse().unwrap()
}
