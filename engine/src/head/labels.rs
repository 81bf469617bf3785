//! The labels of a shard's series and the inverted index over them.
//!
//! A name with a value is a *label* with a dense id; a series is a list of label ids. Everything that is
//! known of a label (its strings, its postings, the WAL segment that last described it) hangs on its id.

use hashbrown::HashTable;
use roaring::RoaringBitmap;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{
    arena::{ByteArena, ByteSpan},
    paged::Paged,
    postings::Postings,
};
use crate::model::Labels;

/// The labels and the index of one shard. Ids only grow; a shard is rebuilt to get rid of labels.
#[derive(Debug)]
pub(super) struct LabelTable {
    seed: u64,
    strings: ByteArena,
    names: Vec<Name>,
    by_name: HashTable<u32>,
    labels: Paged<HeadLabel>,
    by_label: HashTable<u32>,
    /// Sum of the lengths of all postings.
    entries: usize,
}

/// A label name and what is known of it.
#[derive(Debug)]
pub(super) struct Name {
    span: ByteSpan,
    /// Its labels, in order of appearance.
    pub(super) labels: Vec<u32>,
    /// Series that have it.
    pub(super) series: RoaringBitmap,
}

/// A name with a value and what is known of it.
#[derive(Debug)]
pub(super) struct HeadLabel {
    pub(super) name: u32,
    value: ByteSpan,
    /// The WAL segment that last described the label, in its low 32 bits.
    pub(super) wal_segment: u32,
    pub(super) series: Postings,
}

/// Labels on their way from one table to another: the id there of each label that was met.
#[derive(Debug)]
pub(super) struct Transfer<'a> {
    from: &'a LabelTable,
    ids: Vec<Option<u32>>,
}

