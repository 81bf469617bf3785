//! Tests of integer columns.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::test_config::config;

fn column(values: &[i64]) -> Vec<u8> {
    let mut out = Vec::new();
    encode(values, &mut out);
    out
}

fn decoded(bytes: &[u8], count: usize) -> Result<Vec<i64>, DecodeError> {
    let mut out = vec![-1];
    let result = decode(bytes, count, &mut out);
    assert_eq!(out[0], -1);
    result.map(|()| out.split_off(1)).inspect_err(|_| assert_eq!(out.len(), 1))
}

/// Encodes, compares what comes back, and tells form and length.
fn round_trip(values: &[i64]) -> (Form, usize) {
    let bytes = column(values);
    assert_eq!(decoded(&bytes, values.len()).as_deref(), Ok(values));
    (Form::of(&bytes).unwrap(), bytes.len())
}

fn noise(n: i64) -> i64 {
    (n.wrapping_mul(0x1e37_79b9_7f4a_7c15) >> 40).rem_euclid(41)
}

#[test]
fn each_shape_has_its_form() {
    let count = 480;
    assert_eq!(round_trip(&vec![i64::MIN; count]), (Form::Constant, 11));
    let beat: Vec<i64> = (0..480).map(|n| 1_700_000_000_000 + n * 15_000).collect();
    assert_eq!(round_trip(&beat), (Form::Linear, 1 + 6 + 3));
    let gauge: Vec<i64> = (0..480).map(|n| 900 + noise(n)).collect();
    assert_eq!(round_trip(&gauge).0, Form::Plain);
    let counter: Vec<i64> = (0..480)
        .scan(0, |sum, n| {
            *sum += noise(n);
            Some(*sum)
        })
        .collect();
    assert_eq!(round_trip(&counter).0, Form::Delta);
    let square: Vec<i64> = (0..480).map(|n| n * n * 1_000 + noise(n) % 2).collect();
    assert_eq!(round_trip(&square).0, Form::DeltaOfDelta);
}

#[test]
fn jitter_costs_its_bits_and_a_reset_its_patches() {
    let jittered: Vec<i64> = (0..5_760).map(|n| 1_700_000_000_000 + n * 15_000 + noise(n) % 2).collect();
    assert!(round_trip(&jittered).1 < 5_760 * 2 / 8 + 45 * 5);
    let mut counter: Vec<i64> = (0..128).map(|n| 1_000_000_000 + n * 40 + noise(n)).collect();
    let before = round_trip(&counter).1;
    counter[77..].iter_mut().for_each(|value| *value -= 1_000_003_000);
    assert!(round_trip(&counter).1 < before + 12);
}

#[test]
fn the_empty_column_has_no_bytes() {
    assert_eq!(column(&[]), [0_u8; 0]);
    assert_eq!(decoded(&[], 0), Ok(vec![]));
    assert_eq!(decoded(&[0], 0), Err(DecodeError::new("end of integers", 0)));
}

#[test]
fn damage_is_an_error() {
    assert_eq!(decoded(&[], 1), Err(DecodeError::new("form of integers", 0)));
    assert_eq!(decoded(&[5, 0], 1), Err(DecodeError::new("form of integers", 0)));
    assert_eq!(decoded(&[0], 1), Err(DecodeError::new("first integer", 1)));
    assert_eq!(decoded(&[1, 0], 1), Err(DecodeError::new("first difference", 2)));
    assert_eq!(decoded(&[0, 2, 9], 1), Err(DecodeError::new("end of integers", 2)));
    assert_eq!(decoded(&[2, 0, 2], 129), Err(DecodeError::new("run width", 3)));
}

#[test]
fn a_range_of_plain_integers_skips_what_is_before() {
    let values: Vec<i64> = (0..480).map(|n| 900 + noise(n)).collect();
    let mut bytes = column(&values);
    // An impossible width in the first run, which nobody reads.
    let (mut reader, mut run) = (Reader::new(&bytes[1..]), [0; RUN]);
    bitpack::decode(&mut reader, &mut run).unwrap();
    let mut out = Vec::new();
    decode_range(&bytes, 480, 130, 100, &mut out).unwrap();
    assert_eq!(out, values[130..230]);
    bytes.truncate(1 + reader.position() * 2);
    assert!(decode_range(&bytes, 480, 300, 1, &mut out).is_err());
    out.clear();
    decode_range(&bytes, 480, 0, 128, &mut out).unwrap();
    assert_eq!(out, values[..128]);
    assert_eq!(decode_range(&bytes, 480, 1, 480, &mut out), Err(DecodeError::new("range of integers", 0)));
}

proptest! {
    #![proptest_config(config(concat!(env!("CARGO_MANIFEST_DIR"), "/../proptest-regressions/formats/integers.txt")))]

    #[test]
    fn any_integers_round_trip(values in vec(any::<i64>(), 0..300), shift in 0_u32..64) {
        let values: Vec<i64> = values.iter().map(|value| value >> shift).collect();
        prop_assert_eq!(decoded(&column(&values), values.len()), Ok(values));
    }

    #[test]
    fn sums_round_trip(
        steps in vec((any::<i64>(), 40_u32..64), 2..500), slope: i64, times in 0..3, range in (0_usize..500, 0_usize..500),
    ) {
        let mut values: Vec<i64> = steps.iter().map(|(step, shift)| step >> shift).collect();
        for _ in 0..times {
            let mut sum = slope;
            values.iter_mut().for_each(|value| { sum = sum.wrapping_add(*value); *value = sum; });
        }
        let bytes = column(&values);
        let first = range.0.min(values.len());
        let length = range.1.min(values.len() - first);
        let mut part = vec![7];
        decode_range(&bytes, values.len(), first, length, &mut part).unwrap();
        prop_assert_eq!(&part[1..], &values[first..first + length]);
        prop_assert_eq!(decoded(&bytes, values.len()), Ok(values));
    }

    #[test]
    fn hostile_bytes_never_panic(form in 0_u8..6, bytes in vec(any::<u8>(), 0..200), count in 0_usize..400) {
        let bytes = [&[form], &bytes[..]].concat();
        if let Ok(values) = decoded(&bytes, count) {
            prop_assert_eq!(values.len(), count);
        }
        let mut out = vec![1];
        if decode_range(&bytes, count, count / 2, count / 3, &mut out).is_err() {
            prop_assert_eq!(out, [1]);
        }
    }

    #[test]
    fn damaged_columns_never_panic(values in vec(any::<i32>(), 1..400), at: prop::sample::Index, bit in 0..8) {
        let values: Vec<i64> = values.iter().map(|value| i64::from(*value)).collect();
        let mut bytes = column(&values);
        let at = at.index(bytes.len());
        bytes[at] ^= 1_u8 << bit;
        if let Ok(others) = decoded(&bytes, values.len()) {
            prop_assert_eq!(others.len(), values.len());
        }
    }
}
