//! Rollups against the definition of each fact, and against rollups that were put together otherwise.

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{histogram::STALE_NAN_BITS, test_config::config};

const STALE: f64 = f64::from_bits(STALE_NAN_BITS);

/// Gauges, counters with resets, odd values; gaps and jitter.
fn samples() -> impl Strategy<Value = Vec<(i64, f64)>> {
    let odd = prop::sample::select(vec![STALE, STALE, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.0]);
    let gauge = (-500_i32..500, 0..4).prop_map(|(n, places)| f64::from(n) / 10_f64.powi(places));
    let value = prop_oneof![8 => gauge, 1 => odd, 1 => any::<f64>()];
    let step = prop_oneof![6 => Just(15_000_i64), 2 => 14_000..16_000_i64, 1 => 1..900_000_i64];
    let counter = vec((step.clone(), 0_u32..2_000, 0..20_u8), 1..200).prop_map(|steps| {
        let mut at = 0.0;
        let value = |(step, more, reset): (i64, u32, u8)| {
            at = if reset == 0 { 0.0 } else { at } + f64::from(more) / 100.0;
            (step, at)
        };
        steps.into_iter().map(value).collect::<Vec<_>>()
    });
    let any = vec((step, value), 1..200);
    (-1_000_000_i64..1_000_000, prop_oneof![counter, any]).prop_map(|(start, steps)| {
        let mut ts = start;
        let sample = |(step, value)| {
            ts += step;
            (ts, value)
        };
        steps.into_iter().map(sample).collect()
    })
}

fn roll_up(samples: &[(i64, f64)], width: i64) -> Vec<Rollup> {
    let (ts, values): (Vec<i64>, Vec<f64>) = samples.iter().copied().unzip();
    let mut rollups = Vec::new();
    roll_up_floats(&ts, &values, width, &mut rollups);
    rollups
}

/// Equal, or as near as compensated sums are.
fn assert_sum(actual: &Sum, terms: &[f64]) -> Result<(), TestCaseError> {
    let total = actual.total();
    let expected: f64 = terms.iter().sum();
    if !expected.is_finite() || !total.is_finite() {
        // Whether a sum overflows depends on the order; NaN and infinite terms do not get lost.
        let odd = terms.iter().any(|term| !term.is_finite());
        prop_assert!(!odd || !total.is_finite(), "{terms:?} {total}");
        return Ok(());
    }
    let magnitude: f64 = terms.iter().map(|term| term.abs()).sum();
    prop_assert!((total - expected).abs() <= 1e-13 * magnitude, "{terms:?} {total} {expected}");
    Ok(())
}

fn bits(value: f64) -> u64 {
    // All NaN are the same to PromQL.
    if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() }
}

fn extreme(values: &[f64], beats: fn(f64, f64) -> bool) -> f64 {
    let better = |best: f64, value: f64| if beats(value, best) || best.is_nan() { value } else { best };
    values.iter().copied().reduce(better).expect("there is a value")
}

/// Each fact on its own, as its definition says.
fn check_against_definition(run: &FloatRun, samples: &[(i64, f64)]) -> Result<(), TestCaseError> {
    let (ts, values): (Vec<i64>, Vec<f64>) = samples.iter().copied().unzip();
    let pairs = || values.windows(2).map(|pair| (pair[0], pair[1]));
    prop_assert_eq!(run.count as usize, values.len());
    prop_assert_eq!((run.first_ts, run.last_ts), (ts[0], ts[ts.len() - 1]));
    prop_assert_eq!((bits(run.first), bits(run.last)), (bits(values[0]), bits(values[values.len() - 1])));
    prop_assert_eq!(bits(run.min), bits(extreme(&values, |value, best| value < best)));
    prop_assert_eq!(bits(run.max), bits(extreme(&values, |value, best| value > best)));
    let before: Vec<f64> = pairs().filter(|(a, b)| b < a).map(|(a, _)| a).collect();
    prop_assert_eq!(run.resets as usize, before.len());
    assert_sum(&run.correction, &before)?;
    assert_sum(&run.sum.unwrap(), &values)?;
    let changes = pairs().filter(|(a, b)| a != b && !(a.is_nan() && b.is_nan())).count();
    prop_assert_eq!(run.changes as usize, changes);
    Ok(())
}

