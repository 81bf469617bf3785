//! Merging against a naive model: one map of samples for each series.

use std::{collections::BTreeMap, path::Path};

use kymo_formats::{
    codec::{ChunkSamples, Encoding, values::Density},
    histogram::{FloatHistogram, Histogram, HistogramValue, ResetHint, Span},
    index::chunk_directory::ChunkMeta,
};
use proptest::{
    prelude::*,
    test_runner::{Config, FileFailurePersistence},
};

use super::*;
use crate::{
    block::{BlockCache, BlockChunk, BlockInfo, BlockSpec, BlockWriter},
    compaction::{Choice, Compacted, CompactionEnv, compact},
    env::{Fs, MemFs, OpenMode},
    model::{MatchOp, stale_nan},
    signals::metrics::{FloatForm, Kind, Value, encode_chunks},
};

/// Samples by time.
type Samples = BTreeMap<i64, Sample>;
/// The series of one block, each as chunks in the order in which they were written.
type BlockModel = BTreeMap<u8, Vec<Samples>>;

const WINDOW_MS: i64 = 1000;
const COLUMNS: FloatForm = FloatForm::Columns(Density::Fast);

fn config() -> Config {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../proptest-regressions/engine/merge.txt");
    Config { failure_persistence: Some(Box::new(FileFailurePersistence::Direct(path))), ..Config::default() }
}

fn labels(series: u8) -> Labels {
    Labels::from_pairs([
        ("__name__", "up"),
        ("job", if series.is_multiple_of(2) { "even" } else { "odd" }),
        ("n", &series.to_string()),
    ])
}

fn integer_histogram(count: u64) -> Histogram {
    Histogram {
        schema: 1,
        zero_threshold: 0.001,
        zero_count: 1,
        count: count + 1,
        sum: 5.0,
        positive_spans: vec![Span { offset: 0, length: 1 }],
        positive_buckets: vec![i64::try_from(count).unwrap()],
        ..Histogram::default()
    }
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        6 => prop_oneof![(0_u8..4).prop_map(f64::from), Just(stale_nan()), Just(-0.0)].prop_map(Value::Float),
        2 => (0_u64..50).prop_map(|count| {
            Value::Histogram(Box::new(HistogramValue::Integer(integer_histogram(count))))
        }),
        1 => (0_u64..50).prop_map(|count| {
            Value::Histogram(Box::new(HistogramValue::Float(integer_histogram(count).to_float())))
        }),
    ]
}

/// One run of samples, of whatever kinds, as one or more chunks.
fn samples() -> impl Strategy<Value = Samples> {
    let start_ts = prop_oneof![4 => Just(0_i64), 1 => 1_i64..100];
    let one = (1_i64..120, start_ts, value());
    (-1500_i64..3000, prop::collection::vec(one, 1..30)).prop_map(|(mut ts, steps)| {
        let mut samples = Samples::new();
        for (step, start_ts, value) in steps {
            ts += step;
            samples.insert(ts, Sample { ts, start_ts, value });
        }
        samples
    })
}

fn block_model() -> impl Strategy<Value = BlockModel> {
    prop::collection::btree_map(0_u8..5, prop::collection::vec(samples(), 1..4), 0..4)
}

fn chunks(samples: &Samples) -> Vec<(ChunkMeta, Vec<u8>)> {
    let mut chunks = Vec::new();
    let samples: Vec<_> = samples.values().cloned().collect();
    for run in samples.chunk_by(|a, b| Kind::of(&a.value) == Kind::of(&b.value)) {
        encode_chunks(run, |meta, bytes| chunks.push((meta, bytes)));
    }
    chunks
}

/// A directory of blocks.
struct Store {
    env: CompactionEnv,
    cache: BlockCache,
    next_id: u64,
    floats: FloatForm,
}

impl Store {
    fn new() -> Self {
        let fs: Arc<dyn Fs> = Arc::new(MemFs::default());
        let dir = Path::new("/blocks");
        fs.create_dir_all(dir).unwrap();
        let cache = BlockCache::new(Arc::clone(&fs), dir.to_owned());
        Self {
            env: CompactionEnv { fs, dir: dir.to_owned(), space: 0 },
            cache,
            next_id: 100,
            floats: COLUMNS,
        }
    }

