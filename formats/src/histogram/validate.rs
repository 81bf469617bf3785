//! The rules a histogram keeps to before it is stored: upstream's, in upstream's order.

use super::error::BucketSide;
use super::{CUSTOM_BUCKETS_SCHEMA, FloatHistogram, Histogram, HistogramError, Span, is_exponential_schema};

impl Histogram {
    /// Checks spans against buckets, buckets against negative counts, the count against the buckets, and that
    /// there is nothing the schema does not have.
    ///
    /// A histogram that observed NaN (its sum is NaN) may count more than its buckets do: NaN is in none of them.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn validate(&self) -> Result<(), HistogramError> {
        let mut in_buckets = 0_u64;
        if self.schema == CUSTOM_BUCKETS_SCHEMA {
            check_bounds(&self.custom_values, &self.positive_spans, self.positive_buckets.len())?;
            check_custom(
                self.zero_count != 0,
                self.zero_threshold,
                &self.negative_spans,
                self.negative_buckets.len(),
            )?;
        } else if is_exponential_schema(self.schema) {
            check_spans(BucketSide::Positive, &self.positive_spans, self.positive_buckets.len())?;
            check_spans(BucketSide::Negative, &self.negative_spans, self.negative_buckets.len())?;
            in_buckets = check_deltas(BucketSide::Negative, &self.negative_buckets)?;
            if !self.custom_values.is_empty() {
                return Err(HistogramError::ExponentialWithBounds);
            }
        } else {
            return Err(HistogramError::InvalidSchema { schema: self.schema });
        }
        let positive = check_deltas(BucketSide::Positive, &self.positive_buckets)?;
        in_buckets = in_buckets.wrapping_add(positive).wrapping_add(self.zero_count);
        let count = self.count;
        match self.sum.is_nan() {
            true if in_buckets > count => Err(HistogramError::CountNotBigEnough { in_buckets, count }),
            false if in_buckets != count => Err(HistogramError::CountMismatch { in_buckets, count }),
            _ => Ok(()),
        }
    }
}

impl FloatHistogram {
    /// Checks spans against buckets, counts against negative ones, and that there is nothing the schema does not
    /// have. Float counts need not add up.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn validate(&self) -> Result<(), HistogramError> {
        if self.schema == CUSTOM_BUCKETS_SCHEMA {
            check_bounds(&self.custom_values, &self.positive_spans, self.positive_buckets.len())?;
            check_custom(
                self.zero_count != 0.0,
                self.zero_threshold,
                &self.negative_spans,
                self.negative_buckets.len(),
            )?;
        } else if is_exponential_schema(self.schema) {
            check_spans(BucketSide::Positive, &self.positive_spans, self.positive_buckets.len())?;
            check_spans(BucketSide::Negative, &self.negative_spans, self.negative_buckets.len())?;
            check_counts(BucketSide::Negative, &self.negative_buckets)?;
            if self.zero_count < 0.0 {
                return Err(HistogramError::NegativeZeroCount { count: self.zero_count });
            }
            if !self.custom_values.is_empty() {
                return Err(HistogramError::ExponentialWithBounds);
            }
        } else {
            return Err(HistogramError::InvalidSchema { schema: self.schema });
        }
        if self.count < 0.0 {
            return Err(HistogramError::NegativeCount { count: self.count });
        }
        check_counts(BucketSide::Positive, &self.positive_buckets)
    }
}

fn check_custom(
    has_zero_count: bool,
    zero_threshold: f64,
    negative_spans: &[Span],
    negative_buckets: usize,
) -> Result<(), HistogramError> {
    if has_zero_count {
        return Err(HistogramError::CustomZeroCount);
    }
    if zero_threshold != 0.0 {
        return Err(HistogramError::CustomZeroThreshold);
    }
    if !negative_spans.is_empty() {
        return Err(HistogramError::CustomNegativeSpans);
    }
    if negative_buckets > 0 {
        return Err(HistogramError::CustomNegativeBuckets);
    }
    Ok(())
}

