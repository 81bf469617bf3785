//! Native histograms as values: the integer form of the wire and the float form of the query engine.
//!
//! Layout and meaning follow Prometheus's native histograms
//! (<https://prometheus.io/docs/specs/native_histograms/>). Schemas -4 to 8 have exponential buckets: the
//! upper bound of bucket `i` is `2^(i * 2^-schema)`. [`CUSTOM_BUCKETS_SCHEMA`] has explicit upper bounds.
//!
//! * `validate`: what a histogram must keep to before it is stored; `error`: what it says if not
//! * `resolution`: merging buckets into those of a coarser schema
//! * `bounds`: upper bounds of exponential buckets
//! * `reset`: whether a counter started anew between two histograms
//! * `algebra`: sums, differences, multiples

pub mod algebra;
pub mod bounds;
mod error;
mod reset;
mod resolution;
mod validate;

pub use error::{BucketSide, HistogramError};

/// The schema of histograms with custom bucket bounds (NHCB).
pub const CUSTOM_BUCKETS_SCHEMA: i32 = -53;
/// The coarsest exponential schema.
pub const EXPONENTIAL_SCHEMA_MIN: i32 = -4;
/// The finest exponential schema.
pub const EXPONENTIAL_SCHEMA_MAX: i32 = 8;

/// The finest exponential schema that a sender may use. Those above [`EXPONENTIAL_SCHEMA_MAX`] are reduced to it.
pub const EXPONENTIAL_SCHEMA_MAX_RESERVED: i32 = 52;
/// The coarsest exponential schema that a chunk may hold.
pub const EXPONENTIAL_SCHEMA_MIN_RESERVED: i32 = -9;

/// Bits of the NaN that Prometheus writes as the sum when a series of histograms disappears.
pub const STALE_NAN_BITS: u64 = 0x7ff0_0000_0000_0002;

/// Whether `schema` may occur at all, though perhaps only to be reduced.
#[must_use]
pub const fn is_known_schema(schema: i32) -> bool {
    schema == CUSTOM_BUCKETS_SCHEMA
        || (schema >= EXPONENTIAL_SCHEMA_MIN_RESERVED && schema <= EXPONENTIAL_SCHEMA_MAX_RESERVED)
}

/// Whether histograms of `schema` are stored and computed with.
#[must_use]
pub const fn is_valid_schema(schema: i32) -> bool {
    schema == CUSTOM_BUCKETS_SCHEMA || is_exponential_schema(schema)
}

/// Whether `schema` has exponential buckets and is stored and computed with.
#[must_use]
pub const fn is_exponential_schema(schema: i32) -> bool {
    schema >= EXPONENTIAL_SCHEMA_MIN && schema <= EXPONENTIAL_SCHEMA_MAX
}

/// Whether `schema` has explicit bucket bounds.
#[must_use]
pub const fn is_custom_schema(schema: i32) -> bool {
    schema == CUSTOM_BUCKETS_SCHEMA
}

/// A run of consecutive buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Span {
    /// Gap to the previous span in buckets; for the first span the index of its first bucket.
    pub offset: i32,
    /// Number of buckets in the run.
    pub length: u32,
}

/// Whether a histogram continues the counts of the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ResetHint {
    /// Nothing is known: compare with the previous histogram.
    #[default]
    Unknown,
    /// The counts start anew with this histogram.
    Reset,
    /// The counts continue those of the previous histogram.
    NotReset,
    /// The histogram is a gauge: resets have no meaning.
    Gauge,
}

/// A native histogram with integer counts, as it is sent and stored: bucket counts are deltas.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Histogram {
    /// See [`ResetHint`].
    pub reset_hint: ResetHint,
    /// -4 to 8, or [`CUSTOM_BUCKETS_SCHEMA`].
    pub schema: i32,
    /// Half width of the zero bucket, which holds observations in `[-zero_threshold, zero_threshold]`.
    pub zero_threshold: f64,
    /// Observations in the zero bucket.
    pub zero_count: u64,
    /// Observations in all buckets.
    pub count: u64,
    /// Sum of the observations; a stale marker makes the whole sample stale.
    pub sum: f64,
    /// Where the positive buckets lie.
    pub positive_spans: Vec<Span>,
    /// Where the negative buckets lie.
    pub negative_spans: Vec<Span>,
    /// Count of each positive bucket, as the difference to the bucket before it.
    pub positive_buckets: Vec<i64>,
    /// Count of each negative bucket, as the difference to the bucket before it.
    pub negative_buckets: Vec<i64>,
    /// Upper bounds of custom buckets, ascending, without `+Inf`; empty for exponential schemas.
    pub custom_values: Vec<f64>,
}

