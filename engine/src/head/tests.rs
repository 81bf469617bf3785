//! The head's index against brute force, and the bound of what a batch may write to the log.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use kymo_formats::histogram::{FloatHistogram, Histogram, Span};
use proptest::{collection::vec, prelude::*, test_runner::FileFailurePersistence};

use super::{
    Batch, Count, DropIdle, Exemplar, Head, HeadConfig, Metadata, RawTable,
    late::{LateFloat, LateSamples, Novelty, same_histogram},
    read::select_ids,
};
use crate::{
    env::{Env, MemFs},
    model::{HistogramValue, Labels, MatchOp, Matcher, stale_nan},
    wal::{Wal, WalConfig},
};

const WINDOW_MS: i64 = 7_200_000;

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../proptest-regressions/engine/head.txt"
        )))),
        ..ProptestConfig::default()
    }
}

fn head_and_log() -> (Head, Wal) {
    let env = Env::simulated(Arc::new(MemFs::default()), 3);
    let head = Head::new(&env, HeadConfig { shards: 2, ..HeadConfig::default() }, WINDOW_MS);
    let config = WalConfig { segment_bytes: 1 << 20, ..WalConfig::default() };
    (head, Wal::open(&env, Path::new("/wal"), config, 1).unwrap())
}

fn label_name(number: u8) -> String {
    if number == 0 { "__name__".to_owned() } else { format!("n{number}") }
}

/// Few names and values, so that labels are shared; numbers of series on both sides of what postings keep in line.
fn series_labels() -> impl Strategy<Value = Labels> {
    vec((0_u8..4, 0_u8..5), 0..4).prop_map(|pairs| {
        Labels::from_pairs(pairs.into_iter().map(|(name, value)| (label_name(name), format!("v{value}"))))
    })
}

fn matcher() -> impl Strategy<Value = Matcher> {
    let op = prop_oneof![
        Just(MatchOp::Equal),
        Just(MatchOp::NotEqual),
        Just(MatchOp::Regex),
        Just(MatchOp::NotRegex)
    ];
    let value = prop_oneof![
        Just(""),
        Just("v1"),
        Just("v[0-2]"),
        Just("v.*"),
        Just("|v3"),
        Just(".+"),
        Just("v1|v4"),
        Just(".*[13]"),
        Just("[^1]+|v1"),
        Just(".*2.*|v")
    ];
    (op, 0_u8..5, value).prop_map(|(op, name, value)| {
        Matcher::new(op, label_name(name).as_bytes(), value.as_bytes()).unwrap()
    })
}

/// The largest counts, equal ones by name.
fn top(counts: BTreeMap<Vec<u8>, u64>, limit: usize) -> Vec<Count> {
    let mut counts: Vec<Count> = counts.into_iter().map(|(name, count)| Count { name, count }).collect();
    counts.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.name.cmp(&b.name)));
    counts.truncate(limit);
    counts
}

fn selected(head: &Head, matchers: &[Matcher]) -> Vec<Labels> {
    let mut found = Vec::new();
    for shard in &head.shards {
        let ids = select_ids(shard, matchers);
        found.extend(ids.iter().map(|id| shard.read().labels_of(id)));
    }
    found.sort();
    found
}

