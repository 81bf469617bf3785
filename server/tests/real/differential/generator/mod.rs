//! Random expressions: valid in the referee's language, and about the series that both servers have.
//!
//! * `language` - what the referee knows, by version and features
//! * `selectors` - selectors, ranges, subqueries, `offset` and `@`
//! * `calls` - functions, from the parser's table
//! * `aggregates` - aggregations
//! * `operators` - operators, matching and `fill`
//!
//! An expression sticks to one metric most of the time: sides that have nothing in common answer nothing.

mod aggregates;
mod calls;
mod language;
mod operators;
mod selectors;

use std::collections::BTreeMap;

use kymo_engine::Rng;

use super::tree::{Kind, Node};

pub(crate) use language::Language;

/// Values by label, by metric.
pub(crate) type Vocabulary = BTreeMap<String, BTreeMap<String, Vec<String>>>;

const DEPTH_MAX: u64 = 4;
const NUMBERS: [&str; 16] = [
    "0", "1", "2", "3", "0.5", "0.9", "-1", "10", "1e3", "0.01", "1.5", "100", "0x10", "Inf", "NaN", "-0.25",
];

/// Makes one expression.
pub(crate) struct Generator<'a> {
    rng: Rng,
    language: &'a Language,
    vocabulary: &'a Vocabulary,
    /// The metric that the expression is mostly about.
    metric: &'a str,
}

impl<'a> Generator<'a> {
    pub(crate) fn new(rng: Rng, language: &'a Language, vocabulary: &'a Vocabulary) -> Self {
        let mut generator = Self { rng, language, vocabulary, metric: "" };
        generator.change_metric();
        generator
    }

    /// An expression that a range query can be made of.
    pub(crate) fn expression(&mut self) -> Node {
        let depth = 1 + self.rng.below(DEPTH_MAX);
        if self.one_in(25) { self.scalar(depth) } else { self.vector(depth) }
    }

    fn of_kind(&mut self, kind: Kind, depth: u64) -> Node {
        match kind {
            Kind::Scalar => self.scalar(depth),
            Kind::Vector => self.vector(depth),
            Kind::Matrix => self.matrix(depth),
            Kind::Other => Node::new(Kind::Other, "string").text(r#""a""#),
        }
    }

    fn vector(&mut self, depth: u64) -> Node {
        if self.one_in(12) {
            self.change_metric();
        }
        let Some(below) = depth.checked_sub(1) else { return self.selector() };
        match self.rng.below(20) {
            0 | 1 => self.selector(),
            2..=9 => self.call(Kind::Vector, below),
            10..=13 => self.aggregate(below),
            14..=18 => self.vector_operator(below),
            _ => self.wrapped(Kind::Vector, below),
        }
    }

    fn scalar(&mut self, depth: u64) -> Node {
        let Some(below) = depth.checked_sub(1) else { return self.number() };
        match self.rng.below(12) {
            0..=4 => self.number(),
            5..=8 => self.call(Kind::Scalar, below),
            9 | 10 => self.scalar_operator(below),
            _ => self.wrapped(Kind::Scalar, below),
        }
    }

    fn number(&mut self) -> Node {
        let text = if self.language.has_durations_as_numbers() && self.one_in(8) {
            self.pick(&["1m30s", "5s", "1_000", "1h"])
        } else {
            self.pick(&NUMBERS)
        };
        Node::new(Kind::Scalar, "number").text(text)
    }

    /// A sign or parentheses.
    fn wrapped(&mut self, kind: Kind, depth: u64) -> Node {
        let child = self.of_kind(kind, depth);
        match self.rng.below(3) {
            0 => Node::new(kind, "parentheses").text("(").child(child).text(")"),
            1 => Node::new(kind, "unary -").text("-").child(child.in_parentheses()),
            _ => Node::new(kind, "unary +").text("+").child(child.in_parentheses()),
        }
    }

    fn change_metric(&mut self) {
        let vocabulary = self.vocabulary;
        let place = usize::try_from(self.rng.below(vocabulary.len() as u64)).unwrap();
        self.metric = vocabulary.keys().nth(place).unwrap();
    }

    /// Labels of the metric.
    fn labels(&self) -> Vec<&'a str> {
        self.vocabulary[self.metric].keys().map(String::as_str).collect()
    }

    /// A list of labels to group by or to match on, which may be empty.
    fn label_list(&mut self, count_max: u64) -> String {
        let mut labels = self.labels();
        if self.one_in(10) {
            labels.push("nowhere");
        }
        if self.one_in(20) {
            labels.push("__name__");
        }
        let count = self.rng.below(count_max + 1);
        let mut chosen: Vec<&str> = Vec::new();
        for _ in 0..count {
            let label = self.pick(&labels);
            if !chosen.contains(&label) {
                chosen.push(label);
            }
        }
        chosen.join(", ")
    }

    fn one_in(&mut self, bound: u64) -> bool {
        self.rng.below(bound) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.rng.below(from.len() as u64)).unwrap()]
    }
}

impl Node {
    /// Itself, or in parentheses where an operator beside it would tear it apart.
    fn in_parentheses(self) -> Self {
        let is_closed = matches!(self.operation.as_str(), "selector" | "number" | "parentheses")
            || self
                .parts
                .last()
                .is_some_and(|part| matches!(part, super::tree::Part::Text(text) if text == ")"));
        if is_closed && !self.operation.starts_with("unary") && !self.is_operator() {
            return self;
        }
        Self::new(self.kind, "parentheses").text("(").child(self).text(")")
    }
}
