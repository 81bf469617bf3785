//! Chunks and late samples of several places to columns.

use kymo_formats::{
    DecodeError,
    codec::{ChunkSamples, Encoding, decode_chunk},
    index::chunk_directory::{ChunkEntry, ChunkMeta},
};

use super::damage::{DamageLog, Warnings};
use crate::{
    block::{BlockError, BlockReader},
    error::Error,
    head::LateSamples,
    model::{HistogramForm, HistogramSample, Labels, SampleColumns},
};

/// A chunk that does not decode.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error(transparent)]
    Block(#[from] BlockError),
    #[error(transparent)]
    Head(#[from] DecodeError),
}

impl ReadError {
    /// The engine's error about the series `labels`.
    pub(super) fn of_series(self, labels: &Labels) -> Error {
        match self {
            Self::Block(error) => error.into(),
            Self::Head(source) => Error::Chunk { labels: labels.to_string(), source },
        }
    }
}

/// What one read brings together. Of samples with one timestamp the one that was added first counts.
#[derive(Debug)]
pub(super) struct Merge<'a> {
    start: i64,
    end: i64,
    chunks: Vec<Chunk<'a>>,
    late: Vec<&'a LateSamples>,
}

#[derive(Debug)]
struct Chunk<'a> {
    meta: ChunkMeta,
    data: ChunkData<'a>,
    deleted: &'a [(i64, i64)],
}

/// Where a chunk lies.
#[derive(Debug, Clone, Copy)]
pub(super) enum ChunkData<'a> {
    Block(&'a BlockReader, &'a ChunkEntry),
    Head(&'a [u8]),
}

impl<'a> Merge<'a> {
    /// Nothing yet, for the samples between `start` and `end`, both inclusive.
    pub(super) const fn new(start: i64, end: i64) -> Self {
        Self { start, end, chunks: Vec::new(), late: Vec::new() }
    }

    /// Adds a chunk; samples in one of the `deleted` ranges are left out.
    pub(super) fn chunk(&mut self, meta: ChunkMeta, data: ChunkData<'a>, deleted: &'a [(i64, i64)]) {
        if meta.max_ts >= self.start && meta.min_ts <= self.end {
            self.chunks.push(Chunk { meta, data, deleted });
        }
    }

    /// Adds late samples.
    pub(super) fn late(&mut self, late: &'a LateSamples) {
        self.late.push(late);
    }

    /// Appends everything to `columns`, which are empty, but for damaged chunks of blocks.
    pub(super) fn read<H: HistogramForm>(
        mut self,
        columns: &mut SampleColumns<H>,
        damage: &DamageLog,
    ) -> Result<Warnings, ReadError> {
        let mut warnings = Warnings::default();
        if self.late.is_empty() && self.is_sequence() {
            self.chunks.sort_by_key(|chunk| chunk.meta.min_ts);
            let mut whole = true;
            for chunk in &self.chunks {
                let before = columns.histograms.len();
                let found = append_sound(chunk, columns, damage, &mut warnings)?;
                if let Some(first) = columns.histograms.get_mut(before).filter(|_| !whole) {
                    // Its hint tells about the sample before it, which is left out.
                    first.value.forget_reset();
                }
                whole = found;
            }
        } else {
            self.read_overlapping(columns, damage, &mut warnings)?;
        }
        trim(columns, self.start, self.end);
        Ok(warnings)
    }

    /// Whether the chunks follow one another in time, in whatever order they were added.
    fn is_sequence(&self) -> bool {
        if self.chunks.len() < 2 {
            return true;
        }
        let mut ranges: Vec<(i64, i64)> =
            self.chunks.iter().map(|chunk| (chunk.meta.min_ts, chunk.meta.max_ts)).collect();
        ranges.sort_unstable();
        ranges.windows(2).all(|pair| matches!(pair, [a, b] if a.1 < b.0))
    }

