//! A series table: every look-up ends; series that decode survive being written again.
#![cfg_attr(fuzzing, no_main)]

use kymo_formats::index::series::{SeriesTable, SeriesTableBuilder};

pub fn target(bytes: &[u8]) {
    let Ok(table) = SeriesTable::parse(bytes) else { return };
    assert!(table.cursor().get(table.len()).is_err());
    let mut cursor = table.cursor();
    let series: Vec<_> =
        (0..table.len()).map_while(|rank| cursor.get(rank).ok().map(<[_]>::to_vec)).collect();

    let mut builder = SeriesTableBuilder::default();
    series.iter().for_each(|labels| builder.push(labels).expect("it is small"));
    let mut again = Vec::new();
    builder.finish(&mut again);
    let again = SeriesTable::parse(&again).expect("our own table");
    assert_eq!(again.len() as usize, series.len());
    for (rank, labels) in (0..).zip(&series) {
        assert_eq!(again.cursor().get(rank), Ok(&labels[..]));
    }
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target(bytes));
