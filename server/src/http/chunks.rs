//! Samples as chunks in Prometheus's encodings, for remote read.
//!
//! Chunks are cut on the clock, not where storage happens to have cut them, so that replicas with the same
//! samples answer with the same bytes.

use kymo_engine::{HistogramSample, HistogramValue, SampleColumns};
use kymo_formats::{
    codec::{
        histogram::{Appended, Appender, Form},
        xor,
    },
    wire::remote_read::ChunkEncoding,
};

/// A chunk spans at most this: 120 samples at the usual distance of 15 s.
const SPAN_MS: i64 = 30 * 60_000;
/// A chunk holds at most this many samples, however close they are.
const SAMPLES_MAX: usize = 1000;

/// An encoded run of samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EncodedChunk {
    pub(super) min_ts: i64,
    pub(super) max_ts: i64,
    pub(super) encoding: ChunkEncoding,
    pub(super) bytes: Vec<u8>,
}

/// All samples of `columns`, by time. Chunks do not overlap: readers take them one after the other.
pub(super) fn encode(columns: &SampleColumns<HistogramValue>) -> Vec<EncodedChunk> {
    let mut chunks = Vec::new();
    let (mut ts, mut values) = (&columns.ts[..], &columns.values[..]);
    let mut histograms = &columns.histograms[..];
    while !ts.is_empty() || !histograms.is_empty() {
        let before = histograms.first().map_or(ts.len(), |next| ts.partition_point(|ts| *ts < next.ts));
        push_floats(&ts[..before], &values[..before], &mut chunks);
        (ts, values) = (&ts[before..], &values[before..]);
        let before = ts
            .first()
            .map_or(histograms.len(), |next| histograms.partition_point(|sample| sample.ts <= *next));
        push_histograms(&histograms[..before], &mut chunks);
        histograms = &histograms[before..];
    }
    chunks
}

fn push_floats(mut ts: &[i64], mut values: &[f64], chunks: &mut Vec<EncodedChunk>) {
    while let Some(&first) = ts.first() {
        let len = run_len(ts.iter().copied(), first);
        let last = ts[len - 1];
        chunks.push(EncodedChunk {
            min_ts: first,
            max_ts: last,
            encoding: ChunkEncoding::Xor,
            bytes: xor::encode(ts[..len].iter().copied().zip(values[..len].iter().copied())),
        });
        (ts, values) = (&ts[len..], &values[len..]);
    }
}

/// Integer and float histograms go into chunks of their own.
fn push_histograms(samples: &[HistogramSample<HistogramValue>], chunks: &mut Vec<EncodedChunk>) {
    let is_integer =
        |sample: &HistogramSample<HistogramValue>| matches!(sample.value, HistogramValue::Integer(_));
    for run in samples.chunk_by(|a, b| is_integer(a) == is_integer(b)) {
        let integers = run.iter().filter_map(|sample| match &sample.value {
            HistogramValue::Integer(histogram) => Some((sample.ts, histogram)),
            HistogramValue::Float(_) => None,
        });
        let floats = run.iter().filter_map(|sample| match &sample.value {
            HistogramValue::Integer(_) => None,
            HistogramValue::Float(histogram) => Some((sample.ts, histogram)),
        });
        push_histograms_of_one_form(&integers.collect::<Vec<_>>(), ChunkEncoding::Histogram, chunks);
        push_histograms_of_one_form(&floats.collect::<Vec<_>>(), ChunkEncoding::FloatHistogram, chunks);
    }
}

fn push_histograms_of_one_form<H: Form>(
    mut rest: &[(i64, &H)],
    encoding: ChunkEncoding,
    chunks: &mut Vec<EncodedChunk>,
) {
    let mut push = |min_ts, appender: Appender<H>| {
        chunks.push(EncodedChunk {
            min_ts,
            max_ts: appender.last_ts(),
            encoding,
            bytes: appender.into_bytes(),
        });
    };
    while let Some(&(first_ts, first)) = rest.first() {
        let len = run_len(rest.iter().map(|(ts, _)| *ts), first_ts);
        let (run, tail) = rest.split_at(len);
        rest = tail;
        let mut min_ts = first_ts;
        let mut appender = Appender::new(first_ts, first);
        for &(ts, histogram) in &run[1..] {
            // A change of the buckets' layout or a reset begins a chunk, too.
            if let Appended::Cut(next) = appender.append(ts, histogram) {
                push(min_ts, std::mem::replace(&mut appender, *next));
                min_ts = ts;
            }
        }
        push(min_ts, appender);
    }
}

