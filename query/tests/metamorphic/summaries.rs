//! Chunk summaries on and off.

use std::{cell::RefCell, rc::Rc};

use kymo_engine::ChunkSummary;
use kymo_query::{EngineOptions, EvalOptions, QueryEngine};
use proptest::{prelude::*, test_runner::FileFailurePersistence};

use crate::{
    compare::difference,
    query::{self, FUNCTIONS, Query},
    source::{Mode, Watched},
    store::{self, Store},
};

fn config() -> ProptestConfig {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../proptest-regressions/query/summaries.txt");
    ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(path))),
        // A case is a store of three weeks and many queries.
        cases: 4,
        max_shrink_iters: 64,
        ..ProptestConfig::default()
    }
}

fn engine() -> QueryEngine {
    let eval = EvalOptions { per_step_stats: true, ..EvalOptions::default() };
    QueryEngine::new(EngineOptions { eval, ..EngineOptions::default() })
}

/// How the answer with summaries differs from that without, and how many summaries were used.
fn run(store: &Store, query: &Query, mode: Mode) -> (Result<(), String>, usize) {
    let off = Watched::new(store.source(), Mode::Off);
    let on = Watched::new(store.source(), mode);
    let expected = query.run(&engine(), &off).unwrap();
    let found = query.run(&engine(), &on).unwrap();
    assert_eq!(off.used(), 0);
    (difference(&expected, &found, query, store), on.used())
}

/// The store of a seed. The last one is kept, for all the queries that are tried when one has failed.
fn store_of(seed: u64) -> Rc<Store> {
    thread_local! {
        static LAST: RefCell<Option<(u64, Rc<Store>)>> = const { RefCell::new(None) };
    }
    LAST.with_borrow_mut(|last| match last {
        Some((of, store)) if *of == seed => Rc::clone(store),
        _ => {
            let store = Rc::new(Store::new(seed));
            *last = Some((seed, Rc::clone(&store)));
            store
        }
    })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn answers_with_and_without_summaries_agree(
        // Not shrunk: a store takes long to make, and another seed is another store, not a smaller one.
        seed in any::<u64>().no_shrink(),
        queries in prop::collection::vec(query::query(), 80),
    ) {
        let store = store_of(seed);
        let mut used = vec![0; FUNCTIONS.len()];
        for query in &queries {
            let (outcome, summaries) = run(&store, query, Mode::On);
            used[query.function] += summaries;
            prop_assert!(outcome.is_ok(), "{query}: {}", outcome.unwrap_err());
        }
        prop_assert!(used.iter().sum::<usize>() > queries.len(), "few summaries were used: {used:?}");
    }
}

#[test]
fn every_function_uses_summaries_of_every_level() {
    let store = Store::new(1);
    for function in 0..FUNCTIONS.len() {
        // Nearly all of the time of the store, in one window and in several.
        for (steps, step, least) in [(1, 1, 10), (5, store::DAY_MS, 1)] {
            let query = Query::over(function, 18 * store::DAY_MS, store::END_MS - steps * step, step, steps);
            let (outcome, used) = run(&store, &query, Mode::On);
            assert_eq!(outcome, Ok(()), "{query}");
            assert!(used >= least, "{query}: {used} summaries were used");
        }
    }
    let levels = store.levels();
    assert!([1, 2, 3].iter().all(|level| levels.contains(level)), "blocks are of levels {levels:?}");
}

#[test]
fn a_summary_that_lies_is_seen() {
    type Lie = fn(&mut ChunkSummary);
    let count: Lie = |summary| summary.count += 1;
    let least: Lie = |summary| summary.min -= 1e9;
    let largest: Lie = |summary| summary.max += 1e9;
    let first: Lie = |summary| summary.first -= 1e9;
    let last: Lie = |summary| summary.last += 1e9;
    let sum: Lie = |summary| summary.sum += 1e-9 * summary.sum.abs().max(1.0);
    let resets: Lie = |summary| summary.resets += 1;
    let changes: Lie = |summary| summary.changes += 1;
    let store = Store::new(2);
    for (name, lies) in [
        ("count_over_time", &[count][..]),
        ("sum_over_time", &[sum]),
        ("avg_over_time", &[sum, count]),
        ("min_over_time", &[least]),
        ("max_over_time", &[largest]),
        ("resets", &[resets]),
        ("changes", &[changes]),
        ("rate", &[count, first, last]),
        ("increase", &[count, first, last]),
        ("delta", &[count, first, last]),
    ] {
        let function = FUNCTIONS.iter().position(|function| *function == name).unwrap();
        // From before the first sample to the end of a block, so that there are chunks at the ends of the window.
        let query = Query::over(function, 25 * store::DAY_MS, 80 * store::DAY_MS - 1, 1, 1);
        for lie in lies {
            let (outcome, used) = run(&store, &query, Mode::Lie(*lie));
            assert!(outcome.is_err(), "{name} did not mind a wrong summary of {used}");
        }
    }
}
