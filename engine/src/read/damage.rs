//! Damage that a read meets: left out of the answer, which says so; never an answer that only looks complete.

use std::{
    collections::BTreeSet,
    error::Error as _,
    sync::atomic::{AtomicU64, Ordering},
};

use parking_lot::Mutex;
use tracing::error;

use crate::{block::BlockError, error::Error};

/// Warnings in one answer. More than that does not tell more; a store with so much damage is to be verified.
const WARNINGS_MAX: usize = 10;

/// What an answer lacks: a text for each damaged part that was left out. Bounded, each text once.
#[must_use = "an answer that lacks data must not look complete"]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Warnings {
    texts: Vec<String>,
    /// Whether something was left out that may be there later.
    unreachable: bool,
}

impl Warnings {
    /// Whether the answer is complete.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// Whether object storage could not be reached: the same question may have a better answer later.
    #[must_use]
    pub const fn is_unreachable(&self) -> bool {
        self.unreachable
    }

    /// The texts.
    #[must_use]
    pub fn into_texts(self) -> Vec<String> {
        self.texts
    }

    /// Adds all of `other`.
    pub fn extend(&mut self, other: Self) {
        self.unreachable |= other.unreachable;
        other.texts.into_iter().for_each(|text| self.add(text));
    }

    /// Adds a text, unless it is there or there are many.
    pub fn add(&mut self, text: String) {
        if self.texts.contains(&text) {
            return;
        }
        match self.texts.len() {
            0..WARNINGS_MAX => self.texts.push(text),
            WARNINGS_MAX => self.texts.push("more damaged data is left out".to_owned()),
            _ => {}
        }
    }
}

/// What was met since the start: each damaged block is logged once, each part that is left out is counted.
#[derive(Debug, Default)]
pub(crate) struct DamageLog {
    blocks: Mutex<BTreeSet<u64>>,
    left_out: AtomicU64,
    unreachable: AtomicU64,
}

impl DamageLog {
    /// Ids of the blocks in which reads found damage.
    pub(crate) fn blocks(&self) -> BTreeSet<u64> {
        self.blocks.lock().clone()
    }

    /// Blocks and chunks that were left out of answers.
    pub(crate) fn left_out(&self) -> u64 {
        self.left_out.load(Ordering::Relaxed)
    }

    /// What was read of a block, or nothing and a warning if the block is damaged.
    ///
    /// # Errors
    /// Any other error.
    pub(super) fn isolate<T, E: Into<Error>>(
        &self,
        block: u64,
        read: Result<T, E>,
        warnings: &mut Warnings,
    ) -> Result<Option<T>, Error> {
        match read.map_err(Into::into) {
            Ok(read) => Ok(Some(read)),
            Err(Error::Block(error)) if error.is_damage() => {
                self.note(block, "a damaged block is left out", &error, warnings);
                Ok(None)
            }
            Err(Error::Block(error)) if error.is_unreachable() => {
                self.note_unreachable(
                    "a block in object storage cannot be reached and is left out",
                    &error,
                    warnings,
                );
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Counts a part of a block that is left out because its place cannot be reached, and warns of it. It says nothing of
    /// the block.
    pub(super) fn note_unreachable(&self, what: &str, error: &BlockError, warnings: &mut Warnings) {
        self.unreachable.fetch_add(1, Ordering::Relaxed);
        warnings.unreachable = true;
        warnings.add(format!("{what}: {error}"));
    }

    /// Blocks and chunks that were left out of answers because their place could not be reached.
    pub(crate) fn unreachable(&self) -> u64 {
        self.unreachable.load(Ordering::Relaxed)
    }

    /// Notes damage of `block` that leaves nothing out of an answer.
    pub(super) fn note_harmless(&self, block: u64, error: &BlockError) {
        if error.is_damage() && self.blocks.lock().insert(block) {
            error!(block, error = %error, "damaged summaries are not used; kymo verify lists all damage");
        }
    }

    /// Counts a part of `block` that is left out, and warns of it.
    pub(super) fn note(&self, block: u64, what: &str, error: &BlockError, warnings: &mut Warnings) {
        self.left_out.fetch_add(1, Ordering::Relaxed);
        let source = error.source().map(|source| format!(": {source}")).unwrap_or_default();
        if self.blocks.lock().insert(block) {
            error!(block, error = %error, "damaged data is left out of answers; kymo verify lists all of it");
        }
        warnings.add(format!("{what}: {error}{source}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_bounded_and_each_is_there_once() {
        let mut warnings = Warnings::default();
        for n in 0..100 {
            warnings.add(format!("page {n}"));
            warnings.add("page 0".to_owned());
        }
        let texts = warnings.into_texts();
        assert_eq!(texts.len(), WARNINGS_MAX + 1);
        assert_eq!(texts.iter().filter(|text| *text == "page 0").count(), 1);
        assert_eq!(texts.last().unwrap(), "more damaged data is left out");
    }
}
