//! What senders tell about metric families: type, help, unit.

use std::collections::BTreeMap;

use crate::wal::Lsn;

/// Metadata of one metric family. Bytes as sent, UTF-8 in practice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// `counter`, `gauge`, `histogram`, `gaugehistogram`, `summary`, `info`, `stateset` or `unknown`.
    pub kind: String,
    /// Help text.
    pub help: String,
    /// Unit, often empty.
    pub unit: String,
}

/// Bytes of text of one family above which its metadata is not kept: nobody reads so much.
const FAMILY_BYTES_MAX: usize = 16 * 1_024;
/// Bytes of text that a family may have on average: fewer families are kept when they have more.
const BYTES_MAX_EACH: usize = 1_024;

/// Metadata by metric family: the newest told.
#[derive(Debug)]
pub(super) struct MetadataTable {
    families: BTreeMap<String, Metadata>,
    /// Bytes of text in them.
    bytes: usize,
    len_max: usize,
    bytes_max: usize,
    /// Where the log has the last change.
    pub(super) applied: Option<Lsn>,
}

impl MetadataTable {
    /// At most `len_max` families, with at most `bytes_max` bytes of text, and no more than [`BYTES_MAX_EACH`] on
    /// average; but one may always be as long as a family may be.
    pub(super) fn new(len_max: usize, bytes_max: usize) -> Self {
        let bytes_max = bytes_max.min(len_max.saturating_mul(BYTES_MAX_EACH)).max(FAMILY_BYTES_MAX);
        Self { families: BTreeMap::new(), bytes: 0, len_max, bytes_max, applied: None }
    }

    /// Whether `metadata` is news. What is too long is not, nor are new families when the table is full.
    pub(super) fn is_news(&self, family: &str, metadata: &Metadata) -> bool {
        let bytes = bytes(family, metadata);
        let known = self.families.get(family);
        let before = known.map_or(0, |known| self::bytes(family, known));
        known != Some(metadata)
            && bytes <= FAMILY_BYTES_MAX
            && (known.is_some() || self.families.len() < self.len_max)
            && (bytes <= before || self.bytes - before + bytes <= self.bytes_max)
    }

    pub(super) fn set(&mut self, family: &str, metadata: Metadata) {
        if self.is_news(family, &metadata) {
            self.bytes += bytes(family, &metadata);
            if let Some(before) = self.families.insert(family.to_owned(), metadata) {
                self.bytes -= bytes(family, &before);
            }
        }
    }

    /// Bytes of memory held.
    pub(super) fn heap_bytes(&self) -> usize {
        self.bytes + self.families.len() * size_of::<(String, Metadata)>()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Metadata)> {
        self.families.iter().map(|(family, metadata)| (family.as_str(), metadata))
    }
}

fn bytes(family: &str, metadata: &Metadata) -> usize {
    family.len() + metadata.kind.len() + metadata.help.len() + metadata.unit.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn help(bytes: usize) -> Metadata {
        Metadata { help: "x".repeat(bytes), ..Metadata::default() }
    }

    #[test]
    fn families_and_their_bytes_are_bounded() {
        let mut table = MetadataTable::new(20, usize::MAX);
        assert!(!table.is_news("long", &help(FAMILY_BYTES_MAX)));
        table.set("a", help(16_000));
        table.set("b", help(5_000));
        assert_eq!(table.iter().count(), 1, "20 families have 20 KiB");
        assert!(table.is_news("a", &help(100)) && !table.is_news("a", &help(16_000)));
        table.set("a", help(100));
        table.set("b", help(5_000));
        assert_eq!(table.bytes, 5_102);
        (0..30).for_each(|i| table.set(&format!("family{i}"), help(10)));
        assert_eq!(table.iter().count(), 20);
        assert_eq!(
            table.bytes,
            table.iter().map(|(family, metadata)| bytes(family, metadata)).sum::<usize>()
        );
    }
}
