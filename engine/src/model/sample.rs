//! Decoded samples by column, and stale markers.

use std::sync::Arc;

use kymo_formats::histogram::{FloatHistogram, HistogramValue, ResetHint};

/// Bits of the NaN that Prometheus writes when a series disappears.
///
/// One NaN among many: it is told apart by its bits, so every path through Kymo keeps NaN payloads.
pub const STALE_NAN_BITS: u64 = 0x7ff0_0000_0000_0002;

/// The stale marker as a value.
#[must_use]
pub const fn stale_nan() -> f64 {
    f64::from_bits(STALE_NAN_BITS)
}

/// Whether `value` is the stale marker, bit for bit.
#[must_use]
pub const fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_NAN_BITS
}

/// A form in which native histograms are read.
pub(crate) trait HistogramForm: Clone {
    /// The histogram as it is stored, in this form.
    fn from_stored(value: HistogramValue) -> Self;
    /// Forgets how a counter relates to the histogram before it, because another may have come in between.
    fn forget_reset(&mut self);
}

/// What queries compute with.
impl HistogramForm for Arc<FloatHistogram> {
    fn from_stored(value: HistogramValue) -> Self {
        Self::new(value.into_float())
    }

    fn forget_reset(&mut self) {
        if !matches!(self.reset_hint, ResetHint::Gauge | ResetHint::Unknown) {
            Self::make_mut(self).reset_hint = ResetHint::Unknown;
        }
    }
}

/// What was sent.
impl HistogramForm for HistogramValue {
    fn from_stored(value: HistogramValue) -> Self {
        value
    }

    fn forget_reset(&mut self) {
        let hint = self.reset_hint_mut();
        if *hint != ResetHint::Gauge {
            *hint = ResetHint::Unknown;
        }
    }
}

/// Memory that a histogram with its lists takes, behind a shared pointer.
fn histogram_bytes(histogram: &FloatHistogram) -> usize {
    const OF_ALLOCATIONS: usize = 96;
    let spans = histogram.positive_spans.len() + histogram.negative_spans.len();
    let floats =
        histogram.positive_buckets.len() + histogram.negative_buckets.len() + histogram.custom_values.len();
    size_of::<HistogramSample>() + size_of::<FloatHistogram>() + 8 * (spans + floats) + OF_ALLOCATIONS
}

/// One native histogram of a series at one time.
#[derive(Debug, Clone, PartialEq)]
pub struct HistogramSample<H = Arc<FloatHistogram>> {
    /// Milliseconds since the Unix epoch.
    pub ts: i64,
    /// When the counts began, in milliseconds; 0 = unknown.
    pub start_ts: i64,
    /// The histogram, with the reset hint that storage derives (see `reference` in the format docs).
    pub value: H,
}

/// The samples of one series by column, ascending in time, each timestamp once.
///
/// Floats and histograms are columns of their own; a series that changes from one to the other has both,
/// and no timestamp occurs in both.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleColumns<H = Arc<FloatHistogram>> {
    /// Times of the float samples, milliseconds.
    pub ts: Vec<i64>,
    /// Float values, as long as `ts`.
    pub values: Vec<f64>,
    /// Start timestamps of the float samples, milliseconds, 0 = unknown. Empty when none is known, else as
    /// long as `ts`.
    pub start_ts: Vec<i64>,
    /// Native histograms.
    pub histograms: Vec<HistogramSample<H>>,
}

impl<H> Default for SampleColumns<H> {
    fn default() -> Self {
        Self { ts: Vec::new(), values: Vec::new(), start_ts: Vec::new(), histograms: Vec::new() }
    }
}

impl<H> SampleColumns<H> {
    /// Empties all columns, keeping their memory.
    pub fn clear(&mut self) {
        self.ts.clear();
        self.values.clear();
        self.start_ts.clear();
        self.histograms.clear();
    }

    /// Number of samples of both kinds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ts.len() + self.histograms.len()
    }

    /// Whether there is no sample.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ts.is_empty() && self.histograms.is_empty()
    }
}

impl SampleColumns {
    /// Memory that the columns take.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let floats = self.ts.capacity() + self.values.capacity() + self.start_ts.capacity();
        floats * 8 + self.histograms.iter().map(|sample| histogram_bytes(&sample.value)).sum::<usize>()
    }
}
