//! The planner and the block's index against a walk over all series.

use proptest::{
    prelude::*,
    test_runner::{Config, FileFailurePersistence},
};
use roaring::RoaringBitmap;

use super::*;
use crate::model::{MatchOp, Matcher};

pub(super) fn config() -> Config {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../proptest-regressions/engine/index.txt");
    Config { failure_persistence: Some(Box::new(FileFailurePersistence::Direct(path))), ..Config::default() }
}

fn matches(labels: &Labels, matchers: &[Matcher]) -> bool {
    matchers.iter().all(|matcher| matcher.matches(labels.get(matcher.name())))
}

fn brute_force(series: &[Labels], matchers: &[Matcher]) -> RoaringBitmap {
    (0_u32..).zip(series).filter(|(_, labels)| matches(labels, matchers)).map(|(rank, _)| rank).collect()
}

fn label_value() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "[ab]{1,2}",
        // Enough values that a selective matcher leaves few candidates to test one by one.
        (0..200_u32).prop_map(|i| format!("pod-{i:03}")),
    ]
}

/// Distinct label sets in series order, over names on both sides of `__name__`.
fn series() -> impl Strategy<Value = Vec<Labels>> {
    let labels =
        prop::collection::vec((prop::sample::select(vec!["A", "__name__", "a", "b"]), label_value()), 0..4)
            .prop_map(Labels::from_pairs);
    prop::collection::vec(labels, 0..120).prop_map(|mut series| {
        series.sort_by(series_order);
        series.dedup();
        series
    })
}

fn matcher() -> impl Strategy<Value = Matcher> {
    let name = prop::sample::select(vec!["A", "__name__", "a", "b", "none"]);
    let pattern = prop_oneof![
        label_value(),
        prop::sample::select(vec![
            ".*",
            ".+",
            "",
            "a|b",
            "a|",
            "|",
            "pod-.*",
            "pod-1.*",
            "pod-10?.",
            ".*7",
            "a*",
            "[^a]+",
            "(a|pod-0.*)",
            "b{0}",
            "ab?|pod-12[0-9]",
        ])
        .prop_map(str::to_owned),
    ];
    let op = prop::sample::select(vec![MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex]);
    (op, name, pattern)
        .prop_map(|(op, name, value)| Matcher::new(op, name.as_bytes(), value.as_bytes()).unwrap())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn selects_what_a_walk_over_all_series_selects(
        series in series(), queries in prop::collection::vec(prop::collection::vec(matcher(), 0..4), 1..8),
    ) {
        let index = IndexInMemory::build(&series);
        let index = index.reader().unwrap();
        // Twice, so that the second round finds results in the cache.
        for matchers in queries.iter().chain(&queries) {
            prop_assert_eq!(select(&index, matchers).unwrap(), brute_force(&series, matchers), "{:?}", matchers);
        }
    }

    #[test]
    fn lists_the_names_and_values_of_selected_series(
        series in series(), matchers in prop::collection::vec(matcher(), 0..3),
    ) {
        let index = IndexInMemory::build(&series);
        let index = index.reader().unwrap();
        let selected: Vec<_> = series.iter().filter(|labels| matches(labels, &matchers)).collect();
        let sorted = |mut strings: Vec<Vec<u8>>| {
            strings.sort();
            strings.dedup();
            strings
        };
        let names = selected.iter().flat_map(|labels| labels.iter()).map(|label| label.name.to_vec()).collect();
        prop_assert_eq!(label_names(&index, &matchers).unwrap(), sorted(names));
        for name in [&b"a"[..], b"__name__", b"none"] {
            let values = selected.iter().map(|labels| labels.get(name).to_vec()).filter(|value| !value.is_empty());
            prop_assert_eq!(label_values(&index, name, &matchers).unwrap(), sorted(values.collect()));
        }
    }

    #[test]
    fn labels_come_back_in_any_order(series in series(), ranks in prop::collection::vec(0_usize..120, 0..20)) {
        let index = IndexInMemory::build(&series);
        let mut cursor = index.reader().unwrap().labels();
        for rank in (0..series.len()).chain(ranks) {
            let found = cursor.get(u32::try_from(rank).unwrap());
            prop_assert_eq!(found.ok(), series.get(rank).cloned());
        }
    }
}

