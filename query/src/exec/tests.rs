//! Limits, interrupts, costs and determinism of whole queries.

use std::sync::atomic::{AtomicU64, Ordering};

use kymo_engine::Labels;
use kymo_formats::histogram::FloatHistogram;

use crate::{
    EngineOptions, ErrorKind, EvalOptions, Interrupt, QueryEngine, QueryOptions, QueryResult, QueryStats,
    SampleCounts, Value,
    testing::{MemoryStorage, TestSample, TestSeries, TestStorage, TestValue},
};

/// Storage with `series` counters `x_total{job, instance}` of 101 samples, ten seconds apart, and one series
/// `y` beside them.
fn storage(series: usize) -> MemoryStorage {
    let mut storage = MemoryStorage::default();
    let value = |i: usize, k: i64| ((i * 7919 + 13) % 1009) as f64 * 0.1 + k as f64 * 1.1;
    let samples = |i: usize| {
        (0..=100).map(move |k| TestSample {
            ts: k * 10_000,
            start_ts: 0,
            value: TestValue::Float(value(i, k)),
        })
    };
    let mut all: Vec<TestSeries> = (0..series)
        .map(|i| {
            let (job, instance) = (format!("job-{}", i % 7), format!("i-{i:05}"));
            let labels = Labels::from_pairs([
                ("__name__", "x_total"),
                ("job", job.as_str()),
                ("instance", instance.as_str()),
            ]);
            TestSeries { labels, samples: samples(i).collect() }
        })
        .collect();
    all.push(TestSeries { labels: Labels::from_pairs([("__name__", "y")]), samples: samples(0).collect() });
    storage.append(all).expect("samples ascend");
    storage
}

fn engine(change: impl FnOnce(&mut EngineOptions)) -> QueryEngine {
    let mut options = EngineOptions::default();
    change(&mut options);
    QueryEngine::new(options)
}

fn range(engine: &QueryEngine, storage: &MemoryStorage, query: &str) -> QueryResult {
    engine
        .range(storage, query, 0, 1_000_000, 10_000, &QueryOptions::default())
        .expect("the query is answered")
}

#[test]
fn answers_do_not_depend_on_the_number_of_threads() {
    let storage = storage(600);
    let engine = engine(|_| {});
    let queries = [
        "sum by (job) (rate(x_total[1m]))",
        "avg(x_total)",
        "stddev without (instance) (x_total)",
        "topk(3, x_total)",
        "quantile(0.3, x_total)",
        "x_total + on (instance, job) rate(x_total[1m])",
        "sum_over_time(x_total[3m:30s])",
    ];
    for query in queries {
        let with_threads = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut result = pool.install(|| range(&engine, &storage, query));
            // Depends on how many series are decoded at once.
            assert!(std::mem::take(&mut result.stats.peak_bytes) > 0, "{query}");
            result
        };
        let (one, many) = (with_threads(1), with_threads(5));
        assert!(matches!(&one.value, Value::Matrix(series) if !series.is_empty()), "{query}");
        assert_eq!(one, many, "{query}");
    }
}

#[test]
fn aggregation_in_parts_is_aggregation() {
    let storage = storage(600);
    let engine = engine(|_| {});
    // The second cannot be evaluated in parts.
    let parts = range(&engine, &storage, "sum by (job) (rate(x_total[1m]))");
    let whole = range(&engine, &storage, "sum by (job) (rate(x_total[1m]) or y)");
    let Value::Matrix(mut whole) = whole.value else { panic!("a range query returns a matrix") };
    whole.retain(|series| !series.labels.is_empty());
    assert_eq!(parts.value, Value::Matrix(whole));
}

#[test]
fn a_query_over_its_sample_limit_fails() {
    let storage = storage(10);
    let options = QueryOptions::default();
    let limited = |samples_max| engine(|options| options.samples_max = samples_max);
    let run = |samples_max, query: &str| {
        limited(samples_max)
            .range(&storage, query, 0, 1_000_000, 10_000, &options)
            .map_err(|error| error.kind())
    };
    assert!(run(1_010, "x_total").is_ok());
    assert_eq!(run(1_009, "x_total"), Err(ErrorKind::Limit));
    // Only groups are held, not the series.
    assert!(run(303, "sum(x_total)").is_err(), "a part of ten series is held at once");
    assert!(run(1_200, "sum(x_total)").is_ok());
    assert_eq!(run(1_009, "x_total + x_total"), Err(ErrorKind::Limit));
    let error = limited(1_009).range(&storage, "x_total", 0, 1_000_000, 10_000, &options).unwrap_err();
    assert_eq!(
        error.to_string(),
        "query processing would load too many samples into memory in query execution"
    );
}

