//! Dropping empty buckets.

use crate::histogram::{FloatHistogram, Span};

use super::spans::{Indexed, SpanBuilder};

/// Removes the empty buckets of both sides, but keeps, or inserts, up to `gap_max` of them between populated
/// ones where that saves a span.
pub fn compact(histogram: &mut FloatHistogram, gap_max: u32) {
    compact_side(&mut histogram.positive_spans, &mut histogram.positive_buckets, gap_max);
    compact_side(&mut histogram.negative_spans, &mut histogram.negative_buckets, gap_max);
}

fn compact_side(spans: &mut Vec<Span>, counts: &mut Vec<f64>, gap_max: u32) {
    if is_compact_side(spans, counts, gap_max) {
        return;
    }
    let mut builder = SpanBuilder::with_capacity(spans.len());
    let mut kept = Vec::with_capacity(counts.len());
    for (index, count) in Indexed::new(spans, counts).filter(|(_, count)| *count != 0.0) {
        if let Some(end) = builder.end()
            && i64::from(index) - i64::from(end) <= i64::from(gap_max)
        {
            for gap in end..index {
                builder.push(gap);
                kept.push(0.0);
            }
        }
        builder.push(index);
        kept.push(count);
    }
    *spans = builder.finish();
    *counts = kept;
}

/// Whether [`compact`] would leave the histogram as it is; the common case, answered without allocating.
#[must_use]
pub fn is_compact(histogram: &FloatHistogram, gap_max: u32) -> bool {
    let FloatHistogram { positive_spans, positive_buckets, negative_spans, negative_buckets, .. } = histogram;
    is_compact_side(positive_spans, positive_buckets, gap_max)
        && is_compact_side(negative_spans, negative_buckets, gap_max)
}

/// Whether nothing would change.
fn is_compact_side(spans: &[Span], counts: &[f64], gap_max: u32) -> bool {
    let wide = |span: &Span| span.length > 0 && i64::from(span.offset) > i64::from(gap_max);
    counts.iter().all(|count| *count != 0.0)
        && spans.split_first().is_none_or(|(first, rest)| first.length > 0 && rest.iter().all(wide))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compacted(spans: &[(i32, u32)], counts: &[f64], gap_max: u32) -> (Vec<(i32, u32)>, Vec<f64>) {
        let mut histogram = FloatHistogram {
            positive_spans: spans.iter().map(|&(offset, length)| Span { offset, length }).collect(),
            positive_buckets: counts.to_vec(),
            ..FloatHistogram::default()
        };
        compact(&mut histogram, gap_max);
        let spans = histogram.positive_spans.iter().map(|span| (span.offset, span.length)).collect();
        (spans, histogram.positive_buckets)
    }

    #[test]
    fn empty_buckets_go_at_both_ends_and_inside() {
        assert_eq!(
            compacted(&[(-5, 5), (2, 3)], &[0.0, 1.0, 0.0, 2.0, 0.0, 0.0, 3.0, 0.0], 0),
            (vec![(-4, 1), (1, 1), (4, 1)], vec![1.0, 2.0, 3.0])
        );
    }

    #[test]
    fn short_gaps_are_filled_when_allowed() {
        assert_eq!(compacted(&[(0, 1), (2, 1)], &[1.0, 2.0], 2), (vec![(0, 4)], vec![1.0, 0.0, 0.0, 2.0]));
        assert_eq!(compacted(&[(0, 1), (3, 1)], &[1.0, 2.0], 2), (vec![(0, 1), (3, 1)], vec![1.0, 2.0]));
        assert_eq!(compacted(&[(0, 4)], &[1.0, 0.0, 0.0, 2.0], 2), (vec![(0, 4)], vec![1.0, 0.0, 0.0, 2.0]));
    }

    #[test]
    fn spans_without_a_gap_are_joined() {
        assert_eq!(compacted(&[(1, 1), (0, 2)], &[1.0, 2.0, 3.0], 0), (vec![(1, 3)], vec![1.0, 2.0, 3.0]));
        assert_eq!(
            compacted(&[(1, 1), (2, 0), (0, 1)], &[1.0, 2.0], 0),
            (vec![(1, 1), (2, 1)], vec![1.0, 2.0])
        );
    }

    #[test]
    fn only_empty_buckets_leave_nothing() {
        assert_eq!(compacted(&[(7, 2)], &[0.0, -0.0], 0), (vec![], vec![]));
        assert_eq!(compacted(&[(7, 0)], &[], 0), (vec![], vec![]));
    }
}
