//! What goes wrong around the running server, and that no device is stuck over it: a network that loses, repeats and
//! reorders at every step, devices that lose their power, a server that is killed, and an operator's mistakes.

mod support;

use std::collections::HashMap;
use std::io::Write;
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hardline::model::{Flow, UrlHost};
use hardline::settings::Service;
use hardline::simulator::{DeviceReport, DeviceSpec, FlowSpec, provision};
use hardline::value::{Random, SeededRandom};
use hardline::wire::snmp::ProvisioningState;
use serde_json::{Value, json};
use support::client::{Eue, Known, Stage, World, register, tftp_from};
use support::lossy::{Lossy, Mishap};
use support::server::Server;

/// A server whose requests to devices are repeated sooner than by default.
fn installed() -> Server {
    let server = Server::install();
    server.edit(
        "hardline.toml",
        "#= request_timeout = \"2s\"",
        "request_timeout = \"300ms\"",
    );
    server
}

/// The device's attempts as the server has them, newest first.
fn attempts(server: &Server, device: &DeviceSpec) -> Vec<Value> {
    let shown = server.attempts(device.mac);
    shown["attempts"].as_array().expect("a list").clone()
}

/// How the device's attempts ended, newest first.
fn results(server: &Server, device: &DeviceSpec) -> Vec<Option<String>> {
    let result = |attempt: &Value| attempt["result"].as_str().map(str::to_owned);
    attempts(server, device).iter().map(result).collect()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Runtime::new().expect("a runtime")
}

/// Makes devices known to the server, all at once.
fn import(server: &Server, devices: &[DeviceSpec]) {
    let lines = devices.iter().map(|device| {
        let flow = device.flow().to_string();
        json!({"mac": device.mac, "fqdn": device.fqdn, "flow": flow, "addresses": [device.address]}).to_string() + "\n"
    });
    let file = server.site().join("devices.jsonl");
    std::fs::write(&file, lines.collect::<String>()).expect("a file");
    server.command(&["device", "import", file.to_str().expect("UTF-8")]);
}

/// Provisions the devices, all at once; their reports in the devices' order.
async fn provision_all(devices: &[DeviceSpec], known: &Arc<Known>) -> Vec<DeviceReport> {
    let run = |device: &DeviceSpec| {
        let (device, known) = (device.clone(), known.clone());
        tokio::spawn(async move { provision(&device, &known).await })
    };
    let mut reports = Vec::new();
    for running in devices.iter().map(run).collect::<Vec<_>>() {
        reports.push(running.await.expect("a device does not panic"));
    }
    reports
}

/// How many datagrams a device of each flow exchanges with the server where nothing goes wrong.
const CONVERSATIONS: [(Flow, usize); 3] = [(Flow::Secure, 17), (Flow::Hybrid, 13), (Flow::Basic, 9)];
/// Devices in the storm, where anything may happen to any datagram.
const STORM: u32 = 36;
/// How long the server waits for a device in the test of the network, and a device in the storm for its server.
const GIVEN_UP: Duration = Duration::from_secs(10);

/// One mishap at each datagram of each flow, and a storm.
struct Plan {
    devices: Vec<DeviceSpec>,
    single: HashMap<IpAddr, (usize, Mishap)>,
}

impl Plan {
    fn new(world: &World) -> Self {
        let mut plan = Self {
            devices: Vec::new(),
            single: HashMap::new(),
        };
        for (flow, datagrams) in CONVERSATIONS {
            for number in 0..datagrams {
                for mishap in [Mishap::Lost, Mishap::Twice, Mishap::Late] {
                    let address = plan.add(world, flow);
                    plan.single.insert(address, (number, mishap));
                }
            }
        }
        for index in 0..STORM {
            plan.add(world, CONVERSATIONS[index as usize % 3].0);
        }
        for device in plan.devices.iter_mut().rev().take(STORM as usize) {
            device.timers.provisioning = GIVEN_UP;
        }
        plan
    }

