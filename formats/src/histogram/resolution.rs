//! Merging buckets into those of a coarser schema.

use super::error::BucketSide;
use super::{
    CUSTOM_BUCKETS_SCHEMA, EXPONENTIAL_SCHEMA_MAX, EXPONENTIAL_SCHEMA_MAX_RESERVED, FloatHistogram,
    Histogram, HistogramError, Span,
};

impl Histogram {
    /// Merges buckets until the schema is [`EXPONENTIAL_SCHEMA_MAX`], if it is finer than that and one that exists.
    ///
    /// To be called before `validate` on what was received: a sender may be ahead of us.
    ///
    /// # Errors
    /// When spans and buckets do not agree; the histogram is then as it was.
    pub fn reduce_reserved_schema(&mut self) -> Result<(), HistogramError> {
        if is_finer_than_stored(self.schema) {
            self.reduce_resolution(EXPONENTIAL_SCHEMA_MAX)?;
        }
        Ok(())
    }

    /// Merges buckets into those of the coarser `schema`.
    ///
    /// # Errors
    /// When `schema` is not coarser, buckets are custom, or spans and buckets do not agree.
    pub fn reduce_resolution(&mut self, schema: i32) -> Result<(), HistogramError> {
        let shift = shift(self.schema, schema)?;
        let (positive_spans, positive) =
            reduce(&self.positive_spans, absolute(&self.positive_buckets), shift, i64::wrapping_add)?;
        let (negative_spans, negative) =
            reduce(&self.negative_spans, absolute(&self.negative_buckets), shift, i64::wrapping_add)?;
        (self.positive_spans, self.positive_buckets) = (positive_spans, deltas(&positive));
        (self.negative_spans, self.negative_buckets) = (negative_spans, deltas(&negative));
        self.schema = schema;
        Ok(())
    }
}

impl FloatHistogram {
    /// See [`Histogram::reduce_reserved_schema`].
    ///
    /// # Errors
    /// When spans and buckets do not agree; the histogram is then as it was.
    pub fn reduce_reserved_schema(&mut self) -> Result<(), HistogramError> {
        if is_finer_than_stored(self.schema) {
            self.reduce_resolution(EXPONENTIAL_SCHEMA_MAX)?;
        }
        Ok(())
    }

    /// Merges buckets into those of the coarser `schema`.
    ///
    /// # Errors
    /// When `schema` is not coarser, buckets are custom, or spans and buckets do not agree.
    pub fn reduce_resolution(&mut self, schema: i32) -> Result<(), HistogramError> {
        let shift = shift(self.schema, schema)?;
        let add = |a: f64, b: f64| a + b;
        let positive = reduce(&self.positive_spans, self.positive_buckets.iter().copied(), shift, add)?;
        let negative = reduce(&self.negative_spans, self.negative_buckets.iter().copied(), shift, add)?;
        (self.positive_spans, self.positive_buckets) = positive;
        (self.negative_spans, self.negative_buckets) = negative;
        self.schema = schema;
        Ok(())
    }
}

/// Whether `schema` is one that a sender may use and that is not stored.
const fn is_finer_than_stored(schema: i32) -> bool {
    schema > EXPONENTIAL_SCHEMA_MAX && schema <= EXPONENTIAL_SCHEMA_MAX_RESERVED
}

/// Halvings of the resolution between two schemas.
fn shift(from: i32, to: i32) -> Result<u32, HistogramError> {
    if from == CUSTOM_BUCKETS_SCHEMA || to == CUSTOM_BUCKETS_SCHEMA {
        return Err(HistogramError::NoResolution);
    }
    match from.checked_sub(to).map(u32::try_from) {
        Some(Ok(shift @ 1..=63)) => Ok(shift),
        _ => Err(HistogramError::NotCoarser { from, to }),
    }
}

/// The bucket that bucket `index` becomes part of when the resolution is halved `shift` times.
#[inline]
pub(super) const fn target_index(index: i64, shift: u32) -> i64 {
    // Bucket 1 is the first whose lower bound is 1 in every schema, so the halving is around it.
    ((index - 1) >> shift) + 1
}

