//! Bucket layouts against each other: does one cover the other, what is their union, and moving counts over.

use std::cmp::Ordering;

use crate::histogram::Span;

/// How the buckets of a new histogram relate to those of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Fit {
    /// The histogram has buckets that the chunk lacks.
    pub(super) grows_chunk: bool,
    /// The chunk has buckets that the histogram lacks.
    pub(super) grows_histogram: bool,
}

/// The indices of the buckets that `spans` cover, in their order.
pub(super) fn indices(spans: &[Span]) -> impl Iterator<Item = i64> {
    let mut next = 0_i64;
    spans.iter().flat_map(move |span| {
        let start = next + i64::from(span.offset);
        next = start + i64::from(span.length);
        start..next
    })
}

/// Compares the buckets of a chunk's last counter with those of the next; `None` when one of them declined or a
/// filled one disappeared, which is a reset.
pub(super) fn compare_counters<C: Copy + PartialOrd + Default>(
    chunk: (&[Span], impl Iterator<Item = C>),
    next: (&[Span], impl Iterator<Item = C>),
) -> Option<Fit> {
    if chunk.0 == next.0 {
        let declines = chunk.1.zip(next.1).any(|(before, after)| before > after);
        return (!declines).then_some(Fit::default());
    }
    let mut fit = Fit::default();
    let mut old = indices(chunk.0).zip(chunk.1).peekable();
    let mut new = indices(next.0).zip(next.1).peekable();
    loop {
        let order = match (old.peek(), new.peek()) {
            (Some((a, _)), Some((b, _))) => a.cmp(b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return Some(fit),
        };
        let before = if order == Ordering::Greater { None } else { old.next() };
        let after = if order == Ordering::Less { None } else { new.next() };
        match (before, after) {
            (Some((_, before)), Some((_, after))) if before > after => return None,
            (Some((_, before)), None) if before != C::default() => return None,
            (Some(_), None) => fit.grows_histogram = true,
            (None, Some(_)) => fit.grows_chunk = true,
            _ => {}
        }
    }
}

/// Compares the buckets of two gauges, whose counts may do as they like.
pub(super) fn compare_gauges(chunk: &[Span], next: &[Span]) -> Fit {
    if chunk == next {
        return Fit::default();
    }
    let mut fit = Fit::default();
    merge(chunk, next, |in_chunk, in_next, _| {
        fit.grows_chunk |= !in_chunk;
        fit.grows_histogram |= !in_next;
    });
    fit
}

/// The buckets of both, in as few spans as possible.
pub(super) fn union(a: &[Span], b: &[Span]) -> Vec<Span> {
    let mut spans = SpanBuilder::default();
    merge(a, b, |_, _, index| spans.push(index));
    spans.spans
}

/// Calls `each` for every bucket of `a` or `b` with whether either has it, in ascending order.
fn merge(a: &[Span], b: &[Span], mut each: impl FnMut(bool, bool, i64)) {
    let mut a = indices(a).peekable();
    let mut b = indices(b).peekable();
    while let Some(index) = a.peek().into_iter().chain(b.peek()).copied().min() {
        let in_a = a.next_if_eq(&index).is_some();
        let in_b = b.next_if_eq(&index).is_some();
        each(in_a, in_b, index);
    }
}

/// The counts of buckets at `from`, moved to the buckets at `to`, which has all of those and more.
pub(super) fn move_counts<C: Copy + Default>(
    from: &[Span],
    counts: impl Iterator<Item = C>,
    to: &[Span],
) -> impl Iterator<Item = C> {
    let mut old = indices(from).zip(counts).peekable();
    indices(to).map(move |index| {
        let count = old.next_if(|(old, _)| *old <= index);
        count.map_or_else(C::default, |(_, count)| count)
    })
}

/// Collects ascending bucket indices into spans.
#[derive(Debug, Default)]
struct SpanBuilder {
    spans: Vec<Span>,
    next: i64,
}

impl SpanBuilder {
    fn push(&mut self, index: i64) {
        let gap = index - std::mem::replace(&mut self.next, index + 1);
        match self.spans.last_mut() {
            Some(last) if gap == 0 => last.length += 1,
            // Offsets of validated histograms fit; a gap that does not can only come from hostile bytes, and
            // then a wrong layout of a wrong histogram is as good as any.
            _ => self.spans.push(Span { offset: i32::try_from(gap).unwrap_or(i32::MAX), length: 1 }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(pairs: &[(i32, u32)]) -> Vec<Span> {
        pairs.iter().map(|&(offset, length)| Span { offset, length }).collect()
    }

    #[test]
    fn indices_skip_gaps_and_empty_spans() {
        let all: Vec<i64> = indices(&spans(&[(-2, 2), (1, 0), (1, 2)])).collect();
        assert_eq!(all, [-2, -1, 2, 3]);
    }

    #[test]
    fn union_joins_neighbours() {
        let merged = union(&spans(&[(0, 2), (3, 1)]), &spans(&[(-1, 1), (3, 1)]));
        // -1 | 0 1 | 3 | 5
        assert_eq!(merged, spans(&[(-1, 3), (1, 1), (1, 1)]));
    }

    #[test]
    fn counts_move_to_their_buckets() {
        let (from, to) = (spans(&[(0, 2), (3, 1)]), spans(&[(-1, 3), (1, 1), (1, 1)]));
        let moved: Vec<i64> = move_counts(&from, [6, 3, 5].into_iter(), &to).collect();
        assert_eq!(moved, [0, 6, 3, 0, 5]);
    }

    #[test]
    fn a_bucket_that_vanishes_is_a_reset_unless_it_was_empty() {
        let (a, b) = (spans(&[(0, 2)]), spans(&[(0, 1), (1, 1)]));
        let fit = |counts: [i64; 2]| compare_counters((&a, counts.into_iter()), (&b, [5, 1].into_iter()));
        assert_eq!(fit([5, 0]), Some(Fit { grows_chunk: true, grows_histogram: true }));
        assert_eq!(fit([5, 1]), None);
        assert_eq!(fit([6, 0]), None);
    }
}
