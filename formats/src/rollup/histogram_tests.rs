//! Native histograms in windows: against the definition of each fact, and against runs that were put together otherwise.

use std::sync::Arc;

use proptest::{collection::vec, prelude::*, sample::select};

use super::*;
use crate::{
    histogram::{
        CUSTOM_BUCKETS_SCHEMA, FloatHistogram, ResetHint, STALE_NAN_BITS, Span,
        algebra::{HistogramSum, compact, same_data},
    },
    test_config::config,
};

/// A sample of either kind.
#[derive(Debug, Clone)]
enum Value {
    Float(f64),
    Histogram(Arc<FloatHistogram>),
}

type Sample = (i64, Value);

/// Buckets from `offset` on, some of them empty.
fn side(custom: bool) -> impl Strategy<Value = (Vec<Span>, Vec<f64>)> {
    let offset = if custom { 0..3_i32 } else { -6..12_i32 };
    (offset, vec(0_u32..6, 0..7)).prop_map(|(offset, counts)| {
        let length = u32::try_from(counts.len()).unwrap();
        (vec![Span { offset, length }], counts.into_iter().map(f64::from).collect())
    })
}

/// States of which each is unlike the one before: schemas, zero buckets and bounds change, and nothing grows for long.
fn state() -> impl Strategy<Value = FloatHistogram> {
    let hint = select(vec![
        ResetHint::Unknown,
        ResetHint::NotReset,
        ResetHint::NotReset,
        ResetHint::Gauge,
        ResetHint::Reset,
    ]);
    // Powers of two are bounds in every schema that is not negative, so that no bucket is cut by a zero bucket.
    let threshold = select(vec![None, None, Some(-2), Some(0), Some(1)]);
    let exponential = (0..4_i32, threshold, 0_u32..9, side(false), side(false));
    let exponential = exponential.prop_map(
        |(schema, power, zero, mut positive, mut negative): (i32, Option<i32>, _, _, _)| {
            // No bucket lies inside of the zero bucket of its own histogram.
            let least = power.map_or(-99, |power| (power << schema) + 1);
            for (spans, _) in [&mut positive, &mut negative] {
                let spans: &mut Vec<Span> = spans;
                spans[0].offset = spans[0].offset.max(least);
            }
            FloatHistogram {
                schema,
                zero_threshold: power.map_or(0.0, |power| 2.0_f64.powi(power)),
                zero_count: f64::from(zero),
                positive_spans: positive.0,
                positive_buckets: positive.1,
                negative_spans: negative.0,
                negative_buckets: negative.1,
                ..FloatHistogram::default()
            }
        },
    );
    let bounds =
        select(vec![vec![1.0, 2.0, 5.0, 7.5], vec![1.0, 2.0, 5.0, 7.5], vec![0.5, 2.0, 7.5], vec![]]);
    let custom =
        (bounds, side(true)).prop_map(|(custom_values, (mut positive_spans, mut positive_buckets))| {
            positive_spans.iter_mut().for_each(|span| span.offset = 0);
            positive_buckets.truncate(custom_values.len() + 1);
            positive_spans[0].length = u32::try_from(positive_buckets.len()).unwrap();
            let schema = CUSTOM_BUCKETS_SCHEMA;
            FloatHistogram {
                schema,
                positive_spans,
                positive_buckets,
                custom_values,
                ..FloatHistogram::default()
            }
        });
    let layout = prop_oneof![6 => exponential.boxed(), 1 => custom.boxed()];
    (hint, layout, -100_i32..100).prop_map(|(reset_hint, layout, sum)| {
        let buckets = layout.positive_buckets.iter().chain(&layout.negative_buckets).sum::<f64>();
        FloatHistogram { reset_hint, count: layout.zero_count + buckets, sum: f64::from(sum) / 8.0, ..layout }
    })
}

