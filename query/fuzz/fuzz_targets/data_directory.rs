//! Damage anywhere in a data directory: it opens and answers, or an error says what is wrong; what it answers was
//! written, and it takes new samples.
#![cfg_attr(fuzzing, no_main)]

use std::{
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
};

use kymo_engine::{
    Engine, EngineConfig, Env, Fs, Labels, MatchOp, Matcher, MemFs, OpenMode, SampleColumns, SimClock,
};

const ROOT: &str = "/data";
const SERIES: i64 = 4;
const STEPS: i64 = 200;

/// The files of a store, with their content.
type Image = Vec<(PathBuf, Vec<u8>)>;

/// Bytes of one piece of damage: file, kind, offset, length, value.
const DAMAGE_BYTES: usize = 6;

pub fn target(bytes: &[u8]) {
    static IMAGE: LazyLock<Image> = LazyLock::new(image);
    let mut image = IMAGE.clone();
    for damage in bytes.as_chunks::<DAMAGE_BYTES>().0.iter().take(4) {
        let file = usize::from(damage[0]) % image.len();
        inflict(&mut image[file].1, damage);
    }
    let fs = MemFs::new();
    for (path, content) in &image {
        fs.create_dir_all(path.parent().expect("a file in a folder")).expect("there is room");
        let file = fs.open(path, OpenMode::CreateNew).expect("there is room");
        file.write_at(content, 0).expect("there is room");
    }
    let Ok(engine) = open(Arc::new(fs)) else { return };
    check(&engine);
    append(&engine, STEPS);
    if engine.flush().is_ok() && engine.compact().is_ok() {
        check(&engine);
    }
}

fn inflict(content: &mut Vec<u8>, &[_, kind, low, high, len, value]: &[u8; DAMAGE_BYTES]) {
    let at = usize::from(u16::from_le_bytes([low, high])) % (content.len() + 1);
    let end = content.len().min(at + usize::from(len));
    match kind % 4 {
        0 => content[at..end].fill(value),
        1 => content[at..end].iter_mut().take(1).for_each(|byte| *byte ^= value),
        2 => content.truncate(at),
        _ => content.extend([value; 64]),
    }
}

/// A store with blocks, a checkpoint, a log and what else there may be.
fn image() -> Image {
    let fs = MemFs::new();
    let engine = open(Arc::new(fs.clone())).expect("an empty directory opens");
    for step in 0..STEPS {
        append(&engine, step);
        match step {
            40 | 80 | 150 => drop(engine.flush().expect("a working disk")),
            100 => engine.compact().expect("a working disk"),
            _ => {}
        }
    }
    // Before it is closed: the log still holds what no block does.
    files(&fs, Path::new(ROOT))
}

fn open(fs: Arc<dyn Fs>) -> Result<Engine, kymo_engine::Error> {
    let mut config = EngineConfig::keep_everything();
    config.head.shards = 1;
    config.wal.segment_bytes = 64 * 1_024;
    let env = Env {
        clock: Arc::new(SimClock::new(kymo_engine::Millis(1_000 * 3_600_000))),
        ..Env::simulated(fs, 7)
    };
    Engine::open_in(&env, Path::new(ROOT), config)
}

fn append(engine: &Engine, step: i64) {
    let mut batch = engine.batch();
    for n in 0..SERIES {
        let labels = Labels::from_pairs([("__name__", "up"), ("n", &n.to_string())]);
        if let Ok(series) = batch.series(&labels, None) {
            batch.float(series, step * 60_000, 0, value(n, step * 60_000));
        }
    }
    drop(batch.commit());
}

fn value(n: i64, ts: i64) -> f64 {
    (n * 1_000_000_007 + ts) as f64
}

fn check(engine: &Engine) {
    let all = Matcher::new(MatchOp::NotEqual, b"__name__", b"").expect("a valid matcher");
    let Ok(selection) = engine.select(&[all], i64::MIN, i64::MAX) else { return };
    let mut columns = SampleColumns::default();
    for series in selection.series {
        let n: i64 = std::str::from_utf8(series.labels().get(b"n"))
            .ok()
            .and_then(|n| n.parse().ok())
            .expect("a value that was written");
        if series.read(&mut columns).is_ok() {
            for (ts, found) in columns.ts.iter().zip(&columns.values) {
                assert_eq!(*found, value(n, *ts), "sample at {ts} was never written");
            }
        }
    }
}

fn files(fs: &MemFs, folder: &Path) -> Image {
    let mut found = Vec::new();
    for entry in fs.list(folder).expect("a folder") {
        let path = folder.join(&entry.name);
        if entry.is_dir {
            found.extend(files(fs, &path));
        } else {
            let content = fs.read(&path).expect("it is there");
            found.push((path, content));
        }
    }
    found
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target(bytes));
