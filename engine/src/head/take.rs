//! What a flush takes out of the head, in the order in which a block wants it.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use parking_lot::RwLock;

use kymo_formats::{DecodeError, index::chunk_directory::ChunkMeta};

use super::{Head, read::select_ids, sealed::Generation, series::Kind, shard::Shard};
use crate::{
    block::ChunkBody,
    model::{Labels, Matcher},
    signals::metrics::{ChunkTarget, FloatForm, SeriesChunks, decode_samples, merge_samples},
};

/// Samples of a chunk that is made of late samples and those around them.
const CHUNK_SAMPLES: u32 = 120;
/// Series handled before writers get their turn.
const SERIES_PER_LOCK: u16 = 1_024;

/// Where a series lies: shard and id. As small as can be: a flush has one for each series.
type Place = (u16, u32);

/// The series that have samples to flush in one window of time.
#[derive(Debug)]
pub(crate) struct WindowRows {
    /// Start of the window, milliseconds.
    pub(crate) start: i64,
    /// By metric name, because blocks are sorted by it, and because the labels of all series at once would be
    /// too much.
    metrics: BTreeMap<Vec<u8>, Vec<Place>>,
}

/// One series of a window.
#[derive(Debug)]
pub(crate) struct WindowSeries {
    pub(crate) labels: Labels,
    /// Ascending in time, not overlapping, all inside of the window.
    pub(crate) chunks: Vec<(ChunkMeta, ChunkBody<'static>)>,
}

impl Head {
    /// Sets aside everything that is sealed or late, after sealing every open chunk whose newest sample is older
    /// than `seal_before`. What is set aside stays readable until [`Head::forget_taken`].
    pub(crate) fn take(&self, seal_before: i64) {
        let _ids_stay = self.gate.read_recursive();
        for shard in &self.shards {
            let len = if seal_before == i64::MIN { 0 } else { shard.read().series_len() };
            for from in (0..len).step_by(usize::from(SERIES_PER_LOCK)) {
                let mut shard = shard.write();
                for id in from..len.min(from + u32::from(SERIES_PER_LOCK)) {
                    if shard.series[id].newest_ts < seal_before {
                        shard.seal(id);
                    }
                }
            }
            shard.write().take_generation();
        }
    }

    /// What is set aside, by window of time.
    pub(crate) fn taken_windows(&self) -> Vec<WindowRows> {
        let mut windows: BTreeMap<i64, Vec<Place>> = BTreeMap::new();
        for (index, shard) in (0_u16..).zip(&self.shards) {
            let pending = shard.read().pending.clone();
            for generation in pending {
                let mut note = |id: u32, ts: i64| {
                    let places = windows.entry(self.window_of(ts)).or_default();
                    if places.last() != Some(&(index, id)) {
                        places.push((index, id));
                    }
                };
                generation.sealed.iter().for_each(|(series, meta)| note(series, meta.min_ts));
                for (id, late) in &generation.late {
                    late.floats.keys().chain(late.histograms.keys()).for_each(|ts| note(*id, *ts));
                }
            }
        }
        windows
            .into_iter()
            .map(|(start, mut places)| {
                places.sort_unstable();
                places.dedup();
                self.by_metric(start, &places)
            })
            .collect()
    }

    fn window_of(&self, ts: i64) -> i64 {
        // The lowest window of all starts before the lowest time.
        ts.div_euclid(self.window_ms).saturating_mul(self.window_ms)
    }

    /// Where the window ends that begins at `start`. The lowest and the highest window are cut short.
    const fn window_end(&self, start: i64) -> i64 {
        (start.div_euclid(self.window_ms) + 1).saturating_mul(self.window_ms)
    }

    fn by_metric(&self, start: i64, places: &[Place]) -> WindowRows {
        let mut metrics: BTreeMap<Vec<u8>, Vec<Place>> = BTreeMap::new();
        self.for_each(places, |shard, place| {
            let name = shard.metric_name(place.1);
            match metrics.get_mut(name) {
                Some(places) => places.push(place),
                None => {
                    metrics.insert(name.to_vec(), vec![place]);
                }
            }
        });
        WindowRows { start, metrics }
    }

    /// Calls `visit` for each place, letting writers in between.
    fn for_each(&self, places: &[Place], mut visit: impl FnMut(&Shard, Place)) {
        for part in
            places.chunk_by(|a, b| a.0 == b.0).flat_map(|shard| shard.chunks(usize::from(SERIES_PER_LOCK)))
        {
            let Some((shard, _)) = part.first() else { continue };
            let shard = self.shards[usize::from(*shard)].read();
            part.iter().for_each(|place| visit(&shard, *place));
        }
    }

