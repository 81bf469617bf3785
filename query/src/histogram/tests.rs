//! Laws of the algebra, and upstream's answers on random histograms.

use proptest::{prelude::*, test_runner::FileFailurePersistence};

use kymo_formats::histogram::{CUSTOM_BUCKETS_SCHEMA, FloatHistogram, ResetHint, Span};

use super::*;

/// Answers that Prometheus 3.14 gave: lines of an operation, its parameters and its result, on the histograms
/// of the lines `A` and `B` before.
const FACTS: &str = include_str!("facts.txt");

/// `schema hint zero_threshold zero_count count sum [spans] [counts] [spans] [counts] [bounds]`, the positive
/// side first.
fn parse(text: &str) -> FloatHistogram {
    let fields: Vec<&str> = text.split(' ').collect();
    let [schema, hint, zero_threshold, zero_count, count, sum, lists @ ..] = fields.as_slice() else {
        panic!("histogram {text}")
    };
    let numbers = |idx: usize| list(lists[idx]).map(number).collect::<Vec<_>>();
    let spans = |idx: usize| {
        let span = |span: &str| {
            let (offset, length) = span.split_once(':').unwrap();
            Span { offset: offset.parse().unwrap(), length: length.parse().unwrap() }
        };
        list(lists[idx]).map(span).collect::<Vec<_>>()
    };
    FloatHistogram {
        reset_hint: match *hint {
            "r" => ResetHint::Reset,
            "n" => ResetHint::NotReset,
            "g" => ResetHint::Gauge,
            _ => ResetHint::Unknown,
        },
        schema: schema.parse().unwrap(),
        zero_threshold: number(zero_threshold),
        zero_count: number(zero_count),
        count: number(count),
        sum: number(sum),
        positive_spans: spans(0),
        positive_buckets: numbers(1),
        negative_spans: spans(2),
        negative_buckets: numbers(3),
        custom_values: numbers(4),
    }
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.trim_matches(['[', ']']).split(',').filter(|item| !item.is_empty())
}

fn number(text: &str) -> f64 {
    text.parse().unwrap()
}

/// Equal up to rounding in logarithms.
fn close(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-12 * (a.abs() + b.abs())
}

fn assert_close(fact: &str, actual: f64, expected: &str) {
    assert!(close(actual, number(expected)), "{fact}: {actual} instead of {expected}");
}

fn assert_same(fact: &str, actual: &FloatHistogram, expected: &str) {
    let expected = parse(expected);
    let counts = |h: &FloatHistogram| {
        let totals = [h.zero_threshold, h.zero_count, h.count, h.sum];
        totals
            .into_iter()
            .chain(h.positive_buckets.clone())
            .chain(h.negative_buckets.clone())
            .collect::<Vec<_>>()
    };
    let layout = |h: &FloatHistogram| {
        let spans = (h.positive_spans.clone(), h.negative_spans.clone());
        (h.schema, h.reset_hint, spans, h.positive_buckets.len(), h.custom_values.clone())
    };
    assert_eq!(layout(actual), layout(&expected), "{fact}");
    let pairs = counts(actual).into_iter().zip(counts(&expected));
    assert!(pairs.into_iter().all(|(a, b)| close(a, b)), "{fact}: {actual:?} instead of {expected:?}");
}

fn flag(set: bool) -> &'static str {
    if set { "1" } else { "0" }
}

fn check_combined(
    fact: &str,
    mut a: FloatHistogram,
    combined: Result<Combined, IncompatibleSchemas>,
    expected: &str,
) {
    let Ok(combined) = combined else { return assert_eq!(expected, "err", "{fact}") };
    let (flags, expected) = expected.split_at(4);
    assert_eq!(
        flags,
        format!("{} {} ", flag(combined.hints_collide), flag(combined.bounds_reconciled)),
        "{fact}"
    );
    compact(&mut a, 0);
    assert_same(fact, &a, expected);
}

fn check_sum(fact: &str, a: &FloatHistogram, b: &FloatHistogram, expected: &str) {
    let mut sum = HistogramSum::new(a);
    let combined: Result<Vec<_>, _> = [b, a, b, a].into_iter().map(|other| sum.add(other)).collect();
    if combined.is_err() {
        return assert_eq!(expected, "err", "{fact}");
    }
    let mut sum = sum.total();
    compact(&mut sum, 0);
    assert_same(fact, &sum, expected);
}

