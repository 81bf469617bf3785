//! Files come back, and damaged ones are refused.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::{
    codec::{ChunkHistogram, ChunkSamples},
    histogram::{FloatHistogram, Histogram, HistogramValue, Span},
};

type Series = (Vec<(Vec<u8>, Vec<u8>)>, ChunkSamples);

fn write(series: &[Series]) -> Vec<u8> {
    let mut writer = SampleTableWriter::new(Vec::new()).unwrap();
    for (labels, samples) in series {
        let labels: Vec<_> = labels.iter().map(|(name, value)| (&name[..], &value[..])).collect();
        writer.push(&labels, samples).unwrap();
    }
    writer.finish().unwrap().0
}

fn read(file: Vec<u8>) -> Result<Vec<Series>, SampleTableError> {
    let mut series: Vec<Series> = Vec::new();
    SampleTableReader::open(Bytes::from(file))?.each::<SampleTableError>(&mut |labels, samples| {
        match series.last_mut() {
            Some((last, all)) if last == labels => {
                all.ts.extend(&samples.ts);
                all.values.extend(&samples.values);
                all.histograms.extend(samples.histograms.clone());
            }
            _ => series.push((labels.to_vec(), samples.clone())),
        }
        Ok(())
    })?;
    Ok(series)
}

fn labels(pairs: &[(&str, &str)]) -> Vec<(Vec<u8>, Vec<u8>)> {
    pairs.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
}

fn floats(samples: &[(i64, f64)]) -> ChunkSamples {
    let (ts, values) = samples.iter().copied().unzip();
    ChunkSamples { ts, values, ..ChunkSamples::default() }
}

fn histograms() -> Vec<ChunkHistogram> {
    let integer = Histogram {
        schema: 3,
        count: u64::MAX / 2,
        zero_count: 1,
        sum: -0.0,
        positive_spans: vec![Span { offset: -2, length: 1 }, Span { offset: 0, length: 1 }],
        positive_buckets: vec![5, -2],
        ..Histogram::default()
    };
    let float = FloatHistogram { count: 1.5, zero_count: 1.5, ..FloatHistogram::default() };
    let values = [
        HistogramValue::Integer(integer),
        HistogramValue::Float(float),
        HistogramValue::Float(FloatHistogram::default()),
    ];
    (0..).zip(values).map(|(ts, value)| ChunkHistogram { ts, start_ts: 0, value }).collect()
}

fn two_series() -> Vec<Series> {
    vec![
        (labels(&[("__name__", "up"), ("job", "a")]), floats(&[(-1, 0.1), (5, f64::INFINITY)])),
        (labels(&[("__name__", "up")]), ChunkSamples { histograms: histograms(), ..floats(&[(7, 1.0)]) }),
        (labels(&[("job", "no name"), ("x", "")]), floats(&[(9, -0.0)])),
    ]
}

#[test]
fn samples_of_both_kinds_come_back() {
    assert_eq!(read(write(&two_series())).unwrap(), two_series());
    assert_eq!(read(write(&[])).unwrap(), vec![]);
}

#[test]
fn many_rows_make_several_row_groups() {
    let many: Vec<(i64, f64)> = (0..600_000).map(|i| (i * 15, i as f64)).collect();
    let series = vec![(labels(&[("__name__", "m")]), floats(&many)), two_series().remove(0)];
    let file = write(&series);
    let reader = SampleTableReader::open(Bytes::from(file.clone())).unwrap();
    assert_eq!(reader.rows(), 600_002);
    assert_eq!(read(file).unwrap(), series);
}

#[test]
fn what_is_cut_off_or_something_else_is_refused() {
    let file = write(&two_series());
    for len in 0..file.len() {
        assert!(read(file[..len].to_vec()).is_err(), "{len} bytes");
    }
    assert!(matches!(read(b"# TYPE up gauge\n# EOF\n".to_vec()), Err(SampleTableError::Parquet(_))));
}

proptest! {
    #![proptest_config(crate::test_config::config(concat!(env!("CARGO_MANIFEST_DIR"), "/../proptest-regressions/formats/wire-sample-table.txt")))]

    #[test]
    fn every_bit_comes_back(samples in prop::collection::vec((-(1_i64 << 50)..1 << 50, any::<u64>()), 1..50)) {
        let samples: Vec<_> = samples.into_iter().map(|(ts, bits)| (ts, f64::from_bits(bits))).collect();
        let found = read(write(&[(labels(&[("__name__", "m")]), floats(&samples))])).unwrap();
        let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        prop_assert_eq!(&found[0].1.ts, &samples.iter().map(|sample| sample.0).collect::<Vec<_>>());
        prop_assert_eq!(bits(&found[0].1.values), bits(&floats(&samples).values));
    }

    /// Parquet has no checksum that is always there: a flipped bit may pass, but never ends the process.
    #[test]
    fn a_flipped_bit_ends_in_rows_or_an_error(at: prop::sample::Index, bit in 0..8_u8) {
        let mut file = write(&two_series());
        let at = at.index(file.len());
        file[at] ^= 1 << bit;
        drop(read(file));
    }
}