    fn write(&self, id: u64, model: &BlockModel) -> Option<BlockInfo> {
        let spec = BlockSpec { id, level: 0, sequence: id, space: 0 };
        let mut writer = BlockWriter::create(Arc::clone(&self.env.fs), &self.env.dir, spec).unwrap();
        let mut series: Vec<_> = model.iter().map(|(series, runs)| (labels(*series), runs)).collect();
        series.sort_by(|a, b| series_order(&a.0, &b.0));
        for (labels, runs) in series {
            writer.add_series(&labels, runs.iter().flat_map(chunks)).unwrap();
        }
        writer.finish().unwrap()
    }

    fn compact(
        &mut self,
        inputs: &[(u64, Vec<Deletion>)],
        chunk_samples: u32,
    ) -> Result<Compacted, CompactionError> {
        let choice = Choice {
            inputs: inputs.iter().map(|(id, _)| *id).collect(),
            level: 1,
            sequence: 1,
            window_ms: WINDOW_MS,
            chunk_samples,
            floats: self.floats,
        };
        let inputs: Vec<_> = inputs
            .iter()
            .map(|(id, deletions)| MergeInput {
                reader: self.cache.get(*id).unwrap(),
                deletions: deletions.clone(),
            })
            .collect();
        compact(&self.env, &choice, &inputs, || {
            self.next_id += 1;
            self.next_id
        })
    }

    /// A block of one chunk that does not decode.
    fn write_undecodable(&self, id: u64, level: u8, summary: Option<ChunkSummary>) {
        let spec = BlockSpec { id, level, sequence: id, space: 0 };
        let mut writer = BlockWriter::create(Arc::clone(&self.env.fs), &self.env.dir, spec).unwrap();
        let meta = ChunkMeta { encoding: Encoding::Xor.as_u8(), count: 100, min_ts: 0, max_ts: 99 };
        let chunk = BlockChunk { meta, body: b"not a chunk"[..].into(), summary };
        writer.add_series(&labels(0), [chunk]).unwrap();
        writer.finish().unwrap();
    }

    fn files(&self) -> usize {
        self.env.fs.list(&self.env.dir).unwrap().len()
    }

    /// All samples of `block`, after checking what every output promises.
    fn read(&self, block: &BlockInfo, chunk_samples: u32) -> BTreeMap<Labels, Samples> {
        let reader = self.cache.get(block.id).unwrap();
        reader.verify().unwrap();
        let window = block.summary.min_ts.div_euclid(WINDOW_MS);
        assert_eq!((block.summary.end_ts - 1).div_euclid(WINDOW_MS), window, "a block lies in one window");
        let mut found = BTreeMap::new();
        let mut cursor = reader.series().unwrap();
        for rank in 0..cursor.len() {
            let mut entries = Vec::new();
            cursor.chunks(rank, i64::MIN..i64::MAX, &mut entries).unwrap();
            let mut samples = Vec::new();
            let mut summaries = reader.summaries(rank).unwrap().expect("there are some from level 1 up");
            for entry in entries {
                let before = samples.len();
                let mut columns = ChunkSamples::default();
                reader.decode(&entry, &mut columns).unwrap();
                let summary = ChunkSummary::of(&columns.ts, &columns.values);
                assert_eq!(summaries.next(&entry).unwrap(), summary, "each chunk has its own");
                let resets = resets(&entry.meta, &reader.chunk(&entry).unwrap()).unwrap();
                to_samples(&mut columns, &resets, &mut samples);
                let chunk = &samples[before..];
                assert_eq!(chunk.len(), entry.meta.count as usize);
                assert!(chunk.len() <= chunk_samples as usize * 3 / 2 + 1 || chunk.len() <= 30);
                assert_eq!((chunk[0].ts, chunk[chunk.len() - 1].ts), (entry.meta.min_ts, entry.meta.max_ts));
            }
            summaries.finish().unwrap();
            assert!(samples.is_sorted_by(|a, b| a.ts < b.ts), "each time once, in order");
            let samples = samples.into_iter().map(|sample| (sample.ts, sample)).collect();
            found.insert(cursor.labels(rank).unwrap(), samples);
        }
        found
    }
}