fn check_classic(fact: &str, fields: &[&str]) {
    let [bounds, counts, q, value, forced, bound_min, bound_max, diff_max, lower, upper, fraction] = fields
    else {
        panic!("{fact}")
    };
    let buckets = || -> Vec<_> {
        let pairs = list(bounds).zip(list(counts));
        pairs
            .map(|(bound, count)| ClassicBucket { upper_bound: number(bound), count: number(count) })
            .collect()
    };
    let (actual, notes) = classic_quantile(number(q), &mut buckets());
    assert_close(fact, actual, value);
    assert_eq!(flag(notes.is_some()), *forced, "{fact}");
    if let Some(notes) = notes {
        assert_close(fact, notes.bound_min, bound_min);
        assert_close(fact, notes.bound_max, bound_max);
        assert_close(fact, notes.diff_max, diff_max);
    }
    assert_close(fact, classic_fraction(number(lower), number(upper), &mut buckets()), fraction);
}

fn check_quantile(fact: &str, a: &FloatHistogram, q: &str, expected: &str) {
    let (value, effect) = quantile(number(q), a);
    let (number, note) = expected.split_once(' ').unwrap();
    assert_close(fact, value, number);
    let words = match effect {
        None => "-",
        Some(NanEffect::ResultIsNan) => "result is NaN",
        Some(NanEffect::SkewedHigher) => "skewed higher",
        Some(NanEffect::Excluded) => "excluded",
    };
    assert!(note.contains(words), "{fact}: {words}");
}

#[test]
fn answers_are_those_of_upstream() {
    let (mut a, mut b) = (FloatHistogram::default(), FloatHistogram::default());
    for fact in FACTS.lines() {
        let (operation, rest) = fact.split_once(' ').unwrap();
        let (first, tail) = rest.split_once(' ').unwrap_or((rest, ""));
        let mut c = a.clone();
        match operation {
            "A" => a = parse(rest),
            "B" => b = parse(rest),
            "add" => {
                let combined = add(&mut c, &b);
                check_combined(fact, c, combined, rest);
            }
            "sub" => {
                let combined = sub(&mut c, &b);
                check_combined(fact, c, combined, rest);
            }
            "ksum" => check_sum(fact, &a, &b, rest),
            "reset" => assert_eq!(flag(b.detect_reset(&a)), rest, "{a:?} then {b:?}"),
            "equal" => assert_eq!(flag(same_data(&a, &b)), rest, "{a:?} and {b:?}"),
            "text" => assert_eq!(HistogramText(&a).to_string(), rest),
            "compact" => {
                compact(&mut c, first.parse().unwrap());
                assert_same(fact, &c, tail);
            }
            "reduce" => {
                reduce_resolution(&mut c, first.parse().unwrap());
                compact(&mut c, 0);
                assert_same(fact, &c, tail);
            }
            "below" | "above" => {
                trim(&mut c, number(first), if operation == "below" { Keep::Below } else { Keep::Above });
                compact(&mut c, 0);
                assert_same(fact, &c, tail);
            }
            "quantile" => check_quantile(fact, &a, first, tail),
            "fraction" => {
                let [upper, value, noted] = tail.split(' ').collect::<Vec<_>>()[..] else { panic!("{fact}") };
                let (actual, effect) = fraction(number(first), number(upper), &a);
                assert_close(fact, actual, value);
                assert_eq!(flag(effect.is_some()), noted, "{fact}");
            }
            "classic" => check_classic(fact, &rest.split(' ').collect::<Vec<_>>()),
            other => panic!("operation {other}"),
        }
    }
}

/// One side: spans with gaps, and whole counts, so that sums are exact.
fn side() -> impl Strategy<Value = (Vec<Span>, Vec<f64>)> {
    let span = (0..5_i32, prop::collection::vec(0..20_u8, 1..5));
    (-12..12_i32, prop::collection::vec(span, 0..4)).prop_map(|(start, runs)| {
        let offset = |i: usize, gap: i32| if i == 0 { start } else { gap };
        let length = |counts: &[u8]| u32::try_from(counts.len()).unwrap();
        let spans = runs.iter().enumerate();
        (
            spans
                .map(|(i, (gap, counts))| Span { offset: offset(i, *gap), length: length(counts) })
                .collect(),
            runs.iter().flat_map(|(_, counts)| counts).map(|count| f64::from(*count)).collect(),
        )
    })
}

fn exponential() -> impl Strategy<Value = FloatHistogram> {
    // Bounds in every schema: a zero bucket that ends inside buckets of a coarser schema looks like a reset.
    let threshold = prop::sample::select(vec![0.0, 2.0_f64.powi(-16), 1.0, 65_536.0]);
    (-4..=8_i32, threshold, 0..20_u8, side(), side(), -100..100_i16).prop_map(
        |(schema, zero_threshold, zero, (positive_spans, positive), (negative_spans, negative), sum)| {
            consistent(FloatHistogram {
                schema,
                zero_threshold,
                zero_count: f64::from(zero),
                sum: f64::from(sum),
                positive_spans,
                positive_buckets: positive,
                negative_spans,
                negative_buckets: negative,
                ..FloatHistogram::default()
            })
        },
    )
}

