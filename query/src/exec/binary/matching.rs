//! Which series of two vectors belong together.

use super::super::{Series, grouping::Grouping, hash::Map};
use crate::lang::promql::VectorMatching;

/// The series of both vectors by the labels that they are matched by.
pub(super) struct Signatures {
    /// Match group of each series on the left.
    pub(super) lhs: Vec<usize>,
    /// Match group of each series on the right.
    pub(super) rhs: Vec<usize>,
    /// Number of match groups.
    pub(super) len: usize,
}

/// The labels that `matching` compares.
pub(super) fn grouping(matching: &VectorMatching) -> Grouping {
    Grouping::new(&matching.labels, !matching.on)
}

impl Signatures {
    /// Finds the match groups of both vectors.
    pub(super) fn new(lhs: &[Series], rhs: &[Series], matching: &VectorMatching) -> Self {
        let grouping = grouping(matching);
        let mut places: Map<Vec<u8>, usize> = Map::default();
        let mut key = Vec::new();
        let mut number = |series: &Series| {
            let next = places.len();
            *places.entry_ref(grouping.key(&series.labels, &mut key)).or_insert(next)
        };
        let lhs = lhs.iter().map(&mut number).collect();
        let rhs = rhs.iter().map(&mut number).collect();
        Self { lhs, rhs, len: places.len() }
    }
}
