//! Block files: what is written is what is read, and damage is noticed.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use kymo_formats::{
    block::PAGE_BYTES,
    codec::{
        ChunkSamples,
        column_chunk::ColumnEncoding,
        values::{self, Density},
    },
    index::chunk_directory::ChunkMeta,
};
use proptest::{
    prelude::*,
    test_runner::{Config, FileFailurePersistence},
};

use super::*;
use crate::{
    env::{Fs, MemFs, OpenMode},
    index::series_order,
    model::{Labels, MatchOp, Matcher},
};

type Series = (Labels, Vec<(ChunkMeta, Vec<u8>)>);

const SPEC: BlockSpec = BlockSpec { id: 7, level: 1, sequence: 5, space: 0 };

fn config(cases: u32) -> Config {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../proptest-regressions/engine/block.txt");
    Config {
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(path))),
        cases,
        ..Config::default()
    }
}

fn dir() -> (Arc<MemFs>, &'static Path) {
    let fs = Arc::new(MemFs::default());
    fs.create_dir_all(Path::new("/blocks")).unwrap();
    (fs, Path::new("/blocks"))
}

fn write(fs: &Arc<MemFs>, dir: &Path, series: &[Series]) -> Option<BlockInfo> {
    let mut writer = BlockWriter::create(Arc::clone(fs) as Arc<dyn Fs>, dir, SPEC).unwrap();
    for (labels, chunks) in series {
        writer.add_series(labels, chunks.iter().map(|(meta, bytes)| (*meta, bytes))).unwrap();
    }
    writer.finish().unwrap()
}

fn file_names(fs: &MemFs, dir: &Path) -> Vec<String> {
    fs.list(dir).unwrap().into_iter().map(|entry| entry.name).collect()
}

fn meta(min_ts: i64, max_ts: i64) -> ChunkMeta {
    ChunkMeta { encoding: 1, count: 3, min_ts, max_ts }
}

fn small_block() -> Vec<Series> {
    let series = |job: &str, value: u8| {
        let labels = Labels::from_pairs([("__name__", "up"), ("job", job)]);
        (labels, vec![(meta(0, 10), vec![value; 40]), (meta(20, 30), vec![value; 3])])
    };
    vec![series("a", 1), series("b", 2), series("c", 3)]
}

fn series() -> impl Strategy<Value = Vec<Series>> {
    let labels =
        prop::collection::vec(("[AZ_a-c]{1,2}|__name__", "[a-d]{1,3}"), 0..4).prop_map(Labels::from_pairs);
    let chunk =
        (any::<u8>(), 1_u32..500, -1000_i64..1000, 0_i64..1000, prop::collection::vec(any::<u8>(), 0..3000));
    let chunk = chunk.prop_map(|(encoding, count, min_ts, span, bytes)| {
        (ChunkMeta { encoding, count, min_ts, max_ts: min_ts + span }, bytes)
    });
    let one = (labels, prop::collection::vec(chunk, 0..4));
    prop::collection::vec(one, 0..60).prop_map(|mut series| {
        series.sort_by(|a, b| series_order(&a.0, &b.0));
        series.dedup_by(|a, b| a.0 == b.0);
        series
    })
}

/// Everything a block says, for comparison with what was written.
fn read_all(block: &BlockReader) -> Result<Vec<Series>, BlockError> {
    let mut found = Vec::new();
    let mut series = block.series()?;
    for rank in 0..series.len() {
        let mut entries = Vec::new();
        series.chunks(rank, i64::MIN..i64::MAX, &mut entries)?;
        let mut chunks = Vec::new();
        for entry in entries {
            chunks.push((entry.meta, block.chunk(&entry)?.to_vec()));
        }
        found.push((series.labels(rank)?, chunks));
    }
    Ok(found)
}

