//! Rollups beside samples, and samples alone.

use std::{cell::RefCell, rc::Rc};

use kymo_query::{
    EngineOptions, Error, Need, QueryEngine, QueryOptions, SelectRequest, Selection, Source, Value,
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

/// A series of an answer: labels, times with values, and the number of histograms.
type Found = (String, Vec<(i64, f64)>, usize);

/// The series of a matrix.
fn points(value: &Value) -> Vec<Found> {
    let Value::Matrix(series) = value else { panic!("not a matrix: {value:?}") };
    let of = |series: &kymo_query::MatrixSeries| {
        let floats = series.floats.iter().map(|point| (point.ts, point.value)).collect();
        (series.labels.to_string(), floats, series.histograms.len())
    };
    series.iter().map(of).collect()
}

fn is_near(query: &Query, store: &Store, labels: &str, (ts, expected): (i64, f64), found: f64) -> bool {
    if expected.to_bits() == found.to_bits() || (expected.is_nan() && found.is_nan()) {
        return true;
    }
    let kind = labels.split("kind=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let labels = kymo_engine::Labels::from_pairs([("kind", kind)]);
    let terms = store.floats(&labels, query.window(ts));
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

fn check(store: &Store, query: &Query) -> Result<(), String> {
    let engine = QueryEngine::new(EngineOptions::default());
    let expected = query.run(&engine, &SamplesOnly(store.source())).unwrap();
    let found = query.run(&engine, store.source()).unwrap();
    if (&expected.warnings, &expected.infos) != (&found.warnings, &found.infos) {
        return Err(format!("{:?} instead of {:?}", found.warnings, expected.warnings));
    }
    let (expected, found) = (points(&expected.value), points(&found.value));
    let keys = |all: &[Found]| {
        all.iter().map(|(labels, floats, count)| (labels.clone(), floats.len(), *count)).collect::<Vec<_>>()
    };
    if keys(&expected) != keys(&found) {
        return Err(format!("{:?} instead of {:?}", keys(&found), keys(&expected)));
    }
    for ((labels, expected, _), (_, found, _)) in expected.iter().zip(&found) {
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
            let of = |(labels, floats, count): Found| {
                (
                    labels,
                    floats.into_iter().map(|(ts, value)| (ts, value.to_bits())).collect::<Vec<_>>(),
                    count,
                )
            };
            points(value).into_iter().map(of).collect::<Vec<_>>()
        };
        assert_eq!(bits(&expected.value), bits(&found.value), "{text}");
        assert!(!points(&found.value).is_empty());
    }
}
