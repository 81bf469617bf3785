//! Which shards and frames are whose, when several replayers fill one head.

/// The shards of the head that one of several replayers fills: those whose numbers end in the same bits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share {
    index: u16,
    /// Number of replayers, a power of two.
    of: u16,
}

impl Share {
    /// The shares of a head with `shards` shards among at most `threads` replayers.
    pub(crate) fn among(threads: usize, shards: usize) -> impl ExactSizeIterator<Item = Self> {
        let most = u16::try_from(threads.min(shards)).unwrap_or(u16::MAX).max(1);
        let of = 1 << most.ilog2();
        (0..of).map(move |index| Self { index, of })
    }

    /// Whether this shard is ours.
    pub(crate) const fn has(self, shard: u16) -> bool {
        shard & (self.of - 1) == self.index
    }

    /// Whether all that was written for a shard is the business of the one that has the shard of this number now,
    /// given for which shards frames were written; they come from one process.
    ///
    /// Numbers of shards are powers of two, and a series' shard is the low bits of its fingerprint's upper end. So the
    /// bits by which replayers share are the same whatever the number of shards, provided that the log's writer had as
    /// many shards as there are replayers. It had twice as many as the highest bit of any shard's number says, or more.
    /// Otherwise series of one old shard may go to several replayers, and all of them have to read all frames.
    pub(crate) fn by_shard(self, shards: impl Iterator<Item = u16>) -> bool {
        shards.max().unwrap_or(0) >= self.of / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shard_is_in_one_share() {
        for (threads, shards, len) in
            [(1, 4, 1), (0, 4, 1), (2, 4, 2), (3, 4, 2), (64, 4, 4), (2, 1, 1), (4096, 1024, 1024)]
        {
            let shares: Vec<_> = Share::among(threads, shards).collect();
            assert_eq!(shares.len(), len, "{threads} threads, {shards} shards");
            let shards = u16::try_from(shards).unwrap();
            assert!((0..shards).all(|shard| shares.iter().filter(|share| share.has(shard)).count() == 1));
        }
    }

    #[test]
    fn frames_are_told_apart_by_shard_only_if_their_writer_had_enough_shards() {
        let share = Share { index: 0, of: 4 };
        assert!(!share.by_shard([].into_iter()), "nothing is known");
        assert!(!share.by_shard([0, 1].into_iter()), "there may have been two shards");
        assert!(share.by_shard([0, 2].into_iter()), "there were four or more");
        assert!(Share { index: 0, of: 1 }.by_shard([].into_iter()), "a single one takes everything");
    }
}
