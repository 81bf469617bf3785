//! Head to blocks.
//!
//! The order makes a crash at any point harmless: the log moves on to a new segment, what is sealed is set
//! aside and written to blocks, what is open to a checkpoint, and one manifest edit makes blocks and checkpoint
//! live and moves the log's beginning. Until then the old log tells everything; after it, what is left of it is
//! rubbish.

use std::sync::Arc;

use crate::{
    block::{BlockInfo, BlockSpec, BlockWriter},
    checkpoint_file,
    engine::Inner,
    error::Error,
    head::WindowRows,
    manifest::{Edit, WalStart},
};

/// What a flush does with chunks that still take samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpenChunks {
    /// They stay in memory, and go to the checkpoint.
    Keep,
    /// Those whose newest sample is older are sealed and written; the others stay. `i64::MAX` seals all.
    SealBefore(i64),
}

impl OpenChunks {
    /// All are sealed and written.
    pub(crate) const SEAL: Self = Self::SealBefore(i64::MAX);

    const fn seal_before(self) -> i64 {
        match self {
            Self::Keep => i64::MIN,
            Self::SealBefore(ts) => ts,
        }
    }
}

/// What a flush did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FlushReport {
    /// Blocks written.
    pub blocks: usize,
    /// Series in them, counted in each block.
    pub series: u64,
    /// Samples in them.
    pub samples: u64,
    /// Bytes of them.
    pub block_bytes: u64,
    /// Bytes of the checkpoint.
    pub checkpoint_bytes: u64,
}

/// Moves what is sealed and late to blocks, and begins the log anew.
///
/// # Errors
/// When writing fails. Everything is as it was then: the next flush tries again.
pub(crate) fn flush(inner: &Inner, open: OpenChunks) -> Result<FlushReport, Error> {
    flush_alone(inner, &mut inner.flushing.lock(), open)
}

/// As [`flush`], for a caller that keeps other flushes out: `last_checkpoint` is what it holds.
///
/// # Errors
/// As [`flush`].
pub(crate) fn flush_alone(
    inner: &Inner,
    last_checkpoint: &mut u64,
    open: OpenChunks,
) -> Result<FlushReport, Error> {
    // What a manifest that failed would not take need not be written, again and again.
    inner.manifest.check()?;
    inner.check_room_for_flush()?;
    let segment = inner.wal.rotate()?;
    inner.head.take(open.seal_before());
    // A file of its own, also when the log has not moved on since the last flush: until the manifest says
    // otherwise the live checkpoint is all there is of the chunks that are about to become blocks.
    *last_checkpoint = segment.max(last_checkpoint.saturating_add(1));
    let start = WalStart { segment, checkpoint: Some(*last_checkpoint) };
    let mut written = Vec::new();
    let checkpoint_bytes = match move_to_disk(inner, start, &mut written) {
        Ok(bytes) => bytes,
        Err(error) => {
            if !matches!(&error, Error::Manifest(error) if error.may_be_applied()) {
                discard(inner, &written, *last_checkpoint);
            }
            return Err(error);
        }
    };
    inner.head.forget_taken();
    inner.wal.remove_before(segment)?;
    inner.remove_checkpoints_before(*last_checkpoint);
    let mut report = FlushReport { blocks: written.len(), checkpoint_bytes, ..FlushReport::default() };
    for block in &written {
        report.series += u64::from(block.summary.series);
        report.samples += block.summary.samples;
        report.block_bytes += block.file_bytes;
    }
    Ok(report)
}

/// Writes blocks and checkpoint and makes them live. `written` are the blocks so far, also after an error.
fn move_to_disk(inner: &Inner, start: WalStart, written: &mut Vec<BlockInfo>) -> Result<u64, Error> {
    for window in inner.head.taken_windows() {
        written.extend(write_block(inner, &window)?);
    }
    let checkpoint = start.checkpoint.unwrap_or(start.segment);
    let checkpoint_bytes = checkpoint_file::write(&inner.env.fs, &inner.wal_dir, checkpoint, &inner.head)?;
    let created = inner.env.clock.now();
    let mut edits: Vec<Edit> =
        written.iter().map(|block| Edit::AddBlock(Arc::new(block.to_meta(created, Vec::new())))).collect();
    edits.push(Edit::WalStart(start));
    inner.apply_flush(edits)?;
    Ok(checkpoint_bytes)
}

/// Removes the files of a flush that failed: on a full disk each further attempt would add to them. What cannot
/// be removed now is removed at the next start.
fn discard(inner: &Inner, written: &[BlockInfo], checkpoint: u64) {
    for path in written.iter().map(|block| &block.path) {
        drop(inner.env.fs.remove(path));
    }
    drop(inner.env.fs.remove(&checkpoint_file::path(&inner.wal_dir, checkpoint)));
}

fn write_block(inner: &Inner, window: &WindowRows) -> Result<Option<BlockInfo>, Error> {
    let id = inner.manifest.allocate_id();
    let spec = BlockSpec { id, level: 0, sequence: id, space: 0 };
    let mut writer = BlockWriter::create(Arc::clone(&inner.env.fs), &inner.block_dir, spec)?;
    inner.head.visit_window(window, |series| {
        writer.add_series(&series.labels, series.chunks).map_err(Error::from)
    })?;
    Ok(writer.finish()?)
}
