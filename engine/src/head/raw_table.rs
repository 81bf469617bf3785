//! From the hash of a label set as a sender wrote it to the series, without looking at the labels.
//!
//! Senders repeat the bytes of a series exactly, so one hash and one look-up resolve a known series. The hash
//! is seeded at random: nobody can construct two label sets that collide.

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::{Mutex, RwLock};
use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::SeriesPlace;

/// Cells of an empty table.
const CAPACITY_MIN: usize = 64;

/// Hash of a label set as it was received; see [`RawHasher`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawHash {
    bucket: u64,
    /// What is compared beside the bucket: 96 bits in all. Two of a hundred million series collide with a
    /// chance of one in 10^13.
    check: u32,
}

/// Hashes label sets as senders write them. Two encodings of the same labels may have two hashes; both lead
/// to the same series.
#[derive(Debug, Clone, Copy)]
pub struct RawHasher {
    seed: u64,
}

impl RawHasher {
    pub(super) const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// What makes the hashes unpredictable.
    pub(super) const fn seed(self) -> u64 {
        self.seed
    }

    /// The hash of the bytes that encode a label set, in any encoding that is a function of the bytes.
    #[must_use]
    pub fn hash(&self, bytes: &[u8]) -> RawHash {
        let [low @ .., a, b, c, d, _, _, _, _] = xxh3_128_with_seed(bytes, self.seed).to_le_bytes();
        RawHash { bucket: u64::from_le_bytes(low), check: u32::from_le_bytes([a, b, c, d]) }
    }
}

/// A cell of the table, which readers look at without a lock. A cell is filled once and never changed: the bucket
/// first, then what is beside it.
#[derive(Debug)]
struct Cell {
    bucket: AtomicU64,
    /// Check and series, or [`EMPTY`].
    rest: AtomicU64,
}

/// What [`Cell::rest`] is until the cell is filled.
const EMPTY: u64 = u64::MAX;

// Four cells are a cache line.
const _: () = assert!(size_of::<Cell>() == 16);

/// Cells in the order of their hashes, as far as there is room; those without room follow.
#[derive(Debug)]
struct Cells(Box<[Cell]>);

impl Cells {
    fn with_capacity(capacity: usize) -> Self {
        let empty = || Cell { bucket: AtomicU64::new(0), rest: AtomicU64::new(EMPTY) };
        Self((0..capacity.max(CAPACITY_MIN)).map(|_| empty()).collect())
    }

    /// Where the search for a hash begins. Multiplication instead of a remainder: any capacity will do.
    #[inline]
    fn place(&self, bucket: u64) -> usize {
        let product = u128::from(bucket) * self.0.len() as u128;
        let [_, _, _, _, _, _, _, _, high @ ..] = product.to_le_bytes();
        usize::try_from(u64::from_le_bytes(high)).unwrap_or(0)
    }

    /// All cells, from where the search for a hash begins.
    #[inline]
    fn search(&self, bucket: u64) -> impl Iterator<Item = &Cell> {
        let (before, from) = self.0.split_at(self.place(bucket));
        from.iter().chain(before)
    }

    #[inline]
    fn find(&self, hash: RawHash) -> Option<SeriesPlace> {
        for cell in self.search(hash.bucket) {
            let rest = cell.rest.load(Ordering::Acquire);
            if rest == EMPTY {
                return None;
            }
            let (check, series) = unpack(rest);
            if check == hash.check && cell.bucket.load(Ordering::Relaxed) == hash.bucket {
                return Some(series);
            }
        }
        None
    }

    /// Fills the first empty cell. Nobody else may do so at the same time.
    fn fill(&self, bucket: u64, rest: u64) {
        let empty = self.search(bucket).find(|cell| cell.rest.load(Ordering::Relaxed) == EMPTY);
        if let Some(cell) = empty {
            cell.bucket.store(bucket, Ordering::Relaxed);
            cell.rest.store(rest, Ordering::Release);
        }
    }

    /// What the cells are filled with, in the order of their hashes.
    fn filled(&self) -> impl Iterator<Item = (u64, u64)> {
        let load = |cell: &Cell| (cell.bucket.load(Ordering::Relaxed), cell.rest.load(Ordering::Relaxed));
        self.0.iter().map(load).filter(|(_, rest)| *rest != EMPTY)
    }

    /// A copy of `count` of the filled cells with room for more.
    fn rebuilt(count: usize, filled: impl Iterator<Item = (u64, u64)>) -> Self {
        let rebuilt = Self::with_capacity(count + count / 2);
        filled.for_each(|(bucket, rest)| rebuilt.fill(bucket, rest));
        rebuilt
    }
}

fn pack(hash: RawHash, series: SeriesPlace) -> u64 {
    u64::from(hash.check) << 32 | u64::from(series.0)
}

#[expect(clippy::cast_possible_truncation, reason = "the halves of a word")]
const fn unpack(rest: u64) -> (u32, SeriesPlace) {
    ((rest >> 32) as u32, SeriesPlace(rest as u32))
}

/// The look-up table. Looking up takes no lock that others wait for: nearly every row of every request does it.
#[derive(Debug)]
pub(super) struct RawTable {
    /// Replaced when it has become too small; whoever looks something up goes on with the one before.
    cells: RwLock<Arc<Cells>>,
    /// Number of filled cells; held by whoever fills one.
    filled: Mutex<usize>,
}

