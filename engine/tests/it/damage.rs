//! Random bytes of blocks changed: what is answered was written, and where something is missing the answer says so.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
};

use kymo_engine::{
    ChunkSummary, Engine, Fs, MemFs, OpenMode, SampleColumns, SummaryRequest, WindowGrid, block_path, verify,
};
use proptest::{collection::vec, prelude::*, test_runner::FileFailurePersistence};

use crate::support::{Content, config, content, digest, env, equal, everything, histogram, labels, open};

const SERIES: usize = 12;
/// Hours of data: enough for blocks that were compacted and blocks that were not.
const HOURS: i64 = 9;

/// The files of a store, with their content.
type Image = Vec<(PathBuf, Vec<u8>)>;

/// A store with blocks of levels 0 and above, floats and histograms, and its whole content.
static STORE: LazyLock<(Image, Content)> = LazyLock::new(|| {
    let fs = MemFs::default();
    let engine = open(&env(Arc::new(fs.clone())), config());
    for minute in 0..HOURS * 60 {
        let mut batch = engine.batch();
        for n in 0..SERIES {
            let series = batch.series(&labels(n), None).unwrap();
            let ts = minute * 60_000 + 7 * (n as i64 % 3);
            match n {
                0 => batch.histogram(series, ts, 0, histogram(minute.unsigned_abs())),
                1 => batch.float(series, ts, ts - 5, (minute as f64).sqrt()),
                _ => batch.float(series, ts, 0, (minute * n as i64) as f64 / 8.0),
            }
        }
        assert_eq!(batch.commit().unwrap().refused_count, 0);
        match minute % 200 {
            100 => drop(engine.flush().unwrap()),
            199 => engine.maintain().unwrap(),
            _ => {}
        }
    }
    engine.flush().unwrap();
    let blocks = engine.stats().blocks;
    assert!(blocks.iter().any(|block| block.level > 0), "nothing was compacted");
    assert!(blocks.iter().any(|block| block.level == 0), "everything was compacted");
    let content = content(&engine);
    engine.close().unwrap();
    (files(&fs, Path::new("/data")), content)
});

fn files(fs: &MemFs, folder: &Path) -> Image {
    let mut found = Vec::new();
    for entry in fs.list(folder).unwrap() {
        let path = folder.join(&entry.name);
        if entry.is_dir {
            found.extend(files(fs, &path));
        } else {
            found.push((path.clone(), fs.read(&path).unwrap()));
        }
    }
    found
}

fn store_of(image: &Image) -> MemFs {
    let fs = MemFs::default();
    for (path, content) in image {
        fs.create_dir_all(path.parent().unwrap()).unwrap();
        fs.open(path, OpenMode::CreateNew).unwrap().write_at(content, 0).unwrap();
    }
    fs
}

/// Which block, where in it (as a part of its length), and what is added to the byte.
type Flip = (prop::sample::Index, prop::sample::Index, u8);

fn damaged(flips: &[Flip]) -> Image {
    let mut image = STORE.0.clone();
    for (block, place, change) in flips {
        let mut blocks: Vec<_> = image.iter_mut().filter(|(path, _)| is_block(path)).collect();
        let (_, content) = &mut blocks[block.index(blocks_len(&STORE.0))];
        let place = place.index(content.len());
        content[place] = content[place].wrapping_add(*change);
    }
    image
}

fn is_block(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "blk")
}

fn blocks_len(image: &Image) -> usize {
    image.iter().filter(|(path, _)| is_block(path)).count()
}

/// All samples, and the warnings of selecting and reading them.
fn read(engine: &Engine) -> (Content, Vec<String>) {
    let mut content = Content::new();
    let selection = engine.select(&[everything()], i64::MIN, i64::MAX).unwrap();
    let mut warnings = selection.warnings;
    let mut columns = SampleColumns::default();
    for series in selection.series {
        warnings.extend(series.read(&mut columns).unwrap());
        assert!(columns.start_ts.is_empty() || columns.start_ts.len() == columns.ts.len());
        let floats = columns.ts.iter().zip(&columns.values).map(|(ts, value)| (*ts, value.to_bits()));
        let histograms = columns.histograms.iter().map(|sample| (sample.ts, digest(&sample.value)));
        content.insert(series.labels().clone(), floats.chain(histograms).collect());
    }
    (content, warnings.into_texts())
}

/// Whether `part` has nothing that `all` has not.
fn is_part(part: &Content, all: &Content) -> bool {
    part.iter().all(|(labels, samples)| {
        let there = all.get(labels);
        samples.iter().all(|(ts, value)| there.and_then(|there| there.get(ts)) == Some(value))
    })
}