proptest! {
    #![proptest_config(config(64))]

    #[test]
    fn round_trips(series in series()) {
        let (fs, dir) = dir();
        let info = write(&fs, dir, &series);
        let kept: Vec<_> = series.into_iter().filter(|(_, chunks)| !chunks.is_empty()).collect();
        let Some(info) = info else {
            prop_assert!(kept.is_empty());
            prop_assert!(file_names(&fs, dir).is_empty());
            return Ok(());
        };
        let block = BlockReader::open(&*fs, &info.path, SPEC.id).unwrap();
        block.verify().unwrap();
        prop_assert_eq!(block.info(), &info);
        prop_assert_eq!((info.summary.level, info.summary.sequence), (SPEC.level, SPEC.sequence));
        prop_assert_eq!(&read_all(&block).unwrap(), &kept);
        for (rank, (labels, _)) in (0_u32..).zip(&kept) {
            prop_assert_eq!(block.rank(labels).unwrap(), Some(rank));
            prop_assert_eq!(&block.labels(rank).unwrap(), labels);
        }
        prop_assert_eq!(block.rank(&Labels::from_pairs([("zz", "none")])).unwrap(), None);
        let stats = block.stats().unwrap();
        prop_assert_eq!(stats.iter().map(|metric| metric.samples).sum::<u64>(), info.summary.samples);
        prop_assert_eq!(stats.iter().map(|metric| metric.series).sum::<u64>(), kept.len() as u64);
        prop_assert!(stats.is_sorted_by(|a, b| a.name < b.name));
        let chunks = || kept.iter().flat_map(|(_, chunks)| chunks).map(|(meta, _)| meta);
        prop_assert_eq!(Some(info.summary.min_ts), chunks().map(|meta| meta.min_ts).min());
        prop_assert_eq!(Some(info.summary.end_ts - 1), chunks().map(|meta| meta.max_ts).max());
    }
}

/// Every single damaged byte is an error when the block is opened or verified; and a reader that does not
/// verify the whole file answers rightly or with an error.
#[test]
fn every_damaged_byte_is_noticed() {
    let (fs, dir) = dir();
    let series = small_block();
    let path = write(&fs, dir, &series).unwrap().path;
    let whole = fs.read(&path).unwrap();
    let file = fs.open(&path, OpenMode::ReadWrite).unwrap();
    for at in 0..whole.len() {
        file.write_at(&[whole[at] ^ 0x10], at as u64).unwrap();
        if let Ok(block) = BlockReader::open(&*fs, &path, SPEC.id) {
            assert!(block.verify().is_err(), "byte {at} can change unnoticed");
            if let Ok(found) = read_all(&block) {
                assert_eq!(found, series, "byte {at} gives wrong data");
            }
        }
        file.write_at(&whole[at..=at], at as u64).unwrap();
    }
    BlockReader::open(&*fs, &path, SPEC.id).unwrap().verify().unwrap();
}

#[test]
fn a_cut_file_is_not_a_block() {
    let (fs, dir) = dir();
    let path = write(&fs, dir, &small_block()).unwrap().path;
    let file = fs.open(&path, OpenMode::ReadWrite).unwrap();
    for len in (0..file.len().unwrap()).rev() {
        file.set_len(len).unwrap();
        assert!(BlockReader::open(&*fs, &path, SPEC.id).is_err());
    }
}

#[test]
fn a_damaged_page_costs_only_its_chunks() {
    let (fs, dir) = dir();
    let mut series = small_block();
    for (_, chunks) in &mut series {
        chunks[0].1 = vec![5; PAGE_BYTES];
    }
    let path = write(&fs, dir, &series).unwrap().path;
    let file = fs.open(&path, OpenMode::ReadWrite).unwrap();
    // In the first chunk of the second series, which lies on the second page.
    file.write_at(&[6], 64 + PAGE_BYTES as u64 + 100).unwrap();
    let block = BlockReader::open(&*fs, &path, SPEC.id).unwrap();
    let mut entries = Vec::new();
    let mut cursor = block.series().unwrap();
    for rank in 0..cursor.len() {
        cursor.chunks(rank, 0..100, &mut entries).unwrap();
    }
    let readable: Vec<_> = entries.iter().map(|entry| block.chunk(entry).is_ok()).collect();
    assert_eq!(readable, [true, false, false, true, true, true]);
    let error = block.chunk(&entries[2]).unwrap_err();
    assert_eq!(error.kind(), crate::error::ErrorKind::Corrupt);
    assert!(error.to_string().contains("0000000000000007.blk, chunk page at byte 65600"), "{error}");
}