fn reduce<C: Copy>(
    spans: &[Span],
    counts: impl Iterator<Item = C>,
    shift: u32,
    add: impl Fn(C, C) -> C,
) -> Result<(Vec<Span>, Vec<C>), HistogramError> {
    let back = spans.iter().enumerate().skip(1).find(|(_, span)| span.offset < 0);
    if let Some((index, span)) = back {
        let side = BucketSide::Either;
        return Err(HistogramError::SpanNegativeOffset { side, number: index + 1, offset: span.offset });
    }
    let (mut target_spans, mut target_counts) = (Vec::<Span>::new(), Vec::new());
    let mut counts = counts.enumerate();
    let (mut index, mut next_target, mut used) = (0_i64, 0_i64, 0_u64);
    for span in spans {
        index += i64::from(span.offset);
        for _ in 0..span.length {
            let Some((_, count)) = counts.next() else {
                return Err(HistogramError::SpansNeedMore { found: used });
            };
            used += 1;
            let target = target_index(index, shift);
            index += 1;
            match (target_spans.last_mut(), target_counts.last_mut()) {
                (Some(_), Some(last)) if target < next_target => *last = add(*last, count),
                (Some(span), _) if target == next_target => {
                    span.length += 1;
                    target_counts.push(count);
                }
                _ => {
                    // Offsets shrink with the resolution, so that they fit as they did.
                    let offset = i32::try_from(target - next_target).unwrap_or(i32::MAX);
                    target_spans.push(Span { offset, length: 1 });
                    target_counts.push(count);
                }
            }
            next_target = target + 1;
        }
    }
    let left = counts.count() as u64;
    if left > 0 { Err(mismatch(used, used + left)) } else { Ok((target_spans, target_counts)) }
}

fn mismatch(needed: u64, found: u64) -> HistogramError {
    let found = usize::try_from(found).unwrap_or(usize::MAX);
    HistogramError::SpansBucketsMismatch { side: BucketSide::Either, needed, found }
}

fn absolute(deltas: &[i64]) -> impl Iterator<Item = i64> {
    deltas.iter().scan(0_i64, |count, delta| {
        *count = count.wrapping_add(*delta);
        Some(*count)
    })
}

fn deltas(counts: &[i64]) -> Vec<i64> {
    let mut previous = 0_i64;
    counts.iter().map(|&count| count.wrapping_sub(std::mem::replace(&mut previous, count))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(pairs: &[(i32, u32)]) -> Vec<Span> {
        pairs.iter().map(|&(offset, length)| Span { offset, length }).collect()
    }

    #[test]
    fn neighbours_are_merged_around_bucket_one() {
        let mut histogram = Histogram {
            schema: 1,
            // Buckets -1 0 1 2 | 5 with 1 2 3 4 | 5 observations.
            positive_spans: spans(&[(-1, 4), (2, 1)]),
            positive_buckets: vec![1, 1, 1, 1, 1],
            ..Histogram::default()
        };
        histogram.reduce_resolution(0).unwrap();
        // 0 holds -1 and 0; 1 holds 1 and 2; 3 holds 5.
        assert_eq!(histogram.positive_spans, spans(&[(0, 2), (1, 1)]));
        assert_eq!(histogram.to_float().positive_buckets, [3.0, 7.0, 5.0]);
        assert_eq!(histogram.schema, 0);
    }

    #[test]
    fn reserved_schemas_come_down_to_eight() {
        let mut histogram = FloatHistogram {
            schema: 52,
            positive_spans: spans(&[(i32::MIN, 2), (i32::MAX, 1)]),
            positive_buckets: vec![1.0, 2.0, 4.0],
            ..FloatHistogram::default()
        };
        histogram.reduce_reserved_schema().unwrap();
        assert_eq!(histogram.schema, 8);
        assert_eq!(histogram.positive_buckets.iter().sum::<f64>(), 7.0);
    }

    #[test]
    fn inconsistent_histograms_are_left_as_they_were() {
        for (lengths, buckets) in [((1, 1), 1), ((1, 1), 3), ((u32::MAX, 1), 1)] {
            let mut histogram = FloatHistogram {
                schema: 9,
                positive_spans: spans(&[(0, lengths.0), (0, lengths.1)]),
                positive_buckets: vec![1.0; buckets],
                ..FloatHistogram::default()
            };
            let before = histogram.clone();
            assert!(histogram.reduce_reserved_schema().is_err());
            assert_eq!(histogram, before);
        }
    }

    #[test]
    fn schemas_that_nobody_has_defined_are_left_alone() {
        let mut histogram = Histogram { schema: EXPONENTIAL_SCHEMA_MAX_RESERVED + 1, ..Histogram::default() };
        histogram.reduce_reserved_schema().unwrap();
        assert_eq!(histogram.schema, 53);
        assert_eq!(histogram.validate(), Err(HistogramError::InvalidSchema { schema: 53 }));
    }

    #[test]
    fn missing_buckets_are_reported_in_upstreams_words() {
        let mut histogram = FloatHistogram {
            schema: 9,
            positive_spans: spans(&[(0, 3)]),
            positive_buckets: vec![1.0; 2],
            ..FloatHistogram::default()
        };
        assert_eq!(
            histogram.reduce_reserved_schema().unwrap_err().to_string(),
            "have 2 buckets but spans need more: histogram spans specify different number of buckets than provided"
        );
    }

    #[test]
    fn only_towards_the_coarse() {
        let mut histogram = Histogram { schema: 3, ..Histogram::default() };
        assert_eq!(histogram.reduce_resolution(3), Err(HistogramError::NotCoarser { from: 3, to: 3 }));
        histogram.schema = CUSTOM_BUCKETS_SCHEMA;
        assert_eq!(histogram.reduce_resolution(0), Err(HistogramError::NoResolution));
    }
}
