//! Consistency of a histogram that comes from outside.

use kymo_formats::histogram::{FloatHistogram, Span, is_exponential_schema};

use super::is_custom;

/// Why a histogram is not valid, in upstream's words.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InvalidHistogram {
    /// A schema that is neither exponential nor custom.
    #[error(
        "histogram has an invalid schema, which must be between -4 and 8 for exponential buckets, or -53 for custom \
         buckets, got schema {schema}"
    )]
    Schema {
        /// The schema.
        schema: i32,
    },
    /// Fewer observations than none.
    #[error(
        "{what} has observation count of {count}: histogram has a bucket whose observation count is negative"
    )]
    NegativeCount {
        /// Which bucket.
        what: String,
        /// Its count.
        count: f64,
    },
    /// A total below zero.
    #[error("observation count is  {count}: histogram's observation count is negative")]
    NegativeTotal {
        /// The total.
        count: f64,
    },
    /// A span that starts before the one before it ends.
    #[error(
        "{side}: span number {number} with offset {offset}: histogram has a span whose offset is negative"
    )]
    SpanOffset {
        /// Which part of the histogram.
        side: &'static str,
        /// Number of the span, from 1.
        number: usize,
        /// Its offset.
        offset: i32,
    },
    /// Spans and counts disagree.
    #[error(
        "{side}: spans need {spans} buckets, have {counts} buckets: histogram spans specify different number of buckets \
         than provided"
    )]
    SpansMismatch {
        /// Which part of the histogram.
        side: &'static str,
        /// Buckets that the spans describe.
        spans: u64,
        /// Counts that there are.
        counts: usize,
    },
    /// Custom bounds that are NaN, infinite or do not rise.
    #[error("custom buckets: histogram custom bounds must {must}")]
    CustomBounds {
        /// What they must be.
        must: &'static str,
    },
    /// More buckets than bounds.
    #[error(
        "custom buckets: only {bounds} custom bounds defined which is insufficient to cover total span length of \
         {length}: histogram custom bounds are too few"
    )]
    TooFewBounds {
        /// Number of bounds.
        bounds: usize,
        /// Buckets up to the last one, gaps included.
        length: u64,
    },
    /// A field that custom buckets do not have.
    #[error("custom buckets: must {must}")]
    CustomField {
        /// What it must or must not have.
        must: &'static str,
    },
    /// Bounds that exponential buckets do not have.
    #[error("histogram with exponential schema must not have custom bounds")]
    ExponentialWithBounds,
}

/// Checks layout and signs. Whether the total equals the sum of the buckets is not checked: rounding.
///
/// # Errors
/// When the histogram is not valid.
pub fn validate(histogram: &FloatHistogram) -> Result<(), InvalidHistogram> {
    if is_custom(histogram.schema) {
        validate_custom(histogram)?;
    } else if is_exponential_schema(histogram.schema) {
        validate_exponential(histogram)?;
    } else {
        return Err(InvalidHistogram::Schema { schema: histogram.schema });
    }
    if histogram.count < 0.0 {
        return Err(InvalidHistogram::NegativeTotal { count: histogram.count });
    }
    check_counts("positive side: ", &histogram.positive_buckets)
}

fn validate_exponential(histogram: &FloatHistogram) -> Result<(), InvalidHistogram> {
    check_spans("positive side", 1, &histogram.positive_spans, histogram.positive_buckets.len())?;
    check_spans("negative side", 1, &histogram.negative_spans, histogram.negative_buckets.len())?;
    check_counts("negative side: ", &histogram.negative_buckets)?;
    if histogram.zero_count < 0.0 {
        let what = "zero bucket".to_owned();
        return Err(InvalidHistogram::NegativeCount { what, count: histogram.zero_count });
    }
    if histogram.custom_values.is_empty() { Ok(()) } else { Err(InvalidHistogram::ExponentialWithBounds) }
}

fn validate_custom(histogram: &FloatHistogram) -> Result<(), InvalidHistogram> {
    let bounds = &histogram.custom_values;
    if bounds.iter().any(|bound| bound.is_nan()) {
        return Err(InvalidHistogram::CustomBounds { must: "not be NaN" });
    }
    if !bounds.is_sorted_by(|a, b| a < b) {
        return Err(InvalidHistogram::CustomBounds { must: "be in strictly increasing order" });
    }
    if bounds.last() == Some(&f64::INFINITY) {
        return Err(InvalidHistogram::CustomBounds { must: "be finite" });
    }
    check_spans("custom buckets", 0, &histogram.positive_spans, histogram.positive_buckets.len())?;
    let length = histogram
        .positive_spans
        .iter()
        .map(|span| u64::from(span.length) + u64::try_from(span.offset).unwrap_or(0))
        .sum();
    if u64::try_from(bounds.len()).is_ok_and(|bounds| bounds + 1 < length) {
        return Err(InvalidHistogram::TooFewBounds { bounds: bounds.len(), length });
    }
    let rules = [
        (histogram.zero_count == 0.0, "have zero count of 0"),
        (histogram.zero_threshold == 0.0, "have zero threshold of 0"),
        (histogram.negative_spans.is_empty(), "not have negative spans"),
        (histogram.negative_buckets.is_empty(), "not have negative buckets"),
    ];
    match rules.into_iter().find(|(holds, _)| !holds) {
        Some((_, must)) => Err(InvalidHistogram::CustomField { must }),
        None => Ok(()),
    }
}

/// Checks the spans from number `from` on for negative offsets, and all for their lengths.
fn check_spans(
    side: &'static str,
    from: usize,
    spans: &[Span],
    counts: usize,
) -> Result<(), InvalidHistogram> {
    if let Some((i, span)) = spans.iter().enumerate().skip(from).find(|(_, span)| span.offset < 0) {
        return Err(InvalidHistogram::SpanOffset { side, number: i + 1, offset: span.offset });
    }
    let needed = spans.iter().map(|span| u64::from(span.length)).sum();
    if u64::try_from(counts) == Ok(needed) {
        Ok(())
    } else {
        Err(InvalidHistogram::SpansMismatch { side, spans: needed, counts })
    }
}

fn check_counts(side: &'static str, counts: &[f64]) -> Result<(), InvalidHistogram> {
    match counts.iter().enumerate().find(|(_, count)| **count < 0.0) {
        Some((i, count)) => Err(InvalidHistogram::NegativeCount {
            what: format!("{side}bucket number {}", i + 1),
            count: *count,
        }),
        None => Ok(()),
    }
}
