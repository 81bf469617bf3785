//! Rows into a shard: where each one belongs, and putting it there.

use std::borrow::Cow;

use kymo_formats::{
    DecodeError,
    codec::{self, ChunkSamples, Encoding, xor::XorAppender},
    histogram::{FloatHistogram, Histogram, HistogramValue},
    index::chunk_directory::ChunkMeta,
    wal::rows::{FloatRow, RowsEncoder},
};

use super::{
    histograms::{Offered, OpenHistograms},
    late::{LateFloat, LateHistogram, Novelty, same_histogram},
    refusal::Refusal,
    series::Kind,
    shard::{Extra, Shard},
    slab::Slot,
};
use crate::model::{is_stale, stale_nan};

/// Samples of an open chunk when it is sealed.
const CHUNK_SAMPLES: usize = 120;

/// What holds for every row of one request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Older samples are refused as too old.
    pub(super) oldest_ts: i64,
    /// Newer samples are refused as out of bounds.
    pub(super) newest_ts: i64,
    /// No chunk crosses a multiple of this, in milliseconds: blocks are cut there.
    pub(super) window_ms: i64,
}

/// A float on its way in.
#[derive(Debug, Clone, Copy)]
pub(super) struct FloatSample {
    pub(super) id: u32,
    pub(super) ts: i64,
    /// 0 = unknown.
    pub(super) start_ts: i64,
    pub(super) value: f64,
}

/// A native histogram on its way in.
#[derive(Debug, Clone)]
pub(super) struct HistogramSample {
    pub(super) id: u32,
    pub(super) ts: i64,
    /// 0 = unknown.
    pub(super) start_ts: i64,
    pub(super) value: HistogramValue,
}

/// Where an acceptable sample belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Behind the newest sample of its series.
    Newest,
    /// Before it.
    Late,
    /// It is there already.
    Nowhere,
}

impl Bounds {
    fn check(&self, ts: i64) -> Result<(), Refusal> {
        if ts > self.newest_ts {
            return Err(Refusal::OutOfBounds);
        }
        if ts < self.oldest_ts {
            return Err(Refusal::TooOld);
        }
        Ok(())
    }
}

impl Shard {
    /// Takes a float in: describes it in `rows`, which go to the WAL segment `segment`, and stores it.
    ///
    /// # Errors
    /// When it contradicts what is stored, or lies outside of the bounds. Nothing has changed then.
    #[inline]
    pub(super) fn append_float(
        &mut self,
        sample: FloatSample,
        bounds: &Bounds,
        segment: u32,
        rows: &mut RowsEncoder,
    ) -> Result<(), Refusal> {
        bounds.check(sample.ts)?;
        let FloatSample { id, ts, start_ts, value } = sample;
        if is_stale(value) && self.series[id].newest_kind == Kind::Histogram {
            return self.append_histogram(self.stale_histogram(sample), bounds, segment, rows);
        }
        let place = self.place_float(sample)?;
        if place == Place::Nowhere {
            return Ok(());
        }
        self.revised.see(ts);
        if self.series[id].wal_segment != segment {
            self.describe(id, segment, rows);
        }
        if place == Place::Late {
            rows.late(id, ts, start_ts, value);
            self.store_late_float(sample);
        } else {
            let xor = value.to_bits() ^ self.series[id].newest_value;
            rows.float(FloatRow { id, ts, start_ts, xor });
            self.store_float(sample, bounds.window_ms);
        }
        Ok(())
    }

    /// Takes a native histogram in, as [`Shard::append_float`] does.
    ///
    /// # Errors
    /// When it contradicts what is stored, or lies outside of the bounds. Nothing has changed then.
    pub(super) fn append_histogram(
        &mut self,
        mut sample: HistogramSample,
        bounds: &Bounds,
        segment: u32,
        rows: &mut RowsEncoder,
    ) -> Result<(), Refusal> {
        bounds.check(sample.ts)?;
        validate(&mut sample.value)?;
        let place = self.place_histogram(&sample)?;
        if place == Place::Nowhere {
            return Ok(());
        }
        self.revised.see(sample.ts);
        if self.series[sample.id].wal_segment != segment {
            self.describe(sample.id, segment, rows);
        }
        rows.histogram(sample.id, sample.ts, sample.start_ts, &sample.value);
        if place == Place::Late {
            self.store_late_histogram(sample);
        } else {
            self.store_histogram(sample, bounds.window_ms);
        }
        Ok(())
    }

