//! `hardline device bootstrap`, with net-snmp's `snmpd` as the device in service: SNMPv3 under the keys of its Kerberos
//! session in the secure flow, SNMPv2c in the others. Needs the Debian packages `snmp` and `snmpd`.

#![cfg(feature = "legacy-tls")]

mod support;

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use hardline::model::Flow;
use hardline::settings::Service;
use hardline::simulator::FlowSpec;
use hardline::simulator::agent::Security;
use hardline::value::hex;
use hardline::wire::snmp::ProvisioningState;
use support::bootstrap::{Papers, status, text};
use support::client::{Eue, World, register, tftp_from};
use support::peers::Process;
use support::server::Server;

/// pktcEUECBData.0 and pktcEUECBEnable.0.
const DATA: &str = ".1.3.6.1.4.1.4491.2.2.10.3.1.1.8.0";
const ENABLE: &str = ".1.3.6.1.4.1.4491.2.2.10.3.1.1.7.0";

/// An `snmpd` in the place of a device.
struct Device {
    _process: Process,
    folder: tempfile::TempDir,
    address: SocketAddr,
}

impl Device {
    /// One that takes SETs from whom `access` names.
    fn start(address: SocketAddr, access: &str, state: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let persistent = folder.path().join("state");
        std::fs::create_dir(&persistent).unwrap();
        std::fs::write(persistent.join("snmpd.conf"), state).unwrap();
        let file = folder.path().join("snmpd.conf");
        let objects = format!("override -rw {DATA} octet_str \"\"\noverride -rw {ENABLE} integer 2\n");
        std::fs::write(&file, format!("{access}rocommunity look\n{objects}")).unwrap();
        let _process = support::snmpd::start(folder.path(), &persistent, address);
        let device = Self {
            _process,
            folder,
            address,
        };
        let deadline = Instant::now() + Duration::from_secs(15);
        while !device.get(ENABLE).contains("INTEGER: 2") {
            let log = std::fs::read_to_string(device.folder.path().join("log"));
            assert!(Instant::now() < deadline, "{}\n{log:?}", device.get(ENABLE));
            std::thread::sleep(Duration::from_millis(100));
        }
        device
    }

    /// What `snmpget` finds at an object.
    fn get(&self, object: &str) -> String {
        let mut get = Command::new("snmpget");
        get.args(["-v2c", "-c", "look", "-t", "1", "-r", "0", "-On"]);
        get.arg(self.address.to_string()).arg(object).env("MIBS", "");
        text(get.output().expect("snmpget (Debian package snmp)"))
    }
}

/// Has the server tell the device, and looks at what it was told.
fn told(server: &Server, eue: &Eue, device: &Device) {
    let mac = eue.spec.mac.to_string();
    let done = server.json(&["device", "bootstrap", &mac, "--timeout", "30"]);
    assert_eq!(done["outcome"], "done", "{done}\n{}", server.stderr());
    let url = format!("https://{}/eue", server.v4(Service::BootstrapLegacy));
    let data = device.get(DATA);
    assert!(data.contains(&format!("\"{url}\"")), "{data}");
    assert!(device.get(ENABLE).contains("INTEGER: 1"), "true");
    let shown = server.attempts(eue.spec.mac);
    let steps = shown["attempts"][0]["steps"].as_array().unwrap();
    let step = steps.iter().find(|step| step["step"] == "CB-1");
    assert_eq!(step.map(|step| &step["outcome"]), Some(&"ok".into()), "{steps:#?}");
}

/// A device of `flow`, registered.
fn eue(server: &Server, flow: Flow) -> Eue {
    let world = World::of(server);
    let device = world.device(1, flow);
    register(server, &device, &["--ip", &device.address.to_string()]);
    std::thread::sleep(Duration::from_millis(1200));
    Eue::new(device, world.known.clone())
}

#[test]
fn a_device_of_the_secure_flow_is_told_by_snmpv3() {
    let mut server = Server::install();
    server.start();
    let eue = eue(&server, Flow::Secure);
    let ticket = eue.ticket().expect("a ticket");
    let security = eue.associate(&ticket).expect("keys").security;
    let (user, engine, keys) = (
        security.user.clone(),
        hex(security.engine.engine_id.as_bytes()),
        security.keys.clone(),
    );
    let boots = security.engine.boots;
    let mut agent = eue.agent(Security::User(Box::new(security)));
    eue.enroll(&mut agent);
    let instruction = eue.told(&mut agent);
    tftp_from(eue.spec.address, &instruction.url).expect("the file");
    eue.report(&mut agent, ProvisioningState::Pass);

    // The device goes on as snmpd: with its engine, started once more, and the keys of its session.
    let (address, privacy) = (eue.address(), keys.privacy.as_ref().expect("authPriv"));
    let access = format!(
        "exactEngineID 0x{engine}\ncreateUser -e 0x{engine} {user} {:?} -l 0x{} {:?} -l 0x{}\nrwuser {user} authpriv\n",
        keys.auth.protocol(),
        hex(keys.auth.octets().expose()),
        privacy.protocol(),
        hex(privacy.octets().expose()),
    );
    let access = access
        .replace("Sha1", "SHA")
        .replace("Md5", "MD5")
        .replace("Aes128", "AES")
        .replace("Des", "DES");
    let state = format!("engineBoots {}\noldEngineID 0x{engine}\n", boots + 1);
    let spec = eue.spec.clone();
    let known = eue.known.clone();
    drop(eue);
    let device = Device::start(address, &access, &state);
    let eue = Eue::new(spec, known);
    assert!(matches!(eue.spec.flow, FlowSpec::Secure(_)));
    told(&server, &eue, &device);
    server.assert_unhurt();
}

#[test]
fn a_device_of_the_hybrid_flow_is_told_by_snmpv2c_under_its_community() {
    let mut server = Server::install();
    server.edit("hardline.toml", "#= window = \"0s\"", "window = \"1h\"");
    server.start();
    let eue = eue(&server, Flow::Hybrid);
    let mac = eue.spec.mac.to_string();
    server.command(&["credentials", "set", &mac, "--impi", "a@b", "--generate"]);
    let papers = Papers::of(&server, &mac);
    assert_eq!(status(&server, &papers), "403", "the window opens with its success");
    let mut agent = eue.secured();
    eue.enroll(&mut agent);
    let instruction = eue.told(&mut agent);
    tftp_from(eue.spec.address, &instruction.url).expect("the file");
    eue.report(&mut agent, ProvisioningState::Pass);
    assert_eq!(status(&server, &papers), "200");
    let (address, spec, known) = (eue.address(), eue.spec.clone(), eue.known.clone());
    drop(eue);
    let device = Device::start(address, "rwcommunity public\n", "");
    told(&server, &Eue::new(spec, known), &device);
}

#[test]
fn a_device_of_the_basic_flow_is_told_by_snmpv2c_where_agents_listen() {
    let mut server = Server::install();
    let port = support::peers::free_udp_port();
    server.edit(
        "hardline.toml",
        "agent_port = \"source\"",
        &format!("agent_port = {port}"),
    );
    server.start();
    let eue = eue(&server, Flow::Basic);
    let FlowSpec::Basic { file, .. } = &eue.spec.flow else {
        panic!("a basic device")
    };
    tftp_from(eue.spec.address, file).expect("the file");
    let address = SocketAddr::new(eue.spec.address, port);
    // A device that told no community is spoken to under the customary one.
    let device = Device::start(address, "rwcommunity private\n", "");
    told(&server, &eue, &device);
}
