//! `hardline device attempts`: each attempt as a ladder.

use serde_json::{Value, json};

use crate::cli::output::{Colour, aligned, coloured, printable};
use crate::model::{Attempt, Outcome, Step};
use crate::store::Refusal;

/// Milliseconds since the attempt began, with microseconds.
fn milliseconds(attempt: &Attempt, step: &Step) -> f64 {
    step.at.since(attempt.started).as_micros() as f64 / 1000.0
}

fn word(outcome: Outcome) -> (&'static str, Colour) {
    match outcome {
        Outcome::Ok => ("ok", Colour::Green),
        Outcome::Retry => ("retry", Colour::Yellow),
        Outcome::Failed => ("failed", Colour::Red),
    }
}

fn result(attempt: &Attempt) -> (String, Colour) {
    match &attempt.result {
        None => ("in progress".into(), Colour::Yellow),
        Some(result) if result.is_pass() => (result.to_string(), Colour::Green),
        Some(result) => (result.to_string(), Colour::Red),
    }
}

/// The attempts and refusals as text.
pub(super) fn text(attempts: &[(Attempt, Vec<Step>)], refusals: &[Refusal]) -> String {
    let mut text = String::new();
    for (attempt, steps) in attempts {
        let (result, colour) = result(attempt);
        text.push_str(&format!(
            "attempt {}  {} {}  from {}  started {}  result: {}\n",
            attempt.id,
            attempt.flow,
            attempt.family,
            attempt.peer,
            attempt.started,
            coloured(&printable(&result), colour)
        ));
        let head = ["  time", "step", "ms", "outcome", "detail"].map(str::to_owned);
        let row = |step: &Step| {
            [
                format!("  {}", step.at),
                step.step.to_string(),
                format!("{:9.3}", milliseconds(attempt, step)),
                word(step.outcome).0.to_owned(),
                printable(&step.detail),
            ]
        };
        let rows: Vec<_> = std::iter::once(head).chain(steps.iter().map(row)).collect();
        // Colours come last: their octets would count as width.
        for (at, line) in aligned(&rows).lines().enumerate() {
            match at.checked_sub(1).and_then(|at| steps.get(at)) {
                Some(step) if step.outcome != Outcome::Ok => text.push_str(&coloured(line, word(step.outcome).1)),
                _ => text.push_str(line),
            }
            text.push('\n');
        }
    }
    if !refusals.is_empty() {
        text.push_str("refused:\n");
        let row = |refusal: &Refusal| {
            let peer = refusal.peer.to_string();
            [
                format!("  {}", refusal.at),
                refusal.step.to_string(),
                peer,
                printable(&refusal.reason),
            ]
        };
        text.push_str(&aligned(&refusals.iter().map(row).collect::<Vec<_>>()));
    }
    text
}

/// One attempt without its steps as JSON: what an operator may see, no secret.
pub(super) fn attempt_json(attempt: &Attempt) -> Value {
    let file = attempt.file.as_ref();
    json!({
        "id": attempt.id.to_string(),
        "flow": attempt.flow,
        "family": attempt.family,
        "peer": attempt.peer,
        "started": attempt.started.to_string(),
        "deadline": attempt.deadline.to_string(),
        "phase": attempt.phase,
        "result": attempt.result.as_ref().map(ToString::to_string),
        "pass": attempt.result.as_ref().is_some_and(crate::model::AttemptResult::is_pass),
        "enrollment": attempt.enrollment,
        "file": file.map(|file| json!({"name": file.name, "url": file.url, "size": file.size})),
    })
}

/// The attempts and refusals as one JSON document.
pub(super) fn json(mac: impl serde::Serialize, attempts: &[(Attempt, Vec<Step>)], refusals: &[Refusal]) -> Value {
    let ladder = |(attempt, steps): &(Attempt, Vec<Step>)| {
        let mut value = attempt_json(attempt);
        let step = |step: &Step| {
            json!({
                "step": step.step,
                "at": step.at.to_string(),
                "ms": milliseconds(attempt, step),
                "outcome": step.outcome,
                "detail": step.detail,
            })
        };
        value["steps"] = steps.iter().map(step).collect();
        value
    };
    let refused = |refusal: &Refusal| {
        json!({
            "at": refusal.at.to_string(),
            "step": refusal.step,
            "peer": refusal.peer,
            "reason": refusal.reason,
        })
    };
    json!({
        "mac": mac,
        "attempts": attempts.iter().map(ladder).collect::<Vec<_>>(),
        "refusals": refusals.iter().map(refused).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{AttemptId, AttemptResult, Family, Flow, Phase, StepId};
    use crate::value::{MacAddress, Timestamp};

    fn example() -> (Vec<(Attempt, Vec<Step>)>, Vec<Refusal>) {
        let started = Timestamp::from_unix(1_800_000_000);
        let peer = "192.0.2.1:1293".parse().unwrap();
        let attempt = Attempt {
            id: AttemptId(0x1a2b),
            mac: MacAddress([0, 1, 2, 3, 4, 5]),
            flow: Flow::Secure,
            family: Family::V4,
            started,
            deadline: started,
            phase: Phase::Ended,
            result: Some(AttemptResult::Failed("noAccess".into())),
            peer,
            session: None,
            enrollment: None,
            type_identifier: None,
            file: None,
            version: 2,
        };
        let steps = vec![
            Step::ok(StepId::AS_REQUEST, started, "from 192.0.2.1"),
            Step::failed(
                StepId::SET,
                started.plus(Duration::from_micros(12_345)),
                "no\x1b[2JAccess",
            ),
        ];
        let refusal = Refusal {
            mac: None,
            peer,
            step: StepId::TGS_REQUEST,
            at: started,
            reason: "replay".into(),
        };
        (vec![(attempt, steps)], vec![refusal])
    }

    #[test]
    fn a_ladder_is_drawn_in_columns() {
        let (attempts, refusals) = example();
        let expected = "\
attempt 00000000000000000000000000001a2b  secure v4  from 192.0.2.1:1293  started 2027-01-15T08:00:00.000Z  \
result: failed: noAccess
  time                      step    ms         outcome  detail
  2027-01-15T08:00:00.000Z  eUE-9       0.000  ok       from 192.0.2.1
  2027-01-15T08:00:00.012Z  eUE-19     12.345  failed   no\u{fffd}[2JAccess
refused:
  2027-01-15T08:00:00.000Z  eUE-11  192.0.2.1:1293  replay
";
        assert_eq!(text(&attempts, &refusals), expected);
    }

    #[test]
    fn the_same_as_json() {
        let (attempts, refusals) = example();
        let value = json("m", &attempts, &refusals);
        assert_eq!(value["attempts"][0]["steps"][1]["ms"], 12.345);
        assert_eq!(value["attempts"][0]["steps"][1]["outcome"], "failed");
        assert_eq!(value["attempts"][0]["pass"], false);
        assert_eq!(value["refusals"][0]["reason"], "replay");
    }
}