fn check_spans(side: BucketSide, spans: &[Span], buckets: usize) -> Result<(), HistogramError> {
    // Only the first span's offset is a position and may be negative.
    let skipped = usize::from(side != BucketSide::Custom);
    let needed = spans.iter().map(|span| u64::from(span.length)).sum();
    let back = spans.iter().enumerate().skip(skipped).find(|(_, span)| span.offset < 0);
    if let Some((index, span)) = back {
        return Err(HistogramError::SpanNegativeOffset { side, number: index + 1, offset: span.offset });
    }
    if needed != buckets as u64 {
        return Err(HistogramError::SpansBucketsMismatch { side, needed, found: buckets });
    }
    Ok(())
}

fn check_deltas(side: BucketSide, deltas: &[i64]) -> Result<u64, HistogramError> {
    let mut count = 0_i64;
    let mut total = 0_u64;
    for (index, delta) in deltas.iter().enumerate() {
        count = count.wrapping_add(*delta);
        let Ok(observations) = u64::try_from(count) else {
            return Err(HistogramError::NegativeBucketCount { side, number: index + 1, count: count as f64 });
        };
        total = total.wrapping_add(observations);
    }
    Ok(total)
}

fn check_counts(side: BucketSide, counts: &[f64]) -> Result<(), HistogramError> {
    match counts.iter().enumerate().find(|(_, count)| **count < 0.0) {
        Some((index, &count)) => Err(HistogramError::NegativeBucketCount { side, number: index + 1, count }),
        None => Ok(()),
    }
}

