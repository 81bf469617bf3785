//! Collects annotations and prints them.

use std::collections::BTreeMap;

use kymo_engine::Warnings;

use super::note::{Note, Severity};

/// The annotations of a query so far. Each text counts once; where a text comes up again, the position of
/// the latest stays and counts add up, as upstream does.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notes {
    entries: BTreeMap<String, (usize, Note)>,
}

impl Notes {
    /// Adds an annotation about the part of the query that starts at byte `position`.
    pub(crate) fn add(&mut self, position: usize, note: Note) {
        let key = note.text();
        match self.entries.get_mut(&key) {
            Some(entry) => {
                entry.0 = position;
                entry.1.merge(note);
            }
            None => {
                self.entries.insert(key, (position, note));
            }
        }
    }

    /// Adds warnings of storage, which have no position.
    pub(crate) fn add_storage_warnings(&mut self, warnings: Warnings) {
        warnings.into_texts().into_iter().for_each(|text| self.add(usize::MAX, Note::Storage(text)));
    }

    /// Adds all of `other`, which came later.
    pub(crate) fn merge(&mut self, other: Self) {
        if self.entries.is_empty() {
            *self = other;
            return;
        }
        for (position, note) in other.entries.into_values() {
            self.add(position, note);
        }
    }

    /// The texts of warnings and of infos, with positions resolved in `query`, at most `limit` of each (0 =
    /// no limit) and then how many were left out.
    pub(crate) fn into_texts(self, query: &[u8], limit: usize) -> (Vec<String>, Vec<String>) {
        let (mut warnings, mut infos) = (Vec::new(), Vec::new());
        for (position, note) in self.entries.into_values() {
            let texts = match note.severity() {
                Severity::Warning => &mut warnings,
                Severity::Info => &mut infos,
            };
            let text = note.detailed_text();
            texts.push(match note {
                Note::Storage(_) => text,
                _ => format!("{text} ({})", line_and_column(query, position)),
            });
        }
        cap(&mut warnings, limit, "warning");
        cap(&mut infos, limit, "info");
        (warnings, infos)
    }
}

fn cap(texts: &mut Vec<String>, limit: usize, what: &str) {
    if limit > 0 && texts.len() > limit {
        let omitted = texts.len() - limit;
        texts.truncate(limit);
        texts.push(format!("{omitted} more {what} annotations omitted"));
    }
}

/// `line:column` of byte `position`, both from 1, columns in bytes.
fn line_and_column(query: &[u8], position: usize) -> String {
    let Some(before) = query.get(..position) else {
        return "invalid position".to_owned();
    };
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    format!("{line}:{}", position - line_start + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_counts_once_and_the_rest_is_capped() {
        let mut notes = Notes::default();
        notes.add(0, Note::SortInRangeQuery);
        notes.add(4, Note::SortInRangeQuery);
        notes.add(0, Note::InvalidQuantile { quantile: 2.0 });
        notes.add(0, Note::InvalidQuantile { quantile: 3.0 });
        let (warnings, infos) = notes.into_texts(b"abc\nsort(x)", 2);
        assert_eq!(
            warnings,
            [
                "PromQL warning: quantile value should be between 0 and 1, got 2 (1:1)",
                "PromQL warning: quantile value should be between 0 and 1, got 3 (1:1)",
                "1 more warning annotations omitted",
            ]
        );
        assert!(infos.is_empty());
    }

    #[test]
    fn columns_count_from_the_line_break() {
        assert_eq!(line_and_column(b"abc\nsort(x)", 4), "2:1");
        assert_eq!(line_and_column(b"abc", 9), "invalid position");
    }
}
