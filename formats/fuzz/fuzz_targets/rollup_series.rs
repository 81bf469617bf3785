//! A file of series: what decodes has the labels of a series, in order, and survives being written again.
#![cfg_attr(fuzzing, no_main)]

use bytes::Bytes;
use kymo_formats::rollup::{
    Rollup,
    table::{FileSeries, FileSpec, LabelColumns, SeriesFile, SeriesRows, TableWriter},
};

/// Longest series whose rows are made up again.
const ROWS_MAX: u64 = 1 << 12;

pub fn target(bytes: &[u8]) {
    kymo_formats_fuzz::expect_panics_of_parquet();
    let Ok(file) = SeriesFile::open(Bytes::copy_from_slice(bytes)) else { return };
    drop(file.checksums());
    for group in 0..file.groups() {
        let Ok(series) = file.read_group(group) else { continue };
        series.iter().for_each(check);
        written_again(&series);
    }
}

fn check(series: &FileSeries) {
    assert!(series.rows.start <= series.rows.end);
    assert!(series.labels.is_sorted_by(|a, b| a.0 < b.0));
    assert!(series.labels.iter().all(|(_, value)| !value.is_empty()));
}

/// With made-up rows, the labels and the numbers of rows come back.
fn written_again(series: &[FileSeries]) {
    let length = |series: &FileSeries| series.rows.end - series.rows.start;
    if series.iter().map(length).fold(0, u64::saturating_add) > ROWS_MAX {
        return;
    }
    let spec = FileSpec { labels: LabelColumns::new(["job"]), width_ms: 300_000, src: 1, histograms: false };
    let mut writer = TableWriter::new(spec, Vec::new(), Vec::new()).expect("memory takes it");
    for one in series {
        let labels: Vec<(&[u8], &[u8])> =
            one.labels.iter().map(|(name, value)| (&**name, &**value)).collect();
        let rollups: Vec<_> = (0..length(one).cast_signed()).map(|n| Rollup::empty(n * 300_000)).collect();
        let rows = SeriesRows { labels: &labels, series_id: one.series_id, rollups: &rollups };
        writer.push(&rows).expect("memory takes it");
    }
    let (_, file, _) = writer.finish().expect("memory takes it");
    let file = SeriesFile::open(Bytes::from(file)).expect("it was just written");
    let again = (0..file.groups()).flat_map(|group| file.read_group(group).expect("it was just written"));
    let facts = |series: &FileSeries| (series.labels.clone(), series.series_id, length(series));
    let expected: Vec<_> = series.iter().filter(|series| length(series) > 0).map(facts).collect();
    assert_eq!(again.map(|series| facts(&series)).collect::<Vec<_>>(), expected);
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target(bytes));