/// The error of `query` over 101 steps when it may take `memory_bytes_max`; `None` when it is answered.
fn refusal(storage: &MemoryStorage, memory_bytes_max: u64, query: &str) -> Option<String> {
    let answer = engine(|options| options.memory_bytes_max = memory_bytes_max).range(
        storage,
        query,
        0,
        1_000_000,
        10_000,
        &QueryOptions::default(),
    );
    let error = answer.err()?;
    assert_eq!(error.kind(), ErrorKind::Limit, "{query}: {error}");
    Some(error.to_string())
}

#[test]
fn what_grows_beside_samples_is_bounded() {
    let storage = storage(600);
    let long = "x".repeat(500);
    // What it holds, a query that needs more than 600 KB for it, and one that does not.
    let cases = [
        ("results and their labels", "x_total".to_owned(), "x_total{job=\"job-1\"}".to_owned()),
        ("values of a quantile", "quantile(0.5, x_total)".to_owned(), "max(x_total)".to_owned()),
        (
            "labels of counted values",
            "count_values(\"v\", x_total{job=\"job-1\"})".to_owned(),
            "count_values(\"v\", x_total{job=\"job-1\"} > bool 0)".to_owned(),
        ),
        (
            "joined labels",
            format!("label_join(y, \"to\", \"{long}\"{})", ", \"__name__\"".repeat(2_000)),
            format!("label_join(y, \"to\", \"{long}\"{})", ", \"__name__\"".repeat(10)),
        ),
        ("replaced labels", nested_replace(&long, 9), nested_replace(&long, 4)),
        (
            "pairs of series that are compared in vain",
            "x_total{job=\"job-1\"} < on () group_left (n) (0 * count_values(\"n\", vector(time())))"
                .to_owned(),
            "x_total{job=\"job-1\"} < on () group_left () (0 * sum(y))".to_owned(),
        ),
    ];
    for (what, large, small) in cases {
        let refused = refusal(&storage, 600_000, &large);
        let text = "query would take more than 600000 bytes of memory (query.memory_bytes_max)";
        assert_eq!(refused.as_deref(), Some(text), "{what}: {large}");
        assert_eq!(refusal(&storage, 600_000, &small), None, "{what}: {small}");
        assert_eq!(refusal(&storage, 2 << 30, &large), None, "{what}: {large}");
    }
}

/// A label that gets twice as long with each of `depth` replacements.
fn nested_replace(start: &str, depth: usize) -> String {
    let first = format!("label_replace(y, \"l\", \"{start}\", \"\", \"\")");
    (0..depth).fold(first, |inner, _| format!("label_replace({inner}, \"l\", \"$1$1\", \"l\", \"(.*)\")"))
}

#[test]
fn memory_that_was_taken_is_told() {
    let storage = storage(300);
    let stats = range(&engine(|_| {}), &storage, "x_total").stats;
    // 300 series of 101 samples, and their labels.
    assert!((490_000..800_000).contains(&stats.peak_bytes), "{stats:?}");
    let stats = range(&engine(|_| {}), &storage, "y").stats;
    assert!(stats.peak_bytes < 10_000, "{stats:?}");
}

#[test]
fn steps_without_end_are_refused_before_memory_is_taken() {
    let storage = storage(1);
    for query in ["sum_over_time(vector(1)[100y:1ms])", "max_over_time(y[100y:1ms])"] {
        let error = engine(|_| {}).instant(&storage, query, 1_000_000, &QueryOptions::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limit, "{query}");
    }
}

#[test]
fn an_interrupt_ends_the_query() {
    let storage = storage(600);
    let cases = [
        (Interrupt::Timeout, ErrorKind::Timeout, "query timed out in expression evaluation"),
        (Interrupt::Canceled, ErrorKind::Canceled, "query was canceled in expression evaluation"),
    ];
    for (interrupt, kind, text) in cases {
        for after in [0, 1, 10, 100] {
            let asked = AtomicU64::new(0);
            let check = || (asked.fetch_add(1, Ordering::Relaxed) >= after).then_some(interrupt);
            let options = QueryOptions { interrupt: Some(&check), ..QueryOptions::default() };
            let error = engine(|_| {})
                .range(&storage, "sum(rate(x_total[1m]))", 0, 1_000_000, 10_000, &options)
                .unwrap_err();
            assert_eq!((error.kind(), error.to_string().as_str()), (kind, text));
        }
    }
}

