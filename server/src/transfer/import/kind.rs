//! What a path is.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::ImportError;
use crate::{
    cli::ImportFormat,
    transfer::files::{self, InputFile},
};

/// Most bytes of the description of a block: its list of sources may be long.
const META_BYTES_MAX: u64 = 16 << 20;
/// Bytes at the end of a text in which its last line is looked for.
const TAIL_BYTES: usize = 64;

/// Something to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    OpenMetrics(PathBuf),
    Prometheus(PathBuf),
    Block(PathBuf),
    Table(PathBuf),
}

/// What is used of a block's `meta.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Meta {
    version: u32,
    ulid: String,
    #[serde(default)]
    min_time: i64,
    #[serde(default)]
    compaction: Compaction,
}

#[derive(Debug, Default, Deserialize)]
struct Compaction {
    #[serde(default)]
    parents: Vec<Parent>,
}

#[derive(Debug, Deserialize)]
struct Parent {
    ulid: String,
}

/// Adds what is to be read of `path` to `inputs`, and to `notes` what is not.
pub(super) fn find(
    path: &Path,
    format: Option<ImportFormat>,
    inputs: &mut Vec<Kind>,
    notes: &mut Vec<String>,
) -> Result<(), ImportError> {
    let stdin = path == Path::new("-");
    let is_dir = !stdin && files::is_dir(path)?;
    let wrong = |what: &str| ImportError::Foreign { path: path.to_owned(), what: what.to_owned() };
    match format {
        Some(ImportFormat::Tsdb) if !is_dir => Err(wrong("is no directory, and a block is one")),
        None | Some(ImportFormat::Tsdb) if is_dir => find_blocks(path, inputs, notes),
        Some(_) if is_dir => Err(wrong("is a directory")),
        Some(ImportFormat::Parquet) if stdin => Err(wrong("Parquet is not read from standard input")),
        Some(ImportFormat::Parquet) => push(inputs, Kind::Table(path.to_owned())),
        Some(ImportFormat::Prometheus) => push(inputs, Kind::Prometheus(path.to_owned())),
        Some(ImportFormat::Openmetrics) => push(inputs, Kind::OpenMetrics(path.to_owned())),
        _ if stdin => push(inputs, Kind::OpenMetrics(path.to_owned())),
        _ => push(inputs, look(path)?),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "an arm of a match whose other arms fail")]
fn push(inputs: &mut Vec<Kind>, input: Kind) -> Result<(), ImportError> {
    inputs.push(input);
    Ok(())
}

/// What a file is by its first and last bytes.
fn look(path: &Path) -> Result<Kind, ImportError> {
    let file = InputFile::open(path)?;
    let path = path.to_owned();
    if file.read_at(0, 4)? == b"PAR1" {
        return Ok(Kind::Table(path));
    }
    let tail = file.read_at(file.len().saturating_sub(TAIL_BYTES as u64), TAIL_BYTES)?;
    let last_line = tail.trim_ascii_end().rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(if last_line == b"# EOF" { Kind::OpenMetrics(path) } else { Kind::Prometheus(path) })
}

/// The blocks of a directory: itself, or those in it, the oldest first.
fn find_blocks(dir: &Path, inputs: &mut Vec<Kind>, notes: &mut Vec<String>) -> Result<(), ImportError> {
    if meta(dir)?.is_some() {
        inputs.push(Kind::Block(dir.to_owned()));
        return Ok(());
    }
    let mut blocks = Vec::new();
    for path in files::list(dir)? {
        if files::is_dir(&path)?
            && let Some(meta) = meta(&path)?
        {
            blocks.push((meta, path));
        }
    }
    if files::list(dir)?.iter().any(|path| path.file_name().is_some_and(|name| name == "wal")) {
        notes.push(format!(
            "{}: what is only in the head and its log (the last hours) is not read; a snapshot of Prometheus's has it in a block",
            dir.display()
        ));
    }
    if blocks.is_empty() {
        let what =
            "is neither a block of Prometheus's nor a directory of them: there is no meta.json".to_owned();
        return Err(ImportError::Foreign { path: dir.to_owned(), what });
    }
    // What was compacted is in another block as well until Prometheus removes it.
    let replaced: Vec<String> = blocks
        .iter()
        .flat_map(|(meta, _)| meta.compaction.parents.iter().map(|parent| parent.ulid.clone()))
        .collect();
    blocks.retain(|(meta, _)| !replaced.contains(&meta.ulid));
    blocks.sort_by_key(|(meta, _)| meta.min_time);
    inputs.extend(blocks.into_iter().map(|(_, path)| Kind::Block(path)));
    Ok(())
}

/// The description of the block in `dir`, if it is one.
fn meta(dir: &Path) -> Result<Option<Meta>, ImportError> {
    let path = dir.join("meta.json");
    // A block that is being written or removed has another name.
    if dir.extension().is_some_and(|extension| extension.to_string_lossy().starts_with("tmp")) {
        return Ok(None);
    }
    let Some(text) = files::read_small(&path, META_BYTES_MAX)? else { return Ok(None) };
    let foreign = |what| ImportError::Foreign { path, what };
    match serde_json::from_slice::<Meta>(&text) {
        Ok(meta) if meta.version == 1 => Ok(Some(meta)),
        Ok(meta) => {
            Err(foreign(format!("a block of version {}, of which nothing is known here", meta.version)))
        }
        Err(error) => Err(foreign(format!("describes no block of Prometheus's: {error}"))),
    }
}