/// How many of the next samples go into one chunk; `first` is the time of the first of them.
fn run_len(times: impl Iterator<Item = i64>, first: i64) -> usize {
    let window = first.div_euclid(SPAN_MS);
    times.take(SAMPLES_MAX).take_while(|ts| ts.div_euclid(SPAN_MS) == window).count().max(1)
}

#[cfg(test)]
mod tests {
    use kymo_formats::{
        codec::histogram,
        histogram::{FloatHistogram, Histogram},
    };

    use super::*;

    #[test]
    fn chunks_are_cut_on_the_clock_and_read_back() {
        let ts: Vec<i64> = (0..300).map(|i| 1_000_000 + i * 15_000).collect();
        let values: Vec<f64> = (0..300).map(f64::from).collect();
        let columns = SampleColumns { ts: ts.clone(), values: values.clone(), ..SampleColumns::default() };
        let chunks = encode(&columns);
        assert_eq!(chunks.len(), 4);
        let (mut read_ts, mut read_values) = (Vec::new(), Vec::new());
        for chunk in &chunks {
            assert_eq!(chunk.min_ts.div_euclid(SPAN_MS), chunk.max_ts.div_euclid(SPAN_MS));
            assert_eq!(chunk.min_ts, ts[read_ts.len()]);
            xor::decode(&chunk.bytes, &mut read_ts, &mut read_values).unwrap();
            assert_eq!(Some(&chunk.max_ts), read_ts.last());
        }
        assert_eq!((read_ts, read_values), (ts, values));
    }

    #[test]
    fn close_samples_make_more_chunks() {
        let ts: Vec<i64> = (0..2500).collect();
        let values = vec![1.0; ts.len()];
        assert_eq!(encode(&SampleColumns { ts, values, ..SampleColumns::default() }).len(), 3);
        assert_eq!(encode(&SampleColumns::default()), []);
    }

    #[test]
    fn each_kind_has_chunks_of_its_own_in_order_of_time() {
        let integer = HistogramValue::Integer(Histogram { count: 1, zero_count: 1, ..Histogram::default() });
        let float = FloatHistogram { count: 1.5, zero_count: 1.5, ..FloatHistogram::default() };
        let float = HistogramValue::Float(float);
        let sample =
            |(ts, value): (i64, &HistogramValue)| HistogramSample { ts, start_ts: 0, value: value.clone() };
        let histograms = [(-5, &integer), (-4, &integer), (-3, &float), (-2, &integer)].map(sample).to_vec();
        let values = vec![1.0; 3];
        let columns = SampleColumns { ts: vec![-6, -1, 7], values, histograms, ..SampleColumns::default() };
        let chunks = encode(&columns);
        let found: Vec<_> = chunks.iter().map(|chunk| (chunk.encoding, chunk.min_ts, chunk.max_ts)).collect();
        let expected = [
            (ChunkEncoding::Xor, -6, -6),
            (ChunkEncoding::Histogram, -5, -4),
            (ChunkEncoding::FloatHistogram, -3, -3),
            (ChunkEncoding::Histogram, -2, -2),
            (ChunkEncoding::Xor, -1, -1),
            (ChunkEncoding::Xor, 7, 7),
        ];
        assert_eq!(found, expected);
        let mut read = Vec::new();
        histogram::decode::<Histogram>(&chunks[1].bytes, &mut read).unwrap();
        assert_eq!(read.iter().map(|(ts, value)| (*ts, value.count)).collect::<Vec<_>>(), [(-5, 1), (-4, 1)]);
    }
}
