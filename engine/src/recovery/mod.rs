//! What was there before: the checkpoint and the log back into the head, rubbish away.
//!
//! * `workers` - frames from the one thread that reads to those that fill the head
//! * `progress` - how far it is

mod progress;
#[cfg(test)]
mod tests;
mod workers;

use std::{collections::BTreeSet, path::Path};

use tracing::{info, warn};

use crate::{
    checkpoint_file,
    env::{Env, Fs},
    error::Error,
    head::{Head, ReplayCounts},
    manifest::Version,
    wal::{Replay, ReplayReport},
};
use workers::Portion;

pub use progress::{ReplayProgress, ReplayedSegments};

/// What a start found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// Rows that were replayed from the log.
    pub rows: u64,
    /// Segments that were replayed.
    pub segments: u64,
    /// Bytes cut off the end of the log: a write that was under way when the process ended.
    pub torn_bytes: u64,
    /// Bytes of the log that were damaged and set aside.
    pub quarantined_bytes: u64,
    /// Segments that should have been there and were not.
    pub missing_segments: u64,
    /// Bytes of the checkpoint that were damaged and left out.
    pub checkpoint_damaged_bytes: u64,
    /// Frames of the log whose checksum is right and whose content is not: written by a broken release.
    pub undecodable_frames: u64,
}

/// Fills the head from the checkpoint and the log. Returns the report, and the number for the next segment.
///
/// # Errors
/// When a file cannot be read, or is of a later version.
pub(crate) fn replay(
    env: &Env,
    wal_dir: &Path,
    version: &Version,
    head: &Head,
    progress: &ReplayProgress,
) -> Result<(RecoveryReport, u64), Error> {
    let start = version.wal_start();
    let mut log = Replay::open(&env.fs, wal_dir, start.segment)?;
    if let Some(range) = log.range() {
        progress.begin(range);
    }
    let mut checkpoint = start.checkpoint;
    let mut damaged_bytes = 0;
    let counts = workers::replay_all(head, env.threads, || {
        if let Some(number) = checkpoint.take() {
            let (frames, damaged) = checkpoint_file::read(&*env.fs, wal_dir, number)?;
            let path = checkpoint_file::path(wal_dir, number);
            damaged_bytes = damaged.iter().map(|range| range.len() as u64).sum();
            if damaged_bytes > 0 {
                warn!(path = %path.display(), bytes = damaged_bytes, "checkpoint damaged");
            }
            return Ok(Some(Portion::Checkpoint { path, frames }));
        }
        let Some((number, frames)) = log.next_segment()? else { return Ok(None) };
        progress.at(number);
        Ok(Some(Portion::Segment { frames }))
    })?;
    let report = RecoveryReport::new(log.report(), counts, damaged_bytes);
    info!(
        rows = report.rows,
        segments = report.segments,
        torn_bytes = report.torn_bytes,
        quarantined_bytes = report.quarantined_bytes,
        "log replayed"
    );
    Ok((report, log.report().next_segment))
}

impl RecoveryReport {
    fn new(log: &ReplayReport, counts: ReplayCounts, checkpoint_damaged_bytes: u64) -> Self {
        Self {
            rows: counts.rows,
            segments: log.segments,
            torn_bytes: log.truncated.iter().map(|tail| tail.bytes).sum(),
            quarantined_bytes: log.quarantined.iter().map(|range| range.bytes).sum(),
            missing_segments: log.missing.iter().map(|range| range.end() - range.start() + 1).sum(),
            checkpoint_damaged_bytes,
            undecodable_frames: counts.undecodable_frames,
        }
    }
}

/// Refuses a directory with blocks whose manifest is gone: it would look like a new store, and the blocks like
/// rubbish. A manifest is durable before the first block is written.
///
/// # Errors
/// When there is a block and no manifest.
pub(crate) fn check_manifest(fs: &dyn Fs, manifest_dir: &Path, block_dir: &Path) -> Result<(), Error> {
    if fs.exists(manifest_dir).map_err(Error::io("look for", manifest_dir))?
        && !fs.list(manifest_dir).map_err(Error::io("list", manifest_dir))?.is_empty()
    {
        return Ok(());
    }
    let blocks = fs.list(block_dir).map_err(Error::io("list", block_dir))?;
    match blocks.into_iter().find(|entry| entry.name.ends_with(".blk")) {
        Some(block) => {
            Err(Error::NoManifest { path: manifest_dir.to_owned(), block: block_dir.join(block.name) })
        }
        None => Ok(()),
    }
}

/// Removes block files that no version names, and what was being written when the process ended.
///
/// # Errors
/// When a directory cannot be listed or a file not be removed.
pub(crate) fn remove_rubbish(
    fs: &dyn Fs,
    block_dir: &Path,
    wal_dir: &Path,
    version: &Version,
) -> Result<(), Error> {
    let live: BTreeSet<String> = version
        .blocks()
        .iter()
        .filter(|block| version.has_file(block.id))
        .map(|block| file_name(&crate::block::block_path(block_dir, block.id)))
        .collect();
    for entry in fs.list(block_dir).map_err(Error::io("list", block_dir))? {
        if !entry.is_dir && !live.contains(&entry.name) {
            info!(file = %entry.name, "removing a file that is no live block");
            remove(fs, &block_dir.join(&entry.name))?;
        }
    }
    let checkpoint = version.wal_start().checkpoint;
    for entry in fs.list(wal_dir).map_err(Error::io("list", wal_dir))? {
        let old = checkpoint_file::number_of(&entry.name).is_some_and(|number| Some(number) != checkpoint);
        if old || entry.name.ends_with(".tmp") {
            remove(fs, &wal_dir.join(&entry.name))?;
        }
    }
    Ok(())
}

fn remove(fs: &dyn Fs, path: &Path) -> Result<(), Error> {
    fs.remove(path).map_err(Error::io("remove", path))
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
