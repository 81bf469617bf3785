//! What a flush takes out of the head, in the order in which a block wants it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::Ordering},
};

use kymo_formats::{DecodeError, index::chunk_directory::ChunkMeta};

use super::{Head, HeadConfig, sealed::Generation, shard::Shard};
use crate::{
    model::Labels,
    signals::metrics::{ChunkTarget, SeriesChunks, decode_samples, merge_samples},
};

/// Samples of a chunk that is made of late samples and those around them.
const CHUNK_SAMPLES: u32 = 120;
/// Series handled before writers get their turn.
const SERIES_PER_LOCK: u16 = 1_024;

/// Where a series lies: shard and id.
type Place = (usize, u32);

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
    pub(crate) chunks: Vec<(ChunkMeta, Vec<u8>)>,
}

impl Head {
    /// Sets aside everything that is sealed or late, after sealing every open chunk if `seal` says so. What is
    /// set aside stays readable until [`Head::forget_taken`].
    pub(crate) fn take(&self, seal: bool) {
        let _ids_stay = self.gate.read_recursive();
        for shard in &self.shards {
            if seal {
                let len = shard.read().series_len();
                for from in (0..len).step_by(usize::from(SERIES_PER_LOCK)) {
                    let mut shard = shard.write();
                    (from..len.min(from + u32::from(SERIES_PER_LOCK))).for_each(|id| shard.seal(id));
                }
            }
            shard.write().take_generation();
        }
    }

    /// What is set aside, by window of time.
    pub(crate) fn taken_windows(&self) -> Vec<WindowRows> {
        let mut windows: BTreeMap<i64, BTreeSet<Place>> = BTreeMap::new();
        for (index, shard) in self.shards.iter().enumerate() {
            let pending = shard.read().pending.clone();
            for generation in pending {
                let mut note = |id: u32, ts: i64| {
                    windows.entry(self.window_of(ts)).or_default().insert((index, id));
                };
                generation.sealed.iter().for_each(|chunk| note(chunk.series, chunk.meta.min_ts));
                for (id, late) in &generation.late {
                    late.floats.iter().for_each(|late| note(*id, late.ts));
                    late.histograms.iter().for_each(|late| note(*id, late.ts));
                }
            }
        }
        windows.into_iter().map(|(start, places)| self.by_metric(start, places)).collect()
    }

    fn window_of(&self, ts: i64) -> i64 {
        // The lowest window of all starts before the lowest time.
        ts.div_euclid(self.window_ms).saturating_mul(self.window_ms)
    }

    fn by_metric(&self, start: i64, places: BTreeSet<Place>) -> WindowRows {
        let places: Vec<Place> = places.into_iter().collect();
        let mut metrics: BTreeMap<Vec<u8>, Vec<Place>> = BTreeMap::new();
        self.for_each(&places, |shard, place| {
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
            let shard = self.shards[*shard].read();
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
        let end = window.start.saturating_add(self.window_ms);
        for places in window.metrics.values() {
            let mut series = Vec::with_capacity(places.len());
            self.for_each(places, |shard, place| series.push((shard.labels_of(place.1), place)));
            series.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
            for (labels, (shard, id)) in series {
                let chunks = window_chunks(&taken[shard], id, window.start, end)?;
                visit(WindowSeries { labels, chunks })?;
            }
        }
        Ok(())
    }

    /// Lets go of everything that was set aside: it is durable elsewhere.
    pub(crate) fn forget_taken(&self) {
        for shard in &self.shards {
            shard.write().pending.clear();
        }
    }

    /// Drops series without samples in memory whose newest sample is older than `before`, if they are many
    /// enough to be worth it. Everybody waits meanwhile.
    pub(crate) fn drop_idle(&self, before: i64) {
        let _alone = self.gate.write();
        for (index, shard) in self.shards.iter().enumerate() {
            let mut shard = shard.write();
            let idle = shard.count_idle(before);
            if idle > 0 && idle >= shard.series_len() / 8 {
                shard.rebuild_without_idle(before);
                self.raw.retain(|series| self.split_ref(series).0 != index);
                self.series.fetch_sub(u64::from(idle), Ordering::Relaxed);
            }
        }
    }

    pub(crate) const fn config(&self) -> &HeadConfig {
        &self.config
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
    start: i64,
    end: i64,
) -> Result<Vec<(ChunkMeta, Vec<u8>)>, DecodeError> {
    let mut chunks = Vec::new();
    let mut late = Vec::new();
    for generation in taken {
        let newest_first: Vec<_> = generation.chunks(id).collect();
        let inside = newest_first.into_iter().rev().filter(|(meta, _)| (start..end).contains(&meta.min_ts));
        chunks.extend(inside.map(|(meta, bytes)| (meta, bytes.to_vec())));
        late.extend(generation.late.get(&id).and_then(|late| late.in_range(start, end - 1)));
    }
    if late.is_empty() {
        return Ok(chunks);
    }
    let mut samples = Vec::new();
    for (meta, bytes) in &chunks {
        decode_samples(meta.encoding, bytes, &mut samples)?;
    }
    late.into_iter().for_each(|late| samples.extend(late.into_samples()));
    merge_samples(&mut samples);
    let mut merged = SeriesChunks::new(ChunkTarget { samples: CHUNK_SAMPLES, window_ms: end - start });
    merged.push_samples(samples.into_iter());
    Ok(merged.finish().into_iter().map(|chunk| (chunk.meta, chunk.bytes.into_owned())).collect())
}
