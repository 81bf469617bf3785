//! Which blocks to merge next: pure, blocks in and a choice out.
//!
//! Of several things to do the lowest level comes first, and within it the oldest window. A merge takes
//! every block of its level and below in the window, so that "the first one written wins" can be decided
//! among them alone. A block that reaches over the edge of a closed window is first split at the edges.

use std::{collections::BTreeMap, ops::Range};

use super::levels::{Level, Levels};
use crate::signals::metrics::FloatForm;

/// Fewer blocks below the level than this go into one merge: bounds memory and the time until something is
/// gained. The rest has its turn next.
const INPUTS_MAX: usize = 64;
/// As many late blocks of a window are merged into its block whatever their size: more would slow down reads.
const LATE_BLOCKS_MAX: usize = 4;
/// Late blocks are merged once they have this part of the size of the window's block: rewriting it for
/// every few late samples would cost more than reading around them.
const LATE_BYTES_PART: u64 = 8;

/// What a plan needs to know of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanBlock {
    /// Its id.
    pub id: u64,
    /// Age of the oldest data in it; see [`kymo_formats::block::meta::BlockSummary::sequence`].
    pub sequence: u64,
    /// Its level.
    pub level: u8,
    /// The time it covers.
    pub range: Range<i64>,
    /// Length of its file.
    pub bytes: u64,
    /// Whether a deletion that is younger than the block concerns it. A block that was written after the
    /// deletion has it applied, so rewriting a block ends this.
    pub deletions: bool,
}

/// How eager a plan is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// What is worth doing: closed windows, and late data that has become much.
    Due,
    /// All that can be done, as an operator asked: open windows count as closed, blocks go straight to the
    /// highest level, and deletions are carried out.
    Everything,
}

/// Blocks to be replaced by others with the same data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The blocks to read, the oldest data first: of samples with the same time the first one wins.
    pub inputs: Vec<u64>,
    /// Level of the new blocks.
    pub level: u8,
    /// Age of the new blocks: that of the oldest input.
    pub sequence: u64,
    /// No new block reaches over a multiple of this.
    pub window_ms: i64,
    /// Samples per chunk to aim at.
    pub chunk_samples: u32,
    /// How floats are stored.
    pub floats: FloatForm,
}

/// The next thing to do with `blocks`, the live ones, if there is any, when by the data it is `data_ts`, milliseconds.
/// Blocks that were found damaged are left out by the caller. Doing it and asking again comes to an end.
#[must_use]
pub fn plan(blocks: &[PlanBlock], levels: &Levels, data_ts: i64, urgency: Urgency) -> Option<Choice> {
    plan_within(blocks, levels, data_ts, urgency, u64::MAX)
}

/// As [`plan`], for a disk that has room for outputs of `room_bytes`. A merge needs at most as much as its inputs have:
/// one that has no room is done in part, or left out.
#[must_use]
pub fn plan_within(
    blocks: &[PlanBlock],
    levels: &Levels,
    data_ts: i64,
    urgency: Urgency,
    room_bytes: u64,
) -> Option<Choice> {
    let mut blocks: Vec<_> = blocks.iter().filter(|block| !block.range.is_empty()).collect();
    blocks.sort_by_key(|block| (block.sequence, block.id));
    match urgency {
        Urgency::Due => {
            levels.iter().find_map(|level| plan_level(&blocks, level, levels, data_ts, urgency, room_bytes))
        }
        Urgency::Everything => plan_level(&blocks, levels.top(), levels, data_ts, urgency, room_bytes),
    }
}