fn custom() -> impl Strategy<Value = FloatHistogram> {
    let bounds = prop::collection::btree_set(-5..20_i8, 0..8);
    (bounds, prop::collection::vec(0..20_u8, 9)).prop_map(|(bounds, counts)| {
        let custom_values: Vec<f64> = bounds.into_iter().map(f64::from).collect();
        let length = custom_values.len() + 1;
        consistent(FloatHistogram {
            schema: CUSTOM_BUCKETS_SCHEMA,
            positive_spans: vec![Span { offset: 0, length: u32::try_from(length).unwrap() }],
            positive_buckets: counts.into_iter().take(length).map(f64::from).collect(),
            custom_values,
            ..FloatHistogram::default()
        })
    })
}

/// Two histograms of one kind.
fn pair() -> impl Strategy<Value = (FloatHistogram, FloatHistogram)> {
    prop_oneof![(exponential(), exponential()), (custom(), custom())]
}

/// Anything that the types allow.
fn damaged() -> impl Strategy<Value = FloatHistogram> {
    let schema = prop_oneof![-4..=8_i32, Just(CUSTOM_BUCKETS_SCHEMA), any::<i32>()];
    let spans = || {
        let span = (any::<i32>(), any::<u32>()).prop_map(|(offset, length)| Span { offset, length });
        prop::collection::vec(span, 0..4)
    };
    let numbers = || prop::collection::vec(any::<f64>(), 0..6);
    (schema, any::<[f64; 4]>(), spans(), numbers(), spans(), numbers(), numbers()).prop_map(
        |(
            schema,
            totals,
            positive_spans,
            positive_buckets,
            negative_spans,
            negative_buckets,
            custom_values,
        )| {
            let [zero_threshold, zero_count, count, sum] = totals;
            FloatHistogram {
                reset_hint: ResetHint::Unknown,
                schema,
                zero_threshold,
                zero_count,
                count,
                sum,
                positive_spans,
                negative_spans,
                positive_buckets,
                negative_buckets,
                custom_values,
            }
        },
    )
}

/// Without observations in buckets that the zero bucket covers, and with the count of the rest.
fn consistent(mut histogram: FloatHistogram) -> FloatHistogram {
    let threshold = histogram.zero_threshold;
    if histogram.schema != CUSTOM_BUCKETS_SCHEMA {
        let outside = |bucket: Bucket| {
            if bucket.lower.abs().min(bucket.upper.abs()) < threshold { 0.0 } else { bucket.count }
        };
        histogram.positive_buckets = positive_buckets(&histogram).map(outside).collect();
        histogram.negative_buckets = negative_buckets(&histogram).map(outside).collect();
    }
    histogram.count = in_buckets(&histogram);
    histogram
}

/// A sum of nothing is -0 in Rust, hence the addition.
fn in_buckets(histogram: &FloatHistogram) -> f64 {
    buckets(histogram, Order::Ascending).map(|bucket| bucket.count).sum::<f64>() + 0.0
}

fn populated(histogram: &FloatHistogram) -> Vec<Bucket> {
    buckets(histogram, Order::Ascending).filter(|bucket| bucket.count != 0.0).collect()
}

