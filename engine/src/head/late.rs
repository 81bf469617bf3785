//! Samples older than the newest one of their series, sorted, until the flush writes them to the blocks of
//! their time.

use std::collections::BTreeMap;

use kymo_formats::{
    DecodeError,
    histogram::{HistogramValue, Span},
    wal::rows::{RowsEncoder, RowsFrame},
};

use crate::{
    model::is_stale,
    signals::metrics::{Sample, Value},
};

/// A late float.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LateFloat {
    pub(crate) ts: i64,
    pub(crate) start_ts: i64,
    pub(crate) value: f64,
}

/// A late native histogram.
#[derive(Debug, Clone)]
pub(crate) struct LateHistogram {
    pub(crate) ts: i64,
    pub(crate) start_ts: i64,
    pub(crate) value: HistogramValue,
}

/// The late samples of one series by time.
///
/// Trees, because late samples come in any order: a backfill that goes back in time would move a sorted list with each
/// sample.
#[derive(Debug, Clone, Default)]
pub(crate) struct LateSamples {
    pub(crate) floats: BTreeMap<i64, LateFloat>,
    pub(crate) histograms: BTreeMap<i64, LateHistogram>,
}

/// Whether a sample is new to what is in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Novelty {
    /// Nothing is known at this time.
    New,
    /// The same sample is there.
    Repeated,
    /// Another sample is there.
    Conflicting,
}

impl Novelty {
    /// Of a sample, given whether the one that is there, if any, is the same.
    pub(super) const fn of(same: Option<bool>) -> Self {
        match same {
            None => Self::New,
            Some(true) => Self::Repeated,
            Some(false) => Self::Conflicting,
        }
    }
}

impl LateSamples {
    /// Time of the oldest one.
    pub(super) fn first_ts(&self) -> Option<i64> {
        self.floats.keys().next().into_iter().chain(self.histograms.keys().next()).min().copied()
    }

    pub(super) fn novelty_of_float(&self, ts: i64, value: f64) -> Novelty {
        if self.histograms.contains_key(&ts) {
            return Novelty::Conflicting;
        }
        let same = self.floats.get(&ts).map(|late| late.value.to_bits() == value.to_bits());
        Novelty::of(same)
    }

    pub(super) fn novelty_of_histogram(&self, ts: i64, value: &HistogramValue) -> Novelty {
        if self.floats.contains_key(&ts) {
            return Novelty::Conflicting;
        }
        Novelty::of(self.histograms.get(&ts).map(|late| same_histogram(&late.value, value)))
    }

    /// Adds a float whose time is not taken; a taken one is left alone.
    pub(super) fn insert_float(&mut self, late: LateFloat) {
        self.floats.entry(late.ts).or_insert(late);
    }

    /// Adds a histogram whose time is not taken; a taken one is left alone.
    pub(super) fn insert_histogram(&mut self, late: LateHistogram) {
        self.histograms.entry(late.ts).or_insert(late);
    }

    /// Number of samples.
    pub(crate) fn len(&self) -> usize {
        self.floats.len() + self.histograms.len()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        // A histogram's lists are counted at their usual size: they are rare, and the exact size is not worth
        // a walk. Nodes of the trees are full by two thirds on average.
        let samples = self.floats.len() * size_of::<(i64, LateFloat)>()
            + self.histograms.len() * (size_of::<(i64, LateHistogram)>() + 256);
        samples + samples / 2
    }
}

/// Whether two histograms are the same sample. How their buckets are laid out and what they say about resets does
/// not count: a chunk may give a histogram more empty buckets, and the hint of its neighbours.
pub(super) fn same_histogram(a: &HistogramValue, b: &HistogramValue) -> bool {
    match (a, b) {
        (HistogramValue::Integer(a), HistogramValue::Integer(b)) => {
            let counts = |spans: &[Span], deltas: &[i64]| {
                let mut count = 0_i64;
                buckets(
                    spans,
                    deltas.iter().map(|delta| {
                        count = count.wrapping_add(*delta);
                        count.cast_unsigned()
                    }),
                )
            };
            let stale = is_stale(a.sum) && is_stale(b.sum);
            stale
                || a.schema == b.schema
                    && same_bits(&[a.zero_threshold, a.sum], &[b.zero_threshold, b.sum])
                    && (a.zero_count, a.count) == (b.zero_count, b.count)
                    && same_bits(&a.custom_values, &b.custom_values)
                    && counts(&a.positive_spans, &a.positive_buckets)
                        == counts(&b.positive_spans, &b.positive_buckets)
                    && counts(&a.negative_spans, &a.negative_buckets)
                        == counts(&b.negative_spans, &b.negative_buckets)
        }
        (HistogramValue::Float(a), HistogramValue::Float(b)) => {
            let counts =
                |spans: &[Span], counts: &[f64]| buckets(spans, counts.iter().map(|count| count.to_bits()));
            let stale = is_stale(a.sum) && is_stale(b.sum);
            stale
                || a.schema == b.schema
                    && same_bits(
                        &[a.zero_threshold, a.sum, a.zero_count, a.count],
                        &[b.zero_threshold, b.sum, b.zero_count, b.count],
                    )
                    && same_bits(&a.custom_values, &b.custom_values)
                    && counts(&a.positive_spans, &a.positive_buckets)
                        == counts(&b.positive_spans, &b.positive_buckets)
                    && counts(&a.negative_spans, &a.negative_buckets)
                        == counts(&b.negative_spans, &b.negative_buckets)
        }
        _ => false,
    }
}

fn same_bits(a: &[f64], b: &[f64]) -> bool {
    a.iter().map(|value| value.to_bits()).eq(b.iter().map(|value| value.to_bits()))
}

/// The buckets that are not empty, with their indexes.
fn buckets(spans: &[Span], counts: impl Iterator<Item = u64>) -> Vec<(i64, u64)> {
    let mut start = 0_i64;
    let indexes = spans.iter().flat_map(|span| {
        let from = start + i64::from(span.offset);
        start = from + i64::from(span.length);
        from..start
    });
    indexes.zip(counts).filter(|(_, count)| *count != 0).collect()
}

impl LateSamples {
    /// The samples as a rows payload in which their series has the id 0.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut rows = RowsEncoder::default();
        self.floats.values().for_each(|late| rows.late(0, late.ts, late.start_ts, late.value));
        self.histograms.values().for_each(|late| rows.histogram(0, late.ts, late.start_ts, &late.value));
        let mut payload = Vec::new();
        rows.finish(&mut payload);
        payload
    }

    /// What [`LateSamples::encode`] was given.
    ///
    /// # Errors
    /// When `payload` does not decode.
    pub(super) fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let rows = RowsFrame::parse(payload)?;
        let mut late = Self::default();
        for row in rows.late() {
            let row = row?;
            late.insert_float(LateFloat { ts: row.ts, start_ts: row.start_ts, value: row.value });
        }
        for row in rows.histograms() {
            let row = row?;
            late.insert_histogram(LateHistogram { ts: row.ts, start_ts: row.start_ts, value: row.value });
        }
        Ok(late)
    }
}

impl LateSamples {
    /// The samples in the form in which they are merged, floats first.
    pub(super) fn into_samples(self) -> impl Iterator<Item = Sample> {
        let floats = self.floats.into_values().map(|late| Sample {
            ts: late.ts,
            start_ts: late.start_ts,
            value: Value::Float(late.value),
        });
        floats.chain(self.histograms.into_values().map(|late| Sample {
            ts: late.ts,
            start_ts: late.start_ts,
            value: Value::Histogram(Box::new(late.value)),
        }))
    }
}