impl LabelTable {
    /// An empty table whose look-ups are hashed with `seed`, so that nobody can choose labels that collide.
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            strings: ByteArena::default(),
            names: Vec::new(),
            by_name: HashTable::new(),
            labels: Paged::default(),
            by_label: HashTable::new(),
            entries: 0,
        }
    }

    /// Appends the ids of the labels of the new series `id` to `packed` as varints, and indexes the series.
    pub(super) fn add_series(&mut self, id: u32, labels: &Labels, packed: &mut Vec<u8>) {
        for label in labels {
            let name = self.intern_name(label.name);
            let label = self.intern_label(name, label.value);
            self.index_series(id, label, packed);
        }
    }

    /// What [`LabelTable::adopt_series`] needs to know of this table.
    pub(super) fn transfer(&self) -> Transfer<'_> {
        Transfer { from: self, ids: vec![None; self.labels.len()] }
    }

    /// As [`LabelTable::add_series`], for a series of another table, whose labels are `packed` there. A label's
    /// strings are looked at once, not for each series.
    pub(super) fn adopt_series(
        &mut self,
        id: u32,
        packed: &[u8],
        labels: &mut Transfer<'_>,
        packed_here: &mut Vec<u8>,
    ) {
        for label in label_ids(packed) {
            let known = &mut labels.ids[label as usize];
            let label = *known.get_or_insert_with(|| {
                let (name, value) = labels.from.strings(label);
                let name = self.intern_name(name);
                self.intern_label(name, value)
            });
            self.index_series(id, label, packed_here);
        }
    }

    fn index_series(&mut self, id: u32, label: u32, packed: &mut Vec<u8>) {
        let name = self.labels[label].name;
        self.names[name as usize].series.insert(id);
        self.labels[label].series.insert(id);
        self.entries += 1;
        kymo_formats::varint::put(packed, u64::from(label));
    }

    fn intern_name(&mut self, name: &[u8]) -> u32 {
        let hash = xxh3_64_with_seed(name, self.seed);
        if let Some(index) = self.find_name_hashed(hash, name) {
            return index;
        }
        let index = u32::try_from(self.names.len()).expect("limits keep label names below 2^32");
        let span = self.strings.push(name);
        self.names.push(Name { span, labels: Vec::new(), series: RoaringBitmap::new() });
        let (names, strings, seed) = (&self.names, &self.strings, self.seed);
        self.by_name
            .insert_unique(hash, index, |i| xxh3_64_with_seed(strings.get(names[*i as usize].span), seed));
        index
    }

    fn intern_label(&mut self, name: u32, value: &[u8]) -> u32 {
        let hash = self.label_hash(name, value);
        if let Some(index) = self.find_label_hashed(hash, name, value) {
            return index;
        }
        let value = self.strings.push(value);
        let index = self.labels.push(HeadLabel { name, value, wal_segment: 0, series: Postings::default() });
        self.names[name as usize].labels.push(index);
        let (labels, strings, seed) = (&self.labels, &self.strings, self.seed);
        self.by_label.insert_unique(hash, index, |i| {
            let label = &labels[*i];
            xxh3_64_with_seed(strings.get(label.value), seed ^ u64::from(label.name))
        });
        index
    }

    fn label_hash(&self, name: u32, value: &[u8]) -> u64 {
        xxh3_64_with_seed(value, self.seed ^ u64::from(name))
    }

    fn find_name_hashed(&self, hash: u64, name: &[u8]) -> Option<u32> {
        self.by_name.find(hash, |i| self.strings.get(self.names[*i as usize].span) == name).copied()
    }

    fn find_label_hashed(&self, hash: u64, name: u32, value: &[u8]) -> Option<u32> {
        let equal = |label: &HeadLabel| label.name == name && self.strings.get(label.value) == value;
        self.by_label.find(hash, |i| equal(&self.labels[*i])).copied()
    }

    /// The id of the name, if any series has it.
    pub(super) fn name_id(&self, name: &[u8]) -> Option<u32> {
        self.find_name_hashed(xxh3_64_with_seed(name, self.seed), name)
    }

    /// The name, if any series has it.
    pub(super) fn find_name(&self, name: &[u8]) -> Option<&Name> {
        Some(&self.names[self.name_id(name)? as usize])
    }

    /// The label, if any series has it.
    pub(super) fn find_label(&self, name: &[u8], value: &[u8]) -> Option<&HeadLabel> {
        let name = self.name_id(name)?;
        Some(&self.labels[self.find_label_hashed(self.label_hash(name, value), name, value)?])
    }

    /// All names.
    pub(super) fn names(&self) -> impl Iterator<Item = (&[u8], &Name)> {
        self.names.iter().map(|name| (self.strings.get(name.span), name))
    }

    /// The label with this id.
    pub(super) fn label(&self, id: u32) -> &HeadLabel {
        &self.labels[id]
    }

    /// Name and value of the label with this id.
    pub(super) fn strings(&self, id: u32) -> (&[u8], &[u8]) {
        let label = &self.labels[id];
        (self.strings.get(self.names[label.name as usize].span), self.strings.get(label.value))
    }

    /// Whether `segment` does not describe the label yet; from now on it does.
    pub(super) fn describe(&mut self, id: u32, segment: u32) -> bool {
        std::mem::replace(&mut self.labels[id].wal_segment, segment) != segment
    }

    /// The label set whose label ids are `packed`. `scratch` is used on the way.
    pub(super) fn unpack(&self, packed: &[u8], scratch: &mut Vec<u8>) -> Labels {
        Labels::from_sorted(label_ids(packed).map(|id| self.strings(id)), scratch)
    }

    /// Whether `packed` stands for `labels`.
    pub(super) fn equals(&self, packed: &[u8], labels: &Labels) -> bool {
        label_ids(packed).map(|id| self.strings(id)).eq(labels.iter().map(|label| (label.name, label.value)))
    }

    /// What look-ups are hashed with.
    pub(super) const fn seed(&self) -> u64 {
        self.seed
    }

    /// Number of distinct labels.
    pub(super) const fn len(&self) -> usize {
        self.labels.len()
    }

    /// Bytes of memory held by strings.
    pub(super) fn string_bytes(&self) -> usize {
        self.strings.bytes()
    }

    /// Bytes of memory held by tables.
    pub(super) fn table_bytes(&self) -> usize {
        self.labels.bytes()
            + self.by_label.allocation_size()
            + self.by_name.allocation_size()
            + self.names.capacity() * size_of::<Name>()
            + self.names.iter().map(|name| name.labels.capacity() * 4).sum::<usize>()
    }

    /// Bytes of memory held by postings, as far as they are not in the tables.
    pub(super) fn postings_bytes(&self) -> usize {
        // Ids in short lists are counted as such wherever they are; the walk over all labels is not worth it.
        self.entries * 4 + self.names.iter().map(|name| name.series.serialized_size()).sum::<usize>()
    }
}

/// The label ids that [`LabelTable::add_series`] packed, ascending by label name.
pub(super) fn label_ids(packed: &[u8]) -> impl Iterator<Item = u32> + '_ {
    let mut rest = packed.iter();
    std::iter::from_fn(move || {
        let mut id = 0_u32;
        let mut shift = 0;
        loop {
            let byte = *rest.next()?;
            id |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(id);
            }
            shift += 7;
        }
    })
}
