//! Tests of the Gorilla chunk: bit-exact round trips, resumption at every sample, hostile bytes.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::test_config::config;

/// Times and values as scrapes have them, and as nobody has them.
fn samples() -> impl Strategy<Value = Vec<(i64, u64)>> {
    let step = prop_oneof![
        8 => Just(15_000_i64),
        4 => 14_990..15_010_i64,
        1 => -2_000_000..2_000_000_i64,
        1 => any::<i64>(),
    ];
    let value = prop_oneof![
        4 => Just(1.5_f64.to_bits()),
        4 => (0..1000_u32).prop_map(|n| f64::from(n).to_bits()),
        1 => Just(0x7ff0_0000_0000_0002),
        1 => Just((-0.0_f64).to_bits()),
        1 => Just(0x7ff8_0000_dead_beef),
        2 => any::<u64>(),
    ];
    (any::<i64>(), vec((step, value), 0..300)).prop_map(|(start, steps)| {
        let mut ts = start;
        steps
            .into_iter()
            .map(|(step, value)| {
                ts = ts.wrapping_add(step);
                (ts, value)
            })
            .collect()
    })
}

fn chunk_of(samples: &[(i64, u64)]) -> Vec<u8> {
    encode(samples.iter().map(|&(ts, bits)| (ts, f64::from_bits(bits))))
}

fn decoded(chunk: &[u8]) -> Result<Vec<(i64, u64)>, DecodeError> {
    let (mut ts, mut values) = (Vec::new(), Vec::new());
    decode(chunk, &mut ts, &mut values)?;
    assert_eq!(ts.len(), values.len());
    Ok(ts.into_iter().zip(values.into_iter().map(f64::to_bits)).collect())
}

#[test]
fn empty_and_extreme_chunks() {
    assert_eq!(decoded(&[0, 0]), Ok(Vec::new()));
    assert_eq!(decoded(&[0]), Err(DecodeError::new("chunk header", 0)));
    let extremes = [(i64::MIN, 0), (i64::MAX, u64::MAX), (i64::MIN, 1), (0, u64::MAX), (i64::MAX, 0)];
    assert_eq!(decoded(&chunk_of(&extremes)), Ok(extremes.to_vec()));
}

#[test]
fn every_class_of_delta_keeps_its_borders() {
    for width in [14, 17, 20] {
        let half = 1_i64 << (width - 1);
        for dod in [half, half + 1, -half + 1, -half, -half - 1] {
            let samples = [(0, 0), (1000, 0), (2000 + dod, 0)];
            assert_eq!(decoded(&chunk_of(&samples)), Ok(samples.to_vec()), "{width} bits, {dod}");
        }
    }
}

#[test]
fn a_constant_series_takes_two_bits_a_sample() {
    let chunk = encode((0..120).map(|n| (n * 15_000, 1.0)));
    assert_eq!(chunk.len(), HEADER_BYTES + (8 + 64 + 16 + 1 + 118 * 2_usize).div_ceil(8));
}

#[test]
fn the_worst_sample_fits_the_bound() {
    let mut buf = [0; HEADER_BYTES + 3 * XorAppender::BYTES_MAX_PER_SAMPLE];
    let mut appender = XorAppender::new();
    for (ts, bits) in [(i64::MIN, 0), (-1, u64::MAX), (i64::MIN, 0)] {
        let before = appender.byte_len();
        appender.append(&mut buf, ts, f64::from_bits(bits));
        assert!(appender.byte_len() - before <= XorAppender::BYTES_MAX_PER_SAMPLE);
    }
    assert_eq!(decoded(&buf[..appender.byte_len()]).map(|all| all.len()), Ok(3));
}

#[test]
#[should_panic(expected = "leaves room")]
fn a_full_buffer_is_refused() {
    XorAppender::new().append(&mut [0; 8], 1, 1.0);
}

#[test]
fn a_count_that_lies_is_an_error_with_bounded_memory() {
    let mut chunk = encode((0..3).map(|n| (n, 1.0)));
    chunk[..2].copy_from_slice(&[0xff, 0xff]);
    let (mut ts, mut values) = (vec![7], vec![7.0]);
    assert!(decode(&chunk, &mut ts, &mut values).is_err());
    assert_eq!((ts.len(), values.len()), (1, 1));
    assert!(ts.capacity() < 1000);
}

proptest! {
    #![proptest_config(config(concat!(env!("CARGO_MANIFEST_DIR"), "/../proptest-regressions/formats/xor.txt")))]

    #[test]
    fn round_trips(samples in samples()) {
        let chunk = chunk_of(&samples);
        prop_assert_eq!(decoded(&chunk), Ok(samples.clone()));
        let one_by_one: Result<Vec<_>, _> = XorIter::new(&chunk).unwrap().collect();
        let one_by_one: Vec<_> = one_by_one.unwrap().into_iter().map(|(ts, v)| (ts, v.to_bits())).collect();
        prop_assert_eq!(one_by_one, samples);
    }

    #[test]
    fn is_a_chunk_at_any_moment_and_resumes_there(samples in samples()) {
        let mut buf = vec![0xee; HEADER_BYTES + (samples.len() + 1) * XorAppender::BYTES_MAX_PER_SAMPLE];
        let mut appender = XorAppender::new();
        for (index, &(ts, bits)) in samples.iter().enumerate() {
            appender.append(&mut buf, ts, f64::from_bits(bits));
            let chunk = &buf[..appender.byte_len()];
            prop_assert_eq!(XorAppender::resume(chunk), Ok(appender));
            prop_assert_eq!(appender.count(), index + 1);
            prop_assert_eq!(appender.last_ts(), Some(ts));
            prop_assert_eq!(appender.last_value().map(f64::to_bits), Some(bits));
        }
        if !samples.is_empty() {
            prop_assert_eq!(&chunk_of(&samples)[..], &buf[..appender.byte_len()]);
        }
    }

    #[test]
    fn hostile_bytes_never_panic(bytes in vec(any::<u8>(), 0..200)) {
        let all = decoded(&bytes);
        let one_by_one: Result<Vec<_>, _> = XorIter::new(&bytes).and_then(Iterator::collect);
        // The two may name different fields of a chunk that is cut off.
        prop_assert_eq!(all.ok().map(|all| all.len()), one_by_one.ok().map(|all: Vec<_>| all.len()));
    }

    #[test]
    fn a_cut_chunk_is_an_error(samples in samples(), cut in any::<prop::sample::Index>()) {
        prop_assume!(!samples.is_empty());
        let chunk = chunk_of(&samples);
        prop_assert!(decoded(&chunk[..cut.index(chunk.len())]).is_err());
    }
}
