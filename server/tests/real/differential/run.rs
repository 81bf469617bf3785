//! Asks many questions, several at once, and reports.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};

use kymo_engine::Rng;
use parking_lot::Mutex;

use crate::{kymo::agent, process::say};

use super::{
    answer::{Answer, When},
    blame::{Answers, Blame, Servers, are_identical},
    data::BASE_MS,
    generator::{Generator, Language, Vocabulary},
    referee, rules,
    tree::Node,
};

/// Number of expressions.
const EXPRESSIONS: &str = "KYMO_EXPRESSIONS";
/// The one expression to ask for.
const EXPRESSION: &str = "KYMO_EXPRESSION";

const EXPRESSIONS_DEFAULT: u64 = 10_000;
const WORKERS: usize = 4;
/// Failures after which a run ends, and those that are shown in full.
const FAILURES_MAX: usize = 40;
const SHRUNK_MAX: usize = 5;
const STEPS: i64 = 19;
/// A rule about more than one answer: the order of a hash table decides.
const UNDECIDED: &str = "undecided";
const UNDECIDED_ASKED: usize = 20;

/// All questions of a test and what came of them.
pub(crate) struct Run<'a> {
    replay: &'a str,
    seed: u64,
    language: &'a Language,
    vocabulary: &'a Vocabulary,
    next: AtomicU64,
    end: u64,
    /// Whether there are enough questions to expect something of all of them together.
    is_full: bool,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    answered: u64,
    empty: u64,
    errors: u64,
    rules: BTreeMap<&'static str, u64>,
    /// Answers that tell something, by the operations in the expression.
    operations: BTreeMap<String, u64>,
    failures: Vec<String>,
}

impl<'a> Run<'a> {
    pub(crate) fn new(
        replay: &'a str,
        seed: u64,
        language: &'a Language,
        vocabulary: &'a Vocabulary,
    ) -> Self {
        let number = |name: &str| std::env::var(name).ok().map(|number| number.parse::<u64>().unwrap());
        let (first, end) = match number(EXPRESSION) {
            Some(one) => (one, one + 1),
            None => (0, number(EXPRESSIONS).unwrap_or(EXPRESSIONS_DEFAULT)),
        };
        let is_full = end - first >= EXPRESSIONS_DEFAULT;
        let (next, counts) = (AtomicU64::new(first), Mutex::default());
        Self { replay, seed, language, vocabulary, next, end, is_full, counts }
    }

    /// Asks all of it, and fails if there is a difference that no rule explains.
    pub(crate) fn finish(self, referee_url: &str, kymo: &str) {
        std::thread::scope(|scope| {
            for _ in 0..WORKERS {
                scope.spawn(|| {
                    let servers = Servers {
                        agent: agent(),
                        referee: referee_url,
                        kymo,
                        version: self.language.version,
                    };
                    self.work(&servers);
                });
            }
        });
        let is_full = self.is_full;
        let counts = self.counts.into_inner();
        say(&format!(
            "{}: {} answers that tell something, {} empty, {} errors",
            self.replay, counts.answered, counts.empty, counts.errors
        ));
        for (rule, count) in &counts.rules {
            say(&format!("  {count} times: {rule}"));
        }
        let failures = &counts.failures;
        assert!(failures.is_empty(), "{} differences\n\n{}", failures.len(), failures.join("\n\n"));
        if is_full {
            counts.check(self.language);
        }
    }

