//! The timestamp columns of a block that is being written: each scrape's timestamps once, for all its series.
//!
//! Series come in the order of their labels, so those of one scrape target lie all over the block. A series looks
//! its first timestamps up among places in the columns so far; where the columns go on as its timestamps do, but
//! for some that it missed, they are its own, and else it begins a column. One that lived longer than those
//! before it lengthens their column, which leaves what was said of it true.

use hashbrown::HashMap;
use kymo_formats::{
    block::timestamps::{self, COLUMN_LEN_MAX},
    codec::column_chunk::TimestampRun,
};

/// Every so many timestamps of a column can be looked up, and the first ones of each series.
const PLACE_INTERVAL: usize = 64;
/// So many timestamps of a series are looked up: one of them is at such a place if the column is the right one
/// and the series misses none.
const LOOK_UPS: usize = PLACE_INTERVAL;
/// Places that are kept of one timestamp: targets that are scraped in the same millisecond.
const PLACES_MAX: usize = 8;
/// Of the timestamps of a column a series may miss this part, and a few. Beyond it gets a column of its own.
const MISSED_PART: usize = 8;
const MISSED_FEW: usize = 16;

/// Where a timestamp stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    column: u32,
    position: u32,
}

/// The columns so far.
#[derive(Debug, Default)]
pub(super) struct TimestampTable {
    columns: Vec<Vec<i64>>,
    places: HashMap<i64, Vec<Place>>,
    /// Timestamps of the series at hand, and where each stands in its column; kept for their memory.
    ts: Vec<i64>,
    positions: Vec<u32>,
}

impl TimestampTable {
    /// Finds or makes room for the timestamps of the chunks of one series, which ascend from chunk to chunk.
    pub(super) fn runs(&mut self, chunks: &[&[i64]]) -> Vec<TimestampRun> {
        if chunks.len() > 1 && chunks.iter().map(|ts| ts.len()).sum::<usize>() > COLUMN_LEN_MAX {
            return chunks.iter().flat_map(|ts| self.runs(&[ts])).collect();
        }
        self.ts.clear();
        chunks.iter().for_each(|ts| self.ts.extend_from_slice(ts));
        let column = self.find().unwrap_or_else(|| self.begin());
        let mut rest = self.positions.as_slice();
        let runs = chunks.iter().map(|ts| {
            let (positions, later) = rest.split_at(ts.len());
            rest = later;
            run(column, positions)
        });
        runs.collect()
    }

    /// The section of the block; nothing when no chunk needs it.
    pub(super) fn section(&self) -> Option<Vec<u8>> {
        let mut section = Vec::new();
        timestamps::encode(&self.columns, &mut section);
        (!self.columns.is_empty()).then_some(section)
    }

    /// A column that has the timestamps, or can be lengthened to. `positions` is filled.
    fn find(&mut self) -> Option<u32> {
        let candidates = self.ts.iter().take(LOOK_UPS).filter_map(|ts| self.places.get(ts));
        let candidates: Vec<u32> = candidates.flatten().map(|place| place.column).collect();
        let mut tried = Vec::new();
        for column in candidates {
            if tried.contains(&column) {
                continue;
            }
            tried.push(column);
            if let Some(fitting) = fit(&self.columns[column as usize], &self.ts, &mut self.positions) {
                self.lengthen(column, self.ts.len() - fitting);
                self.note(column, 0);
                return Some(column);
            }
        }
        None
    }

    /// A new column of exactly the timestamps.
    fn begin(&mut self) -> u32 {
        let column = u32::try_from(self.columns.len()).expect("as many columns as chunks at most");
        self.columns.push(Vec::new());
        self.positions.clear();
        self.lengthen(column, self.ts.len());
        self.note(column, 0);
        column
    }

    /// Appends the last `missing` timestamps to a column.
    fn lengthen(&mut self, column: u32, missing: usize) {
        let from = self.ts.len() - missing;
        for at in from..self.ts.len() {
            let len = self.columns[column as usize].len();
            self.positions.push(u32::try_from(len).expect("shorter than the longest column"));
            self.columns[column as usize].push(self.ts[at]);
            if len.is_multiple_of(PLACE_INTERVAL) {
                self.note(column, at);
            }
        }
    }

