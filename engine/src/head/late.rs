//! Samples older than the newest one of their series, sorted, until the flush writes them to the blocks of
//! their time.

use kymo_formats::{
    DecodeError,
    histogram::HistogramValue,
    wal::rows::{RowsEncoder, RowsFrame},
};

use crate::signals::metrics::{Sample, Value};

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

/// The late samples of one series, each kind ascending in time, each timestamp once.
#[derive(Debug, Clone, Default)]
pub(crate) struct LateSamples {
    pub(crate) floats: Vec<LateFloat>,
    pub(crate) histograms: Vec<LateHistogram>,
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

impl LateSamples {
    pub(super) fn novelty_of_float(&self, ts: i64, value: f64) -> Novelty {
        if self.histograms.binary_search_by_key(&ts, |late| late.ts).is_ok() {
            return Novelty::Conflicting;
        }
        match self.floats.binary_search_by_key(&ts, |late| late.ts) {
            Err(_) => Novelty::New,
            Ok(i) if self.floats[i].value.to_bits() == value.to_bits() => Novelty::Repeated,
            Ok(_) => Novelty::Conflicting,
        }
    }

    pub(super) fn novelty_of_histogram(&self, ts: i64, value: &HistogramValue) -> Novelty {
        if self.floats.binary_search_by_key(&ts, |late| late.ts).is_ok() {
            return Novelty::Conflicting;
        }
        match self.histograms.binary_search_by_key(&ts, |late| late.ts) {
            Err(_) => Novelty::New,
            Ok(i) if same_histogram(&self.histograms[i].value, value) => Novelty::Repeated,
            Ok(_) => Novelty::Conflicting,
        }
    }

    /// Adds a float whose time is not taken; a taken one is left alone.
    pub(super) fn insert_float(&mut self, late: LateFloat) {
        if let Err(i) = self.floats.binary_search_by_key(&late.ts, |other| other.ts) {
            self.floats.insert(i, late);
        }
    }

    /// Adds a histogram whose time is not taken; a taken one is left alone.
    pub(super) fn insert_histogram(&mut self, late: LateHistogram) {
        if let Err(i) = self.histograms.binary_search_by_key(&late.ts, |other| other.ts) {
            self.histograms.insert(i, late);
        }
    }

    /// Number of samples.
    pub(super) const fn len(&self) -> usize {
        self.floats.len() + self.histograms.len()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        // A histogram's lists are counted at their usual size: they are rare, and the exact size is not worth
        // a walk.
        self.floats.capacity() * size_of::<LateFloat>()
            + self.histograms.capacity() * (size_of::<LateHistogram>() + 256)
    }
}

/// Equality that takes NaN for equal to itself: a stale histogram that is sent twice is the same one.
pub(super) fn same_histogram(a: &HistogramValue, b: &HistogramValue) -> bool {
    let (mut a, mut b) = (a.clone(), b.clone());
    for value in [&mut a, &mut b] {
        let sum = match value {
            HistogramValue::Integer(histogram) => &mut histogram.sum,
            HistogramValue::Float(histogram) => &mut histogram.sum,
        };
        if sum.is_nan() {
            *sum = f64::from_bits(sum.to_bits() & 0x000f_ffff_ffff_ffff);
        }
    }
    a == b
}

impl LateSamples {
    /// The samples as a rows payload in which their series has the id 0.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut rows = RowsEncoder::default();
        self.floats.iter().for_each(|late| rows.late(0, late.ts, late.start_ts, late.value));
        self.histograms.iter().for_each(|late| rows.histogram(0, late.ts, late.start_ts, &late.value));
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
        let floats = self.floats.into_iter().map(|late| Sample {
            ts: late.ts,
            start_ts: late.start_ts,
            value: Value::Float(late.value),
        });
        floats.chain(self.histograms.into_iter().map(|late| Sample {
            ts: late.ts,
            start_ts: late.start_ts,
            value: Value::Histogram(Box::new(late.value)),
        }))
    }
}
