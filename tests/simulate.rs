//! `hardline simulate` against a running server: the ways that a fleet can be provisioned, and the optional steps.

mod support;

use serde_json::Value;
use support::server::Server;

/// The outcomes of one step in the newest attempt of a device.
fn outcomes(attempts: &Value, step: &str) -> Vec<String> {
    let steps = attempts["attempts"][0]["steps"].as_array().expect("a ladder");
    steps
        .iter()
        .filter(|row| row["step"] == step)
        .map(|row| row["outcome"].to_string())
        .collect()
}

#[test]
fn eue_16_and_17_capabilities_are_asked_for_where_the_operator_wants_it() {
    let mut server = Server::install();
    server.edit(
        "hardline.toml",
        "#= get_capabilities = false",
        "get_capabilities = true",
    );
    server.start();
    for flow in ["secure", "hybrid"] {
        let summary = server.json(&["simulate", "--flow", flow, "--devices", "2"]);
        assert_eq!(summary["failed"], 0, "{summary}");
        let attempts = server.attempts("02:00:00:00:00:00");
        for step in ["eUE-16", "eUE-17", "eUE-18", "eUE-19"] {
            assert_eq!(outcomes(&attempts, step), ["\"ok\""], "{flow} {step}: {attempts:#}");
        }
    }
}

#[test]
fn every_flow_family_mib_and_delivery_passes_and_so_do_stored_tickets() {
    let mut server = Server::install();
    server.start();
    let mut first = 0;
    let mut run = |more: &[&str]| {
        let number = first.to_string();
        first += 10;
        let mut args = vec!["simulate", "--devices", "3", "--first", &number];
        args.extend(more);
        let summary = server.json(&args);
        assert_eq!(
            (&summary["passed"], &summary["failed"]),
            (&3.into(), &0.into()),
            "{more:?}: {summary}"
        );
    };
    for (family, mib) in [("v4", "cablelabs"), ("v6", "euro"), ("v6", "ietf")] {
        run(&["--flow", "secure", "--family", family, "--mib", mib, "--stored-tickets"]);
        run(&[
            "--flow",
            "hybrid",
            "--family",
            family,
            "--mib",
            mib,
            "--delivery",
            "http",
        ]);
        run(&["--flow", "basic", "--family", family, "--mib", mib, "--no-status"]);
    }
    run(&["--flow", "secure", "--family", "v6", "--delivery", "http"]);
}
