//! Blocks that Prometheus's own tool makes: read here sample by sample, and made of what is written here.
#![expect(clippy::disallowed_methods, reason = "the operator's side of the test")]

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use serde_json::Value;
use tempfile::tempdir;

use crate::{
    harness::{Server, now, seconds, write_file},
    transfer::{contents, kymo_ends},
};

const PROMTOOL: &str = "promtool";
/// Set where the peers must be there, so that the test cannot be skipped unnoticed.
const REQUIRE: &str = "KYMO_REQUIRE_PEERS";
const KEEP_ALL: &str = "self_metrics: {enabled: false}\nretention: {age_ms: 0}\ntiers: {rollups: []}\n";

/// Whether there is no promtool, after saying so.
fn is_missing() -> bool {
    let missing =
        !Command::new(PROMTOOL).arg("--version").output().is_ok_and(|output| output.status.success());
    if missing {
        assert!(std::env::var_os(REQUIRE).is_none(), "{REQUIRE} is set and there is no {PROMTOOL}");
        // `eprintln!` would be kept from the terminal.
        std::io::stderr().write_all(b"SKIPPED blocks: there is no promtool on PATH\n").unwrap();
    }
    missing
}

/// Makes blocks of a text; returns their folders.
fn make_blocks(text: &Path, dir: &Path) -> Vec<PathBuf> {
    let output = Command::new(PROMTOOL)
        .args(["tsdb", "create-blocks-from", "openmetrics"])
        .args([text, dir])
        .output()
        .unwrap();
    let say = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", say(&output.stdout), say(&output.stderr));
    let mut blocks: Vec<PathBuf> = dir.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    blocks.retain(|path| path.join("meta.json").exists());
    blocks.sort();
    blocks
}

/// When the samples end: three days ago.
fn end() -> i64 {
    static END: LazyLock<i64> = LazyLock::new(|| now() - 3 * 86_400_000 + 1);
    *END
}

/// Times and values of a series over six hours, so that there are several blocks.
fn values(series: i64) -> impl Iterator<Item = (i64, f64)> {
    (0..1_500).map(move |n: i64| {
        (end() - (1_500 - n) * 15_000 + series, (n * n % 977) as f64 * 0.1 - series as f64)
    })
}

fn text() -> String {
    let mut text = "# HELP m Help.\n# TYPE m counter\n".to_owned();
    for series in 0..7 {
        for (ts, value) in values(series) {
            let line = format!("m_total{{job=\"x\",i=\"{series}\"}} {value} {}\n", seconds(ts));
            text.push_str(&line);
        }
    }
    text + "# EOF\n"
}

/// The time as Prometheus reads it: it may cut a millisecond off.
#[expect(clippy::cast_possible_truncation, reason = "what is cut off is the point")]
fn cut(ts: i64) -> i64 {
    (seconds(ts).parse::<f64>().unwrap() * 1_000.0) as i64
}

#[test]
fn every_sample_of_a_block_is_there() {
    if is_missing() {
        return;
    }
    let dir = tempdir().unwrap();
    let (page, data) = (dir.path().join("page.txt"), dir.path().join("data"));
    write_file(&page, &text());
    let blocks = make_blocks(&page, &data);
    assert!(blocks.len() >= 3, "{blocks:?}");
    let server = Server::with_config(KEEP_ALL);
    let output = kymo_ends(0, &["import", "--url", &server.url, data.to_str().unwrap()]);
    assert!(output.out.contains("stored 10500, refused 0"), "{}", output.out);
    let found = contents(&server);
    assert_eq!(found.len(), 7);
    for series in 0..7 {
        let expected: Vec<_> = values(series).map(|(ts, value)| (cut(ts), value.to_bits())).collect();
        assert_eq!(found[&format!("__name__=m_total,i={series},job=x")].0, expected, "{series}");
    }
    // One block at a time, and twice: the same store.
    for block in &blocks {
        kymo_ends(0, &["import", "--url", &server.url, "--format", "tsdb", block.to_str().unwrap()]);
    }
    assert_eq!(contents(&server), found);
    let count = server.query("sum(count_over_time(m_total[7d]))", now());
    assert_eq!(count[0]["value"][1], Value::from("10500"));
}

#[test]
fn what_is_exported_makes_blocks() {
    if is_missing() {
        return;
    }
    let (from, to) = (Server::with_config(KEEP_ALL), Server::with_config(KEEP_ALL));
    for series in 0..3 {
        let label = series.to_string();
        let samples: Vec<_> = values(series).collect();
        from.store(&[("__name__", "a_total"), ("i", &label), ("job", "x")], &samples);
        from.store(&[("__name__", "b"), ("i", "ä\"\\\n"), ("job", "x"), ("le", &label)], &samples);
    }
    let dir = tempdir().unwrap();
    let page = dir.path().join("page.txt");
    kymo_ends(0, &["export", "--url", &from.url, "--format", "openmetrics", "-o", page.to_str().unwrap()]);
    let data = dir.path().join("data");
    assert!(!make_blocks(&page, &data).is_empty());
    kymo_ends(0, &["import", "--url", &to.url, data.to_str().unwrap()]);
    // To the millisecond, though Prometheus cuts times off.
    assert_eq!(contents(&to), contents(&from));
}

#[test]
fn a_damaged_block_is_named_by_file_and_place() {
    if is_missing() {
        return;
    }
    let dir = tempdir().unwrap();
    let (page, data) = (dir.path().join("page.txt"), dir.path().join("data"));
    write_file(&page, &text());
    let block = make_blocks(&page, &data).remove(0);
    let server = Server::with_config(KEEP_ALL);
    let import = |what: &str| {
        let output = kymo_ends(2, &["import", "--url", &server.url, block.to_str().unwrap()]);
        assert!(output.errors.contains(what), "{what}: {}", output.errors);
    };
    let mangle = |name: &str, place: fn(usize) -> usize, what: &str| {
        let path = block.join(name);
        let whole = std::fs::read(&path).unwrap();
        let mut damaged = whole.clone();
        damaged[place(whole.len())] ^= 0x40;
        std::fs::write(&path, &damaged).unwrap();
        import(&format!("{}: invalid {what}", path.display()));
        std::fs::write(&path, &whole[..place(whole.len())]).unwrap();
        import(name);
        std::fs::write(&path, &whole).unwrap();
    };
    mangle("index", |_| 2, "index magic at byte 0 (bytes count from 0)");
    mangle("index", |len| len - 20, "table of contents checksum");
    mangle("index", |_| 20, "symbols checksum");
    mangle("chunks/000001", |_| 4, "chunks version");
    mangle("chunks/000001", |_| 60, "chunk checksum");
    mangle("tombstones", |_| 6, "tombstones checksum");
    std::fs::remove_file(block.join("chunks/000001")).unwrap();
    import("names chunk file 0, and there are 0");
    std::fs::write(block.join("meta.json"), "{").unwrap();
    import("meta.json");
}
