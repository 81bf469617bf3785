//! A regular expression over the sorted strings of a dictionary.

use std::ops::Range;

use kymo_formats::{DecodeError, index::dictionary::Dictionary};
use rayon::prelude::*;

use crate::model::{Regex, Verdict};

/// The strings of a part of a dictionary that match, as ascending ranges of ids that do not touch.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// The ids that were looked at.
    ids: Range<u32>,
    found: Vec<Range<u32>>,
    len: u32,
}

impl Part {
    /// None of these ids, so far.
    const fn new(ids: Range<u32>) -> Self {
        Self { ids, found: Vec::new(), len: 0 }
    }

    /// Adds ids behind all that there are.
    fn push(&mut self, ids: Range<u32>) {
        self.len += ids.end - ids.start;
        match self.found.last_mut() {
            Some(last) if last.end == ids.start => last.end = ids.end,
            _ => self.found.push(ids),
        }
    }

    /// The ids of strings that match.
    pub(super) fn found(&self) -> impl Iterator<Item = Range<u32>> {
        self.found.iter().cloned()
    }

    /// The ids of the others.
    pub(super) fn others(&self) -> impl Iterator<Item = Range<u32>> {
        let starts = std::iter::once(self.ids.start).chain(self.found.iter().map(|range| range.end));
        let ends = self.found.iter().map(|range| range.start).chain(std::iter::once(self.ids.end));
        starts.zip(ends).map(|(start, end)| start..end)
    }
}

/// Number of ids that match.
pub(super) fn count(parts: &[Part]) -> u32 {
    parts.iter().map(|part| part.len).sum()
}

/// Fewer strings than this are not worth another thread.
const STRINGS_PER_PART_MIN: usize = 1 << 15;

/// Parts for each thread, so that all end at about the same time. Each part computes its own states of the automaton.
const PARTS_PER_THREAD: usize = 2;

/// Which strings of `values` match `regex`. Together the parts hold all strings, in order; many are looked at in
/// parallel.
pub(super) fn matching_values(values: &Dictionary<'_>, regex: &Regex) -> Result<Vec<Part>, DecodeError> {
    let candidates = values.prefixed(regex.prefix())?;
    let strings = candidates.len().div_ceil(PARTS_PER_THREAD * rayon::current_num_threads());
    in_parts(values, regex, &candidates, strings.max(STRINGS_PER_PART_MIN))
}

/// As [`matching_values`]: only `candidates` may match, of which each part has so many.
pub(super) fn in_parts(
    values: &Dictionary<'_>,
    regex: &Regex,
    candidates: &Range<u32>,
    strings_per_part: usize,
) -> Result<Vec<Part>, DecodeError> {
    let len = u32::try_from(strings_per_part).unwrap_or(u32::MAX);
    let part = |start: u32| start..candidates.end.min(start.saturating_add(len));
    let within: Vec<Range<u32>> = candidates.clone().step_by(strings_per_part).map(part).collect();
    let look = |ids: Range<u32>| matching_between(values, regex, ids);
    let within: Result<Vec<Part>, DecodeError> = if within.len() < 2 {
        within.into_iter().map(look).collect()
    } else {
        within.into_par_iter().map(look).collect()
    };
    let (before, behind) = (Part::new(0..candidates.start), Part::new(candidates.end..values.len()));
    Ok(std::iter::once(before).chain(within?).chain(std::iter::once(behind)).collect())
}