#[test]
fn chunks_are_found_by_time() {
    let (fs, dir) = dir();
    let path = write(&fs, dir, &small_block()).unwrap().path;
    let block = BlockReader::open(&*fs, &path, SPEC.id).unwrap();
    let found = |range: std::ops::Range<i64>| {
        let mut chunks = Vec::new();
        block.series().unwrap().chunks(1, range, &mut chunks).unwrap();
        chunks.iter().map(|chunk| chunk.meta.min_ts).collect::<Vec<_>>()
    };
    assert_eq!(found(0..1), [0]);
    assert_eq!(found(10..20), [0]);
    assert!(found(11..20).is_empty());
    assert_eq!(found(11..21), [20]);
    assert_eq!(found(30..31), [20]);
    assert!(found(31..99).is_empty());
}

#[test]
fn a_block_answers_matchers() {
    let (fs, dir) = dir();
    let path = write(&fs, dir, &small_block()).unwrap().path;
    let block = BlockReader::open(&*fs, &path, SPEC.id).unwrap();
    let matcher = [Matcher::new(MatchOp::Regex, b"job", b"[bc]").unwrap()];
    assert_eq!(block.select(&matcher).unwrap().iter().collect::<Vec<_>>(), [1, 2]);
    assert_eq!(block.label_values(b"job", &matcher).unwrap(), [b"b", b"c"]);
    assert_eq!(block.label_names(&matcher).unwrap(), [&b"__name__"[..], b"job"]);
}

#[test]
fn an_unfinished_block_leaves_nothing() {
    let (fs, dir) = dir();
    let mut writer = BlockWriter::create(Arc::clone(&fs) as Arc<dyn Fs>, dir, SPEC).unwrap();
    let (labels, chunks) = &small_block()[0];
    writer.add_series(labels, chunks.clone()).unwrap();
    assert_eq!(file_names(&fs, dir), ["0000000000000007.blk.tmp"]);
    drop(writer);
    assert!(file_names(&fs, dir).is_empty());
}

#[test]
fn series_out_of_order_are_refused() {
    let (fs, dir) = dir();
    let mut writer = BlockWriter::create(fs, dir, SPEC).unwrap();
    let (labels, chunks) = &small_block()[1];
    writer.add_series(labels, chunks.clone()).unwrap();
    assert!(matches!(writer.add_series(labels, chunks.clone()), Err(BlockError::Unordered { .. })));
}

#[test]
fn a_block_under_a_wrong_name_is_refused() {
    let (fs, dir) = dir();
    let path = write(&fs, dir, &small_block()).unwrap().path;
    let error = BlockReader::open(&*fs, &path, 8).unwrap_err();
    assert!(matches!(error, BlockError::WrongBlock { expected: 8, found: 7, .. }));
}

#[test]
fn the_cache_opens_a_block_once_and_lets_go_of_dead_ones() {
    let (fs, dir) = dir();
    write(&fs, dir, &small_block()).unwrap();
    let cache = BlockCache::new(Arc::clone(&fs) as Arc<dyn Fs>, dir.to_owned());
    let first = cache.get(SPEC.id).unwrap();
    assert!(Arc::ptr_eq(&first, &cache.get(SPEC.id).unwrap()));
    assert!(cache.get(8).is_err());
    cache.retain(&[SPEC.id].into());
    assert_eq!(cache.len(), 1);
    cache.retain(&[8].into());
    assert!(cache.is_empty());
    fs.remove(&block_path(dir, SPEC.id)).unwrap();
    assert_eq!(read_all(&first).unwrap(), small_block());
}