/// A counter of one layout that grows, is reset, and loses resolution now and then.
fn counter() -> impl Strategy<Value = Vec<(i64, FloatHistogram)>> {
    let step = prop_oneof![6 => Just(15_000_i64), 1 => 1..900_000_i64];
    (state(), vec((step, 0_u32..9, 0..12_u8), 1..60)).prop_map(|(first, steps)| {
        let mut now = FloatHistogram { reset_hint: ResetHint::Unknown, ..first.clone() };
        let grown = |(step, more, what): (i64, u32, u8)| {
            if what == 0 {
                now = FloatHistogram { reset_hint: ResetHint::Unknown, ..first.clone() };
            } else if what == 1 && now.schema > 0 {
                let coarser = now.schema - 1;
                now.reduce_resolution(coarser).unwrap();
            } else {
                let more = f64::from(more);
                now.positive_buckets.iter_mut().for_each(|count| *count += more);
                now.count += more * now.positive_buckets.len() as f64;
                now.sum += more / 3.0;
            }
            (step, now.clone())
        };
        steps.into_iter().map(grown).collect()
    })
}

/// Series of histograms, with floats and stale markers between them.
fn samples() -> impl Strategy<Value = Vec<Sample>> {
    let step = prop_oneof![6 => Just(15_000_i64), 1 => 1..900_000_i64];
    let steps = prop_oneof![vec((step, state()), 1..60).boxed(), counter().boxed()];
    let float = select(vec![1.0, 2.0, 2.0, f64::from_bits(STALE_NAN_BITS), f64::NAN]);
    let other = (select(vec![false, false, false, false, false, true]), any::<bool>(), float);
    (steps, vec(other, 60), 0..3_u8).prop_map(|(steps, others, mixes)| {
        let mut ts = 0;
        let sample =
            |((step, mut state), (is_other, is_stale, float)): ((i64, FloatHistogram), (bool, bool, f64))| {
                ts += step;
                if is_other && mixes == 0 {
                    return (ts, Value::Float(float));
                }
                if is_other && is_stale {
                    state =
                        FloatHistogram { sum: f64::from_bits(STALE_NAN_BITS), ..FloatHistogram::default() };
                }
                (ts, Value::Histogram(Arc::new(state)))
            };
        steps.into_iter().zip(others).map(sample).collect()
    })
}

fn roll_up(samples: &[Sample], width: i64) -> Vec<Rollup> {
    let (mut ts, mut values, mut histograms, mut rollups) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (time, value) in samples {
        match value {
            Value::Float(value) => {
                ts.push(*time);
                values.push(*value);
            }
            Value::Histogram(state) => histograms.push((*time, Arc::clone(state))),
        }
    }
    roll_up_samples(&ts, &values, &histograms, width, &mut rollups);
    rollups
}

fn is_stale(value: &Value) -> bool {
    match value {
        Value::Float(value) => value.to_bits() == STALE_NAN_BITS,
        Value::Histogram(state) => state.is_stale(),
    }
}

/// Numbers and buckets within 1e-15 of the magnitude of what was added up, which none of the terms is below zero here.
fn assert_near(a: &FloatHistogram, b: &FloatHistogram, magnitude: f64) -> Result<(), TestCaseError> {
    let layout = |h: &FloatHistogram| {
        let mut h = h.clone();
        compact(&mut h, 0);
        (h.schema, h.zero_threshold.to_bits(), h.positive_spans, h.negative_spans, h.custom_values)
    };
    prop_assert_eq!(layout(a), layout(b));
    let numbers = |h: &FloatHistogram| {
        let mut h = h.clone();
        compact(&mut h, 0);
        let mut numbers = vec![h.count, h.zero_count, h.sum];
        numbers.extend(h.positive_buckets.iter().chain(&h.negative_buckets));
        numbers
    };
    for (a, b) in numbers(a).into_iter().zip(numbers(b)) {
        prop_assert!((a - b).abs() <= 1e-15 * magnitude, "{a} {b}");
    }
    Ok(())
}

fn assert_sums(
    a: Option<&HistogramSum>,
    b: Option<&HistogramSum>,
    magnitude: f64,
) -> Result<(), TestCaseError> {
    prop_assert_eq!(a.is_some(), b.is_some());
    match (a, b) {
        (Some(a), Some(b)) => assert_near(&a.total(), &b.total(), magnitude),
        _ => Ok(()),
    }
}

