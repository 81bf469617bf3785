//! Rollups beside samples, and samples alone.

use std::{cell::RefCell, rc::Rc, sync::Arc};

use kymo_engine::{
    Labels, MatchOp, Matcher, MemoryBudget, RollupFacts, SampleColumns, SummaryRequest, WindowGrid,
};
use kymo_formats::histogram::{FloatHistogram, algebra::same_data};
use kymo_query::{
    EngineOptions, Error, Need, QueryEngine, QueryOptions, SelectRequest, Selection, Source, Summaries, Value,
};
use proptest::{prelude::*, test_runner::FileFailurePersistence};

use crate::{
    query::{self, Query},
    store::{self, Store},
};

/// By so much of itself an answer may differ: what counters lost by resets is added up in another order.
const ERROR: f64 = 1e-12;
/// Of the sum of the magnitudes of its terms a sum may be off by this part.
const SUM_ERROR: f64 = 1e-15;

fn config() -> ProptestConfig {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../proptest-regressions/query/rollups.txt");
    ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(path))),
        // A case is a store of three weeks and many queries.
        cases: 3,
        max_shrink_iters: 64,
        ..ProptestConfig::default()
    }
}

/// A source that asks for samples.
struct SamplesOnly<'a>(&'a dyn Source);

impl Source for SamplesOnly<'_> {
    fn select(&self, request: &SelectRequest<'_>) -> Result<Selection, Error> {
        self.0.select(&SelectRequest { need: Need::Samples, ..request.clone() })
    }
}

fn store_of(seed: u64) -> Rc<Store> {
    thread_local! {
        static LAST: RefCell<Option<(u64, Rc<Store>)>> = const { RefCell::new(None) };
    }
    LAST.with_borrow_mut(|last| match last {
        Some((of, store)) if *of == seed => Rc::clone(store),
        _ => {
            let store = Rc::new(Store::rolled_up(seed));
            *last = Some((seed, Rc::clone(&store)));
            store
        }
    })
}

/// A series of an answer: labels, times with values, and times with histograms.
type Found = (String, Vec<(i64, f64)>, Vec<(i64, Arc<FloatHistogram>)>);

/// The series of a matrix.
fn points(value: &Value) -> Vec<Found> {
    let Value::Matrix(series) = value else { panic!("not a matrix: {value:?}") };
    let of = |series: &kymo_query::MatrixSeries| {
        let floats = series.floats.iter().map(|point| (point.ts, point.value)).collect();
        let histograms = series.histograms.iter().map(|point| (point.ts, Arc::clone(&point.value)));
        (series.labels.to_string(), floats, histograms.collect())
    };
    series.iter().map(of).collect()
}

fn is_near(query: &Query, store: &Store, labels: &str, (ts, expected): (i64, f64), found: f64) -> bool {
    if expected.to_bits() == found.to_bits() || (expected.is_nan() && found.is_nan()) {
        return true;
    }
    let terms = store.floats(&kind(labels), query.window(ts));
    let magnitude: f64 = terms.iter().map(|value| value.abs()).sum();
    match query.name() {
        // Whether a sum overflows on the way depends on where it begins.
        "sum_over_time" | "avg_over_time" if !magnitude.is_finite() => true,
        "sum_over_time" => (expected - found).abs() <= SUM_ERROR * magnitude,
        "avg_over_time" => (expected - found).abs() <= SUM_ERROR * magnitude / terms.len() as f64,
        "rate" | "increase" | "delta" => {
            // A change is as good as the values that it is the difference of.
            let largest = terms.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
            !magnitude.is_finite()
                || (expected - found).abs() <= ERROR * expected.abs()
                || (expected - found).abs() <= 1e-15 * largest * terms.len() as f64
        }
        _ => false,
    }
}