fn check_bounds(bounds: &[f64], spans: &[Span], buckets: usize) -> Result<(), HistogramError> {
    let mut previous = f64::NEG_INFINITY;
    for (index, &current) in bounds.iter().enumerate() {
        if current.is_nan() {
            return Err(HistogramError::NanBound);
        }
        if index > 0 && current <= previous {
            return Err(HistogramError::BoundsNotAscending { previous, current });
        }
        previous = current;
    }
    if previous == f64::INFINITY {
        return Err(HistogramError::InfiniteBound);
    }
    check_spans(BucketSide::Custom, spans, buckets)?;
    let needed: i64 = spans.iter().map(|span| i64::from(span.length) + i64::from(span.offset)).sum();
    if i64::try_from(bounds.len()).is_ok_and(|bounds| bounds + 1 < needed) {
        return Err(HistogramError::TooFewBounds { bounds: bounds.len(), needed });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(pairs: &[(i32, u32)]) -> Vec<Span> {
        pairs.iter().map(|&(offset, length)| Span { offset, length }).collect()
    }

    fn exponential() -> Histogram {
        Histogram {
            schema: 1,
            zero_threshold: 0.001,
            zero_count: 2,
            count: 10,
            sum: 18.4,
            positive_spans: spans(&[(0, 2), (1, 1)]),
            positive_buckets: vec![1, 1, -1],
            negative_spans: spans(&[(-3, 2)]),
            negative_buckets: vec![1, 2],
            ..Histogram::default()
        }
    }

    fn custom() -> Histogram {
        Histogram {
            schema: CUSTOM_BUCKETS_SCHEMA,
            count: 3,
            sum: 4.0,
            positive_spans: spans(&[(0, 2)]),
            positive_buckets: vec![1, 1],
            custom_values: vec![1.0, 2.0],
            ..Histogram::default()
        }
    }

    #[track_caller]
    fn rejects(base: Histogram, change: impl FnOnce(&mut Histogram), message: &str) {
        let mut histogram = base;
        assert_eq!(histogram.validate(), Ok(()));
        change(&mut histogram);
        assert_eq!(histogram.validate().unwrap_err().to_string(), message);
    }

    #[test]
    fn exponential_rules() {
        rejects(
            exponential(),
            |h| h.count = 11,
            "10 observations found in buckets, but the Count field is 11: histogram's observation count should \
             equal the number of observations found in the buckets (in absence of NaN)",
        );
        rejects(
            exponential(),
            |h| (h.count, h.sum) = (9, f64::NAN),
            "10 observations found in buckets, but the Count field is 9: histogram's observation count should be \
             at least the number of observations found in the buckets",
        );
        rejects(
            exponential(),
            |h| h.negative_buckets[0] = -1,
            "negative side: bucket number 1 has observation count of -1: histogram has a bucket whose \
             observation count is negative",
        );
        rejects(
            exponential(),
            |h| h.positive_spans[1].offset = -1,
            "positive side: span number 2 with offset -1: histogram has a span whose offset is negative",
        );
        rejects(
            exponential(),
            |h| h.positive_spans[1].length = u32::MAX,
            "positive side: spans need 4294967297 buckets, have 3 buckets: histogram spans specify different \
             number of buckets than provided",
        );
        rejects(
            exponential(),
            |h| h.schema = 9,
            "histogram has an invalid schema, which must be between -4 and 8 for exponential buckets, or -53 \
             for custom buckets, got schema 9",
        );
        rejects(
            exponential(),
            |h| h.custom_values = vec![1.0],
            "histogram with exponential schema must not have custom bounds",
        );
    }

    #[test]
    fn a_histogram_that_observed_nan_may_count_more() {
        let histogram = Histogram { count: 12, sum: f64::NAN, ..exponential() };
        assert_eq!(histogram.validate(), Ok(()));
    }

    #[test]
    fn custom_rules() {
        rejects(
            custom(),
            |h| h.custom_values = vec![2.0, 1.0],
            "custom buckets: previous bound is 2.000000 and current is 1.000000: histogram custom bounds must \
             be in strictly increasing order",
        );
        rejects(
            custom(),
            |h| h.custom_values[1] = f64::INFINITY,
            "custom buckets: last +Inf bound must not be explicitly defined: histogram custom bounds must be \
             finite",
        );
        rejects(
            custom(),
            |h| h.custom_values[0] = f64::NAN,
            "custom buckets: histogram custom bounds must not be NaN",
        );
        rejects(
            custom(),
            |h| h.positive_spans[0].offset = 2,
            "custom buckets: only 2 custom bounds defined which is insufficient to cover total span length of \
             4: histogram custom bounds are too few",
        );
        rejects(
            custom(),
            |h| h.positive_spans[0].offset = -1,
            "custom buckets: span number 1 with offset -1: histogram has a span whose offset is negative",
        );
        rejects(custom(), |h| h.zero_count = 1, "custom buckets: must have zero count of 0");
        rejects(custom(), |h| h.zero_threshold = 1.0, "custom buckets: must have zero threshold of 0");
        rejects(
            custom(),
            |h| h.negative_spans = spans(&[(0, 0)]),
            "custom buckets: must not have negative spans",
        );
        rejects(custom(), |h| h.negative_buckets = vec![1], "custom buckets: must not have negative buckets");
    }

    #[test]
    fn float_rules() {
        let valid = exponential().to_float();
        assert_eq!(valid.validate(), Ok(()));
        let message = |change: fn(&mut FloatHistogram)| {
            let mut histogram = valid.clone();
            change(&mut histogram);
            histogram.validate().unwrap_err().to_string()
        };
        assert_eq!(
            message(|h| h.count = -1e21),
            "observation count is  -1e+21: histogram's observation count is negative"
        );
        assert_eq!(
            message(|h| h.zero_count = -0.5),
            "zero bucket has observation count of -0.5: histogram has a bucket whose observation count is negative"
        );
        assert_eq!(
            message(|h| h.positive_buckets[2] = -0.000_05),
            "positive side: bucket number 3 has observation count of -5e-05: histogram has a bucket whose \
             observation count is negative"
        );
    }
}