/// Counts what the planner asks for, to see that it takes the cheap way.
struct Counting<'a> {
    index: IndexReader<'a>,
    scanned: std::cell::Cell<u32>,
    filtered: std::cell::Cell<u64>,
}

impl LabelIndex for Counting<'_> {
    type Error = kymo_formats::DecodeError;

    fn all(&self) -> Result<RoaringBitmap, Self::Error> {
        self.index.all()
    }

    fn with_label(&self, name: &[u8]) -> Result<RoaringBitmap, Self::Error> {
        self.index.with_label(name)
    }

    fn value_count(&self, name: &[u8], prefix: &[u8]) -> Result<u64, Self::Error> {
        self.index.value_count(name, prefix)
    }

    fn cardinality(&self, name: &[u8], value: &[u8]) -> Result<u64, Self::Error> {
        self.index.cardinality(name, value)
    }

    fn postings(&self, name: &[u8], value: &[u8]) -> Result<RoaringBitmap, Self::Error> {
        self.index.postings(name, value)
    }

    fn matching(&self, name: &[u8], regex: &Regex) -> Result<RoaringBitmap, Self::Error> {
        self.scanned.set(self.scanned.get() + 1);
        self.index.matching(name, regex)
    }

    fn filter(
        &self,
        ids: &RoaringBitmap,
        name: &[u8],
        keep: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<RoaringBitmap, Self::Error> {
        self.filtered.set(self.filtered.get() + ids.len());
        self.index.filter(ids, name, keep)
    }

    fn names(&self, ids: Option<&RoaringBitmap>) -> Result<Vec<Vec<u8>>, Self::Error> {
        self.index.names(ids)
    }

    fn values(&self, name: &[u8], ids: Option<&RoaringBitmap>) -> Result<Vec<Vec<u8>>, Self::Error> {
        self.index.values(name, ids)
    }
}

#[test]
fn the_planner_looks_at_few_values() {
    const SERIES: u32 = 1_000;
    let pod = |i: u32| {
        let job = if i.is_multiple_of(SERIES / 10) { "rare" } else { "common" };
        Labels::from_pairs([("__name__", "up"), ("job", job), ("pod", &format!("pod-{i:04}"))])
    };
    let mut series: Vec<_> = (0..SERIES).map(pod).collect();
    series.sort_by(series_order);
    let index = IndexInMemory::build(&series);
    let counts = |matchers: &[(MatchOp, &str, &str)]| {
        let index = Counting {
            index: index.reader().unwrap(),
            scanned: Default::default(),
            filtered: Default::default(),
        };
        let matchers: Vec<_> = matchers
            .iter()
            .map(|(op, name, value)| Matcher::new(*op, name.as_bytes(), value.as_bytes()).unwrap())
            .collect();
        assert_eq!(select(&index, &matchers).unwrap(), brute_force(&series, &matchers));
        (index.scanned.get(), index.filtered.get())
    };
    assert_eq!(counts(&[(MatchOp::Regex, "pod", "pod-0001|pod-0500")]), (0, 0), "literals are looked up");
    assert_eq!(counts(&[(MatchOp::NotRegex, "pod", "pod-0001|")]), (0, 0), "and taken away from the label's");
    assert_eq!(counts(&[(MatchOp::Regex, "pod", "pod-0001|")]), (0, 0), "missing labels included");
    assert_eq!(counts(&[(MatchOp::Regex, "pod", "pod-00.*")]), (1, 0), "a prefix is a range");
    assert_eq!(counts(&[(MatchOp::Regex, "pod", ".+")]), (0, 0), "any value means: has the label");
    assert_eq!(counts(&[(MatchOp::NotRegex, "pod", ".*|x")]), (0, 0), "none means: nothing");
    assert_eq!(
        counts(&[(MatchOp::Regex, "pod", ".*5"), (MatchOp::Equal, "job", "rare")]),
        (0, 10),
        "the values of few candidates are tested, not all values"
    );
    assert_eq!(
        counts(&[(MatchOp::Regex, "pod", ".*5"), (MatchOp::Equal, "job", "none")]),
        (0, 0),
        "nothing is left to test"
    );
}