/// Expression; start, end and step in seconds, step 0 for an instant query; samples in all and read.
type Cost = (&'static str, (i64, i64, i64), (u64, u64));

/// What upstream's own test of its statistics says, with `x_total` for its three series and `y` for its one.
const COSTS: [Cost; 29] = [
    ("\"text\"", (21, 21, 0), (0, 0)),
    ("1", (21, 21, 0), (0, 0)),
    ("y", (21, 21, 0), (1, 1)),
    ("timestamp(y)", (21, 21, 0), (1, 1)),
    ("y offset 10s", (21, 21, 0), (1, 1)),
    ("y @ 15", (21, 21, 0), (1, 1)),
    ("x_total", (21, 21, 0), (3, 3)),
    ("x_total{instance=\"i-00001\"}[20s] @ 19", (21, 21, 0), (2, 2)),
    ("y[60s]", (201, 201, 0), (6, 6)),
    ("max_over_time(y[60s])[20s:5s]", (201, 201, 0), (24, 8)),
    ("max_over_time(y[61s])[20s:5s]", (201, 201, 0), (26, 8)),
    ("y[60s] @ 30", (201, 201, 0), (4, 4)),
    ("sum(max_over_time(x_total[60s] @ 30))", (201, 201, 0), (12, 12)),
    ("max_over_time(x_total[60s])", (201, 201, 0), (18, 18)),
    ("absent_over_time(y[60s])", (201, 201, 0), (6, 6)),
    ("y[60s:5s]", (201, 201, 0), (12, 12)),
    ("y[60s:5s] offset 10s", (201, 201, 0), (12, 12)),
    ("max_over_time(x_total[60s:5s])", (201, 201, 0), (36, 36)),
    ("y", (201, 220, 5), (4, 4)),
    ("timestamp(y)", (201, 220, 5), (4, 4)),
    ("max_over_time(y[10s])", (991, 1021, 10), (2, 2)),
    ("max_over_time(x_total[60s] @ 30)", (201, 220, 5), (48, 12)),
    ("max_over_time(x_total[60s])", (201, 220, 5), (72, 21)),
    ("max_over_time(x_total[60s:5s])", (201, 216, 5), (144, 45)),
    ("max_over_time(x_total[60s:5s])", (201, 220, 5), (144, 45)),
    ("max_over_time(y[30s:2m])", (240, 240, 0), (1, 1)),
    ("max_over_time(y[30s:10s])", (201, 231, 30), (6, 6)),
    ("max_over_time(y[20s:10s])", (201, 261, 10), (14, 8)),
    // Windows with gaps between them: what the subquery evaluates there is not counted.
    ("max_over_time(y[20s:10s])", (201, 261, 30), (6, 6)),
];

fn cost(query: &str, (start, end, step): (i64, i64, i64), per_step_stats: bool) -> QueryStats {
    let storage = storage(3);
    let options = QueryOptions { per_step_stats, ..QueryOptions::default() };
    let (start, end, step) = (start * 1000, end * 1000, step * 1000);
    let engine = engine(|options| options.eval.per_step_stats = true);
    let result = match step {
        0 => engine.instant(&storage, query, start, &options),
        _ => engine.range(&storage, query, start, end, step, &options),
    };
    result.expect("the query is answered").stats
}

#[test]
fn samples_are_counted_as_upstream_counts_them() {
    for (query, times, (queryable, read)) in COSTS {
        let stats = cost(query, times, false);
        assert_eq!(stats.samples, SampleCounts { queryable, read }, "{query} {times:?}");
        assert_eq!(stats.samples_per_step, [], "{query}");
    }
}

#[test]
fn steps_add_up_to_the_whole() {
    for (query, times, (queryable, read)) in COSTS {
        let stats = cost(query, times, true);
        let mut sum = SampleCounts::default();
        stats.samples_per_step.iter().for_each(|counts| sum.add(counts.queryable, counts.read));
        assert_eq!(sum, SampleCounts { queryable, read }, "{query} {times:?}");
    }
}

#[test]
fn each_step_counts_its_own_samples() {
    // Samples are ten seconds apart, of three series.
    let cases: [(&str, &[(u64, u64)]); 4] = [
        ("max_over_time(x_total[60s])", &[(18, 18), (18, 0), (18, 3), (18, 0)]),
        ("max_over_time(x_total[60s] @ 30)", &[(12, 12), (12, 0), (12, 0), (12, 0)]),
        ("max_over_time(y[20s:5s])", &[(4, 4), (4, 1), (4, 1), (4, 1)]),
        ("y", &[(1, 1), (1, 1), (1, 1), (1, 1)]),
    ];
    for (query, expected) in cases {
        let steps = cost(query, (201, 216, 5), true).samples_per_step;
        let found: Vec<_> = steps.iter().map(|counts| (counts.queryable, counts.read)).collect();
        assert_eq!(found, expected, "{query}");
    }
}

#[test]
fn the_deepest_expression_that_parses_can_be_evaluated() {
    let storage = storage(1);
    let depth = crate::promql::EXPR_DEPTH_MAX - 20;
    for (open, close) in [("sum(", ")"), ("-(", ")"), ("abs(", ")"), ("1 + (", ")")] {
        let query = format!("{}y{}", open.repeat(depth / 2), close.repeat(depth / 2));
        let result = engine(|_| {}).instant(&storage, &query, 1_000_000, &QueryOptions::default());
        assert!(result.is_ok(), "{open}: {result:?}");
    }
}

#[test]
fn names_stay_until_the_end_only_when_told() {
    let storage = storage(0);
    let query = "label_replace(rate(y[1m]), \"was\", \"$1\", \"__name__\", \"(.*)\")";
    for (delayed_name_removal, expected) in [(false, "{}"), (true, "{was=\"y\"}")] {
        let engine =
            engine(|options| options.eval = EvalOptions { delayed_name_removal, ..EvalOptions::default() });
        let result = engine.instant(&storage, query, 1_000_000, &QueryOptions::default()).unwrap();
        let Value::Vector(samples) = result.value else { panic!("an instant query returns a vector") };
        let labels: Vec<String> = samples.iter().map(|sample| sample.labels.to_string()).collect();
        assert_eq!(labels, [expected]);
    }
}

#[test]
fn label_replace_wants_a_pattern_in_utf8() {
    for (pattern, shown) in [("(", "("), ("\\xff", "\u{fffd}")] {
        let query = format!("label_replace(y, 'a', '', 'b', '{pattern}')");
        let error = engine(|_| {}).instant(&storage(0), &query, 0, &QueryOptions::default()).unwrap_err();
        let text = format!("invalid regular expression in label_replace(): {shown}");
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::Execution, text));
    }
}

