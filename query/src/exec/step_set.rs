//! A set of steps.

/// A set of steps, as large as the distance between its least and greatest one: series live for a part of a
/// long range only, and there may be many of them.
#[derive(Debug, Clone, Default)]
pub(super) struct StepSet {
    /// Word that `words[0]` stands for.
    first: usize,
    words: Vec<u64>,
}

impl StepSet {
    /// Adds a step; returns whether it is new.
    pub(super) fn insert(&mut self, step: usize) -> bool {
        let word = step / 64;
        if self.words.is_empty() {
            self.first = word;
        } else if word < self.first {
            self.words.splice(0..0, std::iter::repeat_n(0, self.first - word));
            self.first = word;
        }
        let idx = word - self.first;
        if idx >= self.words.len() {
            self.words.resize(idx + 1, 0);
        }
        let bit = 1 << (step % 64);
        let is_new = self.words[idx] & bit == 0;
        self.words[idx] |= bit;
        is_new
    }

    /// Whether the step is there.
    pub(super) fn contains(&self, step: usize) -> bool {
        let word = (step / 64).checked_sub(self.first).and_then(|idx| self.words.get(idx));
        word.is_some_and(|word| word & (1 << (step % 64)) != 0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: Some(Box::new(proptest::test_runner::FileFailurePersistence::Direct(
                concat!(env!("CARGO_MANIFEST_DIR"), "/../proptest-regressions/query/step_set.txt"),
            ))),
            ..ProptestConfig::default()
        })]

        #[test]
        fn agrees_with_a_set(steps in proptest::collection::vec(0_usize..500, 0..60)) {
            let (mut set, mut model) = (StepSet::default(), BTreeSet::new());
            for step in steps {
                prop_assert_eq!(set.insert(step), model.insert(step));
            }
            for step in 0..500 {
                prop_assert_eq!(set.contains(step), model.contains(&step));
            }
        }
    }
}
