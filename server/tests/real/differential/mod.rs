//! Random expressions, asked of Kymo and of a real Prometheus: the referee.
//!
//! * `referee` - the other server: which, what it knows, how it starts
//! * `recording`, `made` - the series that both get: recorded ones, and odd ones; `data` - how they get them
//! * `generator` - random expressions; `tree` - what they are made of
//! * `answer`, `compare` - questions, answers, whether two say the same
//! * `blame` - the part of an expression that is to blame, and the smallest one that shows it
//! * `rules` - known changes between the referee's version and 3.14
//! * `compliance` - the queries of the compliance suite, asked likewise
//! * `run` - asks many questions and reports
//!
//! Nothing depends on the clock: seed and number of an expression say what is asked, about which data.

mod answer;
mod blame;
mod compare;
mod compliance;
mod data;
mod generator;
mod made;
mod recording;
mod referee;
mod rules;
mod run;
mod tree;

use std::path::Path;

use crate::{
    kymo::Kymo,
    process::{say, seeded_unless_told},
};

use generator::Language;
use referee::{Features, OURS, Referee};
use run::Run;

/// The seed unless another one is given: a change is not to fail because of what it did not touch.
const SEED: u64 = 1;
/// The archive of recorded `/metrics` pages.
const RECORDING: &str = "KYMO_RECORDING";

#[test]
fn random_expressions_are_answered_alike() {
    const TEST: &str = "differential";
    let Some(recording) = std::env::var_os(RECORDING) else {
        return say(&format!("SKIPPED {TEST}: {RECORDING} names no recording"));
    };
    let dir = tempfile::tempdir().unwrap();
    let features = Features::from_env();
    let Some(referee) = Referee::start(TEST, dir.path(), &features) else { return };
    let kymo =
        Kymo::start(&dir.path().join("kymo"), &format!("retention: {{age_ms: 0}}\n{}", features.config()));
    let (replay, mut rng) = seeded_unless_told(TEST, SEED);
    let language = Language { version: referee.version, features };

    let mut series = recording::read(Path::new(&recording));
    let edges = if language.may_meet_edges() { made::Edges::Met } else { made::Edges::Avoided };
    series.extend(made::floats(rng.next_u64(), edges));
    if language.version >= OURS {
        series.extend(made::histograms(rng.next_u64()));
    }
    data::write(&mut series, &[&referee.url, &kymo.url]);
    let vocabulary = made::vocabulary(&series);
    Run::new(&replay, rng.next_u64(), &language, &vocabulary).finish(&referee.url, &kymo.url);
}
