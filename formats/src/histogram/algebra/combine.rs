//! Adding one histogram to another, whatever their layouts.

use super::{
    cell::Cell,
    coarser::{at_schema, reduce_side},
    custom,
    spans::{Indexed, SpanBuilder, merge_join},
    upper_bound,
    zero::zero_count_up_to,
};
use crate::histogram::{FloatHistogram, ResetHint, Span, is_custom_schema};

/// Exponential and custom buckets have no common layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cannot apply this operation on histograms with a mix of exponential and custom bucket schemas")]
pub struct IncompatibleSchemas;

/// What the user should know about two histograms that were combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[must_use]
pub struct Combined {
    /// One says that counters were reset, the other that they were not.
    pub hints_collide: bool,
    /// Their custom bounds differed: the result has only the common ones.
    pub bounds_reconciled: bool,
}

/// Whether to add or to subtract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    Plus,
    Minus,
}

/// One side of a histogram that is being added to.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct CellSide<C> {
    pub(super) spans: Vec<Span>,
    pub(super) cells: Vec<C>,
}

/// A histogram that is being added to.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Accumulator<C> {
    pub(super) reset_hint: ResetHint,
    pub(super) schema: i32,
    pub(super) zero_threshold: f64,
    pub(super) zero_count: C,
    pub(super) count: C,
    pub(super) sum: C,
    pub(super) positive: CellSide<C>,
    pub(super) negative: CellSide<C>,
    pub(super) custom_values: Vec<f64>,
}

impl<C: Cell> Accumulator<C> {
    /// Adds or subtracts `other`. Counts of buckets that only one of them has are kept; schema, zero bucket
    /// and custom bounds become the finest that both can be brought to.
    pub(super) fn combine(
        &mut self,
        other: &FloatHistogram,
        sign: Sign,
    ) -> Result<Combined, IncompatibleSchemas> {
        if is_custom_schema(self.schema) != is_custom_schema(other.schema) {
            return Err(IncompatibleSchemas);
        }
        let (hint, hints_collide) = combine_hints(self.reset_hint, other.reset_hint);
        self.reset_hint = hint;
        let signed = |value: f64| if sign == Sign::Minus { -value } else { value };
        self.count.merge(C::new(signed(other.count)));
        self.sum.merge(C::new(signed(other.sum)));
        let bounds_reconciled = if is_custom_schema(self.schema) {
            self.combine_custom(other, signed)
        } else {
            self.combine_exponential(other, sign);
            false
        };
        Ok(Combined { hints_collide, bounds_reconciled })
    }

    /// Whether bounds had to be reconciled.
    fn combine_custom(&mut self, other: &FloatHistogram, signed: impl Fn(f64) -> f64 + Copy) -> bool {
        if self.custom_values == other.custom_values {
            self.positive.add_counts(&other.positive_spans, &other.positive_buckets, signed);
            return false;
        }
        let bounds = custom::intersection(&self.custom_values, &other.custom_values);
        let mut cells = vec![C::default(); bounds.len() + 1];
        custom::map_onto(self.positive.indexed(), &self.custom_values, &bounds, &mut cells);
        let others = side(&other.positive_spans, &other.positive_buckets, signed);
        custom::map_onto(others, &other.custom_values, &bounds, &mut cells);
        self.positive = custom::populated(&cells);
        self.custom_values = bounds;
        true
    }

    fn combine_exponential(&mut self, other: &FloatHistogram, sign: Sign) {
        let other_zero: C = self.reconcile_zero_bucket(other);
        self.zero_count.merge(if sign == Sign::Minus { other_zero.negated() } else { other_zero });
        if other.schema < self.schema {
            reduce_side(&mut self.positive.spans, &mut self.positive.cells, self.schema, other.schema);
            reduce_side(&mut self.negative.spans, &mut self.negative.cells, self.schema, other.schema);
            self.schema = other.schema;
        }
        let signed = |value: f64| if sign == Sign::Minus { -value } else { value };
        let (schema, threshold) = (self.schema, self.zero_threshold);
        let add = |target: &mut CellSide<C>, spans: &[Span], counts: &[f64]| {
            let outside_zero = spans.first().is_none_or(|span| upper_bound(span.offset, schema) > threshold);
            if other.schema == schema && outside_zero {
                target.add_counts(spans, counts, signed);
            } else {
                let counts = at_schema(side(spans, counts, signed), other.schema, schema);
                target.add(counts.skip_while(|(index, _)| upper_bound(*index, schema) <= threshold));
            }
        };
        add(&mut self.positive, &other.positive_spans, &other.positive_buckets);
        add(&mut self.negative, &other.negative_spans, &other.negative_buckets);
    }

