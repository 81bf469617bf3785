//! The 539 range queries of Prometheus's compliance suite for PromQL, asked of Kymo and of the referee.
//!
//! * `templates` - the 118 templates and how they are filled in
//! * `demo` - the series that they ask for
//!
//! This is a port, not the official run: the queries are those of `promql/promql-test-queries.yml` of
//! <https://github.com/prometheus/compliance>, the series are made here, and the tolerance is closer (1e-9 instead
//! of 1e-5).

mod demo;
mod templates;

use super::{
    SEED,
    answer::{Answer, When},
    blame::Servers,
    data::{self, BASE_MS},
    referee::{Features, Referee, Version},
    rules,
    tree::{Kind, Node},
};
use crate::{
    kymo::{Kymo, agent},
    process::{say, seeded_unless_told},
};

const QUERIES: usize = 539;
/// As the official run: ten minutes, every ten seconds. Half a second off what subqueries are aligned to.
const WHEN: When = When::Range { start: BASE_MS + 5_100_500, end: BASE_MS + 5_700_500, step: 10_000 };

/// Queries that the suite wants to fail, and the version since which they do not: names may be any UTF-8.
const NO_LONGER_FAILING: [(&str, Version); 2] = [
    (r#"label_replace(demo_num_cpus, "~invalid", "", "src", "(.*)")"#, (3, 0)),
    (r#"label_join(demo_num_cpus, "~invalid", "-", "instance")"#, (3, 0)),
];

#[test]
fn compliance_queries_are_answered_alike() {
    const TEST: &str = "compliance";
    let queries = templates::queries();
    assert_eq!((templates::TEMPLATES, queries.len()), (118, QUERIES));
    let dir = tempfile::tempdir().unwrap();
    let Some(referee) = Referee::start(TEST, dir.path(), &Features::default()) else { return };
    let kymo = Kymo::start(&dir.path().join("kymo"), "retention: {age_ms: 0}\n");
    let (replay, mut rng) = seeded_unless_told(TEST, SEED);
    data::write(&mut demo::series(rng.next_u64()), &[&referee.url, &kymo.url]);

    let servers =
        Servers { agent: agent(), referee: &referee.url, kymo: &kymo.url, version: referee.version };
    let mut failures = Vec::new();
    let mut explained = 0;
    for (query, should_fail) in &queries {
        match check(&servers, query, *should_fail) {
            Ok(None) => {}
            Ok(Some(rule)) => {
                explained += 1;
                say(&format!("  {rule}: {query}"));
            }
            Err(failure) => failures.push(format!("{query}\n  {failure}")),
        }
    }
    let right = QUERIES - failures.len();
    say(&format!("{TEST}: {right} of {QUERIES}, {explained} of them by a rule"));
    assert!(failures.is_empty(), "{replay}: {right} of {QUERIES}\n{}", failures.join("\n"));
}

/// The name of the rule that explains a difference, if there is one.
fn check(servers: &Servers<'_>, query: &str, should_fail: bool) -> Result<Option<&'static str>, String> {
    let operation = query.split(['(', ' ']).next().unwrap();
    let node = Node::new(Kind::Vector, operation).text(query);
    let answers = servers.ask(query, WHEN);
    let no_longer = NO_LONGER_FAILING.iter().any(|(name, since)| *name == query && servers.version >= *since);
    let fails = matches!(answers.expected, Answer::Error { .. });
    if fails != (should_fail && !no_longer) {
        return Err(format!("the referee says {:?}", answers.expected));
    }
    let Some(difference) = servers.difference(&node, &answers) else { return Ok(None) };
    let blame = servers.blame(&node, WHEN, answers, difference);
    let rule = rules::explanation(servers.version, &blame);
    rule.map(|rule| Some(rule.name)).ok_or_else(|| format!("{:?}", blame.difference))
}