proptest! {
    #![proptest_config(config(128))]

    #[test]
    fn the_index_selects_what_a_walk_over_all_series_does(
        series in vec((series_labels(), any::<bool>()), 0..120),
        matchers in vec(matcher(), 1..4),
    ) {
        let (head, wal) = head_and_log();
        let mut kept: Vec<Labels> = Vec::new();
        let mut batch = head.batch(&wal, 0, i64::MIN);
        for (labels, keep) in &series {
            let id = batch.series(labels, Some(head.hasher().hash(labels.canonical()))).unwrap();
            if *keep {
                batch.float(id, 10, 0, 1.0);
                kept.push(labels.clone());
            }
        }
        drop(batch.commit().unwrap());
        let brute = |all: &mut Vec<Labels>| {
            all.sort();
            all.dedup();
            all.retain(|labels| matchers.iter().all(|matcher| matcher.matches(labels.get(matcher.name()))));
            all.clone()
        };
        let mut all: Vec<Labels> = series.iter().map(|(labels, _)| labels.clone()).collect();
        // The second time, regular expressions are remembered.
        prop_assert_eq!(selected(&head, &matchers), brute(&mut all));
        prop_assert_eq!(selected(&head, &matchers), all);
        let mut with_samples = head.series(&matchers, 10, 10);
        with_samples.sort();
        prop_assert_eq!(with_samples, brute(&mut kept.clone()));

        // Those without samples leave, ids change, and whoever comes back finds its series.
        head.drop_idle(i64::MAX, DropIdle::Any);
        let mut batch = head.batch(&wal, 0, i64::MIN);
        for (labels, _) in &series {
            let hash = head.hasher().hash(labels.canonical());
            let known = batch.known_series(hash, labels.canonical().len());
            let id = batch.series(labels, Some(hash)).unwrap();
            prop_assert!(known.is_none_or(|known| known == id));
            batch.float(id, 20, 0, 2.0);
        }
        let outcome = batch.commit().unwrap();
        prop_assert_eq!(outcome.refused_count, 0);
        let mut all: Vec<Labels> = series.iter().map(|(labels, _)| labels.clone()).collect();
        prop_assert_eq!(selected(&head, &matchers), brute(&mut all));
        prop_assert_eq!(head.series(&matchers, 20, 20).len(), all.len());
        prop_assert_eq!(head.series(&matchers, 10, 10).len(), brute(&mut kept).len());
    }

    #[test]
    fn cardinalities_are_those_of_a_walk_over_all_series(
        series in vec(series_labels(), 0..120), limit in 1_usize..6,
    ) {
        let (head, wal) = head_and_log();
        let mut batch = head.batch(&wal, 0, i64::MIN);
        for labels in &series {
            batch.series(labels, None).unwrap();
        }
        drop(batch);
        let series: BTreeSet<Labels> = series.into_iter().collect();
        let mut by_label: BTreeMap<(Vec<u8>, Vec<u8>), u64> = BTreeMap::new();
        let mut bytes: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
        for label in series.iter().flatten() {
            *by_label.entry((label.name.to_vec(), label.value.to_vec())).or_default() += 1;
            let alone = Labels::from_pairs([(label.name, label.value)]);
            *bytes.entry(label.name.to_vec()).or_default() += alone.canonical().len() as u64;
        }
        let mut values: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
        by_label.keys().for_each(|(name, _)| *values.entry(name.clone()).or_default() += 1);

        let found = head.cardinality(limit);
        prop_assert_eq!(found.labels, by_label.len() as u64);
        prop_assert_eq!(found.values_by_name, top(values.clone(), limit));
        prop_assert_eq!(found.bytes_by_name, top(bytes, limit));
        let metrics = by_label.iter().filter(|((name, _), _)| name == b"__name__");
        let mut metrics: Vec<u64> = metrics.map(|(_, count)| *count).collect();
        metrics.sort_unstable_by_key(|count| std::cmp::Reverse(*count));
        metrics.truncate(limit);
        prop_assert_eq!(found.series_by_metric.iter().map(|metric| metric.count).collect::<Vec<_>>(), metrics);
        let mut counts: Vec<u64> = by_label.values().copied().collect();
        counts.sort_unstable_by_key(|count| std::cmp::Reverse(*count));
        counts.truncate(limit);
        prop_assert_eq!(found.series_by_label.iter().map(|label| label.series).collect::<Vec<_>>(), counts);
        // Which of equal counts are shown is free, what is said of them is not.
        for label in found.series_by_label {
            prop_assert_eq!(by_label.get(&(label.name.clone(), label.value.clone())), Some(&label.series));
            prop_assert_eq!(head.series_with(&label.name, &label.value), label.series);
        }
        prop_assert!(head.values_by_name().eq(values));
    }

    /// What is remembered of regular expressions is completed by labels that come later.
    #[test]
    fn remembered_expressions_find_new_labels(
        series in vec(series_labels(), 0..40), matchers in vec(matcher(), 1..3),
    ) {
        let (head, wal) = head_and_log();
        let mut known = Vec::new();
        for labels in series {
            let mut batch = head.batch(&wal, 0, i64::MIN);
            batch.series(&labels, None).unwrap();
            drop(batch);
            known.push(labels);
            known.sort();
            known.dedup();
            let wanted = |labels: &&Labels| matchers.iter().all(|it| it.matches(labels.get(it.name())));
            prop_assert_eq!(selected(&head, &matchers), known.iter().filter(wanted).cloned().collect::<Vec<_>>());
        }
    }

    /// Limits hold exactly, whatever came before, and never against a series that is known.
    #[test]
    fn limits_admit_what_a_count_over_all_series_admits(
        series in vec(series_labels(), 0..80), metric_series_max in 0_u64..4, label_values_max in 0_u64..4,
    ) {
        let (mut head, wal) = head_and_log();
        head.config = HeadConfig { metric_series_max, label_values_max, ..head.config };
        let mut known: BTreeSet<Labels> = BTreeSet::new();
        let mut refused = 0;
        for (round, labels) in series.iter().chain(&series).enumerate() {
            if round == series.len() {
                // Nothing has samples: all leave, and counting begins anew.
                head.drop_idle(i64::MAX, DropIdle::Any);
                known.clear();
            }
            let of_metric = known.iter().filter(|other| other.metric_name() == labels.metric_name()).count();
            let metric_is_full =
                metric_series_max > 0 && !labels.metric_name().is_empty() && of_metric as u64 >= metric_series_max;
            let label_is_full = labels.iter().any(|label| {
                let values: BTreeSet<_> = known.iter().map(|other| other.get(label.name)).collect();
                let count = values.iter().filter(|value| !value.is_empty()).count();
                label_values_max > 0 && count as u64 >= label_values_max && !values.contains(label.value)
            });
            let admitted = known.contains(labels) || !(metric_is_full || label_is_full);
            let mut batch = head.batch(&wal, 0, i64::MIN);
            prop_assert_eq!(batch.series(labels, None).is_ok(), admitted, "{:?} after {:?}", labels, known);
            if admitted {
                known.insert(labels.clone());
            } else {
                refused += 1;
            }
        }
        let counted = head.stats().series_refused;
        prop_assert_eq!(counted.metric_series_max + counted.label_values_max, refused);
    }

    /// A reservation that is too small would leave rows in memory that the log does not have.
    #[test]
    fn a_batch_never_writes_more_than_it_reserved(
        batches in vec((vec(row(), 1..12), any::<bool>()), 1..6),
    ) {
        let (head, wal) = head_and_log();
        for (rows, rotate) in batches {
            let mut batch = head.batch(&wal, i64::MAX, i64::MIN);
            rows.into_iter().for_each(|row| row.add(&mut batch));
            prop_assert!(batch.commit().is_ok());
            if rotate {
                wal.rotate().unwrap();
            }
        }
    }
}

