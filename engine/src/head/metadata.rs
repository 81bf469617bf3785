//! What senders tell about metric families: type, help, unit.

use std::collections::BTreeMap;

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

/// Metadata by metric family: the newest told.
#[derive(Debug)]
pub(super) struct MetadataTable {
    families: BTreeMap<String, Metadata>,
    len_max: usize,
}

impl MetadataTable {
    pub(super) const fn new(len_max: usize) -> Self {
        Self { families: BTreeMap::new(), len_max }
    }

    /// Whether `metadata` is news. News about new families are not when the table is full.
    pub(super) fn is_news(&self, family: &str, metadata: &Metadata) -> bool {
        match self.families.get(family) {
            Some(known) => known != metadata,
            None => self.families.len() < self.len_max,
        }
    }

    pub(super) fn set(&mut self, family: &str, metadata: Metadata) {
        if self.is_news(family, &metadata) {
            self.families.insert(family.to_owned(), metadata);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Metadata)> {
        self.families.iter().map(|(family, metadata)| (family.as_str(), metadata))
    }
}
