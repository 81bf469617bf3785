//! Samples of any kind in the form in which they are merged: out of chunks, and histograms into chunks.

use kymo_formats::{
    DecodeError,
    codec::{
        ChunkSamples, Encoding, base_chunk, decode_chunk,
        histogram::{Appended, Appender, Form, HistogramIter, ResetHeader},
        with_start_ts,
    },
    histogram::{FloatHistogram, Histogram, HistogramValue, ResetHint},
    index::chunk_directory::ChunkMeta,
};

use crate::model::HistogramForm;

/// One sample. Histograms are behind a pointer: most samples are floats.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    /// Milliseconds since the Unix epoch.
    pub(crate) ts: i64,
    /// When the count began, in milliseconds; 0 = unknown.
    pub(crate) start_ts: i64,
    pub(crate) value: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Float(f64),
    Histogram(Box<HistogramValue>),
}

/// What a chunk can hold only one of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Float,
    Histogram,
    FloatHistogram,
}

impl Kind {
    pub(crate) fn of(value: &Value) -> Self {
        match value {
            Value::Float(_) => Self::Float,
            Value::Histogram(histogram) => match **histogram {
                HistogramValue::Integer(_) => Self::Histogram,
                HistogramValue::Float(_) => Self::FloatHistogram,
            },
        }
    }
}

impl Sample {
    /// Forgets how a histogram relates to the one before it: another has come in between.
    pub(crate) fn forget_reset(&mut self) {
        if let Value::Histogram(histogram) = &mut self.value {
            histogram.forget_reset();
        }
    }
}

/// Brings samples of several places in order of time. Of equal times the first one counts, so what counts more
/// comes first.
pub(crate) fn merge_samples(samples: &mut Vec<Sample>) {
    // What is known of counter resets is about the sample before in the same chunk.
    samples.iter_mut().for_each(Sample::forget_reset);
    samples.sort_by_key(|sample| sample.ts);
    samples.dedup_by_key(|sample| sample.ts);
}

/// Appends the samples of a chunk that stands for itself to `out`.
pub(crate) fn decode_samples(encoding: u8, bytes: &[u8], out: &mut Vec<Sample>) -> Result<(), DecodeError> {
    let known = Encoding::from_u8(encoding).ok_or(DecodeError::new("chunk encoding", 0))?;
    let mut columns = ChunkSamples::default();
    decode_chunk(known, bytes, &mut columns)?;
    let is_reset = known.is_histogram() && reset_header(known, bytes)?;
    to_samples(&mut columns, if is_reset { &[0] } else { &[] }, out);
    Ok(())
}

/// Moves decoded samples to `out`. `resets` are the histograms that are known to be counter resets, see
/// [`super::resets`].
pub(crate) fn to_samples(columns: &mut ChunkSamples, resets: &[usize], out: &mut Vec<Sample>) {
    let starts = columns.start_ts.drain(..).chain(std::iter::repeat(0));
    let floats = columns.ts.drain(..).zip(columns.values.drain(..)).zip(starts);
    out.extend(floats.map(|((ts, value), start_ts)| Sample { ts, start_ts, value: Value::Float(value) }));
    for reset in resets {
        if let Some(sample) = columns.histograms.get_mut(*reset) {
            *sample.value.reset_hint_mut() = ResetHint::Reset;
        }
    }
    out.extend(columns.histograms.drain(..).map(|sample| Sample {
        ts: sample.ts,
        start_ts: sample.start_ts,
        value: Value::Histogram(Box::new(sample.value)),
    }));
}

/// Whether a chunk of histograms begins with a counter reset.
pub(super) fn reset_header(encoding: Encoding, bytes: &[u8]) -> Result<bool, DecodeError> {
    let base = base_chunk(encoding, bytes)?;
    let header = match encoding.base() {
        Encoding::FloatHistogram => HistogramIter::<FloatHistogram>::new(base)?.header(),
        _ => HistogramIter::<Histogram>::new(base)?.header(),
    };
    Ok(header == ResetHeader::Reset)
}