    fn add(&mut self, world: &World, flow: Flow) -> IpAddr {
        let index = u32::try_from(self.devices.len()).expect("a few");
        let mut device = world.device(index, flow);
        if let FlowSpec::Basic { file, .. } = &mut device.flow {
            *file = world.basic_file(device.mac, UrlHost::Name(files().parse().expect("a name")));
        }
        let address = device.address;
        self.devices.push(device);
        address
    }

    /// The same for every run: a device's datagrams of the same number always meet the same fate.
    fn rule(&self) -> impl Fn(IpAddr, usize) -> Mishap + use<> {
        let single = self.single.clone();
        move |device, number| match single.get(&device) {
            Some((at, mishap)) if *at == number => *mishap,
            Some(_) => Mishap::None,
            None => {
                let IpAddr::V4(device) = device else {
                    return Mishap::None;
                };
                let mut draw = [0];
                SeededRandom::new(u64::from(device.to_bits()) << 16 | number as u64).fill(&mut draw);
                match draw[0] {
                    0..51 => Mishap::Lost,
                    51..90 => Mishap::Twice,
                    90..140 => Mishap::Late,
                    _ => Mishap::None,
                }
            }
        }
    }
}

/// The name of the file server, whose address the network stands in for.
fn files() -> &'static str {
    "files.pktc.example.net"
}

#[test]
fn loss_repetition_and_reordering_at_any_step_end_in_success_or_a_recorded_failure() {
    let mut server = installed();
    server.edit(
        "hardline.toml",
        "#= url_host = \"address\"",
        &format!("url_host = \"{}\"", files()),
    );
    let timer = format!("provisioning_timer = \"{}s\"", GIVEN_UP.as_secs());
    server.edit("hardline.toml", "#= provisioning_timer = \"10m\"", &timer);
    let world = World::of(&server);
    let plan = Plan::new(&world);
    import(&server, &plan.devices);
    server.start();

    let network = Lossy::new(plan.rule());
    let reports = runtime().block_on(async {
        let nearby = |port| SocketAddr::new("127.0.0.2".parse().expect("an address"), port);
        let mut at = world.known.v4.expect("IPv4");
        // Names would lead past the lossy network.
        at.dns = None;
        for place in [&mut at.kdc, &mut at.keymgmt, &mut at.snmp] {
            *place = network.stand_in(nearby(0), *place).await;
        }
        let tftp = server.v4(Service::Tftp);
        network.stand_in(nearby(tftp.port()), tftp).await;
        let known = world.misled(|known| {
            known.v4 = Some(at);
            known
                .hosts
                .insert(files().parse().expect("a name"), vec![nearby(0).ip()]);
        });
        provision_all(&plan.devices, &known).await
    });

    let over = Instant::now() + GIVEN_UP + Duration::from_secs(3);
    let mut passed = 0;
    for (device, report) in plan.devices.iter().zip(&reports) {
        let what = format!(
            "{:?} {:?}: {:?}",
            device.flow(),
            plan.single.get(&device.address),
            report.failure()
        );
        let newest = loop {
            let newest = attempts(&server, device).into_iter().next();
            let ended = newest.as_ref().is_none_or(|attempt| !attempt["result"].is_null());
            if ended || (plan.single.contains_key(&device.address) && report.passed()) {
                break newest;
            }
            assert!(Instant::now() < over, "stuck, {what}\n{newest:#?}");
            std::thread::sleep(Duration::from_millis(100));
        };
        if plan.single.contains_key(&device.address) {
            assert!(
                report.passed(),
                "one mishap is no failure, {what}\n{report:#?}\n{newest:#?}"
            );
            let exchanged = network.count(device.address);
            assert!(
                exchanged > plan.single[&device.address].0,
                "only {exchanged} datagrams, {what}"
            );
        }
        match newest {
            // What the server acknowledged it has on record.
            Some(attempt) if report.passed() => assert_eq!(attempt["pass"], true, "{what}\n{attempt:#}"),
            Some(_) => {}
            None => assert!(!report.passed(), "no attempt on record, {what}"),
        }
        passed += usize::from(report.passed());
    }
    let storm = passed - plan.single.len();
    assert!(
        storm >= STORM as usize / 2,
        "{storm} of {STORM} devices come through the storm"
    );
    server.assert_unhurt();
}

