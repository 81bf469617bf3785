//! The targets side by side, and what is kept of a find.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    num::NonZero,
    panic::catch_unwind,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use crate::mutate::{Rng, input};

const USAGE: &str = "usage: smoke [SECONDS [SEED]]  run every target
       smoke replay TARGET FILE  run one target on one input
       smoke corpus              write the seeds to corpus/, for cargo-fuzz";
const SECONDS: u64 = 10;
/// An input this slow is a find: a sender could send many of them.
const INPUT_TIME_MAX: Duration = Duration::from_secs(5);

/// One decoder, or one property of it.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its file in `fuzz_targets/`.
    pub name: &'static str,
    /// Panics on a find.
    pub run: fn(&[u8]),
    /// Inputs to begin with, most of which decode.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// The program: `folder` is that of the fuzz crate.
pub fn main(folder: &str, targets: &[Target]) -> ExitCode {
    let folder = Path::new(folder);
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let ok = match args[..] {
        ["replay", target, file] => replay(targets, target, file),
        ["corpus"] => write_corpus(folder, targets),
        [] => run_all(folder, targets, SECONDS, clock_seed()),
        [seconds] => seconds.parse().is_ok_and(|seconds| run_all(folder, targets, seconds, clock_seed())),
        [seconds, seed] => match (seconds.parse(), seed.parse()) {
            (Ok(seconds), Ok(seed)) => run_all(folder, targets, seconds, seed),
            _ => usage(),
        },
        _ => usage(),
    };
    if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn usage() -> bool {
    eprintln!("{USAGE}");
    false
}

fn clock_seed() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn run_all(folder: &Path, targets: &[Target], seconds: u64, seed: u64) -> bool {
    let workers = thread::available_parallelism().map_or(1, NonZero::get).min(targets.len());
    println!("{} targets, {seconds} s each, {workers} at a time, seed {seed}", targets.len());
    let (next, finds) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(target) = targets.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if !run_one(folder, target, Duration::from_secs(seconds), seed) {
                        finds.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    finds.into_inner() == 0
}

fn run_one(folder: &Path, target: &Target, time: Duration, seed: u64) -> bool {
    let seeds = (target.seeds)();
    let mut hasher = DefaultHasher::new();
    (target.name, seed).hash(&mut hasher);
    let mut rng = Rng(hasher.finish());
    let (start, mut inputs) = (Instant::now(), 0_u64);
    for seed in &seeds {
        if !survives(folder, target, seed) {
            return false;
        }
    }
    while start.elapsed() < time {
        if !survives(folder, target, &input(&mut rng, &seeds)) {
            return false;
        }
        inputs += 1;
    }
    println!("{:24} {inputs:>10} inputs", target.name);
    true
}

fn survives(folder: &Path, target: &Target, input: &[u8]) -> bool {
    let start = Instant::now();
    let panicked = catch_unwind(|| (target.run)(input)).is_err();
    if !panicked && start.elapsed() < INPUT_TIME_MAX {
        return true;
    }
    let what = if panicked { "panic" } else { "slow" };
    match keep(&folder.join("artifacts").join(target.name), what, input) {
        Ok(file) => println!(
            "{what} in {name}: replay with\n  cargo run --release --manifest-path {manifest} --example smoke -- replay {name} {file}",
            name = target.name,
            manifest = folder.join("Cargo.toml").display(),
            file = file.display(),
        ),
        Err(error) => println!("{what} in {}, and the input was not saved: {error}", target.name),
    }
    false
}

/// Saves an input under a name that depends on nothing but itself.
fn keep(folder: &Path, prefix: &str, input: &[u8]) -> std::io::Result<PathBuf> {
    let mut hasher = DefaultHasher::new();
    input.hash(&mut hasher);
    fs::create_dir_all(folder)?;
    let file = folder.join(format!("{prefix}-{:016x}", hasher.finish()));
    fs::write(&file, input)?;
    Ok(file)
}

fn replay(targets: &[Target], name: &str, file: &str) -> bool {
    let (Some(target), Ok(input)) = (targets.iter().find(|target| target.name == name), fs::read(file))
    else {
        eprintln!("no target {name}, or no file {file}");
        return false;
    };
    (target.run)(&input);
    println!("{name} survives {file}");
    true
}

fn write_corpus(folder: &Path, targets: &[Target]) -> bool {
    let files = targets.iter().flat_map(|target| {
        (target.seeds)().into_iter().map(|seed| keep(&folder.join("corpus").join(target.name), "seed", &seed))
    });
    let written = files.collect::<Result<Vec<_>, _>>();
    written
        .map(|files| println!("{} seeds written", files.len()))
        .inspect_err(|error| eprintln!("{error}"))
        .is_ok()
}
