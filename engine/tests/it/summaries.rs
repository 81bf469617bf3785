//! What chunks amount to, instead of their samples.

use std::{path::Path, sync::Arc};

use kymo_engine::{
    ChunkSummary, Engine, EngineConfig, Env, Fs, MemFs, OpenMode, SampleColumns, SummaryRequest, WindowGrid,
    block_path, inspect, verify,
};
use kymo_formats::{
    block::{footer, section::SectionKind},
    checksum::crc32,
};

use crate::support::{config, env, everything, histogram, labels, open};

const HOUR_MS: i64 = 3_600_000;
const MINUTE_MS: i64 = 60_000;
/// When the data begins.
const BASE_MS: i64 = 990 * HOUR_MS;
/// One window over everything.
const ALL: WindowGrid =
    WindowGrid { first_end: BASE_MS + 9 * HOUR_MS, interval: 0, steps: 1, range: 10 * HOUR_MS };

/// Data is kept for a day: there is no level above 1.
fn settings() -> EngineConfig {
    let mut config = config();
    config.retention.age_ms = 24 * HOUR_MS;
    config
}

/// A store of some series over six hours, in blocks of level 1.
fn store(series: usize) -> (MemFs, Env, Engine) {
    let fs = MemFs::default();
    let env = env(Arc::new(fs.clone()));
    let engine = open(&env, settings());
    let mut batch = engine.batch();
    for n in 0..series {
        let id = batch.series(&labels(n), None).unwrap();
        (0..6 * 60)
            .for_each(|minute| batch.float(id, BASE_MS + minute * MINUTE_MS + 1, 0, (minute % 50) as f64));
    }
    assert_eq!(batch.commit().unwrap().refused_count, 0);
    engine.flush().unwrap();
    engine.compact().unwrap();
    (fs, env, engine)
}

struct Found {
    samples: usize,
    summaries: Vec<ChunkSummary>,
}

/// What a reader of the first series gets.
fn read(engine: &Engine, windows: WindowGrid, before_resets: bool) -> Found {
    let selection = engine.select(&[everything()], BASE_MS - HOUR_MS, BASE_MS + 9 * HOUR_MS).unwrap();
    let (mut columns, mut summaries) = (SampleColumns::default(), Vec::new());
    let request = SummaryRequest { windows, before_resets, chunks: true, after: i64::MIN, until: i64::MAX };
    let warnings = selection.series[0].read_summarised(&request, &mut columns, &mut summaries).unwrap();
    assert!(warnings.is_empty());
    let samples = columns.ts.len() + columns.histograms.len();
    Found { samples, summaries }
}

#[test]
fn chunks_that_no_window_cuts_are_not_decoded() {
    let (_, _, engine) = store(1);
    let selection = engine.select(&[everything()], BASE_MS, BASE_MS + 9 * HOUR_MS).unwrap();
    assert_eq!(selection.series[0].samples_max(), 360);
    let found = read(&engine, ALL, true);
    assert_eq!((found.samples, found.summaries.len()), (0, 3));
    assert_eq!(found.summaries.iter().map(|summary| summary.count).sum::<u32>(), 360);
    assert!(found.summaries.is_sorted_by_key(|summary| summary.first_ts));
    // An edge in the second of three blocks.
    let windows = WindowGrid { first_end: BASE_MS + 3 * HOUR_MS, ..ALL };
    let found = read(&engine, windows, false);
    assert_eq!((found.samples, found.summaries.len()), (120, 2));
    // One edge in each: an end in the first, starts in the second and the third.
    let windows =
        WindowGrid { first_end: BASE_MS + HOUR_MS, interval: 2 * HOUR_MS, steps: 3, range: 12 * HOUR_MS };
    assert_eq!(read(&engine, windows, false).samples, 360);
}

#[test]
fn what_summaries_do_not_know_is_decoded() {
    let (_, _, engine) = store(1);
    let mut batch = engine.batch();
    let id = batch.series(&labels(0), None).unwrap();
    batch.float(id, BASE_MS + 3 * HOUR_MS + 7, 0, 5.0);
    batch.commit().unwrap();
    let late = "a late sample in memory lies in a chunk";
    let found = read(&engine, ALL, false);
    assert_eq!((found.samples, found.summaries.len()), (121, 2), "{late}");
    engine.flush().unwrap();
    let found = read(&engine, ALL, false);
    assert_eq!((found.samples, found.summaries.len()), (121, 2), "{late}, now in a block");
    engine.delete_series(&[everything()], BASE_MS + HOUR_MS, BASE_MS + HOUR_MS + MINUTE_MS).unwrap();
    let found = read(&engine, ALL, false);
    assert_eq!((found.samples, found.summaries.len()), (240, 1), "a sample is deleted in another");
    engine.compact().unwrap();
    let found = read(&engine, ALL, false);
    assert_eq!((found.samples, found.summaries.len()), (0, 3), "a merge makes it all one again");
    let mut batch = engine.batch();
    let id = batch.series(&labels(0), None).unwrap();
    (0..9).for_each(|n| batch.histogram(id, BASE_MS + 7 * HOUR_MS + n * MINUTE_MS, 0, histogram(3)));
    batch.commit().unwrap();
    let found = read(&engine, ALL, false);
    assert_eq!((found.samples, found.summaries.len()), (369, 0), "there are histograms");
    engine.flush().unwrap();
    engine.compact().unwrap();
    let found = read(&engine, ALL, false);
    assert_eq!((found.samples, found.summaries.len()), (369, 0), "they are in a block, by column");
}