#[test]
fn a_histogram_hides_the_float_of_a_merged_series() {
    let series = |name: &str, value| TestSeries {
        labels: Labels::from_pairs([("__name__", name)]),
        samples: vec![TestSample { ts: 0, start_ts: 0, value }],
    };
    let histogram = FloatHistogram { count: 1.0, zero_count: 1.0, ..FloatHistogram::default() };
    for (float, other) in [("a", "b"), ("b", "a")] {
        let mut storage = MemoryStorage::default();
        storage
            .append(vec![
                series(float, TestValue::Float(1.0)),
                series(other, TestValue::Histogram(histogram.clone())),
            ])
            .expect("both are new");
        let engine = engine(|options| options.eval.delayed_name_removal = true);
        let answer = engine
            .instant(&storage, r#"{__name__=~"a|b"} * 2"#, 0, &QueryOptions::default())
            .expect("the query is answered");
        let Value::Vector(vector) = answer.value else { panic!("{:?}", answer.value) };
        assert_eq!(vector.len(), 1);
        assert_eq!(vector[0].histogram.as_ref().map(|histogram| histogram.count), Some(2.0));
    }
}

#[test]
fn the_first_step_says_whether_the_name_of_equal_labels_stays() {
    let engine = engine(|options| options.eval.delayed_name_removal = true);
    // A sample every ten seconds: every other window of five is empty, and the right side steps in.
    for (start, name) in [(0, ""), (5_000, "y")] {
        let query = "count_over_time(y[5s]) or y";
        let options = QueryOptions::default();
        let answer = engine.range(&storage(0), query, start, 20_000, 5_000, &options).unwrap();
        let Value::Matrix(matrix) = answer.value else { panic!("{:?}", answer.value) };
        assert_eq!(matrix.len(), 1, "{matrix:?}");
        assert_eq!(matrix[0].labels.get(b"__name__"), name.as_bytes());
    }
}

#[test]
fn histograms_are_trimmed_and_scalars_are_not() {
    for op in ["</", ">/"] {
        let query = format!("3 {op} -15");
        let error = engine(|_| {}).instant(&storage(0), &query, 0, &QueryOptions::default()).unwrap_err();
        let text = format!("operator \"{op}\" not allowed for Scalar operations");
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::Execution, text));
    }
}

#[test]
fn a_range_query_of_a_string_or_range_vector_is_invalid() {
    let storage = storage(1);
    for (query, text) in [
        (
            "y[5m]",
            "invalid expression type \"range vector\" for range query, must be Scalar or instant Vector",
        ),
        ("\"a\"", "invalid expression type \"string\" for range query, must be Scalar or instant Vector"),
        // Before lengths of time are computed, which would fail, too.
        (
            "y[5m - 1h * step()]",
            "invalid expression type \"range vector\" for range query, must be Scalar or instant Vector",
        ),
    ] {
        let error =
            engine(|_| {}).range(&storage, query, 0, 1_000, 1_000, &QueryOptions::default()).unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Invalid, text));
    }
    assert!(engine(|_| {}).range(&storage, "y", 0, 1_000, 0, &QueryOptions::default()).is_err());
}
