//! The `load` command.

use std::collections::BTreeMap;

use kymo_engine::Labels;

use super::{
    TestSample, TestSeries, TestValue, classic,
    script::{Pattern, compile, millis},
    starts,
};
use crate::{
    histogram,
    lang::promql::{SequenceValue, SeriesDescription, UnaryOp, parse_series_description},
};

static LOAD: Pattern = Pattern::new(|| compile(r"^load(?:_(with_nhcb))?\s+(.+?)$"));

/// Series to be written.
#[derive(Debug)]
pub(super) struct Load {
    /// A later line for the same labels replaces an earlier one.
    series: BTreeMap<Labels, Vec<TestSample>>,
    /// Whether histograms with custom buckets are to be made of classic ones.
    with_nhcb: bool,
}

impl Load {
    /// Parses the command; errors come with the line's distance from the first.
    pub(super) fn parse(first: &str, body: &[&str]) -> Result<Self, (usize, String)> {
        let invalid = || (0, "invalid load command. (load[_with_nhcb] <step:duration>)".to_owned());
        let groups = LOAD.groups(first).ok_or_else(invalid)?;
        let step = millis(groups[1])
            .map_err(|error| (0, format!("invalid step definition {:?}: {error}", groups[1])))?;
        let mut load = Self { series: BTreeMap::new(), with_nhcb: !groups[0].is_empty() };
        let mut pending: Option<(usize, starts::StartLine)> = None;
        let unfollowed = |line| (line, "@st line has no following sample line".to_owned());
        for (i, line) in body.iter().enumerate() {
            if starts::is_start_line(line) {
                if let Some((line, _)) = pending {
                    return Err(unfollowed(line));
                }
                pending = Some((i + 1, starts::parse(line).map_err(|error| (i + 1, error))?));
                continue;
            }
            let series = parse_series(line).map_err(|error| (i + 1, error))?;
            let starts = match pending.take() {
                Some((line, start)) => start.checked(&series).map_err(|error| (line, error))?,
                None => Vec::new(),
            };
            load.set(series, &starts, step);
        }
        match pending {
            Some((line, _)) => Err(unfollowed(line)),
            None => Ok(load),
        }
    }

    fn set(&mut self, series: SeriesDescription, starts: &[Option<i64>], step: i64) {
        let mut samples = Vec::with_capacity(series.values.len());
        let mut ts = 0;
        for (i, value) in series.values.into_iter().enumerate() {
            let start_ts = starts.get(i).copied().flatten().map_or(0, |distance| ts + distance);
            match value {
                SequenceValue::Omitted => {}
                SequenceValue::Float(value) => {
                    samples.push(TestSample { ts, start_ts, value: TestValue::Float(value) });
                }
                SequenceValue::Histogram { histogram, .. } => {
                    let value = TestValue::Histogram((*histogram).clone());
                    samples.push(TestSample { ts, start_ts, value });
                }
            }
            ts += step;
        }
        self.series.insert(series.labels, samples);
    }

    /// The series, with those made of classic histograms.
    pub(super) fn series(&self) -> Result<Vec<TestSeries>, String> {
        let series = |(labels, samples): (&Labels, &Vec<TestSample>)| TestSeries {
            labels: labels.clone(),
            samples: samples.clone(),
        };
        let mut all: Vec<TestSeries> = self.series.iter().map(series).collect();
        if self.with_nhcb {
            let converted = classic::convert(&all)?;
            all.extend(converted);
        }
        Ok(all)
    }
}

/// Parses a series description.
pub(super) fn parse_series(line: &str) -> Result<SeriesDescription, String> {
    let combine = &mut |sum: &kymo_formats::histogram::FloatHistogram,
                        op: UnaryOp,
                        step: &kymo_formats::histogram::FloatHistogram| {
        if step.schema < sum.schema {
            let (from, to) = (step.schema, sum.schema);
            return Err(format!("error combining histograms: cannot merge from schema {from} to {to}"));
        }
        let mut result = sum.clone();
        let combined = match op {
            UnaryOp::Plus => histogram::add(&mut result, step),
            UnaryOp::Minus => histogram::sub(&mut result, step),
        };
        combined.map(|_| result).map_err(|error| error.to_string())
    };
    parse_series_description(line, combine).map_err(|errors| errors.to_string())
}
