//! Spans as a sequence of bucket indices: reading it, and writing a new one.

use std::cmp::Ordering;

use crate::histogram::Span;

/// The buckets of one side by ascending index: `(index, count)`.
///
/// Ends early when spans and counts disagree; indices wrap. Both happen only with damaged histograms, which
/// must not stop a query.
#[derive(Debug, Clone)]
pub struct Indexed<'a, T = f64> {
    spans: &'a [Span],
    counts: &'a [T],
    /// Index of the next bucket, if it is in the current span.
    index: i32,
    /// Buckets left in the current span.
    left: u32,
}

impl<'a, T> Indexed<'a, T> {
    /// The buckets of these spans.
    #[must_use]
    pub const fn new(spans: &'a [Span], counts: &'a [T]) -> Self {
        Self { spans, counts, index: 0, left: 0 }
    }
}

impl<T: Copy> Iterator for Indexed<'_, T> {
    type Item = (i32, T);

    fn next(&mut self) -> Option<Self::Item> {
        let (&count, counts) = self.counts.split_first()?;
        while self.left == 0 {
            let (span, spans) = self.spans.split_first()?;
            self.spans = spans;
            self.index = self.index.wrapping_add(span.offset);
            self.left = span.length;
        }
        let index = self.index;
        self.counts = counts;
        self.index = index.wrapping_add(1);
        self.left -= 1;
        Some((index, count))
    }
}

/// The buckets of one side by descending index: `(index, count)`.
#[derive(Debug, Clone)]
pub struct IndexedBack<'a> {
    spans: &'a [Span],
    counts: &'a [f64],
    /// One more than the index of the next bucket, if it is in the current span.
    end: i32,
    /// Buckets left in the current span.
    left: u32,
    /// How far below the current span the previous one ends.
    gap: i32,
}

impl<'a> IndexedBack<'a> {
    /// The buckets of these spans.
    #[must_use]
    pub fn new(spans: &'a [Span], counts: &'a [f64]) -> Self {
        let end = spans
            .iter()
            .fold(0_i32, |end, span| end.wrapping_add(span.offset).wrapping_add_unsigned(span.length));
        Self { spans, counts, end, left: 0, gap: 0 }
    }
}

impl Iterator for IndexedBack<'_> {
    type Item = (i32, f64);

    fn next(&mut self) -> Option<Self::Item> {
        let (&count, counts) = self.counts.split_last()?;
        while self.left == 0 {
            let (span, spans) = self.spans.split_last()?;
            self.spans = spans;
            self.end = self.end.wrapping_sub(self.gap);
            self.gap = span.offset;
            self.left = span.length;
        }
        self.counts = counts;
        self.end = self.end.wrapping_sub(1);
        self.left -= 1;
        Some((self.end, count))
    }
}

/// Builds the spans of ascending bucket indices.
#[derive(Debug, Default)]
pub(super) struct SpanBuilder {
    spans: Vec<Span>,
    /// One more than the last index.
    end: i32,
}

impl SpanBuilder {
    pub(super) fn with_capacity(spans: usize) -> Self {
        Self { spans: Vec::with_capacity(spans), end: 0 }
    }

    /// Index after the last one pushed, or `None` at the start.
    pub(super) fn end(&self) -> Option<i32> {
        (!self.spans.is_empty()).then_some(self.end)
    }

    /// Appends a bucket.
    pub(super) fn push(&mut self, index: i32) {
        match self.spans.last_mut() {
            Some(span) if index == self.end => span.length += 1,
            _ => self.spans.push(Span { offset: index.wrapping_sub(self.end), length: 1 }),
        }
        self.end = index.wrapping_add(1);
    }

    pub(super) fn finish(self) -> Vec<Span> {
        self.spans
    }
}

/// The spans of buckets with these indices, unless they do not ascend.
#[must_use]
pub fn spans_of(indices: &[i32]) -> Option<Vec<Span>> {
    let mut builder = SpanBuilder::default();
    indices.iter().for_each(|index| builder.push(*index));
    indices.is_sorted_by(|a, b| a < b).then(|| builder.finish())
}

