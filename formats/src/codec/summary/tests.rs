//! Summaries against the definition of each fact, and their bytes.

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{
    codec::column_chunk::ColumnEncoding, cursor::Reader, index::chunk_directory::ChunkMeta,
    test_config::config,
};

const STALE: f64 = f64::from_bits(STALE_NAN_BITS);

/// Values as scrapes have them, and any bits at all.
fn values() -> impl Strategy<Value = Vec<f64>> {
    let decimal = (-500_i32..500, 0..4).prop_map(|(n, places)| f64::from(n) / 10_f64.powi(places));
    let noisy = (0..500_i32).prop_map(|n| f64::from(n) * 0.1 + 0.2);
    let any_bits = any::<u64>().prop_map(f64::from_bits);
    let odd = prop::sample::select(vec![
        STALE,
        f64::NAN,
        f64::INFINITY,
        -0.0,
        f64::MAX,
        MAGNITUDE_MAX,
        MAGNITUDE_MAX.next_down(),
        f64::from_bits(1),
    ]);
    let finite = any::<f64>().prop_filter("finite", |value| value.abs() < MAGNITUDE_MAX);
    let counter = vec((0_u32..2000, 0..30_u8), 1..120).prop_map(|steps| {
        let mut at = 0.0;
        let next = |(step, reset): (u32, u8)| {
            at = if reset == 0 { 0.0 } else { at } + f64::from(step) / 100.0;
            at
        };
        steps.into_iter().map(next).collect::<Vec<f64>>()
    });
    let with = |value: BoxedStrategy<f64>| vec(value, 1..80).boxed();
    prop_oneof![
        2 => with(decimal.clone().boxed()),
        1 => with(noisy.boxed()),
        1 => with(finite.boxed()),
        1 => with(any_bits.boxed()),
        2 => with(prop_oneof![4 => decimal, 1 => odd].boxed()),
        1 => with(prop::sample::select(vec![3.5, STALE, 3.5, 0.0, -0.0]).boxed()),
        2 => counter,
        1 => (any::<f64>(), 1..50_usize).prop_map(|(value, len)| vec![value; len]),
    ]
}

fn times(len: usize) -> Vec<i64> {
    (0..len as i64).map(|n| 1_700_000_000_000 + n * 15_000 + n % 3).collect()
}

fn meta(ts: &[i64]) -> ChunkMeta {
    let count = u32::try_from(ts.len()).unwrap();
    ChunkMeta { encoding: ColumnEncoding::Floats.as_u8(), count, min_ts: ts[0], max_ts: ts[ts.len() - 1] }
}

/// Each fact on its own, as its definition says.
fn check_against_definition(ts: &[i64], values: &[f64], summary: &ChunkSummary) {
    let samples: Vec<(i64, f64)> = ts
        .iter()
        .copied()
        .zip(values.iter().copied())
        .filter(|(_, value)| value.to_bits() != STALE_NAN_BITS)
        .collect();
    let values: Vec<f64> = samples.iter().map(|(_, value)| *value).collect();
    let bits = |value: f64| value.to_bits();
    assert_eq!(summary.count as usize, samples.len());
    assert_eq!((summary.first_ts, summary.last_ts), (samples[0].0, samples[samples.len() - 1].0));
    assert_eq!((bits(summary.first), bits(summary.last)), (bits(values[0]), bits(values[values.len() - 1])));
    let least = values.iter().copied().reduce(|best, value| if value < best { value } else { best });
    let largest = values.iter().copied().reduce(|best, value| if value > best { value } else { best });
    assert_eq!((bits(summary.min), bits(summary.max)), (bits(least.unwrap()), bits(largest.unwrap())));
    let before: Vec<f64> = values.windows(2).filter(|pair| pair[1] < pair[0]).map(|pair| pair[0]).collect();
    assert_eq!(summary.resets as usize, before.len());
    assert_eq!(summary.changes as usize, values.windows(2).filter(|pair| pair[1] != pair[0]).count());
    match summary.before_resets() {
        Some(listed) => assert!(listed.iter().copied().map(bits).eq(before.into_iter().map(bits))),
        None => assert!(before.len() > LISTED_RESETS_MAX),
    }
    let magnitude: f64 = values.iter().map(|value| value.abs()).sum();
    let error = exact_sum(&values) - summary.sum;
    assert!(error.abs() <= 1e-15 * magnitude, "off by {error}");
}

/// The sum without rounding until the end: partial sums that do not overlap (Shewchuk).
fn exact_sum(values: &[f64]) -> f64 {
    let mut partials: Vec<f64> = Vec::new();
    for value in values {
        let mut x = *value;
        let mut kept = Vec::new();
        for partial in partials {
            let (large, small) = if x.abs() >= partial.abs() { (x, partial) } else { (partial, x) };
            let high = large + small;
            let low = small - (high - large);
            if low != 0.0 {
                kept.push(low);
            }
            x = high;
        }
        kept.push(x);
        partials = kept;
    }
    partials.iter().sum()
}

