//! Label sets in series order to the index sections of a block.
//!
//! Ranks in the dictionaries are known only when the last series has been seen, so names and values get
//! provisional ids in order of appearance, and the series are kept in those: a few bytes per label. At the
//! end the dictionaries are sorted and the series rewritten in ranks.

use hashbrown::HashTable;
use kymo_formats::{
    DecodeError,
    cursor::{Reader, Writer},
    index::{
        TooLarge,
        dictionary::DictionaryBuilder,
        fingerprints,
        label_directory::LabelEntry,
        postings::PostingsBuilder,
        series::{LabelId, SeriesTableBuilder},
    },
};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::model::Labels;

/// Collects the labels of a block's series.
#[derive(Debug, Default)]
pub(crate) struct IndexBuilder {
    names: Interner,
    /// By provisional name id.
    labels: Vec<LabelValues>,
    /// Provisional ids of the names of the last series: the next one mostly has the same.
    last_names: Vec<usize>,
    /// For each series `count: varint`, then provisional ids of name and value as varints.
    series: Vec<u8>,
    /// Upper halves of the fingerprints of the series.
    fingerprints: Vec<u64>,
}

/// The values of one label name, and how many series have each.
#[derive(Debug, Default)]
struct LabelValues {
    values: Interner,
    /// Provisional id of the value that came last: neighbours share most of their labels.
    last: Option<usize>,
    /// Number of series by provisional value id.
    counts: Vec<u32>,
}

/// The bytes of the index sections.
#[derive(Debug, Default)]
pub(crate) struct IndexSections {
    pub(crate) names: Vec<u8>,
    pub(crate) directory: Vec<u8>,
    pub(crate) values: Vec<u8>,
    pub(crate) postings: Vec<u8>,
    pub(crate) series: Vec<u8>,
    pub(crate) fingerprints: Vec<u8>,
}

impl IndexBuilder {
    /// Appends the next series; its rank is the number of series before it.
    pub(crate) fn push(&mut self, labels: &Labels) {
        let mut series = Writer::new(&mut self.series);
        series.varint_usize(labels.len());
        for (position, label) in labels.iter().enumerate() {
            let guess = self.last_names.get(position).copied();
            let name = self.names.intern(label.name, guess);
            match self.last_names.get_mut(position) {
                Some(last) => *last = name,
                None => self.last_names.push(name),
            }
            if name == self.labels.len() {
                self.labels.push(LabelValues::default());
            }
            let of_name = &mut self.labels[name];
            let value = of_name.values.intern(label.value, of_name.last);
            of_name.last = Some(value);
            if value == of_name.counts.len() {
                of_name.counts.push(0);
            }
            of_name.counts[value] += 1;
            series.varint_usize(name);
            series.varint_usize(value);
        }
        self.fingerprints.push(fingerprints::upper(xxh3_128(labels.canonical())));
    }

    /// The sections. What each of them is made of goes as soon as it is done: a block of many series is written while
    /// the memory that they take waits for it.
    pub(crate) fn finish(mut self) -> Result<IndexSections, TooLarge> {
        let mut sections = IndexSections::default();
        fingerprints::encode(&std::mem::take(&mut self.fingerprints), &mut sections.fingerprints);
        let name_order = self.names.order();
        let name_ranks = ranks(&name_order);
        let mut lists: Vec<ValueLists> = self.labels.iter().map(ValueLists::new).collect();

        let mut table = SeriesTableBuilder::default();
        for_each_series(&std::mem::take(&mut self.series), |rank, labels| {
            let mut ids = Vec::with_capacity(labels.len());
            for &(name, value) in labels {
                lists[name].push(value, rank);
                ids.push(LabelId { name: name_ranks[name], value: lists[name].ranks[value] });
            }
            table.push(&ids)
        })?;
        table.finish(&mut sections.series);

        let mut names = DictionaryBuilder::default();
        for name in name_order {
            names.push(self.names.get(name))?;
            self.finish_label(&std::mem::take(&mut lists[name]), name, &mut sections)?;
        }
        names.finish(&mut sections.names);
        Ok(sections)
    }