/// A bound of every count and sum that these windows add up to.
fn magnitude(samples: &[Sample]) -> f64 {
    let of = |(_, value): &Sample| match value {
        Value::Histogram(state) if !state.is_stale() => state.count.abs() + state.sum.abs(),
        _ => 0.0,
    };
    samples.iter().map(of).sum::<f64>() + 1.0
}

fn check_same(a: &Rollup, b: &Rollup, magnitude: f64) -> Result<(), TestCaseError> {
    let of = |rollup: &Rollup| {
        (rollup.end, rollup.stale, rollup.histograms, rollup.together, rollup.floats.is_some())
    };
    prop_assert_eq!(of(a), of(b));
    prop_assert_eq!(a.states.is_some(), b.states.is_some());
    let (Some(a), Some(b)) = (&a.states, &b.states) else { return Ok(()) };
    let exact = |run: &HistogramRun| {
        (run.count, run.first_ts, run.last_ts, run.first_reset, run.resets, run.changes, run.traits)
    };
    prop_assert_eq!(exact(a), exact(b));
    prop_assert!(same_data(&a.first, &b.first) && same_data(&a.last, &b.last));
    prop_assert_eq!((a.first.reset_hint, a.last.reset_hint), (b.first.reset_hint, b.last.reset_hint));
    assert_sums(a.sum.as_ref(), b.sum.as_ref(), magnitude)?;
    assert_sums(a.correction.as_ref(), b.correction.as_ref(), magnitude)
}

/// The state without what depends on its chunk.
fn apart(state: &FloatHistogram) -> FloatHistogram {
    let mut state = state.clone();
    compact(&mut state, 0);
    if state.reset_hint == ResetHint::NotReset {
        state.reset_hint = ResetHint::Unknown;
    }
    state
}