    /// Calls `visit` with each series of the window in the order of a block.
    ///
    /// # Errors
    /// The first error of `visit`, which is not called again then, and a chunk that does not decode.
    pub(crate) fn visit_window<E: From<DecodeError>>(
        &self,
        window: &WindowRows,
        mut visit: impl FnMut(WindowSeries) -> Result<(), E>,
    ) -> Result<(), E> {
        let _ids_stay = self.gate.read_recursive();
        let taken: Vec<Vec<Arc<Generation>>> =
            self.shards.iter().map(|shard| shard.read().pending.clone()).collect();
        let end = self.window_end(window.start);
        for places in window.metrics.values() {
            let mut series = Vec::with_capacity(places.len());
            self.for_each(places, |shard, place| series.push((shard.labels_of(place.1), place)));
            series.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
            for (labels, (shard, id)) in series {
                let chunks =
                    window_chunks(&taken[usize::from(shard)], id, window.start..end, self.window_ms)?;
                visit(WindowSeries { labels, chunks })?;
            }
        }
        Ok(())
    }

    /// Bytes of the sealed chunks, those that are set aside included: a flush writes no less.
    pub(crate) fn chunk_bytes(&self) -> u64 {
        let of = |shard: &RwLock<Shard>| {
            let shard = shard.read();
            let aside: usize = shard.pending.iter().map(|generation| generation.sealed.chunk_bytes()).sum();
            (shard.sealed.chunk_bytes() + aside) as u64
        };
        self.shards.iter().map(of).sum()
    }

    /// Lets go of everything that was set aside: it is durable elsewhere.
    pub(crate) fn forget_taken(&self) {
        for shard in &self.shards {
            shard.write().pending.clear();
        }
    }

    /// Forgets the newest samples of the series that satisfy all matchers, where they lie between `start` and
    /// `end`, both inclusive, and not in memory: they are deleted, and whoever writes one again repeats nothing.
    pub(crate) fn forget_newest(&self, matchers: &[Matcher], start: i64, end: i64) {
        let _ids_stay = self.gate.read_recursive();
        for shard in &self.shards {
            let ids: Vec<u32> = select_ids(shard, matchers).iter().collect();
            for ids in ids.chunks(usize::from(SERIES_PER_LOCK)) {
                let mut shard = shard.write();
                for id in ids {
                    if !shard.is_in_memory(*id) && (start..=end).contains(&shard.series[*id].newest_ts) {
                        shard.series[*id].newest_kind = Kind::Nothing;
                    }
                }
            }
        }
    }
}

/// Chunks of one series in one window. In-order chunks are passed on as they are; with late samples among
/// them, everything is merged and encoded anew.
///
/// # Errors
/// When a chunk does not decode.
fn window_chunks(
    taken: &[Arc<Generation>],
    id: u32,
    range: Range<i64>,
    window_ms: i64,
) -> Result<Vec<(ChunkMeta, ChunkBody<'static>)>, DecodeError> {
    let mut chunks: Vec<(ChunkMeta, Vec<u8>)> = Vec::new();
    let mut late = Vec::new();
    for generation in taken {
        let newest_first: Vec<_> = generation.chunks(id).collect();
        let inside = newest_first.into_iter().rev().filter(|(meta, _)| range.contains(&meta.min_ts));
        chunks.extend(inside.map(|(meta, bytes)| (meta, bytes.to_vec())));
        late.extend(generation.late.get(&id).and_then(|late| late.in_range(range.start, range.end - 1)));
    }
    if late.is_empty() {
        return Ok(chunks.into_iter().map(|(meta, bytes)| (meta, bytes.into())).collect());
    }
    let mut samples = Vec::new();
    for (meta, bytes) in &chunks {
        decode_samples(meta.encoding, bytes, &mut samples)?;
    }
    late.into_iter().for_each(|late| samples.extend(late.into_samples()));
    merge_samples(&mut samples);
    let mut merged =
        SeriesChunks::new(ChunkTarget { samples: CHUNK_SAMPLES, window_ms, floats: FloatForm::Gorilla });
    merged.push_samples(samples.into_iter());
    Ok(merged.finish().into_iter().map(|chunk| (chunk.meta, chunk.body)).collect())
}
