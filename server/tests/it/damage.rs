//! A damaged store through the real binary: `kymo verify`, `kymo inspect`, and answers that say what they lack.

use std::{
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

use crate::{
    harness::{DataDir, Server, now},
    remote_read,
};

const CONFIG: &str = "self_metrics: {enabled: false}\n";
/// Chunk data follows the header of 64 bytes.
const IN_CHUNKS: i64 = 70;

fn kymo(args: &[&str], dir: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kymo"))
        .args(args)
        .arg("--data-dir")
        .arg(dir.join("data"))
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// A stopped server with a block of two metrics, and the time of their samples.
fn stopped() -> (DataDir, i64) {
    let server = Server::with_config(CONFIG);
    let ts = now() - 6 * 3_600_000;
    for name in ["a", "b"] {
        let samples: Vec<(i64, f64)> = (0..200).map(|i| (ts + i * 100, i as f64)).collect();
        server.store(&[("__name__", name), ("job", "test")], &samples);
    }
    for path in ["/-/flush", "/-/compact"] {
        assert_eq!(server.post(path, &[], b"").status, 200);
    }
    (server.stop(), ts)
}

fn block_of(dir: &Path) -> PathBuf {
    let output = kymo(&["inspect", "--json"], dir);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let inspection: Value = serde_json::from_slice(&output.stdout).unwrap();
    let id = inspection["blocks"][0]["id"].as_u64().unwrap();
    dir.join("data/blocks").join(format!("{id:016}.blk"))
}

/// Changes a byte of a file, from its start or, if negative, from its end.
#[expect(clippy::disallowed_methods, reason = "the disk's side of the test")]
fn change(path: &Path, at: i64) {
    let mut file = std::fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let place = if at < 0 { SeekFrom::End(at) } else { SeekFrom::Start(at.unsigned_abs()) };
    let start = file.seek(place).unwrap();
    let mut byte = [0];
    file.read_exact(&mut byte).unwrap();
    file.seek(SeekFrom::Start(start)).unwrap();
    file.write_all(&[byte[0] ^ 0x55]).unwrap();
}

#[test]
fn verify_tells_sound_from_damaged_from_locked() {
    let (dir, _) = stopped();
    let output = kymo(&["verify"], &dir);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    assert!(text(&output.stdout).contains("nothing is damaged"), "{}", text(&output.stdout));

    let block = block_of(&dir);
    change(&block, IN_CHUNKS);
    let output = kymo(&["verify"], &dir);
    let printed = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{printed}");
    let line = printed.lines().find(|line| line.contains("chunk page")).unwrap();
    assert!(line.contains(block.to_str().unwrap()) && line.contains(" 64 "), "{line}");
    let output = kymo(&["verify", "--json"], &dir);
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["clean"], false);
    let files = report["files"].as_array().unwrap();
    let damaged: Vec<_> = files.iter().filter(|file| file["damages"] != Value::Array(Vec::new())).collect();
    assert_eq!(damaged.len(), 1, "{report}");
    assert_eq!(damaged[0]["damages"][0]["offset"], 64);

    let server = Server::open(&dir, CONFIG);
    for command in ["verify", "inspect"] {
        let output = kymo(&[command], &dir);
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains("is locked"), "{}", text(&output.stderr));
    }
    let dir = server.stop();
    let output = kymo(&["verify"], &dir.join("elsewhere"));
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn inspect_prints_tables() {
    let (dir, _) = stopped();
    let output = kymo(&["inspect"], &dir);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    for title in [
        "blocks\n",
        "sections of all blocks\n",
        "chunks by encoding\n",
        "metrics with most series\n",
        "labels with most values in a block\n",
        "beside the blocks\n",
    ] {
        assert!(printed.contains(title), "{printed}");
    }
    assert!(printed.contains("postings") && printed.contains("__name__"), "{printed}");
    let output = kymo(&["inspect", "--block", "987"], &dir);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn answers_go_on_and_say_what_they_lack() {
    let (dir, ts) = stopped();
    change(&block_of(&dir), IN_CHUNKS);
    let server = Server::open(&dir, CONFIG);
    let time = (ts / 1000 + 30).to_string();
    let query = [("query", "count_over_time({job=\"test\"}[1m])"), ("time", time.as_str())];
    let answer = server.form("/api/v1/query", &query);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let warnings = answer.json()["warnings"].take();
    assert!(warnings[0].as_str().unwrap().contains("chunk page at byte 64"), "{}", answer.text());
    let range = [query[0], ("start", time.as_str()), ("end", time.as_str()), ("step", "1")];
    let answer = server.form("/api/v1/query_range", &range);
    assert_eq!((answer.status, &answer.json()["warnings"]), (200, &warnings));
    // What is not damaged needs no warning: the index is whole.
    let answer = server.get("/api/v1/labels", &[("start", &time), ("end", &time)]);
    assert!(answer.json().get("warnings").is_none(), "{}", answer.text());
    // Remote read has no place for a warning, so it does not answer in part.
    let read = |name| remote_read::read(&server, ts, ts + 60_000, &[], &[("__name__", name)]);
    let answer = read("a");
    assert_eq!(answer.status, 500);
    assert!(answer.text().contains("chunk page at byte 64"), "{}", answer.text());
    assert_eq!(read("none").status, 200);
    let metrics = server.get("/metrics", &[]).text();
    assert!(metrics.contains("kymo_engine_damaged_blocks 1\n"), "{metrics}");
    assert!(!metrics.contains("kymo_engine_damaged_left_out_total 0\n"), "{metrics}");
}

#[test]
fn a_block_without_its_index_is_left_out_of_every_answer() {
    let (dir, ts) = stopped();
    // The last bytes of a block are the table of its sections.
    change(&block_of(&dir), -20);
    let server = Server::open(&dir, CONFIG);
    let newest = now();
    server.store(&[("__name__", "c"), ("job", "test")], &[(newest, 1.0)]);
    let start = (ts / 1000).to_string();
    let end = (newest / 1000).to_string();
    let range = [("match[]", "{job=\"test\"}"), ("start", start.as_str()), ("end", end.as_str())];
    for path in ["/api/v1/labels", "/api/v1/label/job/values", "/api/v1/series"] {
        let answer = server.get(path, &range);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let json = answer.json();
        assert!(json["warnings"][0].as_str().unwrap().contains(".blk"), "{}", answer.text());
        assert!(!json["data"].as_array().unwrap().is_empty(), "{}", answer.text());
    }
    let answer = server.form("/api/v1/query", &[("query", "count_over_time({job=\"test\"}[1d])")]);
    let json = answer.json();
    assert_eq!(json["data"]["result"].as_array().unwrap().len(), 1, "{}", answer.text());
    assert!(json["warnings"][0].as_str().unwrap().contains("left out"), "{}", answer.text());
}