fn plan_level(
    blocks: &[&PlanBlock],
    level: &Level,
    levels: &Levels,
    data_ts: i64,
    urgency: Urgency,
    room_bytes: u64,
) -> Option<Choice> {
    let closed = |window: &Range<i64>| urgency == Urgency::Everything || is_closed(window, level, data_ts);
    let mut windows: BTreeMap<i64, Vec<&PlanBlock>> = BTreeMap::new();
    for &block in blocks.iter().filter(|block| block.level <= level.level) {
        let window = level.window(block.range.start);
        if level.holds(&block.range) {
            windows.entry(window.start).or_default().push(block);
        } else if closed(&window) && block.bytes <= room_bytes {
            return Some(split(block, level, levels, urgency));
        }
    }
    windows.into_iter().find_map(|(start, blocks)| {
        let due = closed(&level.window(start)) && is_due(&blocks, level, urgency);
        due.then(|| merge(&blocks, level, room_bytes)).flatten()
    })
}

fn is_closed(window: &Range<i64>, level: &Level, data_ts: i64) -> bool {
    data_ts >= window.end.saturating_add(level.grace_ms)
}

/// Whether merging `blocks`, all those in one closed window, is worth it.
fn is_due(blocks: &[&PlanBlock], level: &Level, urgency: Urgency) -> bool {
    let (own, late): (Vec<&PlanBlock>, Vec<&PlanBlock>) =
        blocks.iter().partition(|block| block.level == level.level);
    if own.len() > 1 {
        return true;
    }
    match urgency {
        Urgency::Everything => !late.is_empty() || own.iter().any(|block| block.deletions),
        Urgency::Due => {
            let bytes = |blocks: &[&PlanBlock]| blocks.iter().map(|block| block.bytes).sum::<u64>();
            late.len() >= LATE_BLOCKS_MAX
                || !late.is_empty() && bytes(&late).saturating_mul(LATE_BYTES_PART) >= bytes(&own)
        }
    }
}

/// As much of the window at once as there is room for.
fn merge(blocks: &[&PlanBlock], level: &Level, room_bytes: u64) -> Option<Choice> {
    // The level's own blocks always: two of them would overlap if one stayed behind.
    let mut late_max = INPUTS_MAX;
    let taken = |block: &&&PlanBlock| {
        let own = block.level == level.level;
        late_max -= usize::from(!own && late_max > 0);
        own || late_max > 0
    };
    let all: Vec<&PlanBlock> = blocks.iter().filter(taken).copied().collect();
    let inputs = fitting(&all, level, room_bytes)?;
    Some(Choice {
        inputs: inputs.iter().map(|block| block.id).collect(),
        level: level.level,
        sequence: inputs.first()?.sequence,
        window_ms: level.window_ms,
        chunk_samples: level.chunk_samples,
        floats: level.floats,
    })
}

/// All of `inputs`, or the oldest of them as far as there is room. The youngest may stay behind: whatever the others
/// become is older than they are.
fn fitting<'a, 'b>(
    inputs: &'a [&'b PlanBlock],
    level: &Level,
    room_bytes: u64,
) -> Option<&'a [&'b PlanBlock]> {
    let fits = |inputs: &[&PlanBlock]| inputs.iter().map(|block| block.bytes).sum::<u64>() <= room_bytes;
    if fits(inputs) {
        return Some(inputs);
    }
    let own = inputs.iter().rposition(|block| block.level == level.level).map_or(0, |last| last + 1);
    // One block alone gains nothing.
    (own.max(2)..inputs.len()).rev().map(|len| &inputs[..len]).find(|inputs| fits(inputs))
}

/// Splits one block, alone: merged with others its parts would get the age of the oldest of them, and win
/// where they should not.
fn split(block: &PlanBlock, level: &Level, levels: &Levels, urgency: Urgency) -> Choice {
    // In parts that fit the lowest level they fit every level, and each goes its own way from there.
    let window = match urgency {
        Urgency::Due => levels.bottom(),
        Urgency::Everything => level,
    };
    Choice {
        inputs: vec![block.id],
        level: block.level,
        sequence: block.sequence,
        window_ms: window.window_ms,
        chunk_samples: window.chunk_samples,
        floats: window.floats,
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
