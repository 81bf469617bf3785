//! Whether a counter started anew between two histograms.

use std::cmp::Ordering;

use super::bounds::exponential_bound;
use super::resolution::target_index;
use super::{CUSTOM_BUCKETS_SCHEMA, FloatHistogram, ResetHint, Span};

impl FloatHistogram {
    /// Whether the counts started anew since `previous`.
    ///
    /// A hint of its own decides; else any count that declined, any filled bucket that is gone, a finer
    /// schema or a narrower zero bucket. A coarser schema and a wider zero bucket are no resets: the buckets of
    /// `previous` are merged as far as needed.
    #[must_use]
    pub fn detect_reset(&self, previous: &Self) -> bool {
        match self.reset_hint {
            ResetHint::Reset => return true,
            ResetHint::NotReset => return false,
            // Counter functions may be applied to gauges, which are then taken for counters.
            ResetHint::Unknown | ResetHint::Gauge => {}
        }
        if self.count < previous.count {
            return true;
        }
        if self.schema == CUSTOM_BUCKETS_SCHEMA {
            if previous.schema != CUSTOM_BUCKETS_SCHEMA {
                return true;
            }
            if self.custom_values != previous.custom_values {
                return self.shared_buckets_decline(previous);
            }
        }
        // Custom buckets have the lowest number of all schemas, so that a change from them is a reset too.
        if self.schema > previous.schema || self.zero_threshold < previous.zero_threshold {
            return true;
        }
        let Some(previous_zero_count) = previous.zero_count_within(self.zero_threshold) else {
            return true;
        };
        self.zero_count < previous_zero_count
            || declines(self.positive(self), previous.positive(self))
            || declines(self.negative(self), previous.negative(self))
    }

    /// The positive buckets in the schema of `grid` that lie outside its zero bucket.
    fn positive<'a>(&'a self, grid: &'a Self) -> impl Iterator<Item = (i64, f64)> {
        buckets(&self.positive_spans, &self.positive_buckets, self.schema, grid)
    }

    /// As [`FloatHistogram::positive`].
    fn negative<'a>(&'a self, grid: &'a Self) -> impl Iterator<Item = (i64, f64)> {
        buckets(&self.negative_spans, &self.negative_buckets, self.schema, grid)
    }

    /// Observations that a zero bucket as wide as `threshold` (or as now, if that is wider) would hold; `None` when it
    /// would end inside a filled bucket.
    #[expect(clippy::float_cmp, reason = "the same threshold, not one about as large")]
    fn zero_count_within(&self, threshold: f64) -> Option<f64> {
        if threshold == self.zero_threshold {
            return Some(self.zero_count);
        }
        let mut total = self.zero_count;
        for (spans, counts) in
            [(&self.positive_spans, &self.positive_buckets), (&self.negative_spans, &self.negative_buckets)]
        {
            for (index, &count) in indices(spans).zip(counts) {
                if exponential_bound(index - 1, self.schema) >= threshold {
                    break;
                }
                total += count;
                if exponential_bound(index, self.schema) > threshold {
                    if count != 0.0 {
                        return None;
                    }
                    break;
                }
            }
        }
        Some(total)
    }

    /// Whether, between bounds that both have, fewer observations lie now than in `previous`.
    fn shared_buckets_decline(&self, previous: &Self) -> bool {
        let mut current = CustomBuckets::new(self);
        let mut before = CustomBuckets::new(previous);
        let (mut a, mut b) = (0, 0);
        while a <= self.custom_values.len() && b <= previous.custom_values.len() {
            let bound = |values: &[f64], at: usize| values.get(at).copied().unwrap_or(f64::INFINITY);
            let (bound_a, bound_b) = (bound(&self.custom_values, a), bound(&previous.custom_values, b));
            match bound_a.partial_cmp(&bound_b) {
                Some(Ordering::Less) => a += 1,
                Some(Ordering::Equal) => {
                    if current.up_to(bound_a) < before.up_to(bound_a) {
                        return true;
                    }
                    a += 1;
                    b += 1;
                }
                // NaN bounds are not valid; go on, so as to end.
                Some(Ordering::Greater) | None => b += 1,
            }
        }
        false
    }
}

/// Custom buckets, taken bound by bound.
#[derive(Debug)]
struct CustomBuckets<'a, I: Iterator<Item = (i64, f64)>> {
    bounds: &'a [f64],
    rest: std::iter::Peekable<I>,
}

impl<'a> CustomBuckets<'a, Box<dyn Iterator<Item = (i64, f64)> + 'a>> {
    fn new(histogram: &'a FloatHistogram) -> Self {
        let all = indices(&histogram.positive_spans).zip(histogram.positive_buckets.iter().copied());
        let all: Box<dyn Iterator<Item = (i64, f64)> + 'a> = Box::new(all);
        Self { bounds: &histogram.custom_values, rest: all.peekable() }
    }
}

impl<I: Iterator<Item = (i64, f64)>> CustomBuckets<'_, I> {
    /// Observations in the buckets that end at `bound` or below and were not counted yet.
    fn up_to(&mut self, bound: f64) -> f64 {
        let bounds = self.bounds;
        let upper = |index: i64| {
            usize::try_from(index).ok().and_then(|at| bounds.get(at)).copied().unwrap_or(f64::INFINITY)
        };
        let mut total = 0.0;
        while let Some((_, count)) = self.rest.next_if(|(index, _)| upper(*index) <= bound) {
            total += count;
        }
        total
    }
}

