//! Tests of histogram chunks. That they are upstream's bytes is checked in `tests/golden`.

use proptest::collection::vec;
use proptest::prelude::*;

use super::form::Coded;
use super::*;
use crate::bits::{BitReader, BitWriter};
use crate::histogram::{CUSTOM_BUCKETS_SCHEMA, ResetHint, STALE_NAN_BITS, Span};
use crate::test_config::config;

/// Any histogram whose spans and buckets agree; counts are whatever bits they are.
pub(super) fn histogram() -> impl Strategy<Value = Histogram> {
    let side = || vec((0..4_i32, vec(any::<i64>().prop_map(|n| n >> 40), 0..4)), 0..4);
    let extreme = prop_oneof![3 => Just(None), 1 => any::<i64>().prop_map(Some)];
    let schema = prop_oneof![3 => -4..=8_i32, 1 => Just(CUSTOM_BUCKETS_SCHEMA)];
    let threshold = prop_oneof![Just(0.0), Just(2.0_f64.powi(-128)), any::<u64>().prop_map(f64::from_bits)];
    let bounds = vec(prop_oneof![(0..100_000_i32).prop_map(|n| f64::from(n) / 1000.0), any::<f64>()], 0..5);
    (any::<[u64; 3]>(), schema, threshold, side(), side(), extreme, bounds, 0..4_u8).prop_map(
        |([count, zero_count, sum], schema, zero_threshold, positive, negative, extreme, bounds, hint)| {
            let spans = |side: &[(i32, Vec<i64>)]| -> Vec<Span> {
                let length = |buckets: &[i64]| u32::try_from(buckets.len()).unwrap();
                side.iter().map(|(offset, all)| Span { offset: *offset, length: length(all) }).collect()
            };
            let buckets = |side: &[(i32, Vec<i64>)]| -> Vec<i64> {
                side.iter()
                    .flat_map(|(_, buckets)| buckets)
                    .map(|bucket| extreme.unwrap_or(*bucket))
                    .collect()
            };
            Histogram {
                reset_hint: [ResetHint::Unknown, ResetHint::Reset, ResetHint::NotReset, ResetHint::Gauge]
                    [usize::from(hint)],
                schema,
                zero_threshold,
                zero_count,
                count,
                sum: f64::from_bits(sum),
                positive_spans: spans(&positive),
                negative_spans: spans(&negative),
                positive_buckets: buckets(&positive),
                negative_buckets: buckets(&negative),
                custom_values: if schema == CUSTOM_BUCKETS_SCHEMA { bounds } else { Vec::new() },
            }
        },
    )
}

/// Histograms of one layout with close values, so that chunks are filled and not cut at every turn.
pub(super) fn gauges() -> impl Strategy<Value = Vec<(i64, Histogram)>> {
    let step = (any::<i64>(), 0..20_u64, vec(-5..50_i64, 6), any::<u64>(), 0..12_u8, 0..3_u8);
    vec(step, 1..30).prop_map(|steps| {
        steps
            .into_iter()
            .map(|(ts, count, buckets, sum, stale, layout)| {
                let (offset, length) = [(0, 6), (-2, 4), (3, 5)][usize::from(layout)];
                let histogram = Histogram {
                    reset_hint: ResetHint::Gauge,
                    count,
                    sum: f64::from_bits(if stale == 0 { STALE_NAN_BITS } else { sum }),
                    positive_spans: vec![Span { offset, length }],
                    positive_buckets: buckets[..length as usize].to_vec(),
                    ..Histogram::default()
                };
                (
                    ts,
                    if stale == 0 {
                        Histogram { reset_hint: ResetHint::Gauge, ..Histogram::stale(histogram.sum) }
                    } else {
                        histogram
                    },
                )
            })
            .collect()
    })
}

/// The bits of everything but the hint; `==` does not see NaN payloads.
pub(super) fn bits(histogram: &FloatHistogram) -> impl PartialEq + std::fmt::Debug + use<> {
    let all = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    (
        histogram.schema,
        [histogram.zero_threshold, histogram.zero_count, histogram.count, histogram.sum].map(f64::to_bits),
        histogram.positive_spans.clone(),
        histogram.negative_spans.clone(),
        all(&histogram.positive_buckets),
        all(&histogram.negative_buckets),
        all(&histogram.custom_values),
    )
}

