//! Devices are told to fetch their credentials.

use hardline::settings::Service;
use serde_json::Value;

use super::installation;

#[test]
fn devices_are_told_by_their_file_and_by_order_and_the_ladder_shows_both() {
    let mut server = installation();
    server.start();
    let first = "02:00:00:00:00:00";
    let report = server.json(&["simulate", "--flow", "hybrid", "--devices", "4", "--bootstrap"]);
    assert_eq!(
        (report["passed"].as_u64(), report["failed"].as_u64()),
        (Some(4), Some(0)),
        "{report}"
    );
    let fetched = |report: &Value| {
        let steps = report["steps"].as_array().unwrap();
        let step = steps.iter().find(|step| step["step"] == "CB-2");
        step.and_then(|step| step["count"].as_u64())
    };
    assert_eq!(fetched(&report), Some(4), "both TLS worlds: {report}");
    let basic = server.json(&[
        "simulate",
        "--flow",
        "basic",
        "--devices",
        "2",
        "--first",
        "50",
        "--bootstrap",
    ]);
    assert_eq!(fetched(&basic), Some(2), "the hash inside covers the trigger: {basic}");
    let ladder = |step: &str| -> Vec<Value> {
        let attempts = server.attempts(first);
        let steps = attempts["attempts"][0]["steps"].as_array().unwrap();
        steps.iter().filter(|row| row["step"] == step).cloned().collect()
    };
    let rows = ladder("CB-2");
    assert_eq!(rows.len(), 1);
    assert!(
        rows[0]["detail"].as_str().unwrap().contains("TLSv1 AES128-SHA"),
        "{rows:?}"
    );

    // The device is in service; its agent listens where its INFORM came from, and is told by SET.
    let peer = server.json(&["device", "show", first])["attempt"]["peer"]
        .as_str()
        .unwrap()
        .to_owned();
    let agent = std::net::UdpSocket::bind(&peer).unwrap();
    agent
        .set_read_timeout(Some(std::time::Duration::from_secs(20)))
        .unwrap();
    let told = std::thread::spawn(move || {
        use hardline::wire::snmp::{ErrorStatus, Message, Pdu, PduKind, encode_v2c, parse};
        let mut octets = [0; 2048];
        let (length, manager) = agent.recv_from(&mut octets).unwrap();
        let Ok(Message::V2c(message)) = parse(&octets[..length]) else {
            panic!("SNMPv2c");
        };
        assert_eq!(message.pdu.kind, PduKind::Set);
        let status = ErrorStatus::NoError;
        let kind = PduKind::Response { status, index: 0 };
        let response = Pdu::new(kind, message.pdu.request_id, message.pdu.bindings.clone());
        agent
            .send_to(&encode_v2c(&message.community, &response), manager)
            .unwrap();
        message
    });
    let done = server.json(&["device", "bootstrap", first]);
    assert_eq!(done["outcome"], "done", "{done}");
    let message = told.join().unwrap();
    let names: Vec<String> = message
        .pdu
        .bindings
        .iter()
        .map(|binding| binding.name.to_string())
        .collect();
    let profile = "1.3.6.1.4.1.4491.2.2.10.3.1.1";
    assert_eq!(names, [format!("{profile}.8.0"), format!("{profile}.7.0")]);
    let url = message.pdu.bindings[0].value.as_octets().unwrap().to_vec();
    let legacy = server.v4(Service::BootstrapLegacy);
    assert_eq!(String::from_utf8(url).unwrap(), format!("https://{legacy}/eue"));
    let rows = ladder("CB-1");
    assert_eq!((rows.len(), rows[0]["outcome"].as_str()), (1, Some("ok")), "{rows:?}");
    server.assert_unhurt();
}