#[derive(Debug, Clone)]
enum Value {
    Float(f64),
    Histogram(HistogramValue),
    Exemplar(String),
    Metadata(String),
}

#[derive(Debug, Clone)]
struct Row {
    labels: Labels,
    ts: i64,
    start_ts: i64,
    value: Value,
}

impl Row {
    fn add(self, batch: &mut Batch<'_>) {
        let Self { labels, ts, start_ts, value } = self;
        if let Value::Metadata(help) = value {
            return batch.metadata(&help, Metadata { unit: help.clone(), ..Metadata::default() });
        }
        let series = batch.series(&labels, None).unwrap();
        match value {
            Value::Float(value) => batch.float(series, ts, start_ts, value),
            Value::Histogram(value) => batch.histogram(series, ts, start_ts, value),
            Value::Exemplar(id) => {
                let labels = Labels::from_pairs([("id", id)]);
                batch.exemplar(series, Exemplar { labels, value: 1.5, ts });
            }
            Value::Metadata(_) => {}
        }
    }
}

fn row() -> impl Strategy<Value = Row> {
    // Also labels of one byte, which cost the most beside their text.
    let labels = vec(("[a-c]{1,2}", "[x-z]{1,3}"), 0..30).prop_map(Labels::from_pairs);
    let time = prop_oneof![any::<i64>(), -5_i64..5, Just(i64::MIN), Just(i64::MAX - 1)];
    let value = prop_oneof![
        2 => any::<u64>().prop_map(|bits| Value::Float(f64::from_bits(bits))),
        2 => Just(Value::Float(stale_nan())),
        2 => histogram().prop_map(Value::Histogram),
        1 => "[a-z]{0,40}".prop_map(Value::Exemplar),
        1 => "[a-z]{0,40}".prop_map(Value::Metadata),
    ];
    (labels, time.clone(), time, value).prop_map(|(labels, ts, start_ts, value)| Row {
        labels,
        ts,
        start_ts,
        value,
    })
}

/// Valid ones, ones of a schema that is brought down, and stale ones that are nonsense apart from their sum.
fn histogram() -> impl Strategy<Value = HistogramValue> {
    let shape =
        (vec(0_u64..1 << 50, 0..6), prop_oneof![Just(3), Just(-4), Just(20), Just(52)], any::<bool>());
    (shape, any::<bool>(), any::<i32>()).prop_map(|((counts, schema, stale), float, offset)| {
        let sum = if stale { stale_nan() } else { 1.5 };
        let offset = if stale { offset } else { offset % 1_000 };
        let length = u32::try_from(counts.len()).unwrap() * if stale { 1_000_000 } else { 1 };
        let positive_spans = if counts.is_empty() { Vec::new() } else { vec![Span { offset, length }] };
        let count: u64 = counts.iter().sum();
        if float {
            let positive_buckets = counts.iter().map(|count| *count as f64).collect();
            return HistogramValue::Float(FloatHistogram {
                schema,
                sum,
                count: count as f64,
                positive_spans,
                positive_buckets,
                ..FloatHistogram::default()
            });
        }
        let mut before = 0;
        let delta = |count: u64| {
            let count = i64::try_from(count).unwrap();
            let delta = count - before;
            before = count;
            delta
        };
        let positive_buckets = counts.into_iter().map(delta).collect();
        HistogramValue::Integer(Histogram {
            schema,
            sum,
            count,
            positive_spans,
            positive_buckets,
            ..Histogram::default()
        })
    })
}