    /// Takes in a float from the WAL. A float that is there already, or contradicts what is there, is left out:
    /// it was accepted or refused before.
    pub(super) fn replay_float(&mut self, sample: FloatSample, window_ms: i64) {
        // It may have come after its window was rolled up, or before: the log does not say. So it is also with one that
        // is there already, in the checkpoint.
        self.revised.see(sample.ts);
        match self.place_float(sample) {
            Ok(Place::Newest) => self.store_float(sample, window_ms),
            Ok(Place::Late) => self.store_late_float(sample),
            Ok(Place::Nowhere) | Err(_) if self.has_gone(sample.id, sample.ts) => {
                self.store_late_float(sample)
            }
            Ok(Place::Nowhere) | Err(_) => {}
        }
    }

    /// Takes in a histogram from the WAL, as [`Shard::replay_float`] does.
    pub(super) fn replay_histogram(&mut self, sample: HistogramSample, window_ms: i64) {
        self.revised.see(sample.ts);
        match self.place_histogram(&sample) {
            Ok(Place::Newest) => self.store_histogram(sample, window_ms),
            Ok(Place::Late) => self.store_late_histogram(sample),
            Ok(Place::Nowhere) | Err(_) if self.has_gone(sample.id, sample.ts) => {
                self.store_late_histogram(sample)
            }
            Ok(Place::Nowhere) | Err(_) => {}
        }
    }

    /// Whether the newest sample of the series was at `ts` and is not in memory. It may have been deleted before the
    /// log's row was accepted; if it was not, it still wins when both are read.
    fn has_gone(&self, id: u32, ts: i64) -> bool {
        self.series[id].newest_ts == ts && !self.is_in_memory(id)
    }

    #[inline]
    fn place_float(&self, sample: FloatSample) -> Result<Place, Refusal> {
        let series = &self.series[sample.id];
        if sample.ts > series.newest_ts || series.newest_kind == Kind::Nothing {
            return Ok(Place::Newest);
        }
        let novelty = if sample.ts == series.newest_ts {
            match series.newest_kind {
                Kind::Float if series.newest_value == sample.value.to_bits() => Novelty::Repeated,
                _ => Novelty::Conflicting,
            }
        } else {
            self.novelty_of_late_float(sample)
        };
        place_of(novelty)
    }

    /// Looks at what is in memory only: what older blocks hold wins when it is read.
    fn novelty_of_late_float(&self, sample: FloatSample) -> Novelty {
        let series = &self.series[sample.id];
        let late = self.late.get(&sample.id);
        let novelty = late.map_or(Novelty::New, |late| late.novelty_of_float(sample.ts, sample.value));
        if novelty != Novelty::New || sample.ts < series.open_since || series.slot == Slot::NONE {
            return novelty;
        }
        let chunk = &self.slab.get(series.slot)[..series.appender.byte_len()];
        let (mut ts, mut values) = (Vec::new(), Vec::new());
        if codec::xor::decode(chunk, &mut ts, &mut values).is_err() {
            return Novelty::New;
        }
        match ts.binary_search(&sample.ts) {
            Err(_) => Novelty::New,
            Ok(i) if values[i].to_bits() == sample.value.to_bits() => Novelty::Repeated,
            Ok(_) => Novelty::Conflicting,
        }
    }

    fn place_histogram(&self, sample: &HistogramSample) -> Result<Place, Refusal> {
        let series = &self.series[sample.id];
        if sample.ts > series.newest_ts || series.newest_kind == Kind::Nothing {
            return Ok(Place::Newest);
        }
        let open = self.extras.get(&sample.id).and_then(|extra| extra.histograms.as_ref());
        match open {
            Some(open) if sample.ts == series.newest_ts => {
                let repeated = same_histogram(open.newest(), &sample.value);
                return place_of(if repeated { Novelty::Repeated } else { Novelty::Conflicting });
            }
            // Sealed, and not kept beside: as with what is older, the first one written wins when it is read.
            None if sample.ts == series.newest_ts && series.newest_kind == Kind::Histogram => {}
            _ if sample.ts == series.newest_ts => return Err(Refusal::DuplicateTimestamp),
            _ => {}
        }
        let late = self.late.get(&sample.id);
        let novelty = late.map_or(Novelty::New, |late| late.novelty_of_histogram(sample.ts, &sample.value));
        let in_open = || open.map_or(Novelty::New, |open| open.novelty(sample.ts, &sample.value));
        place_of(if novelty == Novelty::New { in_open() } else { novelty })
    }

    /// A stale marker ends a histogram series as a histogram, so that its chunks are of one kind.
    fn stale_histogram(&self, sample: FloatSample) -> HistogramSample {
        let open = self.extras.get(&sample.id).and_then(|extra| extra.histograms.as_ref());
        let value = match open.map(OpenHistograms::newest) {
            Some(HistogramValue::Float(_)) => {
                HistogramValue::Float(FloatHistogram { sum: stale_nan(), ..FloatHistogram::default() })
            }
            _ => HistogramValue::Integer(Histogram { sum: stale_nan(), ..Histogram::default() }),
        };
        HistogramSample { id: sample.id, ts: sample.ts, start_ts: sample.start_ts, value }
    }

