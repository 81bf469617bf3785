//! The seeds that are run.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::{lying::PLANTED, report::Counts, run};

/// Runs the seed twice: what happened must be the same.
fn check(seed: u64) -> Counts {
    let replay =
        || format!("replay with: KYMO_SIM_SEED={seed} cargo test -p kymo-engine --test sim one_seed");
    let once = |()| run::run(seed, None).unwrap_or_else(|error| panic!("seed {seed}, {error}\n{}", replay()));
    let (counts, hash) = once(());
    assert_eq!(once(()).1, hash, "seed {seed} went another way the second time\n{}", replay());
    counts
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

/// Runs seeds on all cores.
fn check_all(seeds: std::ops::Range<u64>) -> Counts {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let next = AtomicU64::new(seeds.start);
    std::thread::scope(|scope| {
        let body = || {
            let mut counts = Counts::default();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= seeds.end {
                    return counts;
                }
                counts += check(seed);
            }
        };
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(body)).collect();
        threads.into_iter().fold(Counts::default(), |mut sum, thread| {
            sum += thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            sum
        })
    })
}

#[test]
fn one_seed() {
    let seed = number("KYMO_SIM_SEED").unwrap_or(0);
    println!("seed {seed}:\n{}", check(seed));
}

#[test]
fn fixed_seeds() {
    let seeds = number("KYMO_SIM_SEEDS").unwrap_or(30);
    println!("seeds 1 to {seeds}:\n{}", check_all(1..seeds + 1));
}

/// Seeds that a planted bug may take to be found.
const PLANTED_SEEDS: u64 = 40;

#[test]
fn planted_bugs_are_found() {
    for (what, lie) in PLANTED {
        let found = (1..=PLANTED_SEEDS).find_map(|seed| Some((seed, run::run(seed, Some(lie)).err()?)));
        match found {
            Some((seed, error)) => println!("{what}: seed {seed}, {error}"),
            None => panic!("{what}: not found by {PLANTED_SEEDS} seeds"),
        }
    }
}