    /// Everything is decoded apart, sorted and freed from repetitions.
    fn read_overlapping<H: HistogramForm>(
        &self,
        columns: &mut SampleColumns<H>,
        damage: &DamageLog,
        warnings: &mut Warnings,
    ) -> Result<(), ReadError> {
        let mut all: Collected<H> = Collected::new();
        for chunk in &self.chunks {
            let before = all.columns.histograms.len();
            append_sound(chunk, &mut all.columns, damage, warnings)?;
            // A hint tells about the sample before it in its chunk, which need not be the one before it here.
            all.columns.histograms[before..].iter_mut().for_each(|sample| sample.value.forget_reset());
            all.end_place();
        }
        for late in &self.late {
            for late in late.floats.values() {
                push_float(&mut all.columns, late.ts, late.start_ts, late.value);
            }
            for late in late.histograms.values() {
                let mut value = H::from_stored(late.value.clone());
                value.forget_reset();
                all.columns.histograms.push(HistogramSample { ts: late.ts, start_ts: late.start_ts, value });
            }
            all.end_place();
        }
        all.merge(columns);
        Ok(())
    }
}

/// Samples of several places behind one another, and which place each is of.
#[derive(Debug)]
struct Collected<H> {
    columns: SampleColumns<H>,
    places: usize,
    float_places: Vec<usize>,
    histogram_places: Vec<usize>,
}

impl<H: HistogramForm> Collected<H> {
    fn new() -> Self {
        let columns = SampleColumns::default();
        Self { columns, places: 0, float_places: Vec::new(), histogram_places: Vec::new() }
    }

    /// What was added since the last call is of one place.
    fn end_place(&mut self) {
        self.float_places.resize(self.columns.ts.len(), self.places);
        self.histogram_places.resize(self.columns.histograms.len(), self.places);
        self.places += 1;
    }

    /// Sorts by time; of equal times the sample of the first place counts, whatever its kind.
    fn merge(&self, columns: &mut SampleColumns<H>) {
        let all = &self.columns;
        let histogram_ts = |i: &usize| all.histograms[*i].ts;
        let mut floats = first_of_each(all.ts.len(), |i| all.ts[*i]);
        let mut histograms = first_of_each(all.histograms.len(), histogram_ts);
        floats.retain(|float| {
            let same = histograms.binary_search_by_key(&all.ts[*float], histogram_ts);
            same.is_err()
                || same.is_ok_and(|at| self.float_places[*float] < self.histogram_places[histograms[at]])
        });
        histograms.retain(|i| floats.binary_search_by_key(&histogram_ts(i), |float| all.ts[*float]).is_err());
        for i in floats {
            push_float(columns, all.ts[i], all.start_ts.get(i).copied().unwrap_or(0), all.values[i]);
        }
        columns.histograms = histograms.into_iter().map(|i| all.histograms[i].clone()).collect();
    }
}

/// The indexes up to `len` in order of time, the first one of each time.
fn first_of_each(len: usize, ts: impl Fn(&usize) -> i64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..len).collect();
    order.sort_by_key(&ts);
    order.dedup_by_key(|i| ts(i));
    order
}

/// Leaves out what lies outside of the range: chunks are decoded whole.
fn trim<H>(columns: &mut SampleColumns<H>, start: i64, end: i64) {
    let from = columns.ts.partition_point(|ts| *ts < start);
    let to = columns.ts.partition_point(|ts| *ts <= end).max(from);
    for column in [&mut columns.ts, &mut columns.start_ts] {
        column.truncate(to);
        column.drain(..from.min(column.len()));
    }
    columns.values.truncate(to);
    columns.values.drain(..from);
    columns.histograms.retain(|sample| (start..=end).contains(&sample.ts));
}

fn push_float<H>(columns: &mut SampleColumns<H>, ts: i64, start_ts: i64, value: f64) {
    if start_ts != 0 || !columns.start_ts.is_empty() {
        columns.start_ts.resize(columns.ts.len(), 0);
        columns.start_ts.push(start_ts);
    }
    columns.ts.push(ts);
    columns.values.push(value);
}