#[test]
fn a_histogram_is_the_same_in_another_layout() {
    let histogram = |spans: &[(i32, u32)], deltas: &[i64], sum| {
        let positive_spans =
            spans.iter().map(|(offset, length)| Span { offset: *offset, length: *length }).collect();
        HistogramValue::Integer(Histogram {
            count: 3,
            sum,
            positive_spans,
            positive_buckets: deltas.to_vec(),
            ..Histogram::default()
        })
    };
    let sent = histogram(&[(1, 1), (2, 1)], &[1, 1], 5.0);
    assert!(same_histogram(&sent, &histogram(&[(0, 6)], &[0, 1, -1, 0, 2, -2], 5.0)));
    assert!(!same_histogram(&sent, &histogram(&[(1, 1), (1, 1)], &[1, 1], 5.0)));
    assert!(!same_histogram(&sent, &histogram(&[(1, 1), (2, 1)], &[1, 0], 5.0)));
    assert!(!same_histogram(&sent, &histogram(&[(1, 1), (2, 1)], &[1, 1], 6.0)));
    assert!(same_histogram(&histogram(&[], &[], stale_nan()), &histogram(&[(1, 1)], &[4], stale_nan())));
    assert!(!same_histogram(&sent, &HistogramValue::Float(FloatHistogram::default())));
}

#[test]
fn late_samples_are_sorted_and_the_first_of_a_time_stays() {
    let mut late = LateSamples::default();
    let float = |ts, value| LateFloat { ts, start_ts: 0, value };
    for ts in [5, i64::MIN, 9, 7] {
        assert_eq!(late.novelty_of_float(ts, 1.0), Novelty::New);
        late.insert_float(float(ts, 1.0));
    }
    late.insert_float(float(7, 2.0));
    assert_eq!(late.novelty_of_float(7, 1.0), Novelty::Repeated);
    assert_eq!(late.novelty_of_float(7, -1.0), Novelty::Conflicting);
    assert_eq!(
        late.novelty_of_histogram(7, &HistogramValue::Float(FloatHistogram::default())),
        Novelty::Conflicting
    );
    let decoded = LateSamples::decode(&late.encode()).unwrap();
    let rows: Vec<_> = decoded.floats.values().map(|late| (late.ts, late.value)).collect();
    assert_eq!(rows, [(i64::MIN, 1.0), (5, 1.0), (7, 1.0), (9, 1.0)]);
    assert_eq!(decoded.in_range(6, 8).map(|late| late.len()), Some(1));
    assert!(decoded.in_range(6, 5).is_none());
}

#[test]
fn the_raw_table_forgets_what_is_not_kept() {
    let (head, _) = head_and_log();
    let table = RawTable::default();
    let hash = |n: u32| head.hasher().hash(&n.to_le_bytes());
    let series = |n: u32| head.series_place((n % 2) as usize, n);
    (0..1_000).for_each(|n| table.insert(hash(n), series(n)));
    (0..1_000).for_each(|n| table.insert(hash(n), series(0)));
    assert!((0..1_000).all(|n| table.get(hash(n)) == Some(series(n))), "the first one stays");
    assert_eq!(table.get(hash(1_000)), None);
    table.rename(|series| (head.split_place(series).0 == 1).then_some(series));
    assert!((0..1_000).all(|n| table.get(hash(n)).is_some() == (n % 2 == 1)));
}

#[test]
fn a_repeat_waits_for_what_it_repeats() {
    let (head, wal) = head_and_log();
    // Appended, and not yet waited for: the position that a request has to wait for.
    let request = |help: &str| {
        let mut batch = head.batch(&wal, 0, i64::MIN);
        batch.metadata("up", Metadata { help: help.to_owned(), ..Metadata::default() });
        let series = batch.series(&Labels::from_pairs([("__name__", "up")]), None).unwrap();
        if help == "sample" {
            batch.float(series, 5, 0, 1.0);
        }
        batch.append(&mut super::AppendOutcome::default()).unwrap()
    };
    let first = request("text");
    assert!(first.is_some());
    assert_eq!(request("text"), first, "the same text");
    let sample = request("sample");
    assert!(sample > first);
    assert_eq!(request("sample"), sample, "the same sample");
}
