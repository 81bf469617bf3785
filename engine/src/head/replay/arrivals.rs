//! Exemplars of several replayers, put back into the order of the log.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use super::super::{Exemplar, Head};

/// An exemplar on its way to the head's ring, which has an order across all shards.
#[derive(Debug)]
pub(crate) struct Arrived {
    /// The frame it came in, and its rank there.
    pub(super) place: (u64, u32),
    pub(super) shard: u16,
    pub(super) id: u32,
    pub(super) exemplar: Exemplar,
}

/// Collects the exemplars of each segment until all replayers are through with it.
#[derive(Debug)]
pub(crate) struct Arrivals<'a> {
    head: &'a Head,
    replayers: usize,
    /// By segment: how many replayers are through with it, and what they found.
    segments: Mutex<BTreeMap<usize, (usize, Vec<Arrived>)>>,
}

impl<'a> Arrivals<'a> {
    pub(crate) fn new(head: &'a Head, replayers: usize) -> Self {
        Self { head, replayers, segments: Mutex::default() }
    }

    /// Takes what one replayer found in the segment that is the `index`th for all of them, and adds it to the head once
    /// it is complete. Every replayer calls it for each segment, in order.
    pub(crate) fn add(&self, index: usize, arrived: Vec<Arrived>) {
        let mut segments = self.segments.lock();
        let (through, all) = segments.entry(index).or_default();
        *through += 1;
        all.extend(arrived);
        if *through == self.replayers {
            let (_, mut all) = segments.remove(&index).unwrap_or_default();
            all.sort_unstable_by_key(|arrived| arrived.place);
            // Under the lock: the next segment's come later.
            self.head.add_arrived(all);
        }
    }
}