#[test]
fn a_device_that_begins_again_at_any_step_replaces_its_attempt_and_passes() {
    let mut server = installed();
    let world = World::of(&server);
    let secure = [
        Stage::Ticketed,
        Stage::Keyed,
        Stage::Enrolled,
        Stage::Told,
        Stage::Delivered,
    ];
    let cases = secure.into_iter().map(|stage| (Flow::Secure, stage));
    let cases = cases.chain(secure[2..].iter().map(|&stage| (Flow::Hybrid, stage)));
    let cases: Vec<_> = (0..)
        .zip(cases)
        .map(|(index, (flow, stage))| (world.device(index, flow), stage))
        .collect();
    let devices: Vec<_> = cases.iter().map(|(device, _)| device.clone()).collect();
    import(&server, &devices);
    server.start();

    for (device, stage) in &cases {
        Eue::new(device.clone(), world.known.clone()).climb(*stage);
        assert_eq!(results(&server, device), [None], "{stage:?}");
    }
    let reports = runtime().block_on(provision_all(&devices, &world.known));
    for ((device, stage), report) in cases.iter().zip(reports) {
        assert!(report.passed(), "{stage:?}: {report:#?}");
        let ended = [Some("pass".to_owned()), Some("replaced".to_owned())];
        assert_eq!(results(&server, device), ended, "{:?} at {stage:?}", device.flow());
    }
    server.assert_unhurt();
}

