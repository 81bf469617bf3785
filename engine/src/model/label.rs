//! Label sets in canonical bytes.
//!
//! A label set is one shared byte string: for each label, ascending by name, `len(name) name len(value)
//! value` with lengths as unsigned LEB128. Identity, hashing and storage all work on these bytes, so a label
//! set costs one allocation however many labels it has, and equal sets have equal bytes.

use std::{cmp::Ordering, fmt, sync::Arc};

use super::quote::{quote, write_name};

/// Name of the label that holds the metric name.
const METRIC_NAME: &[u8] = b"__name__";

/// One label, borrowed. Names and values are bytes: UTF-8 in practice, but PromQL can produce others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label<'a> {
    /// Label name.
    pub name: &'a [u8],
    /// Label value, never empty inside [`Labels`]: an empty value means that the label is absent.
    pub value: &'a [u8],
}

/// An immutable label set, sorted by name, each name once. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Labels(Arc<[u8]>);

impl Labels {
    /// The label set without labels.
    #[must_use]
    pub fn empty() -> Self {
        Self(Arc::from(&[][..]))
    }

    /// The label set of `pairs` in any order. Empty values are left out; of equal names the last one counts.
    #[must_use]
    pub fn from_pairs<N: AsRef<[u8]>, V: AsRef<[u8]>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut builder = LabelsBuilder::default();
        for (name, value) in pairs {
            builder.set(name.as_ref(), value.as_ref());
        }
        builder.build()
    }

    /// The label set whose canonical bytes are `bytes`, or `None` when they are not canonical.
    #[must_use]
    pub fn from_canonical(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let mut previous: Option<&[u8]> = None;
        while !rest.is_empty() {
            let name = take(&mut rest)?;
            let value = take(&mut rest)?;
            if value.is_empty() || previous.is_some_and(|previous| previous >= name) {
                return None;
            }
            previous = Some(name);
        }
        Some(Self(Arc::from(bytes)))
    }

    /// The label set of `pairs`, which come ascending by name, each once, without empty values. The quick way to what
    /// [`Labels::from_pairs`] makes. `scratch` is used on the way.
    pub(crate) fn from_sorted<'a>(
        pairs: impl Iterator<Item = (&'a [u8], &'a [u8])>,
        scratch: &mut Vec<u8>,
    ) -> Self {
        scratch.clear();
        pairs.for_each(|(name, value)| put_label(scratch, name, value));
        debug_assert!(Self::from_canonical(scratch).is_some(), "the labels are sorted and not empty");
        Self(Arc::from(&**scratch))
    }

    /// The canonical bytes, as described in the module documentation.
    #[must_use]
    pub fn canonical(&self) -> &[u8] {
        &self.0
    }

    /// Memory that the label set takes, with what an allocation costs; clones share it.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        const OF_ALLOCATION: usize = 32;
        self.0.len() + OF_ALLOCATION
    }

    /// The labels, ascending by name.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter { rest: &self.0 }
    }

    /// Value of the label `name`; empty when there is no such label.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> &[u8] {
        self.iter().find(|label| label.name == name).map_or(&[], |label| label.value)
    }

    /// The metric name; empty when there is none.
    #[must_use]
    pub fn metric_name(&self) -> &[u8] {
        self.get(METRIC_NAME)
    }

    /// Number of labels.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there are no labels.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Default for Labels {
    fn default() -> Self {
        Self::empty()
    }
}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// By names and values in turn, a prefix before what it is a prefix of: Prometheus's `labels.Compare`.
///
/// Sorting compares sets that have much in common, so the first byte that differs is searched first, and only then the
/// string that it belongs to.
impl Ord for Labels {
    fn cmp(&self, other: &Self) -> Ordering {
        let (a, b) = (self.canonical(), other.canonical());
        let differs = common_prefix(a, b);
        let (mut rest_a, mut rest_b) = (a, b);
        // Strings are whole on both sides as long as they end before that byte. If there is none, one set begins with
        // the other.
        while let (Some(string_a), Some(string_b)) = (take(&mut rest_a), take(&mut rest_b)) {
            if a.len() - rest_a.len() > differs {
                return string_a.cmp(string_b);
            }
        }
        rest_a.len().cmp(&rest_b.len())
    }
}

/// Number of bytes at the front that are the same.
fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    let (words_a, words_b) = (a.as_chunks::<16>().0, b.as_chunks::<16>().0);
    let equal = |(a, b): &(&[u8; 16], &[u8; 16])| u128::from_le_bytes(**a) == u128::from_le_bytes(**b);
    let words = words_a.iter().zip(words_b).take_while(equal).count() * 16;
    words + a[words..].iter().zip(&b[words..]).take_while(|(a, b)| a == b).count()
}

impl<'a> IntoIterator for &'a Labels {
    type Item = Label<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// As PromQL writes a label set: `{a="b", c="d"}`.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (i, label) in self.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            write_name(f, label.name)?;
            write!(f, "={}", quote(label.value))?;
        }
        f.write_str("}")
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Iterator over the labels of a [`Labels`].
#[derive(Debug, Clone)]
pub struct Iter<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Iter<'a> {
    type Item = Label<'a>;

    fn next(&mut self) -> Option<Label<'a>> {
        let name = take(&mut self.rest)?;
        let value = take(&mut self.rest)?;
        Some(Label { name, value })
    }
}