    /// Appends dictionary, postings and directory entry of the label `name`.
    fn finish_label(
        &self,
        lists: &ValueLists,
        name: usize,
        sections: &mut IndexSections,
    ) -> Result<(), TooLarge> {
        let (values_start, postings_start) = (sections.values.len(), sections.postings.len());
        let mut dictionary = DictionaryBuilder::default();
        let mut with_label = lists.ids.clone();
        with_label.sort_unstable();
        let mut postings = PostingsBuilder::new(&with_label);
        let mut start = 0;
        for &value in &lists.order {
            dictionary.push(self.labels[name].values.get(value))?;
            // `ends` has moved from where the list starts to where it ends.
            postings.push(&lists.ids[start..lists.ends[value]])?;
            start = lists.ends[value];
        }
        dictionary.finish(&mut sections.values);
        postings.finish(&mut sections.postings);
        let entry = LabelEntry {
            values: values_start as u64..sections.values.len() as u64,
            postings: postings_start as u64..sections.postings.len() as u64,
        };
        entry.encode(&mut sections.directory);
        Ok(())
    }
}

/// Calls `visit` with the rank of each series and the provisional ids of its labels.
fn for_each_series(
    series: &[u8],
    mut visit: impl FnMut(u32, &[(usize, usize)]) -> Result<(), TooLarge>,
) -> Result<(), TooLarge> {
    let mut reader = Reader::new(series);
    let mut labels = Vec::new();
    for rank in 0.. {
        if reader.is_empty() {
            break;
        }
        read_series(&mut reader, &mut labels).expect("written by `push`");
        visit(rank, &labels)?;
    }
    Ok(())
}

fn read_series(reader: &mut Reader<'_>, labels: &mut Vec<(usize, usize)>) -> Result<(), DecodeError> {
    labels.clear();
    for _ in 0..reader.varint("label count")? {
        labels.push((reader.varint_usize("name")?, reader.varint_usize("value")?));
    }
    Ok(())
}

/// The series of each value of one label, all in one vector: a counting sort by value.
#[derive(Default)]
struct ValueLists {
    /// Provisional value ids, sorted by value.
    order: Vec<usize>,
    /// Rank by provisional value id.
    ranks: Vec<u32>,
    /// Where the next id of each provisional value goes.
    ends: Vec<usize>,
    ids: Vec<u32>,
}

impl ValueLists {
    fn new(label: &LabelValues) -> Self {
        let order = label.values.order();
        let mut ends = vec![0; order.len()];
        let mut total = 0;
        for &value in &order {
            ends[value] = total;
            total += label.counts[value] as usize;
        }
        Self { ranks: ranks(&order), order, ends, ids: vec![0; total] }
    }

    /// Series come in ascending order, so each list ascends.
    fn push(&mut self, value: usize, series: u32) {
        self.ids[self.ends[value]] = series;
        self.ends[value] += 1;
    }
}

/// The inverse of a permutation.
fn ranks(order: &[usize]) -> Vec<u32> {
    let mut ranks = vec![0; order.len()];
    for (rank, &id) in (0_u32..).zip(order) {
        ranks[id] = rank;
    }
    ranks
}

/// Gives strings dense ids in order of appearance.
#[derive(Debug, Default)]
struct Interner {
    bytes: Vec<u8>,
    /// Where each string ends in `bytes`.
    ends: Vec<usize>,
    /// Ids, by the hash of their string.
    ids: HashTable<usize>,
}

impl Interner {
    /// The id of `string`, which may be `guess`: comparing costs less than a look-up.
    fn intern(&mut self, string: &[u8], guess: Option<usize>) -> usize {
        if let Some(id) = guess.filter(|id| self.get(*id) == string) {
            return id;
        }
        let (bytes, ends) = (&mut self.bytes, &mut self.ends);
        let hash = xxh3_64(string);
        if let Some(id) = self.ids.find(hash, |id| slice(bytes, ends, *id) == string) {
            return *id;
        }
        let id = ends.len();
        bytes.extend_from_slice(string);
        ends.push(bytes.len());
        self.ids.insert_unique(hash, id, |id| xxh3_64(slice(bytes, ends, *id)));
        id
    }

    fn get(&self, id: usize) -> &[u8] {
        slice(&self.bytes, &self.ends, id)
    }

    /// Ids, sorted by their strings.
    fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.ends.len()).collect();
        order.sort_unstable_by(|a, b| self.get(*a).cmp(self.get(*b)));
        order
    }
}

fn slice<'a>(bytes: &'a [u8], ends: &[usize], id: usize) -> &'a [u8] {
    let start = if id == 0 { 0 } else { ends[id - 1] };
    &bytes[start..ends[id]]
}