/// Makes chunks of `samples`, all of one kind and in order of time, as the head makes them.
#[cfg(test)]
pub(crate) fn encode_chunks(samples: &[Sample], mut push: impl FnMut(ChunkMeta, Vec<u8>)) {
    use super::chunks::{ChunkTarget, FloatForm, SeriesChunks};
    let target = ChunkTarget { samples: 1 << 15, window_ms: i64::MAX, floats: FloatForm::Gorilla };
    let mut chunks = SeriesChunks::new(target);
    chunks.push_samples(samples.iter().cloned());
    for chunk in chunks.finish() {
        match chunk.body {
            crate::block::ChunkBody::Whole(bytes) => push(chunk.meta, bytes.into_owned()),
            crate::block::ChunkBody::Columns(_) => unreachable!("Gorilla was asked for"),
        }
    }
}

/// Makes chunks of histograms, all of one kind and in order of time: as many as their bucket layouts and resets
/// ask for.
pub(super) fn encode_histogram_chunks(samples: &[Sample], mut push: impl FnMut(ChunkMeta, Vec<u8>)) {
    match samples.first().map(|first| Kind::of(&first.value)) {
        Some(Kind::Histogram) => {
            let integer = |value: &HistogramValue| match value {
                HistogramValue::Integer(histogram) => Some(histogram.clone()),
                HistogramValue::Float(_) => None,
            };
            encode_histograms(Encoding::Histogram, samples, integer, &mut push);
        }
        Some(Kind::FloatHistogram) => {
            let float = |value: &HistogramValue| match value {
                HistogramValue::Integer(_) => None,
                HistogramValue::Float(histogram) => Some(histogram.clone()),
            };
            encode_histograms(Encoding::FloatHistogram, samples, float, &mut push);
        }
        Some(Kind::Float) | None => {}
    }
}

fn encode_histograms<H: Form>(
    encoding: Encoding,
    samples: &[Sample],
    form: impl Fn(&HistogramValue) -> Option<H>,
    push: &mut impl FnMut(ChunkMeta, Vec<u8>),
) {
    let mut open: Option<Appender<H>> = None;
    // The samples of the open chunk are those from `start` on.
    let mut start = 0;
    for (at, sample) in samples.iter().enumerate() {
        let Value::Histogram(value) = &sample.value else { continue };
        let Some(histogram) = form(value) else { continue };
        let Some(appender) = &mut open else {
            open = Some(Appender::new(sample.ts, &histogram));
            continue;
        };
        if let Appended::Cut(next) = appender.append(sample.ts, &histogram) {
            let full = std::mem::replace(appender, *next);
            finish_chunk(encoding, &samples[start..at], full.into_bytes(), push);
            start = at;
        }
    }
    if let Some(appender) = open {
        finish_chunk(encoding, &samples[start..], appender.into_bytes(), push);
    }
}

/// Adds the start timestamps, if any is known, to the chunk of `samples`.
fn finish_chunk(
    encoding: Encoding,
    samples: &[Sample],
    base: Vec<u8>,
    push: &mut impl FnMut(ChunkMeta, Vec<u8>),
) {
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else { return };
    let count = u32::try_from(samples.len()).expect("a chunk has at most 65,535 samples");
    let meta = |encoding: Encoding| ChunkMeta {
        encoding: encoding.as_u8(),
        count,
        min_ts: first.ts,
        max_ts: last.ts,
    };
    if samples.iter().all(|sample| sample.start_ts == 0) {
        return push(meta(encoding), base);
    }
    let column = |of: fn(&Sample) -> i64| samples.iter().map(of).collect::<Vec<_>>();
    let bytes = with_start_ts(&base, &column(|sample| sample.ts), &column(|sample| sample.start_ts));
    push(meta(encoding.with_start_ts()), bytes);
}
