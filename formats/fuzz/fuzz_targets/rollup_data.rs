//! A data file of rollups: whichever rows and facts are asked for, they are those of the whole, or there is an error.
#![cfg_attr(fuzzing, no_main)]

use std::sync::Arc;

use bytes::Bytes;
use kymo_formats::rollup::table::{DataFile, Facts, RollupColumns};

/// Files of ours say how many rows they have; reading more than this would only test patience.
const ROWS_MAX: u64 = 1 << 16;

pub fn target(bytes: &[u8]) {
    kymo_formats_fuzz::expect_panics_of_parquet();
    let bytes = Bytes::copy_from_slice(bytes);
    let Ok(file) = DataFile::open(&bytes) else { return };
    let all = 0..file.rows().min(ROWS_MAX);
    let middle = all.end / 3..all.end / 2;
    let reader = Arc::new(bytes);
    let read = |rows: &[std::ops::Range<u64>], facts| {
        drop(file.parts(rows, facts));
        file.read(&reader, rows, facts)
    };
    let whole = read(std::slice::from_ref(&all), Facts::ALL);
    let ends = read(std::slice::from_ref(&all), Facts { ends: true, ..Facts::default() });
    let part = read(&[middle.clone()], Facts::ALL);
    let Ok(whole) = whole else { return };
    assert_eq!(whole.len() as u64, all.end);
    for row in 0..whole.len() {
        assert!(whole.rollup(row).is_some());
    }
    assert_eq!(whole.rollup(whole.len()), None);
    if let Ok(ends) = ends {
        assert_eq!((&ends.end, &ends.count), (&whole.end, &whole.count));
        assert_eq!((bits(&ends.first), bits(&ends.last)), (bits(&whole.first), bits(&whole.last)));
        assert!(ends.sum.is_empty());
    }
    // A page index that lies leads to other pages of the file, which is why the engine checks the bytes first.
    if let Ok(part) = part {
        assert_eq!(part.len() as u64, middle.end - middle.start);
        assert!(is_whole(&part));
    }
}

fn is_whole(columns: &RollupColumns) -> bool {
    let rows = columns.len();
    [columns.first.len(), columns.min.len(), columns.max.len(), columns.sum.len(), columns.corr.len()]
        .into_iter()
        .chain([columns.resets.len(), columns.changes.len(), columns.stale.len(), columns.histograms.len()])
        .all(|len| len == rows)
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target(bytes));
