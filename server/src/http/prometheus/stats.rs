//! What a query has cost, in upstream's form.

use std::fmt::Write as _;

use kymo_query::{PartRead, PartSource, QueryStats, SampleCounts, SelectorRead, format_duration};
use serde_json::json;

use super::super::number::{push_json_float, push_json_seconds};
use crate::promql::Times;

/// How long a query took, in seconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timings {
    /// In the queue.
    pub(super) queued: f64,
    /// In all.
    pub(super) total: f64,
}

/// The member `stats` of an answer. Evaluation is one step for us, so its parts have the same time.
pub(super) fn stats(stats: &QueryStats, times: Times, timings: Timings) -> String {
    let mut out = String::from(r#"{"timings":{"#);
    let evaluated = (timings.total - timings.queued).max(0.0);
    let phases = [
        ("evalTotalTime", evaluated),
        ("resultSortTime", 0.0),
        ("queryPreparationTime", 0.0),
        ("innerEvalTime", evaluated),
        ("execQueueTime", timings.queued),
        ("execTotalTime", timings.total),
    ];
    for (i, (name, seconds)) in phases.into_iter().enumerate() {
        push(&mut out, format_args!("{}\"{name}\":", if i > 0 { "," } else { "" }));
        push_json_float(&mut out, seconds);
    }
    out.push_str(r#"},"samples":{"#);
    push_steps(&mut out, "totalQueryableSamplesPerStep", stats, times, |counts| counts.queryable);
    push(&mut out, format_args!("\"totalQueryableSamples\":{},", stats.samples.queryable));
    push_steps(&mut out, "samplesReadPerStep", stats, times, |counts| counts.read);
    push(&mut out, format_args!("\"samplesRead\":{},", stats.samples.read));
    push(&mut out, format_args!("\"peakSamples\":{}}}", stats.peak_samples));
    if !stats.selectors.is_empty() {
        push(&mut out, format_args!(",\"selectors\":{}", selectors(&stats.selectors)));
    }
    out.push('}');
    out
}

/// What each selector has read, and where: upstream has nothing like it.
pub(super) fn selectors(selectors: &[SelectorRead]) -> serde_json::Value {
    selectors.iter().map(|read| json!({"selector": read.selector, "parts": parts(&read.parts)})).collect()
}

fn parts(parts: &[PartRead]) -> serde_json::Value {
    let part = |part: &PartRead| {
        let (source, is_exact) = match part.source {
            PartSource::Samples => ("samples".to_owned(), true),
            PartSource::Tier { width_ms, is_exact } => (width(width_ms), is_exact),
        };
        json!({
            "source": source,
            "exact": is_exact,
            "from": part.from as f64 / 1000.0,
            "to": part.to as f64 / 1000.0,
            "series": part.series,
            "files": part.cost.files,
            "chunks": part.cost.chunks,
            "summaries": part.cost.summaries,
            "rows": part.cost.rows,
            "bytes": part.cost.bytes,
            "requests": part.cost.requests,
            "fetchedBytes": part.cost.fetched_bytes,
        })
    };
    parts.iter().map(part).collect()
}

fn width(width_ms: i64) -> String {
    format_duration(width_ms.saturating_mul(1_000_000))
}

/// A warning where the parameter `stats` has a value that upstream no longer wants.
pub(super) fn stats_warning(stats: &str) -> Option<String> {
    (!matches!(stats, "" | "true" | "all")).then(|| {
        format!(
            "value {stats:?} for parameter \"stats\" is deprecated and will be rejected in the next major release, \
             use \"true\" or \"all\""
        )
    })
}

/// A list of times and counts, and a comma behind it, where steps were counted.
fn push_steps(
    out: &mut String,
    name: &str,
    stats: &QueryStats,
    times: Times,
    count: impl Fn(&SampleCounts) -> u64,
) {
    if stats.samples_per_step.is_empty() {
        return;
    }
    let (start, step) = match times {
        Times::Instant(ts) => (ts, 0),
        Times::Range { start, step, .. } => (start, step),
    };
    let mut ts = start;
    push(out, format_args!("\"{name}\":"));
    for (i, counts) in stats.samples_per_step.iter().enumerate() {
        out.push_str(if i > 0 { ",[" } else { "[[" });
        push_json_seconds(out, ts);
        push(out, format_args!(",{}]", count(counts)));
        ts = ts.saturating_add(step);
    }
    out.push_str("],");
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _: std::fmt::Result = out.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiers_are_named_by_their_widths() {
        assert_eq!([1_000, 300_000, 3_600_000].map(width), ["1s", "5m", "1h"]);
    }

    #[test]
    fn steps_are_told_where_they_were_counted() {
        let counts = |queryable, read| SampleCounts { queryable, read };
        let mut query = QueryStats { samples: counts(7, 5), peak_samples: 3, ..QueryStats::default() };
        let times = Times::Range { start: 1_500, end: 2_500, step: 1_000 };
        let timings = Timings { queued: 0.5, total: 2.0 };
        let head = r#"{"timings":{"evalTotalTime":1.5,"resultSortTime":0,"queryPreparationTime":0,"innerEvalTime":1.5,"execQueueTime":0.5,"execTotalTime":2},"samples":{"#;
        assert_eq!(
            stats(&query, times, timings),
            format!(r#"{head}"totalQueryableSamples":7,"samplesRead":5,"peakSamples":3}}}}"#)
        );
        query.samples_per_step = vec![counts(4, 4), counts(3, 1)];
        let steps = r#""totalQueryableSamplesPerStep":[[1.5,4],[2.5,3]],"totalQueryableSamples":7,"samplesReadPerStep":[[1.5,4],[2.5,1]],"samplesRead":5,"#;
        assert_eq!(stats(&query, times, timings), format!(r#"{head}{steps}"peakSamples":3}}}}"#));
    }
}
