//! Which labels of a series decide its group, or its partner in a binary operation.

use kymo_engine::Labels;

const METRIC_NAME: &[u8] = b"__name__";

/// A choice of labels: those named, or all but those named and the metric name.
#[derive(Debug, Clone)]
pub(crate) struct Grouping {
    /// Ascending, each once.
    names: Vec<Vec<u8>>,
    without: bool,
}

impl Grouping {
    /// The labels `names`, or with `without` all but them and the metric name.
    pub(crate) fn new<N: AsRef<[u8]>>(names: &[N], without: bool) -> Self {
        let mut names: Vec<Vec<u8>> = names.iter().map(|name| name.as_ref().to_vec()).collect();
        if without {
            names.push(METRIC_NAME.to_vec());
        }
        names.sort_unstable();
        names.dedup();
        Self { names, without }
    }

    /// The chosen labels of `labels` in canonical bytes, which identify the group, into `key`.
    pub(crate) fn key<'k>(&self, labels: &Labels, key: &'k mut Vec<u8>) -> &'k [u8] {
        key.clear();
        let mut names = self.names.iter().peekable();
        for label in labels {
            while names.next_if(|name| name.as_slice() < label.name).is_some() {}
            if names.peek().is_none() && !self.without {
                break;
            }
            let named = names.peek().is_some_and(|name| name.as_slice() == label.name);
            if named != self.without {
                push_string(key, label.name);
                push_string(key, label.value);
            }
        }
        key
    }

    /// The chosen labels of `labels`.
    pub(crate) fn labels(&self, labels: &Labels) -> Labels {
        let mut key = Vec::new();
        self.key(labels, &mut key);
        Labels::from_canonical(&key).unwrap_or_default()
    }
}

/// Appends a string as label sets hold it: length as LEB128, then bytes.
fn push_string(out: &mut Vec<u8>, string: &[u8]) {
    let mut len = string.len();
    while len >= 0x80 {
        out.push(u8::try_from(len & 0x7f).unwrap_or_default() | 0x80);
        len >>= 7;
    }
    out.push(u8::try_from(len).unwrap_or_default());
    out.extend_from_slice(string);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chosen_labels_are_those_named_or_the_others() {
        let long = "x".repeat(300);
        let labels = Labels::from_pairs([("__name__", "up"), ("a", "1"), ("b", long.as_str()), ("c", "3")]);
        let names = ["c", "b", "missing", "b"];
        assert_eq!(
            Grouping::new(&names, false).labels(&labels),
            Labels::from_pairs([("b", long.as_str()), ("c", "3")])
        );
        assert_eq!(Grouping::new(&names, true).labels(&labels), Labels::from_pairs([("a", "1")]));
        assert_eq!(Grouping::new::<&str>(&[], false).labels(&labels), Labels::empty());
    }
}