/// Labels, timestamps and values.
type FloatSeries = (Labels, Vec<i64>, Vec<f64>);

/// Series of two targets, at the timestamps of their target, some of which some of them missed.
fn column_series() -> Vec<FloatSeries> {
    let one = |n: i64| {
        let labels = Labels::from_pairs([("__name__", "x"), ("n", &n.to_string())]);
        let present = (0..200).filter(|i| i % 50 != n || n < 2);
        let ts: Vec<i64> = present.map(|i| i * 15_000 + (n % 2) * 777 + i % 3).collect();
        let values = ts.iter().map(|ts| (ts / 1000 * n) as f64).collect();
        (labels, ts, values)
    };
    (0..4).map(one).collect()
}

fn write_columns(fs: &Arc<MemFs>, dir: &Path) -> PathBuf {
    let mut writer = BlockWriter::create(Arc::clone(fs) as Arc<dyn Fs>, dir, SPEC).unwrap();
    for (labels, ts, floats) in column_series() {
        let chunks = ts.chunks(70).zip(floats.chunks(70)).map(|(ts, floats)| {
            let mut column = Vec::new();
            values::encode(floats, Density::Fast, &mut column);
            let meta = ChunkMeta {
                encoding: ColumnEncoding::Floats.as_u8(),
                count: u32::try_from(ts.len()).unwrap(),
                min_ts: ts[0],
                max_ts: ts[ts.len() - 1],
            };
            let columns = ChunkColumns { ts: ts.to_vec(), starts: None, values: column.into() };
            (meta, ChunkBody::Columns(columns))
        });
        writer.add_series(&labels, chunks).unwrap();
    }
    writer.finish().unwrap().unwrap().path
}

fn read_columns(block: &BlockReader) -> Result<Vec<FloatSeries>, BlockError> {
    let mut found = Vec::new();
    let mut series = block.series()?;
    for rank in 0..series.len() {
        let (mut entries, mut samples) = (Vec::new(), ChunkSamples::default());
        series.chunks(rank, i64::MIN..i64::MAX, &mut entries)?;
        for entry in &entries {
            block.decode(entry, &mut samples)?;
        }
        found.push((series.labels(rank)?, samples.ts, samples.values));
    }
    Ok(found)
}

#[test]
fn timestamps_are_kept_once_for_all_series_of_a_target() {
    let (fs, dir) = dir();
    let path = write_columns(&fs, dir);
    let block = BlockReader::open(&*fs, &path, SPEC.id).unwrap();
    assert_eq!(read_columns(&block).unwrap(), column_series());
    let mut entries = Vec::new();
    block.series().unwrap().chunks(2, i64::MIN..i64::MAX, &mut entries).unwrap();
    let moved = block.columns(&entries[1]).unwrap().unwrap();
    assert_eq!(moved.ts, column_series()[2].1[70..140]);
    assert_eq!(block.timestamp_columns().unwrap(), 2);
}

#[test]
fn every_damaged_byte_of_shared_timestamps_is_noticed() {
    let (fs, dir) = dir();
    let path = write_columns(&fs, dir);
    let whole = fs.read(&path).unwrap();
    let file = fs.open(&path, OpenMode::ReadWrite).unwrap();
    for at in 0..whole.len() {
        file.write_at(&[whole[at] ^ 0x21], at as u64).unwrap();
        if let Ok(block) = BlockReader::open(&*fs, &path, SPEC.id) {
            assert!(block.verify().is_err(), "byte {at} can change unnoticed");
            if let Ok(found) = read_columns(&block) {
                assert_eq!(found, column_series(), "byte {at} gives wrong data");
            }
        }
        file.write_at(&whole[at..=at], at as u64).unwrap();
    }
}