/// Everything that must not depend on how a run was put together, and sums that hardly may.
fn check_same(a: &Rollup, b: &Rollup) -> Result<(), TestCaseError> {
    prop_assert_eq!((a.end, a.stale, a.floats.is_some()), (b.end, b.stale, b.floats.is_some()));
    let (Some(a), Some(b)) = (a.floats, b.floats) else { return Ok(()) };
    let exact = |run: &FloatRun| {
        let floats = [run.first, run.last, run.min, run.max].map(bits);
        (run.count, run.first_ts, run.last_ts, run.resets, run.changes, floats)
    };
    prop_assert_eq!(exact(&a), exact(&b));
    for (a, b) in [(a.sum.unwrap(), b.sum.unwrap()), (a.correction, b.correction)] {
        let (a, b) = (a.total(), b.total());
        let near = (a - b).abs() <= 1e-15 * a.abs().max(b.abs());
        prop_assert!(near || bits(a) == bits(b) || !a.is_finite() || !b.is_finite(), "{a} {b}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(concat!(env!("CARGO_MANIFEST_DIR"), "/../proptest-regressions/formats/rollup.txt")))]

    #[test]
    fn a_window_is_what_its_samples_are(samples in samples(), width in 1_i64..700_000) {
        let rollups = roll_up(&samples, width);
        prop_assert!(rollups.is_sorted_by(|a, b| a.end < b.end));
        let mut count = 0;
        for rollup in rollups {
            prop_assert_eq!(rollup.end.rem_euclid(width), 0);
            let inside = |(ts, _): &&(i64, f64)| rollup.end - width < *ts && *ts <= rollup.end;
            let inside: Vec<(i64, f64)> = samples.iter().filter(inside).copied().collect();
            count += inside.len();
            let is_stale = |(_, value): &(i64, f64)| value.to_bits() == STALE_NAN_BITS;
            prop_assert_eq!(rollup.stale, inside.last().is_some_and(is_stale));
            let values: Vec<(i64, f64)> = inside.into_iter().filter(|sample| !is_stale(sample)).collect();
            prop_assert_eq!(rollup.floats.is_some(), !values.is_empty());
            if let Some(run) = rollup.floats {
                check_against_definition(&run, &values)?;
            }
        }
        prop_assert_eq!(count, samples.len(), "each sample is in a window");
    }

    #[test]
    fn windows_of_windows_are_windows(samples in samples(), width in 1_i64..300_000, times in 1_i64..15) {
        let finer = roll_up(&samples, width);
        let mut coarser = Vec::new();
        roll_up_rollups(&finer, width * times, &mut coarser);
        let direct = roll_up(&samples, width * times);
        prop_assert_eq!(coarser.len(), direct.len());
        for (a, b) in coarser.iter().zip(&direct) {
            check_same(a, b)?;
        }
    }

    #[test]
    fn appending_is_associative(samples in samples(), width in 1_i64..300_000) {
        let rollups = roll_up(&samples, width);
        for three in rollups.windows(3) {
            let [a, b, c] = three else { unreachable!("windows of three") };
            let (mut left, mut right, mut b) = (a.clone(), a.clone(), b.clone());
            left.append(&b);
            left.append(c);
            b.append(c);
            right.append(&b);
            check_same(&left, &right)?;
        }
    }
}

#[test]
fn a_sample_on_an_edge_belongs_to_the_window_that_ends_there() {
    assert_eq!(
        [-301, -300, -299, 0, 1, 300, 301].map(|ts| window_end(ts, 300)),
        [-300, -300, 0, 0, 300, 300, 600]
    );
    assert_eq!(window_end(i64::MAX, 300), i64::MAX);
    let rollups = roll_up(&[(299, 1.0), (300, 2.0), (301, 4.0)], 300);
    let sums: Vec<(i64, f64)> =
        rollups.iter().map(|row| (row.end, row.floats.unwrap().sum.unwrap().total())).collect();
    assert_eq!(sums, [(300, 3.0), (600, 4.0)]);
}

#[test]
fn a_marker_ends_a_series_until_a_sample_comes() {
    let stale =
        |samples: &[(i64, f64)]| roll_up(samples, 300).iter().map(|row| row.stale).collect::<Vec<_>>();
    assert_eq!(stale(&[(1, 1.0), (2, STALE), (3, 1.0)]), [false]);
    assert_eq!(stale(&[(1, 1.0), (301, STALE)]), [false, true]);
    let mut all = Rollup::empty(900);
    for row in roll_up(&[(1, 1.0), (301, STALE)], 300) {
        all.append(&row);
    }
    assert!(all.stale && all.floats.unwrap().count == 1);
    all.append(&roll_up(&[(601, 2.0)], 300)[0]);
    assert!(!all.stale && all.floats.unwrap().count == 2);
}
