//! What a run of simulated devices came to.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Serialize, Serializer};

use crate::mib::MibDialect;
use crate::model::{Delivery, Family, Flow, StepId};
use crate::value::MacAddress;

/// One step as the device saw it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepReport {
    /// Which step of the flow.
    pub step: StepId,
    /// Milliseconds from the end of the step before to the end of this one.
    #[serde(rename = "ms", serialize_with = "as_milliseconds")]
    pub took: Duration,
    /// Whether the step did what the flow wants.
    pub ok: bool,
    /// How often the device sent its request again in this step.
    #[serde(skip_serializing_if = "is_zero")]
    pub retries: u32,
    /// Why the step failed, or what is worth knowing of it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// How a device's run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The device is in service: it took its file and reported so where its flow wants that.
    Pass,
    /// A step failed; it is the last of the report's steps.
    Fail,
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
        })
    }
}

/// One device's run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeviceReport {
    /// The device.
    pub mac: MacAddress,
    /// Its flow.
    pub flow: Flow,
    /// Its flow as DHCP names it: `HYBRID.1`, `BASIC.2`, or the realm.
    pub realm: String,
    /// The address family it was provisioned over.
    pub family: Family,
    /// The MIB dialect it speaks.
    pub mib: MibDialect,
    /// How it fetched its file; none where it never came so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
    /// How it ended.
    pub result: Verdict,
    /// The steps in order, to the last or to the one that failed.
    pub steps: Vec<StepReport>,
    /// Milliseconds from the first datagram to the end.
    #[serde(rename = "ms", serialize_with = "as_milliseconds")]
    pub took: Duration,
}

impl DeviceReport {
    /// Whether the device is in service.
    pub fn passed(&self) -> bool {
        self.result == Verdict::Pass
    }

    /// Step and reason of the failure, where it failed.
    pub fn failure(&self) -> Option<String> {
        let failed = self.steps.iter().find(|step| !step.ok)?;
        Some(format!("{}: {}", failed.step, failed.detail))
    }
}

/// The distribution of one duration, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Percentiles {
    /// How many durations were recorded.
    pub count: u64,
    /// Their mean.
    pub mean: f64,
    /// Half were at most this.
    pub p50: f64,
    /// Nine in ten were at most this.
    pub p90: f64,
    /// 99 in 100 were at most this.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

/// The sum of many devices' runs.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// How many devices ran.
    pub devices: u64,
    /// How many passed.
    pub passed: u64,
    /// How many failed.
    pub failed: u64,
    /// Seconds from the first device's start to the last one's end.
    pub seconds: f64,
    /// Devices that passed, by second.
    pub devices_per_second: f64,
    /// Failures by step and reason.
    pub failures: BTreeMap<String, u64>,
    /// The successful steps' durations in milliseconds, in the order of the flow.
    pub steps: Vec<StepPercentiles>,
    /// Whole runs that passed, in milliseconds; none where no device passed.
    pub whole: Option<Percentiles>,
}

/// The durations of one step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct StepPercentiles {
    /// Which step.
    pub step: StepId,
    /// Its durations.
    #[serde(flatten)]
    pub milliseconds: Percentiles,
}

/// Gathers runs as they end; it keeps distributions and no single run, so that a million devices need no more memory
/// than one.
#[derive(Debug)]
pub struct Tally {
    passed: u64,
    failures: BTreeMap<String, u64>,
    steps: BTreeMap<StepId, Histogram<u64>>,
    whole: Histogram<u64>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            passed: 0,
            failures: BTreeMap::new(),
            steps: BTreeMap::new(),
            whole: histogram(),
        }
    }
}

impl Tally {
    /// Adds one run.
    pub fn add(&mut self, report: &DeviceReport) {
        for step in report.steps.iter().filter(|step| step.ok) {
            self.steps
                .entry(step.step)
                .or_insert_with(histogram)
                .saturating_record(micros(step.took));
        }
        match report.failure() {
            None => {
                self.passed += 1;
                self.whole.saturating_record(micros(report.took));
            }
            Some(reason) => *self.failures.entry(reason).or_default() += 1,
        }
    }

    /// The sum of the runs added so far, which together lasted `elapsed`.
    pub fn summary(&self, elapsed: Duration) -> Summary {
        let failed: u64 = self.failures.values().sum();
        let steps = self.steps.iter();
        Summary {
            devices: self.passed + failed,
            passed: self.passed,
            failed,
            seconds: elapsed.as_secs_f64(),
            devices_per_second: self.passed as f64 / elapsed.as_secs_f64().max(1e-6),
            failures: self.failures.clone(),
            steps: steps
                .map(|(&step, h)| StepPercentiles {
                    step,
                    milliseconds: percentiles(h),
                })
                .collect(),
            whole: (self.passed > 0).then(|| percentiles(&self.whole)),
        }
    }
}

/// Microseconds up to an hour with three significant digits.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 3_600_000_000, 3).expect("the bounds and the precision are constants in range")
}

pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX).max(1)
}

pub(crate) fn percentiles(histogram: &Histogram<u64>) -> Percentiles {
    let milliseconds = |quantile| histogram.value_at_quantile(quantile) as f64 / 1000.0;
    Percentiles {
        count: histogram.len(),
        mean: (histogram.mean() / 10.0).round() / 100.0,
        p50: milliseconds(0.5),
        p90: milliseconds(0.9),
        p99: milliseconds(0.99),
        max: histogram.max() as f64 / 1000.0,
    }
}

fn as_milliseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_micros() as f64 / 1000.0)
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(last: StepReport) -> DeviceReport {
        DeviceReport {
            mac: MacAddress([2, 0, 0, 0, 0, 1]),
            flow: Flow::Hybrid,
            realm: "HYBRID.2".into(),
            family: Family::V6,
            mib: MibDialect::Ietf,
            delivery: None,
            result: if last.ok { Verdict::Pass } else { Verdict::Fail },
            took: Duration::from_millis(7),
            steps: vec![last],
        }
    }

    fn step(ms: u64, ok: bool) -> StepReport {
        let detail = if ok { String::new() } else { "no answer".into() };
        StepReport {
            step: StepId::ENROLLMENT,
            took: Duration::from_millis(ms),
            ok,
            retries: 0,
            detail,
        }
    }

    #[test]
    fn a_summary_counts_passes_and_failures_by_step_and_reason() {
        let mut tally = Tally::default();
        for ms in 1..=100 {
            tally.add(&run(step(ms, true)));
        }
        tally.add(&run(step(5, false)));
        let summary = tally.summary(Duration::from_secs(2));
        assert_eq!((summary.devices, summary.passed, summary.failed), (101, 100, 1));
        assert_eq!(summary.devices_per_second, 50.0);
        assert_eq!(summary.failures.get("eUE-15: no answer"), Some(&1));
        let ladder = summary.steps[0].milliseconds;
        assert_eq!(ladder.count, 100);
        assert!((ladder.p50 - 50.0).abs() < 0.1, "{}", ladder.p50);
        assert!((ladder.p99 - 99.0).abs() < 0.1, "{}", ladder.p99);
    }

    #[test]
    fn a_run_is_written_as_the_command_line_promises() {
        let json = serde_json::to_value(run(step(3, true))).unwrap();
        assert_eq!(json["mac"], "02:00:00:00:00:01");
        assert_eq!(json["flow"], "hybrid");
        assert_eq!(json["family"], "v6");
        assert_eq!(json["result"], "pass");
        assert_eq!(
            json["steps"],
            serde_json::json!([{"step": "eUE-15", "ms": 3.0, "ok": true}])
        );
    }
}