    fn store_late_float(&mut self, sample: FloatSample) {
        let late = LateFloat { ts: sample.ts, start_ts: sample.start_ts, value: sample.value };
        self.late.entry(sample.id).or_default().insert_float(late);
        self.late_len += 1;
    }

    fn store_late_histogram(&mut self, sample: HistogramSample) {
        let late = LateHistogram { ts: sample.ts, start_ts: sample.start_ts, value: sample.value };
        self.late.entry(sample.id).or_default().insert_histogram(late);
        self.late_len += 1;
    }

    #[inline]
    fn store_float(&mut self, sample: FloatSample, window_ms: i64) {
        let FloatSample { id, ts, start_ts, value } = sample;
        self.make_room_for_float(id, ts, window_ms);
        let series = &mut self.series[id];
        if start_ts != 0 || !self.extras.is_empty() {
            note_start(&mut self.extras, id, series.appender.count(), start_ts);
        }
        series.appender.append(self.slab.get_mut(series.slot), ts, value);
        series.newest_ts = ts;
        series.newest_value = value.to_bits();
        series.newest_kind = Kind::Float;
        self.newest_ts = self.newest_ts.max(ts);
    }

    /// Sees to it that the series has an open float chunk that may take a sample at `ts` and has room for it.
    #[inline]
    fn make_room_for_float(&mut self, id: u32, ts: i64, window_ms: i64) {
        if self.series[id].newest_kind == Kind::Histogram {
            self.seal(id);
        }
        let series = &self.series[id];
        if series.slot != Slot::NONE
            && (series.appender.count() >= CHUNK_SAMPLES || crosses(series.open_since, ts, window_ms))
        {
            self.seal(id);
        }
        let series = &mut self.series[id];
        let room = series.appender.byte_len() + XorAppender::BYTES_MAX_PER_SAMPLE;
        if series.slot.capacity() >= room && series.slot != Slot::NONE {
            return;
        }
        if series.slot != Slot::NONE {
            if let Some(grown) = self.slab.grow(series.slot, series.appender.byte_len(), room) {
                series.slot = grown;
                return;
            }
            self.seal(id);
        }
        let series = &mut self.series[id];
        series.appender = XorAppender::default();
        series.open_since = ts;
        let room = series.appender.byte_len() + XorAppender::BYTES_MAX_PER_SAMPLE;
        series.slot = self.slab.allocate(room).expect("the largest slot holds a chunk of one sample");
    }

    fn store_histogram(&mut self, sample: HistogramSample, window_ms: i64) {
        let HistogramSample { id, ts, start_ts, value } = sample;
        let series = &self.series[id];
        if series.slot != Slot::NONE {
            self.seal(id);
        }
        let cut = crosses(self.series[id].open_since, ts, window_ms);
        let open = self.extras.get_mut(&id).and_then(|extra| extra.histograms.as_mut());
        let next = match open {
            None => Some(OpenHistograms::new(ts, start_ts, value)),
            Some(open) => match open.offer(ts, start_ts, value, cut) {
                Offered::Taken => None,
                Offered::Next(next) => Some(*next),
            },
        };
        if let Some(next) = next {
            self.seal(id);
            self.extras.entry(id).or_default().histograms = Some(next);
            self.series[id].open_since = ts;
        }
        let series = &mut self.series[id];
        series.newest_ts = ts;
        series.newest_kind = Kind::Histogram;
        self.newest_ts = self.newest_ts.max(ts);
    }

    /// Closes the open chunk of a series, if it has one, and keeps it for the flush.
    pub(super) fn seal(&mut self, id: u32) {
        let Some((meta, bytes)) = self.open_chunk(id) else { return };
        let bytes = bytes.into_owned();
        self.keep_sealed(id, meta, &bytes);
        let series = &mut self.series[id];
        self.slab.free(series.slot);
        series.slot = Slot::NONE;
        series.appender = XorAppender::default();
        self.extras.remove(&id);
    }

    /// Keeps a complete chunk of a series for the flush.
    pub(super) fn keep_sealed(&mut self, id: u32, meta: ChunkMeta, bytes: &[u8]) {
        let last = self.sealed.push(id, self.sealed_of(id), meta, bytes);
        let series = &mut self.series[id];
        series.generation = self.generation;
        series.sealed = last;
    }

