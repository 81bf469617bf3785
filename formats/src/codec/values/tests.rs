//! Tests of value columns: every shape comes back bit for bit, in the encoding that it should have.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::test_config::config;

const STALE: u64 = 0x7ff0_0000_0000_0002;

fn column(values: &[f64], density: Density) -> Vec<u8> {
    let mut out = Vec::new();
    encode(values, density, &mut out);
    out
}

fn decoded(bytes: &[u8], count: usize) -> Result<Vec<f64>, DecodeError> {
    let mut out = vec![-1.0];
    let result = decode(bytes, count, &mut out);
    assert_eq!(out[0], -1.0);
    result.map(|()| out.split_off(1)).inspect_err(|_| assert_eq!(out.len(), 1))
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Encodes both ways, compares what comes back, and tells encoding and length of the fast way.
fn round_trip(values: &[f64]) -> (ValueEncoding, usize) {
    let columns = [Density::Fast, Density::Dense].map(|density| column(values, density));
    for column in &columns {
        assert_eq!(decoded(column, values.len()).map(|values| bits(&values)), Ok(bits(values)));
    }
    (ValueEncoding::of(&columns[0]).unwrap(), columns[0].len())
}

fn noise(n: u32) -> f64 {
    f64::from(n.wrapping_mul(0x9e37_79b9) >> 20)
}

#[test]
fn constants_take_a_few_bytes() {
    assert_eq!(round_trip(&[1.0; 5_760]), (ValueEncoding::ConstantInteger, 2));
    assert_eq!(round_trip(&[f64::from(i32::MIN); 9]), (ValueEncoding::ConstantInteger, 6));
    for value in [0.5, -0.0, 1e300, f64::INFINITY, f64::NAN, f64::from_bits(STALE), 2_147_483_648.0] {
        assert_eq!(round_trip(&[value; 120]), (ValueEncoding::Constant, 9), "{value}");
    }
}

#[test]
fn decimal_shapes() {
    // Bytes per value at most, by shape.
    let counter = |n: u32| f64::from(n) * 40.0 + (noise(n) % 32.0);
    type Shape = (&'static str, f64, fn(u32) -> f64);
    let shapes: [Shape; 6] = [
        ("integer gauge", 1.3, |n| noise(n) % 500.0),
        ("two decimals", 1.3, |n| (noise(n) % 500.0) / 100.0),
        ("rounding noise", 1.7, |n| (noise(n) % 500.0) * 0.1),
        ("memory", 1.2, |n| 4_096.0 * (70_000.0 + noise(n) % 200.0)),
        ("seconds", 1.3, |n| (f64::from(n) * 1_500.0 + noise(n) % 100.0) / 100.0),
        ("large counter", 1.3, |n| 1e12 + f64::from(n) * 3_000_000.0 + noise(n) % 256.0),
    ];
    for (shape, bytes_max, value) in shapes {
        let values: Vec<f64> = (0..480).map(value).collect();
        let (encoding, length) = round_trip(&values);
        assert_eq!(encoding, ValueEncoding::Decimal, "{shape}");
        assert!(length as f64 <= bytes_max * 480.0, "{shape}: {length}");
    }
    assert!(round_trip(&(0..480).map(counter).collect::<Vec<_>>()).1 < 480);
}

#[test]
fn odd_values_among_decimal_ones_stay_exact() {
    let mut values: Vec<f64> = (0..480).map(|n| (noise(n) % 500.0) / 100.0).collect();
    let plain = round_trip(&values).1;
    let odd =
        [-0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, f64::from_bits(STALE), 1e300, -1e-300, f64::MAX];
    for (slot, odd) in values.iter_mut().step_by(50).zip(odd) {
        *slot = odd;
    }
    let (encoding, length) = round_trip(&values);
    assert_eq!(encoding, ValueEncoding::Decimal);
    assert!(length < plain + 8 * 10 + 16, "{length}, {plain} without");
}

#[test]
fn full_doubles_are_never_larger_than_raw() {
    let sum: Vec<f64> = (0..480)
        .scan(0.0, |sum, n| {
            *sum += noise(n).sqrt();
            Some(*sum)
        })
        .collect();
    let (encoding, length) = round_trip(&sum);
    assert_eq!(encoding, ValueEncoding::RawBits);
    assert!(length < 480 * 13 / 2, "{length}");
    let few: Vec<f64> = (0..480).map(|n| (1.0 + noise(n) % 3.0).sqrt().ln()).collect();
    assert_eq!(round_trip(&few).0, ValueEncoding::Xor);
    let long: Vec<f64> = (0..5_760).map(|n| (noise(n) + 1.0).ln()).collect();
    assert!(round_trip(&long).1 < 5_760 * 8);
}

#[test]
fn long_columns_may_be_denser() {
    let values: Vec<f64> =
        (0..5_760).map(|n| if n % 11 < 9 { noise(n) % 3.0 } else { noise(n) } / 10.0).collect();
    let [fast, dense] = [Density::Fast, Density::Dense].map(|density| column(&values, density));
    assert!(dense.len() < fast.len());
    assert_eq!(ValueEncoding::of(&dense), Some(ValueEncoding::Decimal));
    assert_eq!(decoded(&dense, 5_760), Ok(values));
}

#[test]
fn numbers_are_those_on_disk() {
    assert_eq!(ValueEncoding::ALL.map(ValueEncoding::as_u8), [0, 1, 2, 3, 4, 5]);
    assert_eq!(ValueEncoding::of(&[6]), None);
    assert_eq!(decoded(&[6], 1), Err(DecodeError::new("value encoding", 0)));
    assert_eq!(decoded(&[], 1), Err(DecodeError::new("value encoding", 0)));
    assert_eq!(decoded(&[], 0), Ok(vec![]));
    assert_eq!(decoded(&[1, 2, 3], 1), Err(DecodeError::new("end of constant", 2)));
}

/// Columns as exporters make them: a level, steps, decimals, and odd values among them.
fn realistic() -> impl Strategy<Value = Vec<f64>> {
    let odd = prop_oneof![
        Just(STALE),
        Just((-0.0_f64).to_bits()),
        Just(f64::NAN.to_bits()),
        Just(f64::INFINITY.to_bits()),
        any::<u64>(),
    ];
    let steps = (1_u32..1_500, any::<u32>(), 0_u32..32);
    (
        steps,
        0_i32..16,
        prop_oneof![Just(1.0), Just(4_096.0)],
        0_usize..3,
        vec((any::<prop::sample::Index>(), odd), 0..5),
    )
        .prop_map(|((count, seed, shift), decimals, unit, shape, odd)| {
            let mut sum = 0.0;
            let mut values: Vec<f64> = (0..count)
                .map(|n| {
                    let step = f64::from(n.wrapping_add(seed).wrapping_mul(0x9e37_79b9) >> shift);
                    sum += step;
                    match shape {
                        0 => step * unit / 10_f64.powi(decimals),
                        1 => sum * unit / 10_f64.powi(decimals),
                        // Multiplying leaves noise in the last bits.
                        _ => step * unit * 10_f64.powi(-decimals),
                    }
                })
                .collect();
            for (at, bits) in odd {
                values[at.index(count as usize)] = f64::from_bits(bits);
            }
            values
        })
}

proptest! {
    #![proptest_config(config(concat!(env!("CARGO_MANIFEST_DIR"), "/../proptest-regressions/formats/values.txt")))]

    #[test]
    fn any_bits_round_trip(values in vec(any::<u64>().prop_map(f64::from_bits), 1..700)) {
        round_trip(&values);
    }

    #[test]
    fn realistic_columns_round_trip(values in realistic()) {
        let length = round_trip(&values).1;
        prop_assert!(length <= values.len() * 8 + 8 * values.len().div_ceil(128) + 16);
    }

    #[test]
    fn hostile_bytes_never_panic(number in 0_u8..7, bytes in vec(any::<u8>(), 0..300), count in 0_usize..700) {
        let bytes = [&[number], &bytes[..]].concat();
        if let Ok(values) = decoded(&bytes, count) {
            prop_assert_eq!(values.len(), count);
        }
    }

    #[test]
    fn damaged_columns_never_panic(values in realistic(), at: prop::sample::Index, bit in 0..8, dense: bool) {
        let mut bytes = column(&values, if dense { Density::Dense } else { Density::Fast });
        let at = at.index(bytes.len());
        bytes[at] ^= 1_u8 << bit;
        if let Ok(others) = decoded(&bytes, values.len()) {
            prop_assert_eq!(others.len(), values.len());
        }
        bytes.truncate(at);
        prop_assert!(decoded(&bytes, values.len()).map_or(true, |others| others.len() == values.len()));
    }
}
