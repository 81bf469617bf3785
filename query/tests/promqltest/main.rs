//! Runs acceptance scripts: Prometheus's own, where they are at hand, and the project's.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use kymo_query::{
    EngineOptions, QueryEngine,
    testing::{EngineStorage, MemoryStorage, Placement, Report, TestStorage, acceptance_options, run_script},
};

/// Cases in Prometheus's scripts.
const CASES: usize = 2_214;

/// Cases that pass. May only go up.
const PASSED_MIN: usize = CASES;

/// Scripts of a directory, sorted.
#[expect(clippy::disallowed_methods, reason = "scripts lie outside of any engine")]
fn scripts(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).expect("the directory of scripts is readable");
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "test"));
    paths.sort();
    paths
}

#[expect(clippy::disallowed_methods, reason = "scripts lie outside of any engine")]
fn run(path: &Path, options: EngineOptions, storage: NewStorage) -> Result<Report, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    run_script(&text, &QueryEngine::new(options), &mut || storage())
}

/// Makes an empty storage.
type NewStorage = fn() -> Box<dyn TestStorage>;

/// Says something also where the test harness keeps the output of tests that pass.
fn say(text: &str) {
    // Not seen where there is nobody to see it.
    drop(writeln!(std::io::stderr(), "{text}"));
}

#[test]
fn prometheus_acceptance_scripts() {
    acceptance("rows in memory", || Box::new(MemoryStorage::default()));
}

#[test]
fn prometheus_acceptance_scripts_in_the_head() {
    acceptance("the engine's head", || Box::new(EngineStorage::new(Placement::Head)));
}

#[test]
fn prometheus_acceptance_scripts_in_blocks() {
    acceptance("the engine's blocks", || Box::new(EngineStorage::new(Placement::Blocks)));
}

#[test]
fn prometheus_acceptance_scripts_in_compacted_blocks() {
    acceptance("the engine's compacted blocks", || Box::new(EngineStorage::new(Placement::CompactedBlocks)));
}

fn acceptance(place: &str, storage: NewStorage) {
    let Some(directory) = std::env::var_os("KYMO_PROMQLTEST_DIR") else {
        say("skipped: KYMO_PROMQLTEST_DIR does not name the directory of Prometheus's scripts");
        return;
    };
    let (mut cases, mut passed) = (0, 0);
    for path in scripts(Path::new(&directory)) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match run(&path, acceptance_options(), storage) {
            Err(error) => say(&format!("{name}: {error}")),
            Ok(report) => {
                cases += report.cases;
                passed += report.passed();
                for failure in report.failures {
                    say(&format!("{name}:{}: {}\n    {}", failure.line, failure.query, failure.reason));
                }
            }
        }
    }
    say(&format!("{place}: passed {passed} of {CASES}"));
    assert!(cases > 0, "no case in {}", Path::new(&directory).display());
    assert!(passed >= PASSED_MIN, "passed {passed}, fewer than before");
}

#[test]
fn own_scripts() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts/promql");
    let (mut cases, mut failures) = (0, Vec::new());
    for path in scripts(&directory) {
        let report = run(&path, EngineOptions::default(), || Box::new(MemoryStorage::default()))
            .expect("own scripts parse");
        cases += report.cases;
        failures.extend(report.failures.into_iter().map(|failure| (path.clone(), failure)));
    }
    assert!(cases > 0, "no case in {}", directory.display());
    assert!(failures.is_empty(), "{failures:#?}");
}
