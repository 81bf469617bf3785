//! Histograms by column against the chunks that they would be otherwise.

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::tests::{bits, chunks, counter, gauges, histogram};
use super::super::{HistogramIter, decode as decode_chunk};
use super::*;
use crate::histogram::{CUSTOM_BUCKETS_SCHEMA, ResetHint, STALE_NAN_BITS, Span};
use crate::test_config::config;

fn column<H: Form>(histograms: &[H]) -> Vec<u8> {
    let mut out = Vec::new();
    assert!(encode(&histograms.iter().collect::<Vec<_>>(), Density::Fast, &mut out));
    out
}

fn decoded(bytes: &[u8], count: usize) -> Result<Vec<HistogramValue>, DecodeError> {
    let mut out = Vec::new();
    decode(bytes, count, |histogram| out.push(histogram)).map(|()| out)
}

/// All bits of a histogram, and its hint.
fn all(value: &HistogramValue) -> impl PartialEq + std::fmt::Debug + use<> {
    match value {
        // Integers as they are; the float form has the bits of the floats.
        HistogramValue::Integer(h) => (
            h.reset_hint,
            bits(&h.to_float()),
            vec![h.count, h.zero_count],
            [&h.positive_buckets[..], &h.negative_buckets[..]].concat(),
        ),
        HistogramValue::Float(h) => (h.reset_hint, bits(h), Vec::new(), Vec::new()),
    }
}

/// What readers see of the chunks that `histograms` become, and which of them begin with a reset.
fn through_chunks<H: Form>(
    histograms: &[H],
    value: fn(H) -> HistogramValue,
) -> (Vec<HistogramValue>, Vec<usize>) {
    let samples: Vec<(i64, H)> = (0..).zip(histograms.iter().cloned()).collect();
    let (mut seen, mut resets) = (Vec::new(), Vec::new());
    for chunk in chunks(&samples) {
        if HistogramIter::<H>::new(&chunk).unwrap().header() == ResetHeader::Reset {
            resets.push(seen.len());
        }
        let mut samples = Vec::new();
        decode_chunk::<H>(&chunk, &mut samples).unwrap();
        seen.extend(samples.into_iter().map(|(_, histogram)| value(histogram)));
    }
    (seen, resets)
}

fn check<H: Form>(histograms: &[H], value: fn(H) -> HistogramValue) -> Result<(), TestCaseError> {
    let bytes = column(histograms);
    let (expected, expected_resets) = through_chunks(histograms, value);
    let found = decoded(&bytes, histograms.len()).unwrap();
    prop_assert_eq!(found.iter().map(all).collect::<Vec<_>>(), expected.iter().map(all).collect::<Vec<_>>());
    prop_assert_eq!(resets(&bytes, histograms.len()), Ok(expected_resets));
    let words = |value: &HistogramValue| match value {
        HistogramValue::Integer(h) => super::super::layout::words(h),
        HistogramValue::Float(h) => super::super::layout::words(h),
    };
    prop_assert_eq!(
        outline(&bytes, histograms.len()).unwrap().words,
        expected.iter().map(words).sum::<usize>()
    );
    Ok(())
}

/// One step of a counter: what happens to it, how its buckets grow, and its sum.
type Step = (u8, Vec<i64>, u64);

/// A counter that grows and now and then resets, gets other buckets, another schema, a hint, or disappears.
fn counters() -> impl Strategy<Value = Vec<Histogram>> {
    let steps: BoxedStrategy<Vec<Step>> = vec((0..40_u8, vec(0..9_i64, 6), any::<u64>()), 1..90).boxed();
    (steps, 0..3_usize).prop_map(|(steps, first)| {
        let (mut counts, mut width, mut custom, mut zero_count) = ([0_i64; 6], first + 1, false, 0);
        let mut all = Vec::new();
        for (event, growth, sum) in steps {
            match event {
                0 => counts = [0; 6],
                1..=3 => width = usize::from(event) * 2,
                4 => custom = !custom,
                5 => zero_count = growth[0].unsigned_abs(),
                _ => {}
            }
            // Odd buckets fill first, so that histograms lack some that others have.
            let bucket_step = if event % 7 == 0 { 1 } else { 2 };
            for (count, growth) in counts.iter_mut().zip(growth).step_by(bucket_step) {
                *count += growth;
            }
            let plain = counter(&counts[..width]);
            all.push(Histogram {
                reset_hint: match event {
                    6 => ResetHint::Reset,
                    7 => ResetHint::Gauge,
                    8 => ResetHint::NotReset,
                    _ => ResetHint::Unknown,
                },
                schema: if custom { CUSTOM_BUCKETS_SCHEMA } else { 3 },
                custom_values: if custom { vec![0.5, -0.0, 1.0 / 3.0] } else { Vec::new() },
                zero_threshold: if event == 9 { -0.0 } else { 0.0 },
                zero_count,
                count: if event == 10 { u64::MAX } else { plain.count + zero_count },
                sum: f64::from_bits(if event == 11 { STALE_NAN_BITS } else { sum }),
                ..plain
            });
        }
        all
    })
}