    /// Goes on with an open chunk that was saved.
    ///
    /// # Errors
    /// When it does not decode.
    pub(super) fn reopen(
        &mut self,
        id: u32,
        encoding: Encoding,
        since: i64,
        bytes: &[u8],
    ) -> Result<(), DecodeError> {
        self.series[id].open_since = since;
        if encoding.is_histogram() {
            self.extras.entry(id).or_default().histograms = Some(OpenHistograms::resume(encoding, bytes)?);
            return Ok(());
        }
        let base = codec::base_chunk(encoding, bytes)?;
        let appender = XorAppender::resume(base)?;
        if encoding.has_start_ts() {
            let mut samples = ChunkSamples::default();
            codec::decode_chunk(encoding, bytes, &mut samples)?;
            self.extras.entry(id).or_default().start_ts = samples.start_ts;
        }
        let slot = self
            .slab
            .allocate(base.len() + XorAppender::BYTES_MAX_PER_SAMPLE)
            .ok_or(DecodeError::new("open chunk length", 0))?;
        self.slab.get_mut(slot)[..base.len()].copy_from_slice(base);
        let series = &mut self.series[id];
        series.slot = slot;
        series.appender = appender;
        Ok(())
    }

    /// What is known of the open chunk of a series beside its bytes.
    pub(super) fn open_meta(&self, id: u32) -> Option<ChunkMeta> {
        let series = &self.series[id];
        let extra = self.extras.get(&id);
        let (encoding, count) = match extra.and_then(|extra| extra.histograms.as_ref()) {
            Some(open) => (open.encoding(), open.len()),
            None if series.slot == Slot::NONE => return None,
            None if extra.is_some_and(|extra| !extra.start_ts.is_empty()) => {
                (Encoding::XorStart, series.appender.count())
            }
            None => (Encoding::Xor, series.appender.count()),
        };
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        Some(ChunkMeta {
            encoding: encoding.as_u8(),
            count,
            min_ts: series.open_since,
            max_ts: series.newest_ts,
        })
    }

    /// A copy of the open chunk of a series.
    pub(super) fn open_chunk(&self, id: u32) -> Option<(ChunkMeta, Cow<'_, [u8]>)> {
        let meta = self.open_meta(id)?;
        let extra = self.extras.get(&id);
        if let Some(open) = extra.and_then(|extra| extra.histograms.as_ref()) {
            return Some((meta, open.encode().into()));
        }
        let series = &self.series[id];
        let chunk = &self.slab.get(series.slot)[..series.appender.byte_len()];
        let bytes = match extra {
            Some(extra) if !extra.start_ts.is_empty() => with_start_ts(chunk, &extra.start_ts).into(),
            _ => chunk.into(),
        };
        Some((meta, bytes))
    }
}

/// Brings the histogram to a schema that is kept, and checks it. Of a stale marker only the sum counts.
fn validate(value: &mut HistogramValue) -> Result<(), Refusal> {
    if is_stale(value.sum()) {
        return Ok(());
    }
    let validated = match value {
        HistogramValue::Integer(histogram) => {
            histogram.reduce_reserved_schema().and_then(|()| histogram.validate())
        }
        HistogramValue::Float(histogram) => {
            histogram.reduce_reserved_schema().and_then(|()| histogram.validate())
        }
    };
    validated.map_err(|error| Refusal::InvalidHistogram { reason: error.to_string() })
}

fn place_of(novelty: Novelty) -> Result<Place, Refusal> {
    match novelty {
        Novelty::New => Ok(Place::Late),
        Novelty::Repeated => Ok(Place::Nowhere),
        Novelty::Conflicting => Err(Refusal::DuplicateTimestamp),
    }
}

/// Whether a block ends between the two times.
const fn crosses(from: i64, to: i64, window_ms: i64) -> bool {
    from.div_euclid(window_ms) != to.div_euclid(window_ms)
}

/// Remembers the start timestamp of the sample that comes after `count` others, if any of them has one.
fn note_start(extras: &mut std::collections::BTreeMap<u32, Extra>, id: u32, count: usize, start_ts: i64) {
    match extras.get_mut(&id) {
        Some(extra) if start_ts != 0 || !extra.start_ts.is_empty() => {
            extra.start_ts.resize(count, 0);
            extra.start_ts.push(start_ts);
        }
        None if start_ts != 0 => {
            let mut starts = vec![0; count];
            starts.push(start_ts);
            extras.insert(id, Extra { start_ts: starts, histograms: None });
        }
        _ => {}
    }
}

/// An open chunk with the start timestamps of its samples.
fn with_start_ts(chunk: &[u8], start_ts: &[i64]) -> Vec<u8> {
    let (mut ts, mut values) = (Vec::new(), Vec::new());
    codec::xor::decode(chunk, &mut ts, &mut values).expect("an open chunk is whole after every append");
    // The last sample's may still be missing: it is noted before the sample is appended.
    let mut start_ts = start_ts.to_vec();
    start_ts.resize(ts.len(), 0);
    codec::with_start_ts(chunk, &ts, &start_ts)
}