/// Decodes a chunk behind what `columns` hold, or leaves it out if it is damaged: whether it is there.
fn append_sound<H: HistogramForm>(
    chunk: &Chunk<'_>,
    columns: &mut SampleColumns<H>,
    damage: &DamageLog,
    warnings: &mut Warnings,
) -> Result<bool, ReadError> {
    match (append(chunk, columns), chunk.data) {
        (Ok(()), _) => Ok(true),
        (Err(ReadError::Block(error)), ChunkData::Block(reader, _)) if error.is_damage() => {
            damage.note(reader.info().id, "damaged chunks are left out", &error, warnings);
            Ok(false)
        }
        (Err(ReadError::Block(error)), _) if error.is_unreachable() => {
            damage.note_unreachable(
                "chunks in object storage cannot be reached and are left out",
                &error,
                warnings,
            );
            Ok(false)
        }
        (Err(error), _) => Err(error),
    }
}

/// Decodes a chunk behind what `columns` hold, without what is deleted. After an error they are as before.
fn append<H: HistogramForm>(chunk: &Chunk<'_>, columns: &mut SampleColumns<H>) -> Result<(), ReadError> {
    let (floats, histograms) = (columns.ts.len(), columns.histograms.len());
    let starts = columns.start_ts.len();
    let mut samples = ChunkSamples {
        ts: std::mem::take(&mut columns.ts),
        values: std::mem::take(&mut columns.values),
        start_ts: std::mem::take(&mut columns.start_ts),
        histograms: Vec::new(),
    };
    let decoded = chunk.decode(&mut samples);
    columns.ts = samples.ts;
    columns.values = samples.values;
    columns.start_ts = samples.start_ts;
    if let Err(error) = decoded {
        columns.ts.truncate(floats);
        columns.values.truncate(floats);
        columns.start_ts.truncate(starts);
        return Err(error);
    }
    columns.histograms.extend(samples.histograms.into_iter().map(|sample| HistogramSample {
        ts: sample.ts,
        start_ts: sample.start_ts,
        value: H::from_stored(sample.value),
    }));
    if !chunk.deleted.is_empty() {
        remove_deleted(columns, floats, histograms, chunk.deleted);
    }
    Ok(())
}

impl Chunk<'_> {
    fn decode(&self, out: &mut ChunkSamples) -> Result<(), ReadError> {
        match self.data {
            ChunkData::Block(reader, entry) => Ok(reader.decode(entry, out)?),
            ChunkData::Head(bytes) => {
                let encoding = Encoding::from_u8(self.meta.encoding);
                let encoding = encoding.ok_or(DecodeError::new("chunk encoding", 0))?;
                Ok(decode_chunk(encoding, bytes, out)?)
            }
        }
    }
}

/// Removes samples in the ranges, both ends inclusive, from the floats and histograms from these indexes on.
///
/// A histogram behind one that is removed forgets what it says about it: a reset may have been removed with it.
fn remove_deleted<H: HistogramForm>(
    columns: &mut SampleColumns<H>,
    floats: usize,
    histograms: usize,
    deleted: &[(i64, i64)],
) {
    let is_deleted = |ts: i64| deleted.iter().any(|(from, to)| (*from..=*to).contains(&ts));
    let mut kept = floats;
    for i in floats..columns.ts.len() {
        if !is_deleted(columns.ts[i]) {
            columns.ts[kept] = columns.ts[i];
            columns.values[kept] = columns.values[i];
            if !columns.start_ts.is_empty() {
                columns.start_ts[kept] = columns.start_ts[i];
            }
            kept += 1;
        }
    }
    columns.ts.truncate(kept);
    columns.values.truncate(kept);
    columns.start_ts.truncate(kept);
    let mut is_gone = false;
    for sample in &mut columns.histograms[histograms..] {
        if !is_deleted(sample.ts) && std::mem::take(&mut is_gone) {
            sample.value.forget_reset();
        }
        is_gone |= is_deleted(sample.ts);
    }
    let mut position = 0;
    columns.histograms.retain(|sample| {
        position += 1;
        position <= histograms || !is_deleted(sample.ts)
    });
}