pub(super) fn chunks<H: Form>(samples: &[(i64, H)]) -> Vec<Vec<u8>> {
    let mut done = Vec::new();
    let mut open: Option<Appender<H>> = None;
    for (ts, histogram) in samples {
        let next = match &mut open {
            None => Appender::new(*ts, histogram),
            Some(open) => match open.append(*ts, histogram) {
                Appended::Cut(next) => *next,
                Appended::InPlace | Appended::Recoded => continue,
            },
        };
        done.extend(open.replace(next).map(Appender::into_bytes));
    }
    done.extend(open.map(Appender::into_bytes));
    done
}

fn all<H: Form>(chunk: &[u8]) -> Result<Vec<(i64, H)>, DecodeError> {
    let mut out = Vec::new();
    decode(chunk, &mut out).map(|()| out)
}

pub(super) fn counter(counts: &[i64]) -> Histogram {
    let mut previous = 0;
    Histogram {
        count: counts.iter().sum::<i64>().unsigned_abs(),
        sum: 1.0,
        positive_spans: vec![Span { offset: 0, length: u32::try_from(counts.len()).unwrap() }],
        positive_buckets: counts.iter().map(|&n| n - std::mem::replace(&mut previous, n)).collect(),
        ..Histogram::default()
    }
}

#[test]
fn hints_are_what_the_chunk_knows() {
    let mut chunk = Appender::new(1, &Histogram { reset_hint: ResetHint::Reset, ..counter(&[1]) });
    assert!(matches!(chunk.append(2, &counter(&[2])), Appended::InPlace));
    let hints: Vec<_> = all::<Histogram>(chunk.bytes()).unwrap().iter().map(|s| s.1.reset_hint).collect();
    assert_eq!(hints, [ResetHint::Unknown, ResetHint::NotReset]);
    assert_eq!(HistogramIter::<Histogram>::new(chunk.bytes()).unwrap().header(), ResetHeader::Reset);

    let gauge = Histogram { reset_hint: ResetHint::Gauge, ..counter(&[1]) };
    let chunk = Appender::new(1, &gauge);
    assert_eq!(all::<Histogram>(chunk.bytes()).unwrap(), [(1, gauge)]);
}

#[test]
fn a_counter_is_cut_where_it_resets_and_widened_where_it_grows() {
    let mut chunk = Appender::new(1, &counter(&[5, 5]));
    assert!(matches!(chunk.append(2, &counter(&[5, 5, 1])), Appended::Recoded));
    assert_eq!(chunk.count(), 2);
    // An empty bucket that is not sent is added to the histogram instead.
    let mut wide = Appender::new(1, &counter(&[5, 0]));
    assert!(matches!(wide.append(2, &counter(&[6])), Appended::InPlace));
    assert_eq!(wide.last().positive_buckets, [6, -6]);
    let Appended::Cut(next) = chunk.append(3, &counter(&[5, 5])) else { panic!("a bucket vanished") };
    let header = HistogramIter::<Histogram>::new(next.bytes()).unwrap().header();
    assert_eq!((header, next.count(), next.last_ts()), (ResetHeader::Reset, 1, 3));
    assert_eq!(chunk.count(), 2);
    for change in [
        |h: &mut Histogram| h.schema = 3,
        |h: &mut Histogram| h.zero_threshold = 1.0,
        |h: &mut Histogram| h.reset_hint = ResetHint::Gauge,
    ] {
        let mut other = counter(&[5, 5, 1]);
        change(&mut other);
        assert!(matches!(chunk.append(3, &other), Appended::Cut(_)));
    }
}

#[test]
fn stale_markers_have_no_layout_and_end_a_chunk() {
    let stale = Histogram::stale(f64::from_bits(STALE_NAN_BITS));
    let mut chunk = Appender::new(1, &counter(&[5]));
    assert!(matches!(chunk.append(2, &stale), Appended::InPlace));
    assert!(matches!(chunk.append(3, &stale), Appended::InPlace));
    assert!(matches!(chunk.append(4, &counter(&[6])), Appended::Cut(_)));
    let samples: Vec<_> = all::<Histogram>(chunk.bytes()).unwrap();
    assert_eq!(
        samples.iter().map(|s| (s.0, s.1.is_stale())).collect::<Vec<_>>(),
        [(1, false), (2, true), (3, true)]
    );
    assert_eq!(bits(&samples[2].1.to_float()), bits(&stale.to_float()));
    assert!(Appender::new(1, &stale).last().is_stale());
}