/// The strings of `candidates` that match `regex`.
///
/// Each is read from the first byte on that it does not share with the one before; where the first bytes decide,
/// all strings that begin with them are passed over.
fn matching_between(
    values: &Dictionary<'_>,
    regex: &Regex,
    candidates: Range<u32>,
) -> Result<Part, DecodeError> {
    let mut found = Part::new(candidates.clone());
    let mut cursor = values.cursor();
    cursor.seek(candidates.start)?;
    let mut walk = regex.walk();
    let mut next = candidates.start;
    while next < candidates.end {
        cursor.advance()?;
        let id = next;
        let matched = match walk.step(cursor.value(), cursor.shared()) {
            Verdict::One(matched) => {
                next += 1;
                matched
            }
            Verdict::All { matched, len } => {
                // Perhaps beyond the last candidate: the others of the kind are another part's.
                next = cursor.skip_prefixed(len)?.min(candidates.end);
                matched
            }
        };
        if matched {
            found.push(id..next);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use kymo_formats::index::dictionary::DictionaryBuilder;
    use proptest::prelude::*;

    use super::*;
    use crate::index::tests::config;

    fn dictionary(values: &[Vec<u8>]) -> Vec<u8> {
        let mut builder = DictionaryBuilder::default();
        values.iter().for_each(|value| builder.push(value).unwrap());
        let mut bytes = Vec::new();
        builder.finish(&mut bytes);
        bytes
    }

    fn check(values: &[Vec<u8>], regex: &Regex) -> Result<(), TestCaseError> {
        let bytes = dictionary(values);
        let dictionary = Dictionary::parse(&bytes).unwrap();
        let expected = (0..).zip(values).filter(|(_, value)| regex.is_match(value)).map(|(id, _)| id);
        let expected: Vec<u32> = expected.collect();
        let candidates = dictionary.prefixed(regex.prefix()).unwrap();
        for strings_per_part in [1, 7, 16, 33, STRINGS_PER_PART_MIN] {
            let parts = in_parts(&dictionary, regex, &candidates, strings_per_part).unwrap();
            let found: Vec<u32> = parts.iter().flat_map(Part::found).flatten().collect();
            prop_assert_eq!(&found, &expected);
            prop_assert_eq!(count(&parts) as usize, found.len());
            let mut all: Vec<u32> = found;
            all.extend(parts.iter().flat_map(Part::others).flatten());
            all.sort_unstable();
            prop_assert!(all.into_iter().eq(0..dictionary.len()));
        }
        Ok(())
    }

    /// Strings that share much, some beyond ASCII, some not even UTF-8.
    fn value() -> impl Strategy<Value = Vec<u8>> {
        let part = prop_oneof![
            8 => prop::sample::select(vec!["a", "b", "ab", "-", "pod-"]).prop_map(|s| s.as_bytes().to_vec()),
            1 => prop::sample::select(vec!["é", "日", "\u{fffd}"]).prop_map(|s| s.as_bytes().to_vec()),
            1 => Just(vec![0xff]),
            1 => Just(vec![0xe6, 0x97]),
        ];
        prop::collection::vec(part, 1..6).prop_map(|parts| parts.concat())
    }

    fn pattern() -> impl Strategy<Value = String> {
        let atom = prop::sample::select(vec![
            "a",
            "b",
            "ab",
            ".*",
            ".+",
            ".",
            "[ab]",
            "[^a]",
            "é",
            "[a-é]",
            "(?i:A)",
            "pod-",
            "-",
            r"\b",
            r"\B",
            "^",
            "$",
            "\u{fffd}",
            "(?:a|b.*)",
            r"\w{2}",
        ]);
        atom.prop_map(str::to_owned).prop_recursive(2, 10, 4, |inner| {
            prop_oneof![
                4 => prop::collection::vec(inner.clone(), 1..5).prop_map(|parts| parts.concat()),
                2 => prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| format!("({})", parts.join("|"))),
                1 => inner.clone().prop_map(|part| format!("(?:{part})?")),
                1 => inner.prop_map(|part| format!("(?:{part})*")),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1_000, ..config() })]

        #[test]
        fn a_walk_finds_what_matches_one_by_one(
            values in prop::collection::btree_set(value(), 0..60), pattern in pattern(),
        ) {
            if let Ok(regex) = Regex::new(pattern.as_bytes()) {
                check(&values.into_iter().collect::<Vec<_>>(), &regex)?;
            }
        }
    }

    /// An automaton of 2^20 states fits nowhere: the walk gives up on it and goes on string by string.
    #[test]
    fn patterns_of_too_many_states_are_matched_one_by_one() {
        let mut values: Vec<Vec<u8>> = (0..30_000_u64)
            .map(|i| format!("{:b}", i.wrapping_mul(0x9e37_79b9_7f4a_7c15)).into_bytes())
            .collect();
        values.sort();
        values.dedup();
        check(&values, &Regex::new(b".*1[01]{20}0?1.*0[01]{20}").unwrap()).unwrap();
    }
}