fn config() -> ProptestConfig {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../proptest-regressions/query/histogram.txt");
    ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(path))),
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn addition_keeps_every_observation_and_commutes((a, b) in pair()) {
        let (mut ab, mut ba) = (a.clone(), b.clone());
        let combined = add(&mut ab, &b).unwrap();
        prop_assert_eq!(combined, add(&mut ba, &a).unwrap());
        prop_assert_eq!(in_buckets(&ab), in_buckets(&a) + in_buckets(&b));
        prop_assert_eq!(populated(&ab), populated(&ba));
    }

    #[test]
    fn subtraction_undoes_addition((a, b) in pair()) {
        let mut sum = a.clone();
        let _combined = add(&mut sum, &b).unwrap();
        // What is left of the layout is that of the sum.
        let mut expected = a.clone();
        let mut nothing = b.clone();
        multiply(&mut nothing, 0.0);
        nothing.zero_threshold = sum.zero_threshold;
        let _combined = add(&mut expected, &nothing).unwrap();
        let _combined = sub(&mut sum, &b).unwrap();
        prop_assert_eq!(populated(&sum), populated(&expected));
        prop_assert_eq!((sum.count, sum.sum), (a.count, a.sum));
    }

    #[test]
    fn compensated_sums_of_whole_counts_are_plain_sums((a, b) in pair()) {
        let mut plain = a.clone();
        let mut sum = HistogramSum::new(&a);
        for other in [&b, &a, &b] {
            let combined = add(&mut plain, other).unwrap();
            prop_assert_eq!(combined, sum.add(other).unwrap());
        }
        prop_assert_eq!(populated(&sum.total()), populated(&plain));
    }

    #[test]
    fn the_mean_of_one_histogram_is_that_histogram(a in exponential(), times in 1..6_usize) {
        let mut mean = HistogramMean::new(&a, 1.0);
        for _ in 1..times {
            let _combined = mean.add(&a, 1.0).unwrap();
        }
        prop_assert_eq!(populated(&mean.finish()), populated(&a));
    }

    #[test]
    fn compaction_changes_no_bucket((a, _) in pair(), gap_max in 0..4_u32) {
        let mut compacted = a.clone();
        compact(&mut compacted, gap_max);
        prop_assert_eq!(populated(&compacted), populated(&a));
        let once = compacted.clone();
        compact(&mut compacted, gap_max);
        prop_assert_eq!(compacted, once);
        prop_assert_eq!(validate(&a), Ok(()));
    }

    #[test]
    fn coarser_buckets_hold_the_same_observations(a in exponential(), down in 0..6_i32) {
        let target = (a.schema - down).max(-4);
        let mut at_once = a.clone();
        reduce_resolution(&mut at_once, target);
        let mut in_steps = a.clone();
        for schema in (target..a.schema).rev() {
            reduce_resolution(&mut in_steps, schema);
        }
        prop_assert_eq!(in_buckets(&at_once), in_buckets(&a));
        prop_assert_eq!(at_once, in_steps);
    }

    #[test]
    fn a_histogram_that_grew_was_not_reset((a, b) in pair()) {
        prop_assert!(!a.detect_reset(&a));
        let mut grown = a.clone();
        let _combined = add(&mut grown, &b).unwrap();
        prop_assert!(!grown.detect_reset(&a), "{:?} after {:?}", grown, a);
        if !populated(&b).is_empty() {
            prop_assert!(a.detect_reset(&grown));
        }
    }

    #[test]
    fn what_is_trimmed_on_either_side_is_everything(a in exponential(), value in -20.0..20.0_f64) {
        let (mut below, mut above) = (a.clone(), a.clone());
        trim(&mut below, value, Keep::Below);
        trim(&mut above, value, Keep::Above);
        prop_assert!((below.count + above.count - a.count).abs() <= 1e-9 * a.count.max(1.0));
        for bucket in populated(&below) {
            prop_assert!(bucket.lower < value);
        }
        for bucket in populated(&above) {
            prop_assert!(bucket.upper > value);
        }
    }

    #[test]
    fn quantiles_rise_and_fractions_are_their_inverse((a, _) in pair(), p in 0.0..1.0_f64, q in 0.0..1.0_f64) {
        prop_assume!(a.count > 0.0);
        let at = |q: f64| quantile(q, &a).0;
        prop_assert!(at(p.min(q)) <= at(p.max(q)) + 1e-9 * at(q).abs());
        // Steps of the distribution and infinite buckets have no inverse, so only the order can be checked.
        let share = |upper: f64| fraction(f64::NEG_INFINITY, upper, &a).0;
        prop_assert!((0.0..=1.0).contains(&share(at(q))));
    }

    #[test]
    fn damaged_histograms_do_no_harm(a in damaged(), b in damaged(), value in any::<f64>()) {
        let mut sum = a.clone();
        let combined = add(&mut sum, &b).and_then(|_| sub(&mut sum, &a));
        prop_assert_eq!(combined.is_err(), is_custom(a.schema) != is_custom(b.schema));
        let mut kahan = HistogramSum::new(&a);
        prop_assert_eq!(kahan.add(&b).is_err(), combined.is_err());
        for histogram in [&a, &b, &sum, &kahan.total()] {
            let _value = (quantile(0.3, histogram), quantile(0.7, histogram), fraction(-1.0, value, histogram));
            let _same = (a.detect_reset(histogram), same_data(&a, histogram), validate(histogram));
            let mut changed = histogram.clone();
            compact(&mut changed, 3);
            trim(&mut changed, value, Keep::Below);
            trim(&mut changed, value, Keep::Above);
            prop_assert!(HistogramText(&changed).to_string().len() > 10);
        }
    }
}