    /// Widens the zero bucket until it covers that of `other` and ends inside no populated bucket of either;
    /// returns what the zero count of `other` would be.
    fn reconcile_zero_bucket(&mut self, other: &FloatHistogram) -> C {
        let mut other_zero = C::new(other.zero_count);
        let mut other_threshold = other.zero_threshold;
        while other_threshold != self.zero_threshold
            && !other_threshold.is_nan()
            && !self.zero_threshold.is_nan()
        {
            if self.zero_threshold > other_threshold {
                (other_zero, other_threshold) = zero_count_up_to(
                    self.zero_threshold,
                    C::new(other.zero_count),
                    other.schema,
                    &side(&other.positive_spans, &other.positive_buckets, std::convert::identity),
                    &side(&other.negative_spans, &other.negative_buckets, std::convert::identity),
                );
            }
            if other_threshold > self.zero_threshold {
                (self.zero_count, self.zero_threshold) = zero_count_up_to(
                    other_threshold,
                    self.zero_count,
                    self.schema,
                    &self.positive.indexed(),
                    &self.negative.indexed(),
                );
                self.positive.drop_below(self.zero_threshold, self.schema);
                self.negative.drop_below(self.zero_threshold, self.schema);
            }
        }
        other_zero
    }
}

impl<C: Cell> CellSide<C> {
    pub(super) fn indexed(&self) -> Indexed<'_, C> {
        Indexed::new(&self.spans, &self.cells)
    }

    /// Adds counts of the same schema.
    fn add_counts(&mut self, spans: &[Span], counts: &[f64], signed: impl Fn(f64) -> f64 + Clone) {
        // Histograms of one metric mostly share their layout.
        if self.spans == spans && self.cells.len() == counts.len() {
            for (cell, count) in self.cells.iter_mut().zip(counts) {
                cell.merge(C::new(signed(*count)));
            }
        } else {
            self.add(side(spans, counts, signed));
        }
    }

    /// Adds `others`, ascending by index.
    fn add(&mut self, others: impl Iterator<Item = (i32, C)>) {
        let mut builder = SpanBuilder::with_capacity(self.spans.len());
        let mut sums = Vec::with_capacity(self.cells.len());
        for (index, own, other) in merge_join(self.indexed(), others) {
            let mut cell = own.or(other).unwrap_or_default();
            if let (Some(_), Some(other)) = (own, other) {
                cell.merge(other);
            }
            builder.push(index);
            sums.push(cell);
        }
        self.spans = builder.finish();
        self.cells = sums;
    }

    /// Removes the buckets that begin inside a zero bucket of this threshold.
    fn drop_below(&mut self, threshold: f64, schema: i32) {
        let inside = |index: i32| upper_bound(index.wrapping_sub(1), schema) < threshold;
        let mut builder = SpanBuilder::with_capacity(self.spans.len());
        let mut kept = Vec::with_capacity(self.cells.len());
        for (index, cell) in self.indexed().skip_while(|(index, _)| inside(*index)) {
            builder.push(index);
            kept.push(cell);
        }
        self.spans = builder.finish();
        self.cells = kept;
    }
}

/// The counts of one side of a histogram as cells.
fn side<'a, C: Cell>(
    spans: &'a [Span],
    counts: &'a [f64],
    signed: impl Fn(f64) -> f64 + Clone + 'a,
) -> impl Iterator<Item = (i32, C)> + Clone + 'a {
    Indexed::new(spans, counts).map(move |(index, count)| (index, C::new(signed(count))))
}

/// The hint of a combination, and whether the two contradict each other.
///
/// Counters are rarely added on purpose; the hint only stays meaningful as far as both agree.
#[must_use]
pub fn combine_hints(a: ResetHint, b: ResetHint) -> (ResetHint, bool) {
    use ResetHint::{Gauge, Unknown};
    match (a, b) {
        (a, b) if a == b => (a, false),
        (Gauge, _) | (_, Gauge) => (Gauge, false),
        (Unknown, _) | (_, Unknown) => (Unknown, false),
        _ => (Unknown, true),
    }
}