/// Reset hints are relative to the sample before, floats are compared by their bits.
fn comparable(samples: &Samples) -> Vec<(i64, i64, String)> {
    samples
        .values()
        .map(|sample| {
            let mut sample = sample.clone();
            sample.forget_reset();
            let value = match &sample.value {
                Value::Float(value) => format!("{:016x}", value.to_bits()),
                Value::Histogram(histogram) => match &**histogram {
                    HistogramValue::Integer(h) => {
                        format!("{:?}", Histogram { reset_hint: ResetHint::Unknown, ..h.clone() })
                    }
                    HistogramValue::Float(h) => {
                        format!("{:?}", FloatHistogram { reset_hint: ResetHint::Unknown, ..h.clone() })
                    }
                },
            };
            (sample.ts, sample.start_ts, value)
        })
        .collect()
}

/// What merging must give: the first written wins, and what is deleted is gone.
fn naive(inputs: &[(BlockModel, Vec<Deletion>)]) -> BTreeMap<Labels, Samples> {
    let mut merged: BTreeMap<Labels, Samples> = BTreeMap::new();
    for (model, deletions) in inputs {
        for (series, runs) in model {
            let labels = labels(*series);
            for sample in runs.iter().flat_map(BTreeMap::values) {
                let deleted = |deletion: &Deletion| {
                    deletion.range.contains(&sample.ts)
                        && deletion.matchers.iter().all(|m| m.matches(labels.get(m.name())))
                };
                if !deletions.iter().any(deleted) {
                    merged
                        .entry(labels.clone())
                        .or_default()
                        .entry(sample.ts)
                        .or_insert_with(|| sample.clone());
                }
            }
        }
    }
    merged
}

fn deletion() -> impl Strategy<Value = Deletion> {
    (prop::sample::select(vec!["even", "odd", "e.*", ".*", "none"]), -1500_i64..4000, 0_i64..2500).prop_map(
        |(pattern, start, len)| Deletion {
            matchers: vec![Matcher::new(MatchOp::Regex, b"job", pattern.as_bytes()).unwrap()],
            range: start..start + len,
        },
    )
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn merges_as_a_map_would(
        blocks in prop::collection::vec((block_model(), prop::collection::vec(deletion(), 0..2)), 1..5),
        chunk_samples in prop::sample::select(vec![4_u32, 12, 120]),
        floats in prop::sample::select(vec![FloatForm::Gorilla, COLUMNS, FloatForm::Columns(Density::Dense)]),
    ) {
        let mut store = Store { floats, ..Store::new() };
        let mut inputs = Vec::new();
        for (id, (model, deletions)) in (1_u64..).zip(&blocks) {
            if store.write(id, model).is_some() {
                inputs.push((id, deletions.clone()));
            }
        }
        let before = store.files();
        let compacted = store.compact(&inputs, chunk_samples).unwrap();
        prop_assert_eq!(&compacted.removed, &inputs.iter().map(|(id, _)| *id).collect::<Vec<_>>());
        prop_assert_eq!(store.files(), before + compacted.added.len());
        let mut found: BTreeMap<Labels, Samples> = BTreeMap::new();
        for block in &compacted.added {
            prop_assert_eq!((block.summary.level, block.summary.sequence), (1, 1));
            for (labels, samples) in store.read(block, chunk_samples) {
                found.entry(labels).or_default().extend(samples);
            }
        }
        let expected = naive(&blocks);
        prop_assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
        for (labels, samples) in &expected {
            prop_assert_eq!(comparable(&found[labels]), comparable(samples), "{}", labels);
        }
    }
}

fn floats(samples: impl IntoIterator<Item = (i64, f64)>) -> Samples {
    let sample = |(ts, value)| (ts, Sample { ts, start_ts: 0, value: Value::Float(value) });
    samples.into_iter().map(sample).collect()
}