fn round_trip(summary: Option<&ChunkSummary>, meta: &ChunkMeta) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(summary, meta, &mut bytes);
    let mut reader = Reader::new(&bytes);
    let read = decode(&mut reader, meta).unwrap();
    reader.finish("end").unwrap();
    let mut skipped = Reader::new(&bytes);
    skip(&mut skipped).unwrap();
    skipped.finish("end").unwrap();
    match (summary, &read) {
        (None, None) => {}
        (Some(summary), Some(read)) => assert!(summary.is_same(read), "{summary:?} became {read:?}"),
        _ => panic!("{summary:?} became {read:?}"),
    }
    bytes
}

proptest! {
    #![proptest_config(config(concat!(env!("CARGO_MANIFEST_DIR"), "/../proptest-regressions/formats/summary.txt")))]

    #[test]
    fn a_summary_is_what_its_definition_says(values in values()) {
        let ts = times(values.len());
        let sound = |value: &f64| value.abs() < MAGNITUDE_MAX || value.to_bits() == STALE_NAN_BITS;
        let expected = values.iter().all(sound) && values.iter().any(|value| !value.is_nan());
        let summary = ChunkSummary::of(&ts, &values);
        prop_assert_eq!(summary.is_some(), expected);
        if let Some(summary) = &summary {
            check_against_definition(&ts, &values, summary);
        }
        round_trip(summary.as_ref(), &meta(&ts));
    }

    #[test]
    fn hostile_bytes_never_panic(mut bytes in vec(any::<u8>(), 0..60), shape in 0_u8..4, count in 1_u32..400) {
        if let Some(head) = bytes.first_mut() {
            *head = *head & 0xcf | shape << 4;
        }
        let meta = ChunkMeta { encoding: ColumnEncoding::Floats.as_u8(), count, min_ts: 5, max_ts: 905 };
        let _ = skip(&mut Reader::new(&bytes));
        if let Ok(Some(summary)) = decode(&mut Reader::new(&bytes), &meta) {
            prop_assert!(summary.count >= 1 && summary.count <= count);
            prop_assert!(summary.min <= summary.first && summary.last <= summary.max);
            round_trip(Some(&summary), &meta);
        }
    }

    #[test]
    fn the_cut_off_end_of_a_summary_is_an_error(values in values()) {
        let ts = times(values.len());
        let bytes = round_trip(ChunkSummary::of(&ts, &values).as_ref(), &meta(&ts));
        for len in 0..bytes.len() {
            prop_assert!(decode(&mut Reader::new(&bytes[..len]), &meta(&ts)).is_err());
            prop_assert!(skip(&mut Reader::new(&bytes[..len])).is_err());
        }
    }
}

fn bytes_of(values: &[f64]) -> usize {
    let ts = times(values.len());
    let summary = ChunkSummary::of(&ts, values);
    assert!(summary.is_some());
    round_trip(summary.as_ref(), &meta(&ts)).len()
}

#[test]
fn what_is_simple_is_short() {
    let column = |value: &dyn Fn(u32) -> f64| (0..5_760).map(value).collect::<Vec<f64>>();
    assert_eq!(bytes_of(&column(&|_| 3.0)), 3);
    assert_eq!(bytes_of(&column(&|_| 0.1 + 0.2)), 6);
    assert_eq!(bytes_of(&column(&|_| std::f64::consts::PI)), 9);
    assert_eq!(bytes_of(&column(&|n| f64::from(n) * 1_500.0 + 1e9)), 18);
    assert_eq!(bytes_of(&column(&|n| f64::from(n * 7_919 % 10_007) / 100.0)), 16);
    assert!(bytes_of(&column(&|n| f64::from(n).sin())) <= 47);
}

#[test]
fn what_would_mislead_has_none() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, MAGNITUDE_MAX, -MAGNITUDE_MAX] {
        for at in 0..3 {
            let mut values = [1.0, 2.0, 3.0];
            values[at] = bad;
            assert_eq!(ChunkSummary::of(&[1, 2, 3], &values), None, "{bad} at {at}");
        }
    }
    assert_eq!(ChunkSummary::of(&[1, 2], &[STALE, STALE]), None);
    assert_eq!(ChunkSummary::of(&[], &[]), None);
}

#[test]
fn stale_markers_are_no_samples() {
    let summary = ChunkSummary::of(&[1, 2, 3, 4, 5], &[STALE, 7.0, STALE, 5.0, STALE]).unwrap();
    assert_eq!((summary.count, summary.first_ts, summary.last_ts), (2, 2, 4));
    assert_eq!((summary.resets, summary.changes, summary.sum), (1, 1, 12.0));
    assert_eq!(summary.before_resets(), Some(&[7.0][..]));
}

#[test]
fn a_chunk_that_is_said_to_have_stale_markers_has_some() {
    let meta = ChunkMeta { encoding: ColumnEncoding::Floats.as_u8(), count: 3, min_ts: 0, max_ts: 9 };
    let bytes = |stale| [0xd0, 1, stale, 1, 1, 4, 0];
    assert!(decode(&mut Reader::new(&bytes(0)), &meta).is_err());
    let summary = decode(&mut Reader::new(&bytes(1)), &meta).unwrap().unwrap();
    assert_eq!((summary.count, summary.first_ts, summary.last_ts, summary.sum), (2, 1, 8, 4.0));
    assert!(decode(&mut Reader::new(&bytes(3)), &meta).is_err());
}
