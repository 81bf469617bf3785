//! What is wrong with a histogram, in upstream's words: senders and their operators know those.

use std::fmt;

/// A histogram that breaks a rule of the data model.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum HistogramError {
    /// More observations in buckets than in all, in a histogram that observed NaN.
    #[error(
        "{in_buckets} observations found in buckets, but the Count field is {count}: histogram's observation \
         count should be at least the number of observations found in the buckets"
    )]
    CountNotBigEnough {
        /// Sum of all buckets.
        in_buckets: u64,
        /// The count field.
        count: u64,
    },
    /// Another number of observations in buckets than in all.
    #[error(
        "{in_buckets} observations found in buckets, but the Count field is {count}: histogram's observation \
         count should equal the number of observations found in the buckets (in absence of NaN)"
    )]
    CountMismatch {
        /// Sum of all buckets.
        in_buckets: u64,
        /// The count field.
        count: u64,
    },
    /// A negative float count. (Two blanks: upstream's text has them.)
    #[error("observation count is  {}: histogram's observation count is negative", GoFloat(*.count))]
    NegativeCount {
        /// The count field.
        count: f64,
    },
    /// A bucket with a negative count.
    #[error(
        "{side}bucket number {number} has observation count of {}: histogram has a bucket whose observation \
         count is negative",
        GoFloat(*.count)
    )]
    NegativeBucketCount {
        /// Which buckets.
        side: BucketSide,
        /// The bucket, from 1.
        number: usize,
        /// Its count. Integer counts below `-2^53` are rounded.
        count: f64,
    },
    /// A zero bucket with a negative count.
    #[error(
        "zero bucket has observation count of {}: histogram has a bucket whose observation count is negative",
        GoFloat(*.count)
    )]
    NegativeZeroCount {
        /// Its count.
        count: f64,
    },
    /// A span that goes back.
    #[error("{side}span number {number} with offset {offset}: histogram has a span whose offset is negative")]
    SpanNegativeOffset {
        /// Which spans.
        side: BucketSide,
        /// The span, from 1.
        number: usize,
        /// Its offset.
        offset: i32,
    },
    /// Spans and buckets of different lengths.
    #[error(
        "{side}spans need {needed} buckets, have {found} buckets: histogram spans specify different number of \
         buckets than provided"
    )]
    SpansBucketsMismatch {
        /// Which spans.
        side: BucketSide,
        /// Buckets that the spans cover.
        needed: u64,
        /// Buckets that are there.
        found: usize,
    },
    /// Fewer buckets than spans, found out while buckets are merged.
    #[error(
        "have {found} buckets but spans need more: histogram spans specify different number of buckets than \
         provided"
    )]
    SpansNeedMore {
        /// Buckets that are there.
        found: u64,
    },
    /// Custom bounds that do not cover the buckets.
    #[error(
        "custom buckets: only {bounds} custom bounds defined which is insufficient to cover total span length \
         of {needed}: histogram custom bounds are too few"
    )]
    TooFewBounds {
        /// Bounds that are there.
        bounds: usize,
        /// Buckets that the spans reach over.
        needed: i64,
    },
    /// Custom bounds that do not ascend.
    #[error(
        "custom buckets: previous bound is {} and current is {}: histogram custom bounds must be in strictly \
         increasing order",
        GoFixed(*.previous), GoFixed(*.current)
    )]
    BoundsNotAscending {
        /// The bound before.
        previous: f64,
        /// The bound that is not above it.
        current: f64,
    },
    /// The bound that goes without saying.
    #[error(
        "custom buckets: last +Inf bound must not be explicitly defined: histogram custom bounds must be finite"
    )]
    InfiniteBound,
    /// A bound that is no number.
    #[error("custom buckets: histogram custom bounds must not be NaN")]
    NanBound,
    /// Custom buckets with observations in the zero bucket.
    #[error("custom buckets: must have zero count of 0")]
    CustomZeroCount,
    /// Custom buckets with a zero bucket.
    #[error("custom buckets: must have zero threshold of 0")]
    CustomZeroThreshold,
    /// Custom buckets with negative spans.
    #[error("custom buckets: must not have negative spans")]
    CustomNegativeSpans,
    /// Custom buckets with negative buckets.
    #[error("custom buckets: must not have negative buckets")]
    CustomNegativeBuckets,
    /// Exponential buckets with custom bounds.
    #[error("histogram with exponential schema must not have custom bounds")]
    ExponentialWithBounds,
    /// A schema that is not stored.
    #[error(
        "histogram has an invalid schema, which must be between -4 and 8 for exponential buckets, or -53 for \
         custom buckets, got schema {schema}"
    )]
    InvalidSchema {
        /// The schema.
        schema: i32,
    },
    /// A schema that nobody has defined.
    #[error(
        "histogram has an unknown schema, which must be between -9 and 52 for exponential buckets, or -53 for \
         custom buckets, got schema {schema}"
    )]
    UnknownSchema {
        /// The schema.
        schema: i32,
    },
    /// Resolution can only be taken away.
    #[error("cannot reduce resolution from schema {from} to {to}")]
    NotCoarser {
        /// The histogram's schema.
        from: i32,
        /// The one asked for.
        to: i32,
    },
    /// Custom buckets have no resolution.
    #[error("cannot reduce resolution when there are custom buckets")]
    NoResolution,
}

/// Where a fault lies, as the prefix of its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BucketSide {
    /// Buckets of values above zero.
    Positive,
    /// Buckets of values below zero.
    Negative,
    /// Custom buckets.
    Custom,
    /// Not known, as when resolution is reduced.
    Either,
}

impl fmt::Display for BucketSide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Positive => "positive side: ",
            Self::Negative => "negative side: ",
            Self::Custom => "custom buckets: ",
            Self::Either => "",
        })
    }
}

/// A float as Go's `%v` prints it: the shortest digits, an exponent below 1e-4 and from 1e21 on.
struct GoFloat(f64);

impl fmt::Display for GoFloat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.is_finite() {
            return f.write_str(infinite(self.0));
        }
        let scientific = format!("{:e}", self.0);
        let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
        match exponent.parse::<i32>() {
            Ok(exponent) if self.0 != 0.0 && !(-4..21).contains(&exponent) => {
                let sign = if exponent < 0 { '-' } else { '+' };
                write!(f, "{digits}e{sign}{:02}", exponent.abs())
            }
            _ => write!(f, "{}", self.0),
        }
    }
}

/// A float as Go's `%f` prints it: six decimals.
struct GoFixed(f64);

impl fmt::Display for GoFixed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_finite() { write!(f, "{:.6}", self.0) } else { f.write_str(infinite(self.0)) }
    }
}

fn infinite(value: f64) -> &'static str {
    if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "+Inf"
    } else {
        "-Inf"
    }
}