/// The same with float counts, some of which are no whole numbers or none at all.
fn float_form(histograms: &[Histogram], odd: &[u64]) -> Vec<FloatHistogram> {
    let mut odd = odd.iter().cycle();
    let change = |value: &mut f64, odd_bits: u64| match odd_bits % 16 {
        0 => *value = f64::from_bits(odd_bits),
        1 => *value /= 3.0,
        _ => {}
    };
    histograms
        .iter()
        .map(|histogram| {
            let mut float = histogram.to_float();
            let mut next = || odd.next().copied().unwrap_or(5);
            change(&mut float.count, next());
            change(&mut float.zero_count, next());
            float.positive_buckets.iter_mut().for_each(|bucket| change(bucket, next()));
            float
        })
        .collect()
}

proptest! {
    #![proptest_config(config(concat!(env!("CARGO_MANIFEST_DIR"), "/../proptest-regressions/formats/histogram_columns.txt")))]

    #[test]
    fn counters_read_as_from_chunks(histograms in counters(), odd in vec(any::<u64>(), 1..40)) {
        check(&histograms, HistogramValue::Integer)?;
        check(&float_form(&histograms, &odd), HistogramValue::Float)?;
        check(&float_form(&histograms, &[5]), HistogramValue::Float)?;
    }

    #[test]
    fn any_histograms_read_as_from_chunks(
        histograms in vec(histogram(), 1..30), odd in vec(any::<u64>(), 1..40), twice: bool,
    ) {
        let mut histograms = histograms;
        if twice {
            histograms = histograms.iter().flat_map(|h| [h.clone(), h.clone()]).collect();
        }
        check(&histograms, HistogramValue::Integer)?;
        check(&float_form(&histograms, &odd), HistogramValue::Float)?;
    }

    #[test]
    fn gauges_read_as_from_chunks(samples in gauges()) {
        let histograms: Vec<Histogram> = samples.into_iter().map(|(_, histogram)| histogram).collect();
        check(&histograms, HistogramValue::Integer)?;
        check(&float_form(&histograms, &[5]), HistogramValue::Float)?;
    }

    #[test]
    fn damage_is_no_panic(histograms in counters(), at: prop::sample::Index, byte: u8, float: bool, cut: bool) {
        let mut bytes = if float { column(&float_form(&histograms, &[5])) } else { column(&histograms) };
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] = byte }
        if let Ok(found) = decoded(&bytes, histograms.len()) {
            prop_assert_eq!(found.len(), histograms.len());
        }
        prop_assert!(decoded(&bytes, histograms.len() + 1).is_err());
    }

    #[test]
    fn hostile_bytes_never_panic(bytes in vec(any::<u8>(), 0..200), count in 0_usize..300) {
        if let Ok(found) = decoded(&bytes, count) {
            prop_assert_eq!(found.len(), count);
        }
    }
}

/// A service that takes `calls` between scrapes, in `buckets` buckets.
fn service(samples: i64, calls: i64, buckets: usize) -> Vec<Histogram> {
    let mut counts = vec![0_i64; buckets];
    (0..samples)
        .map(|sample| {
            for call in 0..calls {
                let noise = (sample * 977 + call * 7_919) % 1_009;
                counts[usize::try_from(noise * noise).unwrap() % buckets] += 1;
            }
            counter(&counts)
        })
        .collect()
}

#[test]
fn a_count_that_is_the_sum_of_its_buckets_takes_no_room() {
    let histograms = service(480, 40, 20);
    let mut off = histograms.clone();
    off.iter_mut().zip(0_u64..).for_each(|(histogram, n)| histogram.count += n * 7_919 % 1_009);
    assert!(column(&histograms).len() + 480 < column(&off).len());
}

#[test]
fn columns_take_less_than_chunks() {
    for histograms in [service(480, 40, 20), service(480, 3, 60), service(20, 40, 20)] {
        let samples: Vec<(i64, Histogram)> = histograms.iter().map(|h| (0, h.clone())).collect();
        let native: usize = chunks(&samples).iter().map(Vec::len).sum();
        assert!(column(&histograms).len() < native * 3 / 4, "{} of {native}", column(&histograms).len());
    }
}

#[test]
fn what_takes_too_much_memory_is_refused_by_both_sides() {
    let wide = Histogram {
        positive_spans: vec![Span { offset: 0, length: 1 << 16 }],
        positive_buckets: vec![0; 1 << 16],
        ..Histogram::default()
    };
    let many = [&wide; 64];
    let mut out = Vec::new();
    assert!(!encode(&many, Density::Fast, &mut out));
    assert_eq!(out, [0_u8; 0]);
    assert!(encode(&many[..60], Density::Fast, &mut out));
    // 60 histograms of 2^16 buckets, all of them empty: a few bytes each. One digit more, and it is too much.
    let claim = |runs: u8| {
        let mut column = out.clone();
        let at = column.iter().position(|&byte| byte == 60 << 2 & 0x7f | 0x80).unwrap();
        assert_eq!(column[at + 1], 60 >> 5);
        column[at] = runs << 2 & 0x7f | 0x80;
        column[at + 1] = runs >> 5;
        decoded(&column, usize::from(runs))
    };
    assert!(claim(60).is_ok());
    assert_eq!(claim(64).unwrap_err().what, "histogram runs");
}