impl Default for RawTable {
    fn default() -> Self {
        Self { cells: RwLock::new(Arc::new(Cells::with_capacity(0))), filled: Mutex::new(0) }
    }
}

impl RawTable {
    fn cells(&self) -> Arc<Cells> {
        Arc::clone(&self.cells.read())
    }

    /// The series that was inserted under this hash.
    #[inline]
    pub(super) fn get(&self, hash: RawHash) -> Option<SeriesPlace> {
        self.cells.read().find(hash)
    }

    /// Calls `found`, for each of `hashes`, with the series that was inserted under it.
    pub(super) fn get_all(&self, hashes: &[RawHash], found: impl FnMut(Option<SeriesPlace>)) {
        let cells = self.cells();
        // Each look-up waits for memory. A first look at all of them, which needs none before the next, makes the
        // processor wait for many at a time.
        let first = |hash: &RawHash| cells.0.get(cells.place(hash.bucket));
        let touched = hashes.iter().filter_map(first).map(|cell| cell.rest.load(Ordering::Relaxed));
        black_box(touched.fold(0, u64::wrapping_add));
        hashes.iter().map(|hash| cells.find(*hash)).for_each(found);
    }

    /// Remembers the series under this hash. Under a hash that is known already the one before stays.
    pub(super) fn insert(&self, hash: RawHash, series: SeriesPlace) {
        let rest = pack(hash, series);
        let mut filled = self.filled.lock();
        let mut cells = self.cells();
        if cells.find(hash).is_some() || rest == EMPTY {
            return;
        }
        if *filled >= cells.0.len() / 5 * 4 {
            cells = Arc::new(Cells::rebuilt(cells.0.len(), cells.filled()));
            *self.cells.write() = Arc::clone(&cells);
        }
        cells.fill(hash.bucket, rest);
        *filled += 1;
    }

    /// Gives series new names, and forgets those that have none.
    pub(super) fn rename(&self, renamed: impl Fn(SeriesPlace) -> Option<SeriesPlace>) {
        let mut filled = self.filled.lock();
        let cells = self.cells();
        let kept = || {
            cells.filled().filter_map(|(bucket, rest)| {
                let (check, series) = unpack(rest);
                Some((bucket, pack(RawHash { bucket, check }, renamed(series)?)))
            })
        };
        *filled = kept().count();
        *self.cells.write() = Arc::new(Cells::rebuilt(*filled, kept()));
    }

    /// Bytes of memory held.
    pub(super) fn bytes(&self) -> usize {
        self.cells.read().0.len() * size_of::<Cell>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(number: u32) -> RawHash {
        RawHasher::new(7).hash(&number.to_le_bytes())
    }

    #[test]
    fn what_was_inserted_is_found_while_the_table_grows() {
        let table = RawTable::default();
        for number in 0..20_000 {
            table.insert(hash(number), SeriesPlace(number));
            assert_eq!(table.get(hash(number / 2)), Some(SeriesPlace(number / 2)));
            assert_eq!(table.get(hash(number + 1)), None);
        }
        let hashes: Vec<_> = (0..30_000).map(hash).collect();
        let mut found = Vec::new();
        table.get_all(&hashes, |place| found.push(place));
        let expected = (0..30_000).map(|number| (number < 20_000).then_some(SeriesPlace(number)));
        assert!(found.into_iter().eq(expected));
        assert!(table.bytes() < 20_000 * 16 * 2, "{}", table.bytes());
    }

    #[test]
    fn the_first_series_under_a_hash_stays() {
        let table = RawTable::default();
        table.insert(hash(1), SeriesPlace(1));
        table.insert(hash(1), SeriesPlace(2));
        assert_eq!(table.get(hash(1)), Some(SeriesPlace(1)));
    }

    #[test]
    fn hashes_of_one_bucket_differ_by_what_is_beside_it() {
        let table = RawTable::default();
        // The last cell of all: the search goes on at the first.
        let hashes: Vec<_> = (0..100).map(|check| RawHash { bucket: u64::MAX, check }).collect();
        for (number, hash) in (0..).zip(&hashes) {
            table.insert(*hash, SeriesPlace(number));
        }
        for (number, hash) in (0..).zip(&hashes) {
            assert_eq!(table.get(*hash), Some(SeriesPlace(number)));
        }
        assert_eq!(table.get(RawHash { bucket: u64::MAX, check: 100 }), None);
        assert_eq!(table.get(RawHash { bucket: u64::MAX - 1, check: 1 }), None);
    }

    #[test]
    fn names_change_and_what_is_forgotten_takes_no_memory() {
        let table = RawTable::default();
        (0..10_000).for_each(|number| table.insert(hash(number), SeriesPlace(number)));
        table.rename(|series| (series.0 % 100 == 0).then_some(SeriesPlace(series.0 / 100)));
        for number in 0..10_000 {
            let expected = (number % 100 == 0).then_some(SeriesPlace(number / 100));
            assert_eq!(table.get(hash(number)), expected);
        }
        assert!(table.bytes() < 100 * 16 * 2, "{}", table.bytes());
        (10_000..20_000).for_each(|number| table.insert(hash(number), SeriesPlace(number)));
        assert!((10_000..20_000).all(|number| table.get(hash(number)) == Some(SeriesPlace(number))));
    }
}
