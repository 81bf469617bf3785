//! The seeds that are run.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::{lying::PLANTED, report::Counts, run};

/// Runs the seed twice: what happened must be the same.
///
/// # Errors
/// What went wrong, and the command that replays it.
fn check(seed: u64) -> Result<Counts, String> {
    let replay = |what: String| {
        format!(
            "seed {seed}, {what}\nreplay with: KYMO_SIM_SEED={seed} cargo test -p kymo-engine --test sim one_seed"
        )
    };
    let (counts, hash) = run::run(seed, None).map_err(replay)?;
    let (_, again) = run::run(seed, None).map_err(replay)?;
    if again != hash {
        return Err(replay("another way the second time".to_owned()));
    }
    Ok(counts)
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

/// Runs seeds on all cores, to the last one. Failures are printed as they occur.
fn check_all(seeds: std::ops::Range<u64>) -> Counts {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let next = AtomicU64::new(seeds.start);
    std::thread::scope(|scope| {
        let body = || {
            let (mut counts, mut failed) = (Counts::default(), 0_u32);
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= seeds.end {
                    return (counts, failed);
                }
                match check(seed) {
                    Ok(more) => counts += more,
                    Err(error) => {
                        println!("{error}");
                        failed += 1;
                    }
                }
            }
        };
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(body)).collect();
        let (mut counts, mut failed) = (Counts::default(), 0);
        for thread in threads {
            let (more, failures) = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            counts += more;
            failed += failures;
        }
        assert_eq!(failed, 0, "seeds that failed, see above");
        counts
    })
}

#[test]
fn one_seed() {
    let seed = number("KYMO_SIM_SEED").unwrap_or(0);
    println!("seed {seed}:\n{}", check(seed).unwrap_or_else(|error| panic!("{error}")));
}

#[test]
fn fixed_seeds() {
    let first = number("KYMO_SIM_SEED").unwrap_or(1);
    let end = first + number("KYMO_SIM_SEEDS").unwrap_or(30);
    println!("seeds {first} to {}:\n{}", end - 1, check_all(first..end));
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
