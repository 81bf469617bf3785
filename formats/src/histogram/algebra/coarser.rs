//! Merging buckets into those of a coarser schema.

use super::{
    cell::Cell,
    spans::{Indexed, SpanBuilder},
};
use crate::histogram::{FloatHistogram, Span, resolution::target_index};

/// Index of the bucket of schema `to` that contains bucket `index` of schema `from`.
pub(super) fn coarser_index(index: i32, from: i32, to: i32) -> i32 {
    // Beyond 31, as only damaged schemas are apart, nothing but the sign is left.
    let shift = u32::try_from(from.saturating_sub(to)).unwrap_or(0).min(31);
    // What is halved around one is never farther from it.
    i32::try_from(target_index(i64::from(index), shift)).unwrap_or(index)
}

/// Merges the buckets of an exponential histogram into those of the coarser exponential `schema`; does
/// nothing for one that is not coarser.
pub fn reduce_resolution(histogram: &mut FloatHistogram, schema: i32) {
    let from = histogram.schema;
    if schema >= from {
        return;
    }
    reduce_side(&mut histogram.positive_spans, &mut histogram.positive_buckets, from, schema);
    reduce_side(&mut histogram.negative_spans, &mut histogram.negative_buckets, from, schema);
    histogram.schema = schema;
}

/// Brings one side from schema `from` to the coarser schema `to`.
pub(super) fn reduce_side<C: Cell>(spans: &mut Vec<Span>, cells: &mut Vec<C>, from: i32, to: i32) {
    let mut builder = SpanBuilder::with_capacity(spans.len());
    let mut merged = Vec::with_capacity(cells.len());
    for (index, cell) in at_schema(Indexed::new(spans, cells), from, to) {
        builder.push(index);
        merged.push(cell);
    }
    *spans = builder.finish();
    *cells = merged;
}

/// Buckets of schema `from` as those of schema `to`, which is the same or coarser.
pub(super) fn at_schema<C: Cell>(
    buckets: impl Iterator<Item = (i32, C)> + Clone,
    from: i32,
    to: i32,
) -> impl Iterator<Item = (i32, C)> + Clone {
    let mut buckets = buckets.peekable();
    std::iter::from_fn(move || {
        let (index, mut cell) = buckets.next()?;
        if from <= to {
            return Some((index, cell));
        }
        let index = coarser_index(index, from, to);
        while let Some((_, next)) = buckets.next_if(|(next, _)| coarser_index(*next, from, to) == index) {
            cell.merge(next);
        }
        Some((index, cell))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::algebra::upper_bound;

    #[test]
    fn a_coarser_bucket_contains_the_finer_one() {
        for (from, to) in [(8, 0), (3, 2), (0, -4), (5, -1)] {
            for index in -100..100 {
                let coarse = coarser_index(index, from, to);
                assert!(upper_bound(coarse, to) >= upper_bound(index, from));
                assert!(upper_bound(coarse - 1, to) <= upper_bound(index - 1, from));
            }
        }
    }

    #[test]
    fn counts_are_merged_over_spans() {
        let mut histogram = FloatHistogram {
            schema: 1,
            positive_spans: vec![
                Span { offset: 1, length: 1 },
                Span { offset: 0, length: 2 },
                Span { offset: 4, length: 1 },
            ],
            positive_buckets: vec![1.0, 2.0, 3.0, 4.0],
            ..FloatHistogram::default()
        };
        reduce_resolution(&mut histogram, 0);
        assert_eq!(histogram.schema, 0);
        assert_eq!(histogram.positive_buckets, [3.0, 3.0, 4.0]);
        assert_eq!(histogram.positive_spans, [Span { offset: 1, length: 2 }, Span { offset: 1, length: 1 }]);
    }
}