/// The chunks of the only series of the only output.
fn only_series(store: &Store, compacted: &Compacted) -> Vec<ChunkEntry> {
    let [block] = &compacted.added[..] else { panic!("{compacted:?}") };
    let reader = store.cache.get(block.id).unwrap();
    let mut chunks = Vec::new();
    reader.series().unwrap().chunks(0, i64::MIN..i64::MAX, &mut chunks).unwrap();
    chunks
}

#[test]
fn small_chunks_become_large_ones_of_equal_size() {
    let mut store = Store::new();
    for id in 1..=5_i64 {
        let samples = floats((0..20).map(|i| (id * 100 + i, 1.0)));
        store.write(id.unsigned_abs(), &BlockModel::from([(0, vec![samples])])).unwrap();
    }
    let inputs: Vec<_> = (1..=5).map(|id| (id, Vec::new())).collect();
    let counts = |compacted: &Compacted, store: &Store| {
        only_series(store, compacted).iter().map(|chunk| chunk.meta.count).collect::<Vec<_>>()
    };
    let compacted = store.compact(&inputs, 100).unwrap();
    assert_eq!(counts(&compacted, &store), [100]);
    let compacted = store.compact(&inputs, 48).unwrap();
    assert_eq!(counts(&compacted, &store), [50, 50]);
}

#[test]
fn large_chunks_are_copied() {
    let mut store = Store { floats: FloatForm::Gorilla, ..Store::new() };
    store.write(1, &BlockModel::from([(0, vec![floats((0..100).map(|i| (i, 0.1)))])])).unwrap();
    store.write(2, &BlockModel::from([(0, vec![floats((100..110).map(|i| (i, 0.1)))])])).unwrap();
    let compacted = store.compact(&[(1, Vec::new()), (2, Vec::new())], 120).unwrap();
    let chunks = only_series(&store, &compacted);
    assert_eq!(chunks.iter().map(|chunk| chunk.meta.count).collect::<Vec<_>>(), [100, 10]);
    // Told apart from re-encoding by a chunk that cannot be decoded, and with it its summary.
    let summary = ChunkSummary::of(&(0..100).collect::<Vec<_>>(), &[0.5; 100]);
    store.write_undecodable(3, 1, summary);
    let compacted = store_compact(&mut store, 3, 120).unwrap();
    let chunks = only_series(&store, &compacted);
    assert_eq!(chunks.len(), 1);
    let reader = store.cache.get(compacted.added[0].id).unwrap();
    assert_eq!(reader.summaries(0).unwrap().unwrap().next(&chunks[0]).unwrap(), summary);
    assert!(store_compact(&mut store, 3, 480).is_err());
    // Where there is no summary to be copied there has to be made one.
    store.write_undecodable(4, 0, summary);
    assert!(store_compact(&mut store, 4, 120).is_err());
    // That a chunk has none is known, too.
    store.write_undecodable(5, 1, None);
    store_compact(&mut store, 5, 120).unwrap();
}

#[test]
fn damaged_summaries_are_made_anew() {
    let mut store = Store::new();
    let samples = floats((0..100).map(|i| (i, (i % 7) as f64)));
    store.write(1, &BlockModel::from([(0, vec![samples])])).unwrap();
    let first = store_compact(&mut store, 1, 120).unwrap();
    let path = first.added[0].path.clone();
    let file = store.env.fs.open(&path, OpenMode::ReadWrite).unwrap();
    let at = store.cache.get(first.added[0].id).unwrap().section_offset("chunk summaries");
    file.write_at(&[0xff; 4], at + 8).unwrap();
    let cache = BlockCache::new(Arc::clone(&store.env.fs), store.env.dir.clone());
    store.cache = cache;
    assert!(store.cache.get(first.added[0].id).unwrap().summaries(0).is_err());
    let second = store_compact(&mut store, first.added[0].id, 120).unwrap();
    store.read(&second.added[0], 120);
}

fn store_compact(store: &mut Store, id: u64, chunk_samples: u32) -> Result<Compacted, CompactionError> {
    store.compact(&[(id, Vec::new())], chunk_samples)
}