#[test]
fn a_chunk_cut_for_its_size_says_whether_the_counts_go_on() {
    let header = |first: &Histogram, next: &Histogram| {
        let next = Appender::after(&Appender::new(1, first), 2, next);
        HistogramIter::<Histogram>::new(next.bytes()).unwrap().header()
    };
    assert_eq!(header(&counter(&[5]), &counter(&[6])), ResetHeader::NotReset);
    assert_eq!(header(&counter(&[5]), &counter(&[4])), ResetHeader::Reset);
    let float = Appender::after(&Appender::new(1, &counter(&[5]).to_float()), 2, &counter(&[6]).to_float());
    let header = HistogramIter::<FloatHistogram>::new(float.bytes()).unwrap().header();
    assert_eq!(header, ResetHeader::NotReset);
}

#[test]
fn schemas_from_the_future_are_reduced() {
    let fine = Histogram { schema: 9, ..counter(&[1, 2, 3]) };
    let chunk = Appender::new(1, &fine);
    let decoded = &all::<Histogram>(chunk.bytes()).unwrap()[0].1;
    assert_eq!((decoded.schema, &decoded.to_float().positive_buckets[..]), (8, &[1.0, 5.0][..]));
}

#[test]
#[should_panic(expected = "validated histogram")]
fn a_histogram_that_lies_about_its_buckets_is_not_written() {
    drop(Appender::new(1, &Histogram { positive_buckets: Vec::new(), ..counter(&[1]) }));
}

#[test]
fn few_bits_cannot_stand_for_gigabytes() {
    // A layout of many custom bounds, then as many empty histograms as bits allow.
    let mut first = Histogram { schema: CUSTOM_BUCKETS_SCHEMA, ..Histogram::default() };
    first.custom_values = (0..20_000).map(f64::from).collect();
    let mut bytes = Appender::new(1, &first).into_bytes();
    bytes.resize(bytes.len() + 40_000, 0);
    bytes[..2].copy_from_slice(&[0xff, 0xff]);
    assert!(all::<Histogram>(&bytes).is_err());
}

#[test]
fn a_chunk_is_cut_before_it_cannot_be_read() {
    let mut first = Histogram { schema: CUSTOM_BUCKETS_SCHEMA, ..Histogram::default() };
    first.custom_values = (0..1_500_000).map(f64::from).collect();
    let mut chunk = Appender::new(1, &first);
    assert!(matches!(chunk.append(2, &first), Appended::InPlace));
    assert!(matches!(chunk.append(3, &first), Appended::Cut(_)));
    assert!(all::<Histogram>(chunk.bytes()).is_ok());
}

#[test]
fn zero_thresholds_and_bounds_of_all_sizes() {
    for threshold in [0.0, 2.0_f64.powi(-243), 2.0_f64.powi(-244), 1.0, 1024.0, 2048.0, 0.001, -1.0, f64::MAX]
    {
        for bound in [0.0, 0.001, 33_554.43, 33_554.431, -0.5, 1.0 / 3.0, f64::INFINITY] {
            let layout = layout::Layout {
                schema: CUSTOM_BUCKETS_SCHEMA,
                zero_threshold: threshold,
                custom_values: vec![bound],
                ..Default::default()
            };
            let mut out = BitWriter::default();
            layout.write(&mut out);
            assert_eq!(layout::Layout::read(&mut BitReader::new(out.bytes(), 0)), Ok(layout));
        }
    }
}