/// A native histogram with float counts: bucket counts are absolute.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FloatHistogram {
    /// See [`ResetHint`].
    pub reset_hint: ResetHint,
    /// -4 to 8, or [`CUSTOM_BUCKETS_SCHEMA`].
    pub schema: i32,
    /// Half width of the zero bucket, which holds observations in `[-zero_threshold, zero_threshold]`.
    pub zero_threshold: f64,
    /// Observations in the zero bucket.
    pub zero_count: f64,
    /// Observations in all buckets.
    pub count: f64,
    /// Sum of the observations; a stale marker makes the whole sample stale.
    pub sum: f64,
    /// Where the positive buckets lie.
    pub positive_spans: Vec<Span>,
    /// Where the negative buckets lie.
    pub negative_spans: Vec<Span>,
    /// Count of each positive bucket.
    pub positive_buckets: Vec<f64>,
    /// Count of each negative bucket.
    pub negative_buckets: Vec<f64>,
    /// Upper bounds of custom buckets, ascending, without `+Inf`; empty for exponential schemas.
    pub custom_values: Vec<f64>,
}

/// A native histogram in the form in which it was sent.
#[derive(Debug, Clone, PartialEq)]
pub enum HistogramValue {
    /// Integer counts.
    Integer(Histogram),
    /// Float counts.
    Float(FloatHistogram),
}

impl HistogramValue {
    /// Sum of the observations; the stale marker when the sample is stale.
    #[must_use]
    pub const fn sum(&self) -> f64 {
        match self {
            Self::Integer(histogram) => histogram.sum,
            Self::Float(histogram) => histogram.sum,
        }
    }

    /// Buckets, spans and custom bounds together, in words of eight bytes: what of a histogram's size varies.
    #[must_use]
    pub const fn words(&self) -> usize {
        match self {
            Self::Integer(histogram) => (histogram.size_bytes() - size_of::<Histogram>()) / 8,
            Self::Float(histogram) => (histogram.size_bytes() - size_of::<FloatHistogram>()) / 8,
        }
    }

    /// What the histogram says about the one before it.
    pub const fn reset_hint_mut(&mut self) -> &mut ResetHint {
        match self {
            Self::Integer(histogram) => &mut histogram.reset_hint,
            Self::Float(histogram) => &mut histogram.reset_hint,
        }
    }

    /// The float form, which queries work on.
    #[must_use]
    pub fn to_float(&self) -> FloatHistogram {
        match self {
            Self::Integer(histogram) => histogram.to_float(),
            Self::Float(histogram) => histogram.clone(),
        }
    }

    /// As [`HistogramValue::to_float`], without a copy of what is float already.
    #[must_use]
    pub fn into_float(self) -> FloatHistogram {
        match self {
            Self::Integer(histogram) => histogram.to_float(),
            Self::Float(histogram) => histogram,
        }
    }
}

impl Histogram {
    /// Bytes that the histogram takes in memory.
    #[must_use]
    pub const fn size_bytes(&self) -> usize {
        let spans = self.positive_spans.len() + self.negative_spans.len();
        let numbers = self.positive_buckets.len() + self.negative_buckets.len() + self.custom_values.len();
        size_of::<Self>() + spans * size_of::<Span>() + numbers * 8
    }

    /// Whether this is a stale marker.
    #[must_use]
    pub const fn is_stale(&self) -> bool {
        self.sum.to_bits() == STALE_NAN_BITS
    }

    /// The same histogram with absolute float counts.
    #[must_use]
    pub fn to_float(&self) -> FloatHistogram {
        FloatHistogram {
            reset_hint: self.reset_hint,
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            zero_count: self.zero_count as f64,
            count: self.count as f64,
            sum: self.sum,
            positive_spans: self.positive_spans.clone(),
            negative_spans: self.negative_spans.clone(),
            positive_buckets: absolute(&self.positive_buckets),
            negative_buckets: absolute(&self.negative_buckets),
            custom_values: self.custom_values.clone(),
        }
    }
}

impl FloatHistogram {
    /// Bytes that the histogram takes in memory.
    #[must_use]
    pub const fn size_bytes(&self) -> usize {
        let spans = self.positive_spans.len() + self.negative_spans.len();
        let numbers = self.positive_buckets.len() + self.negative_buckets.len() + self.custom_values.len();
        size_of::<Self>() + spans * size_of::<Span>() + numbers * 8
    }

    /// Whether this is a stale marker.
    #[must_use]
    pub const fn is_stale(&self) -> bool {
        self.sum.to_bits() == STALE_NAN_BITS
    }
}

fn absolute(deltas: &[i64]) -> Vec<f64> {
    let mut count = 0_i64;
    deltas
        .iter()
        .map(|delta| {
            count = count.wrapping_add(*delta);
            count as f64
        })
        .collect()
}