#[test]
fn a_reset_that_a_sender_announced_survives() {
    let histogram = |ts: i64, reset_hint| {
        let value = Histogram { reset_hint, ..integer_histogram(ts.unsigned_abs()) };
        (ts, Sample { ts, start_ts: 0, value: Value::Histogram(Box::new(HistogramValue::Integer(value))) })
    };
    // Counts grow, so nothing but the hint tells of the reset.
    let samples = Samples::from([
        histogram(1, ResetHint::Unknown),
        histogram(2, ResetHint::NotReset),
        histogram(3, ResetHint::Reset),
        histogram(4, ResetHint::NotReset),
    ]);
    let mut store = Store::new();
    store.write(1, &BlockModel::from([(0, vec![samples])])).unwrap();
    let compacted = store_compact(&mut store, 1, 120).unwrap();
    // The other one takes the first one's output: what survives once survives.
    for block in [compacted.clone(), store_compact(&mut store, compacted.added[0].id, 120).unwrap()] {
        assert_eq!(only_series(&store, &block).len(), 1, "the reset is within a chunk");
        let found = store.read(&block.added[0], 120);
        let Value::Histogram(third) = &found[&labels(0)][&3].value else { panic!() };
        let HistogramValue::Integer(third) = &**third else { panic!() };
        assert_eq!(third.reset_hint, ResetHint::Reset);
    }
}

/// What a reader sees of the histograms of a block, hints included.
fn seen(store: &Store, block: &BlockInfo) -> Vec<String> {
    let reader = store.cache.get(block.id).unwrap();
    let mut series = reader.series().unwrap();
    let mut columns = ChunkSamples::default();
    for rank in 0..series.len() {
        let mut entries = Vec::new();
        series.chunks(rank, i64::MIN..i64::MAX, &mut entries).unwrap();
        entries.iter().for_each(|entry| reader.decode(entry, &mut columns).unwrap());
    }
    columns.histograms.iter().map(|sample| format!("{sample:?}")).collect()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn histograms_read_alike_in_every_form(blocks in prop::collection::vec(block_model(), 1..4)) {
        let mut store = Store::new();
        let mut inputs = Vec::new();
        for (id, model) in (1_u64..).zip(&blocks) {
            inputs.extend(store.write(id, model).map(|_| (id, Vec::new())));
        }
        let mut of_form = |floats| {
            store.floats = floats;
            let added = store.compact(&inputs, 12).unwrap().added;
            added.iter().flat_map(|block| seen(&store, block)).collect::<Vec<_>>()
        };
        prop_assert_eq!(of_form(FloatForm::Gorilla), of_form(COLUMNS));
    }
}

#[test]
fn a_damaged_input_stops_the_merge_and_names_itself() {
    let mut store = Store::new();
    for id in [1, 2] {
        store.write(id, &BlockModel::from([(0, vec![floats([(5, 1.0), (6, 2.0)])])])).unwrap();
    }
    let path = crate::block::block_path(&store.env.dir, 2);
    let file = store.env.fs.open(&path, OpenMode::ReadWrite).unwrap();
    file.write_at(&[0xff], 66).unwrap();
    let before = store.files();
    let error = store.compact(&[(1, Vec::new()), (2, Vec::new())], 120).unwrap_err();
    assert!(matches!(error, CompactionError::Input { block: 2, .. }), "{error:?}");
    assert_eq!(error.kind(), crate::error::ErrorKind::Corrupt);
    assert_eq!(store.files(), before, "nothing was removed and nothing is left over");
}

#[test]
fn nothing_left_is_no_block() {
    let mut store = Store::new();
    store.write(1, &BlockModel::from([(0, vec![floats([(5, 1.0)])])])).unwrap();
    let all = Deletion { matchers: Vec::new(), range: 0..10 };
    let compacted = store.compact(&[(1, vec![all])], 120).unwrap();
    assert_eq!(compacted, Compacted { added: Vec::new(), removed: vec![1] });
    assert_eq!(store.files(), 1);
}
