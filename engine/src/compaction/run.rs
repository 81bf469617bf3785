//! Carries out a choice: reads the inputs, writes the outputs.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use super::{
    error::CompactionError,
    merge::{MergeInput, merge},
    plan::Choice,
};
use crate::{
    block::{BlockChunk, BlockInfo, BlockSpec, BlockWriter},
    env::Fs,
    signals::metrics::{ChunkTarget, MergedChunk},
};

/// Where the outputs of a compaction go.
#[derive(Debug, Clone)]
pub struct CompactionEnv {
    /// The file system.
    pub fs: Arc<dyn Fs>,
    /// The directory of the blocks.
    pub dir: PathBuf,
    /// Reserved for tenants; 0.
    pub space: u32,
}

/// What a compaction did: to be committed as one edit of the manifest, which makes it so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compacted {
    /// The new blocks, which are durable; none when no sample is left.
    pub added: Vec<BlockInfo>,
    /// The blocks that they replace.
    pub removed: Vec<u64>,
}

/// Carries out `choice`. `inputs` are its blocks in its order; `next_id` gives ids that no block has or had.
///
/// Memory is bounded by the index of the outputs and one series.
///
/// # Errors
/// When an input cannot be read in full, or an output not be written. Everything is then as it was.
pub fn compact(
    env: &CompactionEnv,
    choice: &Choice,
    inputs: &[MergeInput],
    mut next_id: impl FnMut() -> u64,
) -> Result<Compacted, CompactionError> {
    let mut writers: BTreeMap<i64, BlockWriter> = BTreeMap::new();
    let target =
        ChunkTarget { samples: choice.chunk_samples, window_ms: choice.window_ms, floats: choice.floats };
    let window_of = |chunk: &MergedChunk<'_>| chunk.meta.min_ts.div_euclid(choice.window_ms);
    merge(inputs, target, |labels, chunks| {
        let mut chunks = chunks.into_iter().peekable();
        while let Some(window) = chunks.peek().map(window_of) {
            let here = std::iter::from_fn(|| chunks.next_if(|chunk| window_of(chunk) == window));
            let writer = match writers.entry(window) {
                std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                std::collections::btree_map::Entry::Vacant(entry) => {
                    let spec = BlockSpec {
                        id: next_id(),
                        level: choice.level,
                        sequence: choice.sequence,
                        space: env.space,
                    };
                    let writer = BlockWriter::create(Arc::clone(&env.fs), &env.dir, spec);
                    entry.insert(writer.map_err(CompactionError::output)?)
                }
            };
            writer.add_series(labels, here.map(block_chunk)).map_err(CompactionError::output)?;
        }
        Ok(())
    })?;
    let added = finish(env, writers.into_values())?;
    Ok(Compacted { added, removed: choice.inputs.clone() })
}

fn block_chunk(MergedChunk { meta, body, summary }: MergedChunk<'_>) -> BlockChunk<'_> {
    BlockChunk { meta, body, summary }
}

/// Finishes all blocks, or removes those that were finished.
fn finish(
    env: &CompactionEnv,
    writers: impl Iterator<Item = BlockWriter>,
) -> Result<Vec<BlockInfo>, CompactionError> {
    let mut added: Vec<BlockInfo> = Vec::new();
    for writer in writers {
        match writer.finish() {
            Ok(block) => added.extend(block),
            Err(error) => {
                for block in added {
                    if let Err(error) = env.fs.remove(&block.path) {
                        // It is not in the manifest, so the next start removes it.
                        tracing::warn!(path = %block.path.display(), %error, "output not removed");
                    }
                }
                return Err(CompactionError::output(error));
            }
        }
    }
    Ok(added)
}