    /// Remembers where timestamp `at` stands.
    fn note(&mut self, column: u32, at: usize) {
        let (Some(ts), Some(position)) = (self.ts.get(at), self.positions.get(at)) else { return };
        let places = self.places.entry(*ts).or_default();
        let known = places.iter().any(|place| place.column == column);
        if !known && places.len() < PLACES_MAX {
            places.push(Place { column, position: *position });
        }
    }
}

/// Fills `positions` with the places of `ts` in `column`. How many of them are there, the others belong behind the
/// column's end; `None` when the column is another scrape's.
fn fit(column: &[i64], ts: &[i64], positions: &mut Vec<u32>) -> Option<usize> {
    positions.clear();
    let first = column.binary_search(ts.first()?).ok()?;
    let mut may_miss = ts.len() / MISSED_PART + MISSED_FEW;
    let mut position = first;
    for ts in ts {
        while column.get(position).is_some_and(|there| there < ts) {
            position += 1;
            may_miss = may_miss.checked_sub(1)?;
        }
        match column.get(position) {
            Some(there) if there == ts => positions.push(u32::try_from(position).ok()?),
            Some(_) => return None,
            None => break,
        }
        position += 1;
    }
    // One timestamp in common is chance.
    let alike = positions.len() == ts.len() || positions.len() > 1;
    (alike && column.len() + ts.len() - positions.len() <= COLUMN_LEN_MAX).then_some(positions.len())
}

fn run(column: u32, positions: &[u32]) -> TimestampRun {
    let first = positions.first().copied().unwrap_or(0);
    let between = positions.windows(2).flat_map(|pair| pair[0] + 1..pair[1]);
    TimestampRun { column, first, missed: between.map(|position| position - first).collect() }
}

#[cfg(test)]
mod tests {
    use kymo_formats::block::timestamps::TimestampColumns;
    use proptest::{
        prelude::*,
        test_runner::{Config, FileFailurePersistence},
    };

    use super::*;

    fn config() -> Config {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../proptest-regressions/engine/timestamps.txt");
        Config {
            failure_persistence: Some(Box::new(FileFailurePersistence::Direct(path))),
            ..Config::default()
        }
    }

    /// Scrapes of a target: every 100, with its own phase and jitter.
    fn scrapes(target: i64, from: i64, len: i64) -> Vec<i64> {
        (from..from + len).map(|i| i * 100 + target * 7 + (i * i * (target + 3)) % 5).collect()
    }

    fn split(ts: &[i64], chunks: usize) -> Vec<&[i64]> {
        ts.chunks(ts.len().div_ceil(chunks).max(1)).collect()
    }

    #[test]
    fn all_series_of_a_target_share_a_column() {
        let mut table = TimestampTable::default();
        for _ in 0..50 {
            for target in 0..5 {
                table.runs(&split(&scrapes(target, 0, 500), 3));
            }
        }
        assert_eq!(table.columns.len(), 5);
    }

    #[test]
    fn series_that_missed_scrapes_or_came_and_went_share_it_too() {
        let mut table = TimestampTable::default();
        let all = scrapes(1, 0, 1000);
        table.runs(&[&all[..300]]);
        table.runs(&[&all[100..]]);
        let with_gaps: Vec<i64> = all.iter().copied().filter(|ts| ts % 11 != 0).collect();
        let runs = table.runs(&split(&with_gaps, 4));
        assert!(runs.iter().all(|run| !run.missed.is_empty()));
        assert_eq!(table.columns, [all]);
    }

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn every_chunk_gets_its_timestamps_back(
            series in prop::collection::vec(
                (0_i64..4, 0_i64..300, 1_i64..300, 1_usize..5, prop::collection::vec(any::<bool>(), 8)),
                1..40,
            ),
        ) {
            let mut table = TimestampTable::default();
            let mut expected = Vec::new();
            for (target, from, len, chunks, missed) in series {
                let mut at = 0;
                let mut ts = scrapes(target, from, len);
                ts.retain(|_| {
                    at += 1;
                    !missed[at % missed.len()] || at == 1
                });
                let chunks = split(&ts, chunks);
                for (run, ts) in table.runs(&chunks).into_iter().zip(&chunks) {
                    expected.push((run, ts.to_vec()));
                }
            }
            let section = table.section().unwrap();
            let columns = TimestampColumns::parse(&section).unwrap();
            for (run, ts) in expected {
                let mut found = Vec::new();
                run.resolve(ts.len(), &columns.get(run.column).unwrap(), &mut found).unwrap();
                prop_assert_eq!(found, ts);
            }
        }
    }
}