    fn work(&self, servers: &Servers<'_>) {
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.end || self.counts.lock().failures.len() >= FAILURES_MAX {
                return;
            }
            let mut rng = Rng::new(Rng::new(self.seed ^ number).next_u64());
            let times = [instant(&mut rng, self.language), range(&mut rng, self.language)];
            let node = Generator::new(rng, self.language, self.vocabulary).expression();
            for when in times {
                self.check(servers, number, &node, when);
            }
        }
    }

    fn check(&self, servers: &Servers<'_>, number: u64, node: &Node, when: When) {
        let answers = servers.ask(&node.to_string(), when);
        self.counts.lock().count(node, &answers);
        let Some(difference) = servers.difference(node, &answers) else { return };
        let blame = servers.blame(node, when, answers.clone(), difference);
        if let Some(rule) = rules::explanation(self.language.version, &blame) {
            *self.counts.lock().rules.entry(rule.name).or_default() += 1;
        } else if self.is_undecided(servers, node, when, &answers) {
            *self.counts.lock().rules.entry(UNDECIDED).or_default() += 1;
        } else {
            let is_full = self.counts.lock().failures.len() < SHRUNK_MAX;
            let failure = self.failure(servers, number, node, when, &blame, is_full);
            self.counts.lock().failures.push(failure);
        }
    }

    /// Whether the referee changes its mind from call to call until it agrees or a rule explains why not, while
    /// Kymo keeps to its answer.
    fn is_undecided(&self, servers: &Servers<'_>, node: &Node, when: When, first: &Answers) -> bool {
        for _ in 0..UNDECIDED_ASKED {
            let answers = servers.ask(&node.to_string(), when);
            if !are_identical(&first.found, &answers.found) {
                return false;
            }
            if are_identical(&first.expected, &answers.expected) {
                continue;
            }
            let Some(difference) = servers.difference(node, &answers) else { return true };
            let blame = servers.blame(node, when, answers, difference);
            if rules::explanation(self.language.version, &blame).is_some() {
                return true;
            }
        }
        false
    }

    fn failure(
        &self,
        servers: &Servers<'_>,
        number: u64,
        node: &Node,
        when: When,
        blame: &Blame,
        is_full: bool,
    ) -> String {
        let mut text = format!(
            "expression {number}: {node}\n  {when}\n  {:?}: {}\n  to blame: {}\n  {}\n",
            blame.difference.how, blame.difference.text, blame.text, blame.when
        );
        if is_full {
            let is_different = |candidate: &Node| {
                let answers = servers.ask(&candidate.to_string(), when);
                servers.difference(candidate, &answers).is_some_and(|difference| {
                    let blame = servers.blame(candidate, when, answers, difference);
                    rules::explanation(self.language.version, &blame).is_none()
                })
            };
            let smallest = servers.shrink(node, is_different);
            text.push_str(&format!(
                "  smallest: {smallest}\n{}\n",
                shown(&servers.ask(&smallest.to_string(), when))
            ));
            for (operation, answers) in &blame.operands {
                text.push_str(&format!("  operand {operation}:\n{}\n", shown(answers)));
            }
        }
        let seed = self.replay.rsplit(' ').next().unwrap();
        text + &format!(
            "  replay: {}{seed} {EXPRESSION}={number} cargo test -p kymo-server --test real differential",
            referee::environment()
        )
    }
}

impl Counts {
    fn count(&mut self, node: &Node, answers: &Answers) {
        match &answers.expected {
            Answer::Error { .. } => self.errors += 1,
            Answer::Data(data) if data.series.is_empty() => self.empty += 1,
            Answer::Data(_) => {
                self.answered += 1;
                let operations = &mut self.operations;
                visit(node, &mut |node| *operations.entry(node.operation.clone()).or_default() += 1);
            }
        }
    }

    /// The questions were worth asking.
    fn check(&self, language: &Language) {
        let all = self.answered + self.empty + self.errors;
        assert!(self.answered * 2 > all, "fewer than half of the answers tell anything: {self:?}");
        let untold: Vec<_> =
            language.functions().filter(|function| !self.operations.contains_key(function.name)).collect();
        assert!(untold.is_empty(), "no answer tells anything of {untold:?}");
    }
}

fn visit(node: &Node, see: &mut impl FnMut(&Node)) {
    see(node);
    node.children().for_each(|child| visit(child, see));
}

/// Where a question of 2.42 may be: half a second off the grid of subqueries.
fn moment(rng: &mut Rng, language: &Language) -> i64 {
    let half = if language.may_meet_edges() && rng.below(2) == 0 { 0 } else { 500 };
    BASE_MS + i64::try_from(300 + rng.below(1260)).unwrap() * 1000 + half
}

fn instant(rng: &mut Rng, language: &Language) -> When {
    When::Instant { at: moment(rng, language) }
}

fn range(rng: &mut Rng, language: &Language) -> When {
    const STEPS_S: [i64; 7] = [1, 5, 15, 17, 30, 60, 120];
    let step = STEPS_S[usize::try_from(rng.below(7)).unwrap()] * 1000;
    let start = moment(rng, language);
    When::Range { start, end: start + STEPS * step, step }
}

fn shown(answers: &Answers) -> String {
    let one = |answer: &Answer| {
        let text = match answer {
            Answer::Error { status, kind, text } => format!("{status} {kind}: {text}"),
            Answer::Data(data) => {
                let series: Vec<_> = data
                    .series
                    .iter()
                    .map(|series| format!("{} {:?}", series.labels, series.points))
                    .collect();
                format!(
                    "{}\n      {}\n      {}",
                    data.result_type,
                    series.join("\n      "),
                    data.notes.join("\n      ")
                )
            }
        };
        text.chars().take(4000).collect::<String>()
    };
    format!("    expected {}\n    found    {}", one(&answers.expected), one(&answers.found))
}
