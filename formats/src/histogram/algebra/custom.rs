//! Custom buckets whose bounds differ: only the bounds that both have can be kept.

use super::{cell::Cell, combine::CellSide, spans::SpanBuilder};

/// The bounds that are in both ascending lists.
pub(super) fn intersection(a: &[f64], b: &[f64]) -> Vec<f64> {
    let mut b = b.iter().peekable();
    let mut common = Vec::new();
    for bound in a {
        while b.next_if(|other| *other < bound).is_some() {}
        if b.next_if(|other| *other == bound).is_some() {
            common.push(*bound);
        }
    }
    common
}

/// Adds buckets with the upper bounds `from` to `cells`, which have the upper bounds `to` and one for the rest.
pub(super) fn map_onto<C: Cell>(
    buckets: impl Iterator<Item = (i32, C)>,
    from: &[f64],
    to: &[f64],
    cells: &mut [C],
) {
    let mut target = 0;
    for (index, cell) in buckets {
        match usize::try_from(index).ok().and_then(|index| from.get(index)) {
            Some(bound) => target += to.iter().skip(target).take_while(|other| *other < bound).count(),
            None => target = to.len(),
        }
        if let Some(sum) = cells.get_mut(target) {
            sum.merge(cell);
        }
    }
}

/// The populated ones of `cells`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "bounds of a histogram fit the index type of its buckets"
)]
pub(super) fn populated<C: Cell>(cells: &[C]) -> CellSide<C> {
    let mut builder = SpanBuilder::default();
    let mut kept = Vec::new();
    for (index, cell) in cells.iter().enumerate().filter(|(_, cell)| cell.count() != 0.0) {
        builder.push(index as i32);
        kept.push(*cell);
    }
    CellSide { spans: builder.finish(), cells: kept }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_common_bounds_stay() {
        assert_eq!(intersection(&[1.0, 2.0, 5.0], &[0.5, 2.0, 3.0, 5.0, 9.0]), [2.0, 5.0]);
        assert_eq!(intersection(&[1.0], &[2.0]), [0.0; 0]);
        assert_eq!(intersection(&[], &[2.0]), [0.0; 0]);
    }

    #[test]
    fn counts_go_to_the_bucket_that_contains_them() {
        let mut cells = [0.0; 3];
        let buckets = [(0, 1.0), (1, 2.0), (2, 4.0), (3, 8.0)];
        map_onto(buckets.into_iter(), &[1.0, 2.0, 4.0], &[2.0, 4.0], &mut cells);
        assert_eq!(cells, [3.0, 4.0, 8.0]);
        let mut cells = [0.0; 1];
        map_onto(buckets.into_iter(), &[1.0, 2.0, 4.0], &[], &mut cells);
        assert_eq!(cells, [15.0]);
    }
}