/// Each fact as its definition says.
fn check_against_definition(
    run: &HistogramRun,
    states: &[(i64, FloatHistogram)],
) -> Result<(), TestCaseError> {
    let pairs = || states.windows(2).map(|pair| (&pair[0].1, &pair[1].1));
    let is_reset = |(before, now): &(&FloatHistogram, &FloatHistogram)| now.detect_reset(before);
    let (first, last) = (&states[0], &states[states.len() - 1]);
    prop_assert_eq!(run.count as usize, states.len());
    prop_assert_eq!((run.first_ts, run.last_ts), (first.0, last.0));
    prop_assert!(same_data(&run.first, &first.1) && same_data(&run.last, &last.1));
    prop_assert_eq!(run.resets as usize, pairs().filter(is_reset).count());
    prop_assert_eq!(run.changes as usize, pairs().filter(|(before, now)| !same_data(before, now)).count());
    prop_assert_eq!(run.first_reset, pairs().next().is_some_and(|pair| is_reset(&pair)));
    let custom = |states: &[(i64, FloatHistogram)]| {
        states.iter().filter(|(_, state)| state.schema == CUSTOM_BUCKETS_SCHEMA).count()
    };
    let mixes = |states: &[(i64, FloatHistogram)]| ![0, states.len()].contains(&custom(states));
    prop_assert_eq!(run.traits.contains(Traits::MIXED), mixes(states));
    prop_assert_eq!(run.traits.contains(Traits::REST_MIXED), mixes(&states[1..]));
    for (_, state) in states {
        prop_assert!(run.traits.contains(Traits::of_hint(state.reset_hint)));
    }
    let bounds = states.iter().any(|(_, state)| state.custom_values != first.1.custom_values);
    prop_assert_eq!(run.traits.contains(Traits::BOUNDS_DIFFER), bounds);
    let total = |terms: Vec<&FloatHistogram>| {
        let (first, rest) = terms.split_first()?;
        let mut sum = HistogramSum::new(first);
        for term in rest {
            let _combined = sum.add(term).unwrap();
        }
        Some(sum)
    };
    let magnitude = states.iter().map(|(_, state)| state.count + state.sum.abs()).sum::<f64>() + 1.0;
    if !mixes(states) {
        assert_sums(run.sum.as_ref(), total(states.iter().map(|it| &it.1).collect()).as_ref(), magnitude)?;
    }
    if !mixes(&states[1..]) {
        let skipped = usize::from(run.first_reset);
        let before = pairs().filter(is_reset).skip(skipped).map(|(before, _)| before);
        assert_sums(run.correction.as_ref(), total(before.collect()).as_ref(), magnitude)?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(concat!(env!("CARGO_MANIFEST_DIR"), "/../proptest-regressions/formats/rollup_histograms.txt")))]

    #[test]
    fn a_window_is_what_its_histograms_are(samples in samples(), width in 1_i64..700_000) {
        let rollups = roll_up(&samples, width);
        prop_assert!(rollups.is_sorted_by(|a, b| a.end < b.end));
        let mut count = 0;
        for rollup in rollups {
            let inside = |(ts, _): &&Sample| rollup.end - width < *ts && *ts <= rollup.end;
            let inside: Vec<&Sample> = samples.iter().filter(inside).collect();
            count += inside.len();
            prop_assert_eq!(rollup.stale, inside.last().is_some_and(|(_, value)| is_stale(value)));
            let alive: Vec<&Value> = inside.iter().map(|it| &it.1).filter(|value| !is_stale(value)).collect();
            prop_assert_eq!(rollup.samples() as usize, alive.len());
            let state = |sample: &&Sample| match &sample.1 {
                Value::Histogram(state) if !state.is_stale() => {
                    Some((sample.0, apart(state)))
                }
                _ => None,
            };
            let states: Vec<_> = inside.iter().filter_map(state).collect();
            prop_assert_eq!(rollup.histograms as usize, states.len());
            prop_assert_eq!(rollup.states.is_some(), !states.is_empty());
            if let Some(run) = &rollup.states {
                check_against_definition(run, &states)?;
            }
            prop_assert_eq!(rollup.together.is_some(), rollup.floats.is_some() && rollup.states.is_some());
            if let Some(together) = rollup.together {
                let (mut resets, mut changes) = (0, 0);
                for pair in alive.windows(2) {
                    let (is_reset, is_change) = match (pair[0], pair[1]) {
                        (Value::Float(a), Value::Float(b)) => (b < a, a != b && !(a.is_nan() && b.is_nan())),
                        (Value::Histogram(a), Value::Histogram(b)) => {
                            let (a, b) = (apart(a), apart(b));
                            (b.detect_reset(&a), !same_data(&a, &b))
                        }
                        _ => (true, true),
                    };
                    resets += u32::from(is_reset);
                    changes += u32::from(is_change);
                }
                prop_assert_eq!(together, Events { resets, changes });
            }
        }
        prop_assert_eq!(count, samples.len(), "each sample is in a window");
    }

    #[test]
    fn windows_of_windows_are_windows(samples in samples(), width in 1_i64..300_000, times in 1_i64..15) {
        let mut coarser = Vec::new();
        roll_up_rollups(&roll_up(&samples, width), width * times, &mut coarser);
        let direct = roll_up(&samples, width * times);
        prop_assert_eq!(coarser.len(), direct.len());
        for (a, b) in coarser.iter().zip(&direct) {
            check_same(a, b, magnitude(&samples))?;
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
            check_same(&left, &right, magnitude(&samples))?;
        }
    }
}

#[test]
fn histograms_of_which_only_the_number_is_known_stay_unknown() {
    let state = Arc::new(FloatHistogram { count: 1.0, ..FloatHistogram::default() });
    let mut rollups = Vec::new();
    roll_up_samples(&[10], &[1.0], &[(20, Arc::clone(&state)), (310, state)], 300, &mut rollups);
    let [first, second] = &rollups[..] else { panic!("{rollups:?}") };
    let old = Rollup { states: None, together: None, ..first.clone() };
    let mut all = old.clone();
    all.append(second);
    assert_eq!((all.histograms, all.states, all.together), (2, None, None));
    let mut all = second.clone();
    all.append(&Rollup { end: 600, ..old });
    assert_eq!((all.histograms, all.states, all.together), (2, None, None));
    let mut all = first.clone();
    all.append(second);
    assert_eq!((all.states.unwrap().count, all.together), (2, Some(Events { resets: 1, changes: 1 })));
}
