//! What came of a load.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use crate::{
    dataset::Setup,
    error::{Error, Result},
    report::Table,
    units::{grouped, quantile},
};

/// What happened to the requests of one connection, or of all.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Samples in acknowledged requests.
    pub(crate) samples: u64,
    /// Acknowledged requests.
    pub(crate) requests: u64,
    /// Compressed bytes of acknowledged requests.
    pub(crate) bytes_sent: u64,
    /// Time from request to acknowledgement; ascending once everything is added up.
    pub(crate) latencies_ms: Vec<f64>,
    /// Requests tried again, by status; 0 = no answer.
    pub(crate) retried: BTreeMap<u16, u64>,
    /// Requests refused for good, by status, with the first answer of each.
    pub(crate) refused: BTreeMap<u16, (u64, String)>,
    /// Connections that ended early, with the reason.
    pub(crate) gave_up: Vec<String>,
    /// From the start to the last acknowledgement.
    pub(crate) elapsed: Duration,
}

impl Outcome {
    /// Counts a request that was refused for good; the text of the first one with a status is kept.
    pub(crate) fn refuse(&mut self, status: u16, text: String) {
        self.refused.entry(status).or_insert((0, text)).0 += 1;
    }

    /// Adds what happened on another connection.
    pub(crate) fn add(&mut self, other: Self) {
        self.samples += other.samples;
        self.requests += other.requests;
        self.bytes_sent += other.bytes_sent;
        self.latencies_ms.extend(other.latencies_ms);
        for (status, count) in other.retried {
            *self.retried.entry(status).or_default() += count;
        }
        for (status, (count, answer)) in other.refused {
            self.refused.entry(status).or_insert((0, answer)).0 += count;
        }
        self.gave_up.extend(other.gave_up);
    }

    /// Acknowledged samples per second.
    pub(crate) fn samples_per_second(&self) -> f64 {
        self.samples as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// An error unless everything was acknowledged.
    pub(crate) fn check(&self) -> Result<()> {
        let refused = self.refused.iter().map(|(status, (count, answer))| {
            format!("{count} requests answered with {status}: {}", answer.trim_end())
        });
        let found: Vec<_> = refused.chain(self.gave_up.iter().cloned()).collect();
        if found.is_empty() { Ok(()) } else { Err(Error::Failed { found: found.join("\n") }) }
    }

    /// The summary for people.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "rates are far below 2^64 and never negative"
    )]
    pub(crate) fn table(&self, series: usize) -> Table {
        let mut table = Table::new(["load", ""]);
        let refused: u64 = self.refused.values().map(|(count, _)| count).sum();
        let retried: Vec<_> =
            self.retried.iter().map(|(status, count)| format!("{count} ({status})")).collect();
        table.row(["series", &grouped(series as u64)]);
        table.row(["samples acknowledged", &grouped(self.samples)]);
        table.row(["samples per second", &grouped(self.samples_per_second() as u64)]);
        table.row(["seconds", &format!("{:.2}", self.elapsed.as_secs_f64())]);
        table.row(["requests acknowledged", &grouped(self.requests)]);
        table.row(["latency p50", &format!("{:.2} ms", quantile(&self.latencies_ms, 0.5))]);
        table.row(["latency p99", &format!("{:.2} ms", quantile(&self.latencies_ms, 0.99))]);
        table.row(["bytes sent", &grouped(self.bytes_sent)]);
        table.row(["requests tried again", if retried.is_empty() { "0" } else { "" }]);
        retried.iter().for_each(|retried| table.row(["", retried]));
        table.row(["requests refused", &grouped(refused)]);
        table
    }

    /// The summary for programs.
    pub(crate) fn json(&self, setup: &Setup, series: usize) -> Value {
        let refused: BTreeMap<_, _> =
            self.refused.iter().map(|(status, (count, _))| (status.to_string(), count)).collect();
        let retried: BTreeMap<_, _> =
            self.retried.iter().map(|(status, count)| (status.to_string(), count)).collect();
        json!({
            "setup": setup,
            "series": series,
            "samples": self.samples,
            "samples_per_second": self.samples_per_second(),
            "seconds": self.elapsed.as_secs_f64(),
            "requests": self.requests,
            "latency_p50_ms": quantile(&self.latencies_ms, 0.5),
            "latency_p99_ms": quantile(&self.latencies_ms, 0.99),
            "bytes_sent": self.bytes_sent,
            "retried": retried,
            "refused": refused,
            "gave_up": self.gave_up,
        })
    }
}