/// The labels that tell which series it is.
fn kind(labels: &str) -> Labels {
    let kind = labels.split("kind=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    Labels::from_pairs([("kind", kind)])
}

/// Count, sum, zero count and the counts of buckets.
fn numbers(histogram: &FloatHistogram) -> Vec<f64> {
    let FloatHistogram { count, sum, zero_count, positive_buckets, negative_buckets, .. } = histogram;
    [*count, *sum, *zero_count]
        .into_iter()
        .chain(positive_buckets.clone())
        .chain(negative_buckets.clone())
        .collect()
}

fn are_near(
    query: &Query,
    store: &Store,
    labels: &str,
    ts: i64,
    a: &FloatHistogram,
    b: &FloatHistogram,
) -> bool {
    if same_data(a, b) {
        return true;
    }
    let layout = |h: &FloatHistogram| (h.schema, h.zero_threshold.to_bits(), h.custom_values.clone());
    if layout(a) != layout(b)
        || (&a.positive_spans, &a.negative_spans) != (&b.positive_spans, &b.negative_spans)
    {
        return false;
    }
    let terms = store.histograms(&kind(labels), query.window(ts));
    // Of each number apart: a bucket has its own terms, and no more than the count.
    let magnitude = |of: fn(&FloatHistogram) -> f64| terms.iter().map(|term| of(term).abs()).sum::<f64>();
    let (counts, sums) = (magnitude(|term| term.count), magnitude(|term| term.sum));
    let near = |at: usize, a: f64, b: f64| {
        let magnitude = if at == 1 { sums } else { counts };
        let error = match query.name() {
            "sum_over_time" => SUM_ERROR * magnitude,
            "avg_over_time" => SUM_ERROR * magnitude / terms.len() as f64,
            "rate" | "increase" | "delta" => (ERROR * a.abs()).max(SUM_ERROR * magnitude),
            _ => return a.to_bits() == b.to_bits(),
        };
        (a - b).abs() <= error
    };
    numbers(a).into_iter().zip(numbers(b)).enumerate().all(|(at, (a, b))| near(at, a, b))
}

fn check(store: &Store, query: &Query) -> Result<(), String> {
    let engine = QueryEngine::new(EngineOptions::default());
    let expected = query.run(&engine, &SamplesOnly(store.source())).unwrap();
    let found = query.run(&engine, store.source()).unwrap();
    if (&expected.warnings, &expected.infos) != (&found.warnings, &found.infos) {
        return Err(format!("{:?} instead of {:?}", found.warnings, expected.warnings));
    }
    let (expected, found) = (points(&expected.value), points(&found.value));
    let keys = |all: &[Found]| {
        all.iter()
            .map(|(labels, floats, states)| (labels.clone(), floats.len(), states.len()))
            .collect::<Vec<_>>()
    };
    if keys(&expected) != keys(&found) {
        return Err(format!("{:?} instead of {:?}", keys(&found), keys(&expected)));
    }
    for ((labels, expected, states), (_, found, found_states)) in expected.iter().zip(&found) {
        for (a, b) in states.iter().zip(found_states) {
            if a.0 != b.0 || !are_near(query, store, labels, a.0, &a.1, &b.1) {
                return Err(format!("{labels}: {b:?} instead of {a:?}"));
            }
        }
        for (a, b) in expected.iter().zip(found) {
            if a.0 != b.0 || !is_near(query, store, labels, *a, b.1) {
                return Err(format!("{labels}: {b:?} instead of {a:?}"));
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn answers_with_and_without_rollups_agree(
        seed in any::<u64>().no_shrink(),
        fine in prop::collection::vec(query::aligned(30 * 60_000), 40),
        coarse in prop::collection::vec(query::aligned(6 * 3_600_000), 40),
        other in prop::collection::vec(query::query(), 20),
    ) {
        let store = store_of(seed);
        let before = store.parts_read();
        for query in fine.iter().chain(&coarse).chain(&other) {
            let outcome = check(&store, query);
            prop_assert!(outcome.is_ok(), "{query}: {}", outcome.unwrap_err());
        }
        prop_assert!(store.parts_read() > before + 100, "rollups were not read");
    }
}

/// What is made of the changes of native histograms.
#[test]
fn quantiles_of_rates_with_and_without_rollups_agree() {
    let engine = QueryEngine::new(EngineOptions::default());
    for seed in [1, 2] {
        let store = store_of(seed);
        for (function, range) in [("rate", 60), ("increase", 720), ("avg_over_time", 360)] {
            for text in [
                "histogram_quantile(0.9, X)",
                "histogram_count(X)",
                "histogram_sum(X)",
                "histogram_avg(sum by (kind) (X))",
            ] {
                let text = text.replace('X', &format!("{function}(m{{kind=~\"Native.*\"}}[{range}m])"));
                let before = store.parts_read();
                let run = |source: &dyn Source| {
                    let (start, end) = (store::START_MS + store::DAY_MS, store::START_MS + 9 * store::DAY_MS);
                    engine.range(source, &text, start, end, 6 * 3_600_000, &QueryOptions::default()).unwrap()
                };
                let (expected, found) = (run(&SamplesOnly(store.source())), run(store.source()));
                assert!(store.parts_read() > before, "{text}: rollups were not read");
                let (expected, found) = (points(&expected.value), points(&found.value));
                assert!(expected.len() == found.len() && !found.is_empty(), "{text}");
                for (a, b) in expected.iter().zip(&found) {
                    assert_eq!((&a.0, a.1.len()), (&b.0, b.1.len()), "{text}");
                    for (a, b) in a.1.iter().zip(&b.1) {
                        let near = (a.1 - b.1).abs() <= 1e-9 * a.1.abs() || (a.1.is_nan() && b.1.is_nan());
                        assert!(a.0 == b.0 && near, "{text}: {b:?} instead of {a:?}");
                    }
                }
            }
        }
    }
}

/// Rows answer for native histograms: not one of their samples is read.
#[test]
fn histograms_are_answered_by_rows_alone() {
    let store = store_of(1);
    let hour = 3_600_000;
    let windows =
        WindowGrid { first_end: store::START_MS + 6 * hour, interval: 6 * hour, steps: 40, range: 6 * hour };
    let memory = MemoryBudget::unlimited();
    for kind in ["Native", "NativeCustom", "NativeAny", "Histograms"] {
        let request = SelectRequest {
            matchers: &[Matcher::new(MatchOp::Equal, b"kind", kind.as_bytes()).unwrap()],
            start: store::START_MS + 1,
            end: store::START_MS + 40 * 6 * hour,
            limit: 0,
            need: Need::Windows {
                grid: windows,
                facts: RollupFacts { states: true, resets: true, ..RollupFacts::default() },
            },
            memory: &memory,
        };
        let [reader] = &store.source().select(&request).unwrap().series[..] else { panic!("{kind}") };
        let (mut columns, mut summaries) = (SampleColumns::default(), Summaries::default());
        let summarised =
            SummaryRequest { windows, before_resets: true, chunks: false, after: i64::MIN, until: i64::MAX };
        assert!(reader.read_summarised(&summarised, &mut columns, &mut summaries).unwrap().is_empty());
        let histograms: u32 = summaries.windows.iter().map(|window| window.histograms).sum();
        assert_eq!(columns.histograms.len(), 0, "{kind}");
        assert!(histograms > 100, "{kind}: {histograms}");
    }
}

/// The newest sample at each full half hour, and whether there is one.
#[test]
fn selectors_with_and_without_rollups_agree() {
    let store = Store::rolled_up(3);
    let engine = QueryEngine::new(EngineOptions { lookback_ms: 300_000, ..EngineOptions::default() });
    for (text, step) in
        [("m", 30), ("m", 360), ("timestamp(m)", 30), ("sum by (kind) (m)", 60), ("count(m)", 30)]
    {
        let before = store.parts_read();
        let step = step * 60_000;
        let run = |source: &dyn Source| {
            let end = store::START_MS + 9 * store::DAY_MS;
            engine.range(source, text, store::START_MS, end, step, &QueryOptions::default()).unwrap()
        };
        let (expected, found) = (run(&SamplesOnly(store.source())), run(store.source()));
        assert!(store.parts_read() > before, "{text}: rollups were not read");
        let bits = |value: &Value| {
            let of = |(labels, floats, states): Found| {
                (
                    labels,
                    floats.into_iter().map(|(ts, value)| (ts, value.to_bits())).collect::<Vec<_>>(),
                    states.len(),
                )
            };
            points(value).into_iter().map(of).collect::<Vec<_>>()
        };
        assert_eq!(bits(&expected.value), bits(&found.value), "{text}");
        assert!(!points(&found.value).is_empty());
    }
}
