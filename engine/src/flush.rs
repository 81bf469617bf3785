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
    /// They are sealed and written.
    Seal,
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
    let _alone = inner.flushing.lock();
    let segment = inner.wal.rotate()?;
    inner.head.take(open == OpenChunks::Seal);
    let mut written = Vec::new();
    for window in inner.head.taken_windows() {
        written.extend(write_block(inner, &window)?);
    }
    let checkpoint_bytes = checkpoint_file::write(&inner.env.fs, &inner.wal_dir, segment, &inner.head)?;

    let created = inner.env.clock.now();
    let mut edits: Vec<Edit> =
        written.iter().map(|block| Edit::AddBlock(Arc::new(block.to_meta(created, Vec::new())))).collect();
    edits.push(Edit::WalStart(WalStart { segment, checkpoint: Some(segment) }));
    inner.manifest.apply(edits)?;

    inner.head.forget_taken();
    inner.wal.remove_before(segment)?;
    inner.remove_checkpoints_before(segment);
    let mut report = FlushReport { blocks: written.len(), checkpoint_bytes, ..FlushReport::default() };
    for block in &written {
        report.series += u64::from(block.summary.series);
        report.samples += block.summary.samples;
        report.block_bytes += block.file_bytes;
    }
    Ok(report)
}

fn write_block(inner: &Inner, window: &WindowRows) -> Result<Option<BlockInfo>, Error> {
    let id = inner.manifest.allocate_id();
    let spec = BlockSpec { id, level: 0, sequence: id, space: 0 };
    let mut writer = BlockWriter::create(Arc::clone(&inner.env.fs), &inner.block_dir, spec)?;
    inner.head.visit_window(window, |series| {
        let chunks = series.chunks.iter().map(|(meta, bytes)| (*meta, bytes));
        writer.add_series(&series.labels, chunks).map_err(Error::from)
    })?;
    Ok(writer.finish()?)
}
