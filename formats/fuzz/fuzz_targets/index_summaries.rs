//! A section of summaries: every look-up ends, and each summary that is read survives being written again.
#![cfg_attr(fuzzing, no_main)]

use kymo_formats::index::{
    chunk_directory::ChunkMeta,
    summaries::{Summaries, SummariesBuilder},
};

pub fn target(bytes: &[u8]) {
    let Ok(section) = Summaries::parse(bytes) else { return };
    let meta = ChunkMeta { encoding: 7, count: 480, min_ts: 0, max_ts: 7_200_000 };
    let (mut builder, mut expected) = (SummariesBuilder::default(), Vec::new());
    for rank in 0..section.len().min(1_000) {
        let Ok(mut series) = section.series(rank) else { break };
        let mut summaries = Vec::new();
        while let Ok(summary) = series.next(&meta) {
            summaries.push(summary);
        }
        builder.push(summaries.iter().map(|summary| (&meta, summary.as_ref()))).expect("it is small");
        expected.push(summaries);
    }
    assert!(section.series(section.len()).is_err());
    let mut again = Vec::new();
    builder.finish(&mut again);
    let again = Summaries::parse(&again).expect("our own section");
    for (rank, expected) in (0..).zip(expected) {
        let mut series = again.series(rank).expect("our own section");
        for summary in expected {
            assert_eq!(series.next(&meta).expect("our own section"), summary);
        }
        series.finish().expect("our own section");
    }
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target(bytes));