/// Walks two ascending sequences of buckets as one: each index once, with what either side has.
pub(super) fn merge_join<A, B>(
    a: impl Iterator<Item = (i32, A)>,
    b: impl Iterator<Item = (i32, B)>,
) -> impl Iterator<Item = (i32, Option<A>, Option<B>)> {
    let (mut a, mut b) = (a.peekable(), b.peekable());
    std::iter::from_fn(move || {
        let order = match (a.peek(), b.peek()) {
            (None, None) => return None,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((index_a, _)), Some((index_b, _))) => index_a.cmp(index_b),
        };
        let left = if order.is_le() { a.next() } else { None };
        let right = if order.is_ge() { b.next() } else { None };
        let index =
            left.as_ref().map_or_else(|| right.as_ref().map(|(index, _)| *index), |(index, _)| Some(*index));
        index.map(|index| (index, left.map(|(_, value)| value), right.map(|(_, value)| value)))
    })
}

/// Whether two lists of spans describe the same buckets, however cut into spans.
pub(super) fn same_buckets(a: &[Span], b: &[Span]) -> bool {
    a == b || runs(a).eq(runs(b))
}

/// The spans without empty ones, those without a gap between them joined; offsets count from zero.
fn runs(spans: &[Span]) -> impl Iterator<Item = (i64, i64)> + '_ {
    let mut spans = spans.iter().peekable();
    let mut position = 0_i64;
    std::iter::from_fn(move || {
        let mut run: Option<(i64, i64)> = None;
        while let Some(span) = spans.peek() {
            let start = position + i64::from(span.offset);
            if span.length > 0 {
                match &mut run {
                    Some((_, end)) if *end == start => *end += i64::from(span.length),
                    Some(_) => break,
                    None => run = Some((start, start + i64::from(span.length))),
                }
            }
            position = start + i64::from(span.length);
            spans.next();
        }
        run
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn span(offset: i32, length: u32) -> Span {
        Span { offset, length }
    }

    #[test]
    fn both_directions_give_the_same_buckets() {
        let spans = [span(-2, 2), span(0, 0), span(3, 1), span(1, 2)];
        let counts = [1.0, 2.0, 3.0, 4.0, 5.0];
        let forward: Vec<_> = Indexed::new(&spans, &counts).collect();
        assert_eq!(forward, [(-2, 1.0), (-1, 2.0), (3, 3.0), (5, 4.0), (6, 5.0)]);
        let mut backward: Vec<_> = IndexedBack::new(&spans, &counts).collect();
        backward.reverse();
        assert_eq!(forward, backward);
    }

    #[test]
    fn too_few_spans_or_counts_end_the_walk() {
        assert_eq!(Indexed::new(&[span(0, 1)], &[1.0, 2.0]).count(), 1);
        assert_eq!(Indexed::new(&[span(i32::MAX, u32::MAX)], &[1.0, 2.0]).count(), 2);
        assert_eq!(IndexedBack::new(&[span(0, 1)], &[1.0, 2.0]).count(), 1);
        assert_eq!(IndexedBack::new(&[span(i32::MIN, 1), span(i32::MIN, 1)], &[1.0, 2.0]).count(), 2);
    }

    #[test]
    fn building_from_indices_joins_neighbours() {
        let mut builder = SpanBuilder::default();
        [-3, -2, 0, 1, 5].into_iter().for_each(|index| builder.push(index));
        assert_eq!(builder.finish(), [span(-3, 2), span(1, 2), span(3, 1)]);
    }

    #[test]
    fn merging_visits_each_index_once() {
        let (a, b) = ([(1, 'a'), (3, 'b')], [(1, 'x'), (2, 'y'), (4, 'z')]);
        assert_eq!(
            merge_join(a.into_iter(), b.into_iter()).collect::<Vec<_>>(),
            [(1, Some('a'), Some('x')), (2, None, Some('y')), (3, Some('b'), None), (4, None, Some('z'))]
        );
    }

    #[test]
    fn cuts_do_not_matter_for_equality() {
        assert!(same_buckets(&[span(1, 3)], &[span(0, 0), span(1, 2), span(0, 1)]));
        assert!(same_buckets(&[span(1, 1), span(2, 1)], &[span(1, 1), span(1, 0), span(1, 1)]));
        assert!(same_buckets(&[], &[span(5, 0)]));
        assert!(!same_buckets(&[span(1, 3)], &[span(2, 3)]));
        assert!(!same_buckets(&[span(1, 3)], &[span(1, 2)]));
    }
}