fn check(flips: &[Flip]) {
    let image = damaged(flips);
    let changed = image != STORE.0;
    let env = env(Arc::new(store_of(&image)));
    let report = verify(&env.fs, Path::new("/data")).unwrap();
    assert_eq!(report.is_clean(), !changed, "{report:?}");

    let engine = open(&env, config());
    for _ in 0..2 {
        let (found, warnings) = read(&engine);
        assert!(is_part(&found, &STORE.1), "a sample was never written");
        assert!(warnings.iter().all(|text| text.contains("/data/blocks/")), "{warnings:?}");
        assert!(found == STORE.1 || !warnings.is_empty(), "samples are missing and nothing says so");
        check_summaries(&engine);
    }
    let names = engine.label_names(&[], i64::MIN, i64::MAX).unwrap();
    assert!(names.items.len() == 3 || !names.warnings.is_empty(), "{names:?}");
    let matchers = [equal("__name__", "odd")];
    let values = engine.label_values(b"instance", &matchers, i64::MIN, i64::MAX).unwrap();
    assert!(values.items.len() == SERIES / 2 || !values.warnings.is_empty(), "{values:?}");
    let series = engine.series(&[everything()], i64::MIN, i64::MAX).unwrap();
    assert!(series.items.len() == SERIES || !series.warnings.is_empty(), "{series:?}");
}

/// What summaries say in the place of samples is what the samples would, and with them nothing is missing unnoticed.
fn check_summaries(engine: &Engine) {
    let windows = WindowGrid { first_end: i64::MAX / 2, interval: 0, steps: 1, range: i64::MAX / 2 + 1 };
    let request =
        SummaryRequest { windows, before_resets: false, chunks: true, after: i64::MIN, until: i64::MAX };
    let selection = engine.select(&[everything()], i64::MIN, i64::MAX).unwrap();
    let (mut columns, mut summaries) = (SampleColumns::default(), Vec::new());
    for series in selection.series {
        let warnings = series.read_summarised(&request, &mut columns, &mut summaries).unwrap();
        let all = &STORE.1[series.labels()];
        let mut count = columns.ts.len() + columns.histograms.len();
        for summary in &summaries {
            let samples = all.range(summary.first_ts..=summary.last_ts);
            let (ts, values): (Vec<_>, Vec<_>) =
                samples.map(|(ts, bits)| (*ts, f64::from_bits(*bits))).unzip();
            assert!(ChunkSummary::of(&ts, &values).unwrap().is_same(summary), "{summary:?}");
            count += summary.count as usize;
        }
        let is_whole = selection.warnings.is_empty() && warnings.is_empty();
        assert!(count == all.len() || !is_whole, "samples are missing and nothing says so");
    }
}

fn settings() -> ProptestConfig {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../proptest-regressions/engine/damage.txt");
    ProptestConfig {
        cases: 64,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(path))),
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(settings())]

    #[test]
    fn no_answer_is_wrong_and_none_is_short_without_a_warning(
        flips in vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        check(&flips);
    }
}

/// A byte of a chunk on the first page of the oldest compacted block.
fn damage_a_page(image: &mut Image) -> PathBuf {
    let engine = open(&env(Arc::new(store_of(image))), config());
    let block = engine.stats().blocks.iter().find(|block| block.level > 0).unwrap().id;
    let path = block_path(Path::new("/data/blocks"), block);
    let (_, content) = image.iter_mut().find(|(other, _)| *other == path).unwrap();
    // Chunk data follows the header.
    content[100] ^= 1;
    path
}

#[test]
fn a_damaged_page_costs_its_chunks_and_is_named_once() {
    let mut image = STORE.0.clone();
    let path = damage_a_page(&mut image);
    let engine = open(&env(Arc::new(store_of(&image))), config());
    let (found, warnings) = read(&engine);
    assert!(is_part(&found, &STORE.1) && found != STORE.1);
    let [warning] = &warnings[..] else { panic!("{warnings:?}") };
    assert!(
        warning.contains(path.to_str().unwrap()) && warning.contains("chunk page at byte 64"),
        "{warning}"
    );
    let stats = engine.stats();
    assert_eq!(stats.blocks_damaged, 1);
    assert!(stats.damaged_left_out_total > 0);
}

#[test]
fn a_block_that_is_gone_is_left_out_and_named() {
    let mut image = STORE.0.clone();
    let path = damage_a_page(&mut image);
    image.retain(|(other, _)| *other != path);
    let engine = open(&env(Arc::new(store_of(&image))), config());
    let (found, warnings) = read(&engine);
    assert!(is_part(&found, &STORE.1) && found != STORE.1);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains(path.to_str().unwrap()), "{warnings:?}");
}
