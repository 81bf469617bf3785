//! Tests of decimal columns.

use super::*;

fn round_trip(values: &[f64]) -> (Decimal, usize) {
    let decimal = Decimal::of(values).unwrap();
    let (mut packed, mut dense) = (Vec::new(), Vec::new());
    decimal.encode(&mut packed);
    assert!(decimal.encode_through_pco(Level::Dense, &mut dense));
    for column in [&packed, &dense] {
        let mut out = vec![9.0];
        decode(column, values.len(), &mut out).unwrap();
        let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&out[1..]), bits(values));
        for end in 0..column.len() {
            assert!(decode(&column[..end], values.len(), &mut out).is_err(), "cut at {end}");
            assert_eq!(out.len(), values.len() + 1);
        }
    }
    (decimal, packed.len())
}

#[test]
fn a_factor_is_taken_out() {
    let pages: Vec<f64> = (0..200).map(|n| 4_096.0 * f64::from(n * n % 37) + 12.0).collect();
    let (decimal, _) = round_trip(&pages);
    assert_eq!((decimal.factor, decimal.offset), (4_096, 12));
    assert!(decimal.integers.iter().all(|integer| (0..37).contains(integer)));
    let negative: Vec<f64> = pages.iter().map(|page| -page).collect();
    assert_eq!(round_trip(&negative).0.factor, 4_096);
    assert_eq!(round_trip(&[5.0, 6.0, 8.0]).0.factor, 1);
}

#[test]
fn noise_is_corrected() {
    let noisy: Vec<f64> = (0..200).map(|n| f64::from(n) * 0.1).collect();
    let (decimal, length) = round_trip(&noisy);
    assert_eq!((decimal.exponent, decimal.exceptions.len()), (1, 0));
    assert!(decimal.corrections.iter().any(|&by| by != 0));
    assert!(length < 200, "{length}");
}

#[test]
fn exceptions_may_come_first_and_last() {
    let mut values: Vec<f64> = (0..100).map(|n| 1e6 + f64::from(n) / 4.0).collect();
    values[0] = f64::NAN;
    values[1] = -0.0;
    values[99] = f64::INFINITY;
    let (decimal, length) = round_trip(&values);
    assert_eq!(decimal.exceptions.iter().map(|(position, _)| *position).collect::<Vec<_>>(), [0, 1, 99]);
    // What stands in for them costs next to nothing.
    assert!(length < 3 * 9 + 60, "{length}");
}

#[test]
fn too_many_exceptions_are_no_decimal_column() {
    let values: Vec<f64> = (0..640).map(|n| if n % 7 == 1 { f64::NAN } else { f64::from(n) }).collect();
    assert!(Decimal::of(&values).is_none());
}