/// Changes the summaries of the first block, and the checksums with them if that is asked for.
fn change(fs: &MemFs, block: u64, checksums: bool, change: fn(&mut [u8])) {
    let path = block_path(Path::new("/data/blocks"), block);
    let mut bytes = fs.read(&path).unwrap();
    let mut sections = footer::decode(&bytes).unwrap();
    let table = bytes.len() - footer::encode(&sections, 0).len();
    let section = sections.iter_mut().find(|section| section.kind == SectionKind::SUMMARIES).unwrap();
    let range = section.range(bytes.len()).unwrap();
    change(&mut bytes[range.clone()]);
    if checksums {
        section.crc = crc32(&bytes[range]);
        bytes.truncate(table);
        let footer = footer::encode(&sections, table as u64);
        bytes.extend_from_slice(&footer);
    }
    let file = fs.open(&path, OpenMode::ReadWrite).unwrap();
    file.write_at(&bytes, 0).unwrap();
}

fn damaged(checksums: bool, by: fn(&mut [u8])) -> (Env, u64) {
    let (fs, env, engine) = store(2);
    let block = engine.stats().blocks[0].id;
    engine.close().unwrap();
    change(&fs, block, checksums, by);
    (env, block)
}

#[test]
fn damaged_summaries_cost_nothing_but_time() {
    for (checksums, by) in [
        (false, (|bytes| bytes[12] ^= 1) as fn(&mut [u8])),
        // The number of series, where a summary starts, how long it is: found where it is read.
        (true, |bytes| bytes[0] = 1),
        (true, |bytes| bytes[8] = 1),
    ] {
        let (env, _) = damaged(checksums, by);
        assert!(!verify(&env.fs, Path::new("/data")).unwrap().is_clean());
        let engine = open(&env, settings());
        let selection = engine.select(&[everything()], BASE_MS - HOUR_MS, BASE_MS + 9 * HOUR_MS).unwrap();
        let request = SummaryRequest {
            windows: ALL,
            before_resets: false,
            chunks: true,
            after: i64::MIN,
            until: i64::MAX,
        };
        let (mut columns, mut summaries) = (SampleColumns::default(), Vec::new());
        for series in &selection.series {
            let warnings = series.read_summarised(&request, &mut columns, &mut summaries).unwrap();
            assert!(warnings.is_empty());
            let counts = summaries.iter().map(|summary| summary.count as usize).sum::<usize>();
            assert_eq!(counts + columns.ts.len(), 360);
        }
        assert_eq!(columns.ts.len(), 120, "the chunk of the damaged block was decoded");
        let stats = engine.stats();
        assert_eq!((stats.blocks_damaged, stats.damaged_left_out_total), (1, 0));
    }
}

#[test]
fn a_summary_that_lies_is_damage() {
    // The last byte belongs to the sum of the last chunk.
    let (env, block) = damaged(true, |bytes| *bytes.last_mut().unwrap() ^= 2);
    let report = verify(&env.fs, Path::new("/data")).unwrap();
    let damages: Vec<_> = report.files.iter().flat_map(|file| &file.damages).collect();
    let [damage] = &damages[..] else { panic!("{damages:?}") };
    assert!(damage.problem.starts_with("summary of the chunk is"), "{damage:?}");
    let of = report.files.iter().find(|file| !file.damages.is_empty()).unwrap();
    assert_eq!(of.path, block_path(Path::new("/data/blocks"), block));
}

#[test]
fn what_summaries_take_is_shown() {
    let (_, env, engine) = store(3);
    engine.close().unwrap();
    let inspection = inspect(&env.fs, Path::new("/data"), None).unwrap();
    let of_blocks: u64 = inspection.blocks.iter().map(|block| block.summary_bytes).sum();
    let section = inspection.sections.iter().find(|section| section.name == "chunk summaries").unwrap();
    assert_eq!(of_blocks, section.bytes);
    let chunks: u64 = inspection.blocks.iter().map(|block| block.chunks).sum();
    assert!(section.bytes > 9 * 5 && section.bytes < 24 * chunks, "{section:?}");
}