#[test]
fn two_attempts_of_one_device_at_the_same_time_leave_one_result_and_nothing_open() {
    let mut server = installed();
    server.edit(
        "hardline.toml",
        "#= provisioning_timer = \"10m\"",
        "provisioning_timer = \"5s\"",
    );
    let world = World::of(&server);
    let devices: Vec<_> = (0..12)
        .map(|index| world.device(index, if index % 2 == 0 { Flow::Secure } else { Flow::Hybrid }))
        .map(|mut device| {
            // The one that lost hears nothing more, and gives up.
            device.timers.provisioning = Duration::from_secs(4);
            device
        })
        .collect();
    import(&server, &devices);
    server.start();
    let twice = [&devices[..], &devices[..]].concat();
    let reports = runtime().block_on(provision_all(&twice, &world.known));
    let over = Instant::now() + Duration::from_secs(8);
    for (index, device) in devices.iter().enumerate() {
        let both = [&reports[index], &reports[index + devices.len()]];
        assert!(
            both.iter().any(|report| report.passed()),
            "{both:#?}\n{:#?}",
            attempts(&server, device)
        );
        while results(&server, device).contains(&None) {
            assert!(Instant::now() < over, "stuck: {:#?}", attempts(&server, device));
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    server.assert_unhurt();
}

#[test]
fn what_was_acknowledged_survives_kill_9_and_the_device_passes_after_the_restart() {
    let mut server = installed();
    let world = World::of(&server);
    let devices = [world.device(1, Flow::Secure), world.device(2, Flow::Hybrid)];
    devices.iter().for_each(|device| register(&server, device, &[]));
    server.start();
    let mut enrolled: Vec<_> = devices
        .iter()
        .map(|device| {
            let eue = Eue::new(device.clone(), world.known.clone());
            let agent = eue.secured();
            (eue, agent)
        })
        .collect();
    for (eue, agent) in &mut enrolled {
        eue.enroll(agent);
    }
    server.kill();
    for (eue, _) in &enrolled {
        // A SET that was on its way when the server died came too early to count here.
        while eue.hear(eue.at.snmp, Duration::from_millis(50)).is_some() {}
    }
    server.start();
    for (eue, agent) in &mut enrolled {
        let instruction = eue.told(agent);
        tftp_from(eue.spec.address, &instruction.url).expect("the file");
        eue.report(agent, ProvisioningState::Pass);
        assert_eq!(results(&server, &eue.spec), [Some("pass".to_owned())]);
    }
    server.assert_unhurt();
}

#[test]
fn sigterm_stops_within_five_seconds_whatever_is_going_on() {
    let mut server = installed();
    server.share("big", &vec![7; 1 << 20]);
    let world = World::of(&server);
    let device = world.device(1, Flow::Secure);
    register(&server, &device, &[]);
    server.start();
    let eue = Eue::new(device, world.known.clone());
    eue.climb(Stage::Enrolled);
    let mut half_open = Vec::new();
    for service in [Service::Kdc, Service::Http] {
        for half in [&b""[..], b"GE", &[0, 0]] {
            let mut stream = TcpStream::connect(server.v4(service)).expect("a connection");
            stream.write_all(half).expect("a beginning");
            half_open.push(stream);
        }
    }
    let transfer = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    transfer
        .send_to(b"\0\x01big\0octet\0", server.v4(Service::Tftp))
        .expect("a request");
    transfer.recv(&mut [0; 1024]).expect("the first block");
    let (status, took) = server.terminate();
    assert_eq!(status.code(), Some(0));
    assert!(took < Duration::from_secs(5), "{took:?}");
}

/// One line on standard error with all of `words`, and exit code 2.
fn assert_mistake(server: &Server, words: &[&str]) {
    let (code, stderr) = server.fails_to_start();
    assert_eq!(code, Some(2), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    for word in words {
        assert!(stderr.contains(word), "no {word:?} in: {stderr}");
    }
}

#[test]
fn a_mistake_in_the_configuration_stops_serve_with_one_line_that_names_file_key_and_remedy() {
    let mut server = Server::install();
    let config = std::fs::read_to_string(server.config()).expect("hardline.toml");
    let spoil = |name: &str| {
        let path = server.site().join(name);
        let before = std::fs::read(&path).expect("a file of the installation");
        std::fs::write(&path, "spoilt").expect("the file can be written");
        (path, before)
    };

    server.edit("hardline.toml", "[kdc]\n", "[kdc]\nport = 88\n");
    assert_mistake(&server, &["hardline.toml", "kdc.port", "unknown"]);
    std::fs::write(server.config(), &config).expect("hardline.toml");

    for (name, key) in [
        ("pki/kdc.crt.pem", "certificate"),
        ("pki/kdc.key.pem", "key"),
        ("pki/sp-ca.crt.pem", "chain"),
        ("pki/mta-root.crt.pem", "device_roots"),
    ] {
        let (path, before) = spoil(name);
        assert_mistake(&server, &[name, key, ":"]);
        std::fs::remove_file(&path).expect("the file can be removed");
        assert_mistake(&server, &[name, key, "restore"]);
        std::fs::write(&path, before).expect("the file can be written");
    }

    let (path, before) = spoil("hardline.db");
    assert_mistake(&server, &["hardline.db", "database", "restore"]);
    std::fs::remove_file(&path).expect("the file can be removed");
    assert_mistake(&server, &["hardline.db", "database", "init"]);
    std::fs::write(&path, before).expect("the file can be written");

    let (path, before) = spoil("master.key");
    assert_mistake(&server, &["master.key", "restore"]);
    std::fs::remove_file(&path).expect("the file can be removed");
    assert_mistake(&server, &["master.key", "master_key", "restore"]);
    std::fs::write(&path, before).expect("the file can be written");

    let own = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&path, own).expect("the file's owner");
    let taken = server.v4(Service::Snmp);
    let holder = UdpSocket::bind(taken).expect("the port is free");
    assert_mistake(
        &server,
        &[
            &taken.to_string(),
            "[snmp]",
            "port_offset in hardline.toml",
            "stop what holds the port",
        ],
    );
    drop(holder);

    // What was spoilt is whole again, and nothing of it was changed by the attempts.
    server.start();
    let (status, _) = server.terminate();
    assert_eq!(status.code(), Some(0));
}