/// Buckets in the schema of `grid`, merged as needed, from its zero threshold on.
fn buckets<'a>(
    spans: &'a [Span],
    counts: &'a [f64],
    schema: i32,
    grid: &'a FloatHistogram,
) -> impl Iterator<Item = (i64, f64)> {
    let shift = schema.abs_diff(grid.schema).min(63);
    let mut all = indices(spans).map(move |index| target_index(index, shift)).zip(counts.iter().copied());
    let mut next = all.next();
    let merged = std::iter::from_fn(move || {
        let (index, mut total) = next?;
        next = all.next();
        while let Some((_, count)) = next.filter(|(other, _)| *other == index) {
            total += count;
            next = all.next();
        }
        Some((index, total))
    });
    let exponential = grid.schema != CUSTOM_BUCKETS_SCHEMA;
    merged.skip_while(move |(index, _)| {
        exponential
            && grid.zero_threshold != 0.0
            && exponential_bound(*index, grid.schema) <= grid.zero_threshold
    })
}

/// Whether a bucket of `before` declined, or is gone and was filled.
fn declines(current: impl Iterator<Item = (i64, f64)>, before: impl Iterator<Item = (i64, f64)>) -> bool {
    let mut current = current.peekable();
    for (index, count) in before {
        while current.next_if(|(other, _)| *other < index).is_some() {}
        let now = current.peek().filter(|(other, _)| *other == index);
        if now.map_or(count != 0.0, |(_, now)| *now < count) {
            return true;
        }
    }
    false
}

fn indices(spans: &[Span]) -> impl Iterator<Item = i64> {
    let mut next = 0_i64;
    spans.iter().flat_map(move |span| {
        let start = next + i64::from(span.offset);
        next = start + i64::from(span.length);
        start..next
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(pairs: &[(i32, u32)]) -> Vec<Span> {
        pairs.iter().map(|&(offset, length)| Span { offset, length }).collect()
    }

    fn before() -> FloatHistogram {
        FloatHistogram {
            schema: 1,
            zero_threshold: 0.5,
            zero_count: 2.0,
            count: 12.0,
            positive_spans: spans(&[(0, 2), (1, 1)]),
            positive_buckets: vec![1.0, 2.0, 3.0],
            negative_spans: spans(&[(1, 2)]),
            negative_buckets: vec![4.0, 0.0],
            ..FloatHistogram::default()
        }
    }

    #[track_caller]
    fn expect(reset: bool, change: impl FnOnce(&mut FloatHistogram)) {
        let mut now = before();
        change(&mut now);
        assert_eq!(now.detect_reset(&before()), reset);
    }

    #[test]
    fn hints_decide() {
        expect(false, |_| {});
        expect(true, |h| h.reset_hint = ResetHint::Reset);
        expect(false, |h| (h.reset_hint, h.count) = (ResetHint::NotReset, 0.0));
        expect(true, |h| (h.reset_hint, h.count) = (ResetHint::Gauge, 0.0));
    }

    #[test]
    fn any_decline_is_a_reset() {
        expect(true, |h| h.zero_count = 1.0);
        expect(true, |h| h.positive_buckets[1] = 1.0);
        expect(true, |h| h.negative_buckets[0] = 3.0);
        expect(false, |h| h.positive_buckets[1] = 7.0);
        // An empty bucket may go, a filled one may not.
        expect(false, |h| (h.negative_spans, h.negative_buckets) = (spans(&[(1, 1)]), vec![4.0]));
        expect(true, |h| (h.negative_spans, h.negative_buckets) = (spans(&[(2, 1)]), vec![9.0]));
        expect(true, |h| (h.positive_spans, h.positive_buckets) = (vec![], vec![]));
    }

    #[test]
    fn coarser_is_no_reset_finer_is() {
        expect(true, |h| h.schema = 2);
        expect(true, |h| h.zero_threshold = 0.25);
        // Buckets 0, 1 and 3 become 0, 1 and 2.
        expect(false, |h| {
            h.schema = 0;
            h.positive_spans = spans(&[(0, 3)]);
            h.negative_spans = spans(&[(1, 1)]);
            h.negative_buckets = vec![4.0];
        });
    }

    #[test]
    fn a_wider_zero_bucket_takes_whole_buckets_in() {
        // Bucket 0 ends at 1: the zero bucket now holds 2 + 1 (both sides begin above it).
        let wide = |zero_count: f64| {
            move |h: &mut FloatHistogram| {
                h.zero_threshold = 1.0;
                h.zero_count = zero_count;
                h.positive_spans = spans(&[(1, 1), (1, 1)]);
                h.positive_buckets = vec![2.0, 3.0];
            }
        };
        expect(false, wide(3.0));
        expect(true, wide(2.5));
        // 0.8 is inside bucket 0, which was filled.
        expect(true, |h| h.zero_threshold = 0.8);
    }

    #[test]
    fn custom_bounds_are_compared_where_both_have_them() {
        let custom = |bounds: &[f64], counts: &[f64]| FloatHistogram {
            schema: CUSTOM_BUCKETS_SCHEMA,
            count: 10.0,
            positive_spans: vec![Span { offset: 0, length: u32::try_from(counts.len()).unwrap() }],
            positive_buckets: counts.to_vec(),
            custom_values: bounds.to_vec(),
            ..FloatHistogram::default()
        };
        let before = custom(&[1.0, 2.0, 4.0], &[1.0, 2.0, 3.0, 4.0]);
        assert!(!custom(&[1.0, 4.0], &[1.0, 5.0, 4.0]).detect_reset(&before));
        assert!(custom(&[1.0, 4.0], &[1.0, 4.0, 5.0]).detect_reset(&before));
        assert!(!custom(&[3.0], &[1.0, 9.0]).detect_reset(&before));
        assert!(before.detect_reset(&FloatHistogram { count: 1.0, ..FloatHistogram::default() }));
    }
}