/// Collects labels in any order and makes a [`Labels`] of them.
#[derive(Debug, Clone, Default)]
pub struct LabelsBuilder {
    /// Ascending by name, each name once; label sets are short, so insertion into the middle is cheap.
    pairs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl LabelsBuilder {
    /// A builder that starts from `labels`.
    #[must_use]
    pub fn from_labels(labels: &Labels) -> Self {
        Self { pairs: labels.iter().map(|label| (label.name.to_vec(), label.value.to_vec())).collect() }
    }

    /// Sets `name` to `value`; an empty value removes the label.
    pub fn set(&mut self, name: &[u8], value: &[u8]) -> &mut Self {
        match (self.position(name), value.is_empty()) {
            (Ok(i), true) => {
                self.pairs.remove(i);
            }
            (Ok(i), false) => value.clone_into(&mut self.pairs[i].1),
            (Err(_), true) => {}
            (Err(i), false) => self.pairs.insert(i, (name.to_vec(), value.to_vec())),
        }
        self
    }

    /// Removes the label `name`.
    pub fn remove(&mut self, name: &[u8]) -> &mut Self {
        self.set(name, &[])
    }

    /// Keeps only the labels for which `keep` holds.
    pub fn retain(&mut self, mut keep: impl FnMut(&[u8]) -> bool) -> &mut Self {
        self.pairs.retain(|(name, _)| keep(name));
        self
    }

    /// Value of the label `name`; empty when there is no such label.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> &[u8] {
        self.position(name).map_or(&[], |i| &self.pairs[i].1)
    }

    /// The label set.
    #[must_use]
    pub fn build(&self) -> Labels {
        let len = self.pairs.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
        let mut bytes = Vec::with_capacity(len);
        for (name, value) in &self.pairs {
            put_label(&mut bytes, name, value);
        }
        Labels(Arc::from(bytes))
    }

    fn position(&self, name: &[u8]) -> Result<usize, usize> {
        self.pairs.binary_search_by(|(other, _)| other.as_slice().cmp(name))
    }
}

/// Appends a label to canonical bytes. Whether it may stand there is for [`Labels::from_canonical`] to say.
pub(crate) fn put_label(bytes: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    put(bytes, name);
    put(bytes, value);
}

/// Appends a length-prefixed string.
fn put(bytes: &mut Vec<u8>, string: &[u8]) {
    kymo_formats::varint::put(bytes, string.len() as u64);
    bytes.extend_from_slice(string);
}

/// Takes a length-prefixed string off the front of `rest`.
fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let mut len = 0_usize;
    for (i, &byte) in rest.iter().enumerate().take(5) {
        len |= usize::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            let (string, tail) = rest[i + 1..].split_at_checked(len)?;
            *rest = tail;
            return Some(string);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, test_runner::FileFailurePersistence};

    use super::*;

    #[test]
    fn pairs_are_sorted_and_empty_values_left_out() {
        let labels = Labels::from_pairs([("b", "2"), ("a", "1"), ("c", ""), ("b", "3")]);
        assert_eq!(labels.to_string(), r#"{a="1", b="3"}"#);
        assert_eq!(Labels::from_canonical(labels.canonical()), Some(labels));
    }

    #[test]
    fn a_long_value_survives() {
        let value = vec![b'x'; 70_000];
        let labels = Labels::from_pairs([(&b"a"[..], value.as_slice())]);
        assert_eq!(labels.get(b"a"), value.as_slice());
    }

    #[test]
    fn bytes_out_of_order_are_not_canonical() {
        assert_eq!(Labels::from_canonical(b"\x01b\x011\x01a\x011"), None);
        assert_eq!(Labels::from_canonical(b"\x01a\x00"), None);
        assert_eq!(Labels::from_canonical(b"\x05a"), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: Some(Box::new(FileFailurePersistence::Direct(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../proptest-regressions/engine/label.txt"
            )))),
            ..ProptestConfig::default()
        })]

        #[test]
        fn order_is_that_of_names_and_values(
            common in vec(("[ab]{1,3}", "[ab]{1,40}"), 0..3),
            a in vec(("[a-c]{1,3}", "[ab]{1,140}"), 0..4),
            b in vec(("[a-c]{1,3}", "[ab]{1,140}"), 0..4),
        ) {
            let labels = |own: Vec<(String, String)>| Labels::from_pairs(common.iter().cloned().chain(own));
            let (a, b) = (labels(a), labels(b));
            prop_assert_eq!(a.cmp(&b), a.iter().cmp(b.iter()));
            prop_assert_eq!(a == b, a.cmp(&b) == Ordering::Equal);
            let sorted = a.iter().map(|label| (label.name, label.value));
            prop_assert_eq!(Labels::from_sorted(sorted, &mut vec![7]), a.clone());
        }
    }

    #[test]
    fn order_is_by_label_not_by_bytes() {
        let short = Labels::from_pairs([("a", "1")]);
        let long = Labels::from_pairs([("a", "1"), ("b", "1")]);
        let later = Labels::from_pairs([("aa", "1")]);
        assert!(short < long && long < later);
    }
}