proptest! {
    #![proptest_config(config(concat!(env!("CARGO_MANIFEST_DIR"), "/../proptest-regressions/formats/histogram.txt")))]

    #[test]
    fn one_histogram_round_trips(ts: i64, integer in histogram()) {
        let decoded = all::<Histogram>(Appender::new(ts, &integer).bytes()).unwrap();
        prop_assert_eq!(decoded[0].0, ts);
        prop_assert_eq!(&decoded[0].1.positive_buckets, &integer.positive_buckets);
        prop_assert_eq!(bits(&decoded[0].1.to_float()), bits(&integer.to_float()));
        let float = integer.to_float();
        let decoded = all::<FloatHistogram>(Appender::new(ts, &float).bytes()).unwrap();
        prop_assert_eq!(bits(&decoded[0].1), bits(&float));
    }

    #[test]
    fn repeats_of_any_histogram_round_trip(integer in histogram(), steps in vec(any::<i64>(), 1..5)) {
        let samples: Vec<_> = steps.iter().map(|ts| (*ts, integer.clone())).collect();
        let decoded: Vec<_> =
            chunks(&samples).iter().flat_map(|chunk| all::<Histogram>(chunk).unwrap()).collect();
        prop_assert_eq!(decoded.len(), samples.len());
        for ((ts, decoded), (expected_ts, expected)) in decoded.iter().zip(&samples) {
            prop_assert_eq!(ts, expected_ts);
            prop_assert_eq!(bits(&decoded.to_float()), bits(&expected.to_float()));
        }
    }

    #[test]
    fn gauges_keep_every_bucket(samples in gauges()) {
        let floats: Vec<_> = samples.iter().map(|(ts, histogram)| (*ts, histogram.to_float())).collect();
        let integers: Vec<_> = chunks(&samples)
            .iter()
            .flat_map(|chunk| all::<Histogram>(chunk).unwrap())
            .map(|(ts, histogram)| (ts, histogram.to_float()))
            .collect();
        let decoded: Vec<_> =
            chunks(&floats).iter().flat_map(|chunk| all::<FloatHistogram>(chunk).unwrap()).collect();
        for found in [integers, decoded] {
            prop_assert_eq!(found.len(), floats.len());
            for ((ts, found), (expected_ts, expected)) in found.iter().zip(&floats) {
                prop_assert_eq!(ts, expected_ts);
                prop_assert_eq!(found.sum.to_bits(), expected.sum.to_bits());
                if !expected.is_stale() {
                    prop_assert_eq!(found.count, expected.count);
                    let moved = spans::move_counts(
                        &expected.positive_spans,
                        expected.positive_buckets.iter().copied(),
                        &found.positive_spans,
                    );
                    prop_assert_eq!(&moved.collect::<Vec<_>>(), &found.positive_buckets);
                }
            }
        }
    }

    #[test]
    fn a_chunk_can_be_taken_up_again(samples in gauges(), at in any::<prop::sample::Index>()) {
        let at = at.index(samples.len());
        let mut open: Option<Appender<Histogram>> = None;
        let mut done = Vec::new();
        for (index, (ts, histogram)) in samples.iter().enumerate() {
            if index == at {
                open = open.map(|open| Appender::resume(open.into_bytes()).unwrap());
            }
            let next = match &mut open {
                None => Appender::new(*ts, histogram),
                Some(open) => match open.append(*ts, histogram) {
                    Appended::Cut(next) => *next,
                    Appended::InPlace | Appended::Recoded => continue,
                },
            };
            done.extend(open.replace(next).map(Appender::into_bytes));
        }
        done.extend(open.map(Appender::into_bytes));
        // The bytes may differ (a window that only the one who wrote it knows); what they say may not.
        let said = |chunks: &[Vec<u8>]| -> Vec<_> {
            chunks
                .iter()
                .flat_map(|chunk| all::<Histogram>(chunk).unwrap())
                .map(|(ts, histogram)| (ts, bits(&histogram.to_float())))
                .collect()
        };
        prop_assert_eq!(said(&done), said(&chunks(&samples)));
    }

    #[test]
    fn hostile_bytes_never_panic(mut bytes in vec(any::<u8>(), 0..300), count in 0..20_u8) {
        if let Some(high) = bytes.first_mut() {
            *high = 0;
        }
        if let Some(low) = bytes.get_mut(1) {
            *low = count;
        }
        let decodes = all::<Histogram>(&bytes).is_ok();
        drop(all::<FloatHistogram>(&bytes));
        if let Ok(mut chunk) = Appender::<Histogram>::resume(bytes) {
            drop(chunk.append(0, &counter(&[1, 2, 3])));
            prop_assert!(!decodes || all::<Histogram>(chunk.bytes()).is_ok());
        }
    }

    #[test]
    fn damaged_chunks_never_panic(samples in gauges(), flip in any::<prop::sample::Index>(), bit in 0..8_u8) {
        for mut chunk in chunks(&samples) {
            let at = flip.index(chunk.len());
            chunk[at] ^= 1 << bit;
            drop(all::<Histogram>(&chunk));
            drop(all::<FloatHistogram>(&chunk));
        }
    }
}
