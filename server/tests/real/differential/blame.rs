//! Finds the part of an expression that is to blame for a difference, and the smallest expression that shows it.

use super::{
    answer::{Answer, Point, When, ask, seconds},
    compare::{Difference, Order, Strictness, TOLERANCE, difference},
    referee::{OURS, Version},
    tree::{Kind, Node},
};

/// Questions that shrinking may ask.
const SHRINK_QUESTIONS_MAX: usize = 200;

/// Both servers, and a connection to them.
pub(crate) struct Servers<'a> {
    pub(crate) agent: ureq::Agent,
    pub(crate) referee: &'a str,
    pub(crate) kymo: &'a str,
    pub(crate) version: Version,
}

/// Both answers to one question.
#[derive(Debug, Clone)]
pub(crate) struct Answers {
    pub(crate) expected: Answer,
    pub(crate) found: Answer,
}

/// The innermost part of an expression that is answered differently though all that it is made of is not.
#[derive(Debug)]
pub(crate) struct Blame {
    pub(crate) node: Node,
    /// How `node` is written where `when` is not the question that it comes from.
    pub(crate) text: String,
    pub(crate) when: When,
    pub(crate) answers: Answers,
    pub(crate) difference: Difference,
    /// Its operands: their operation, and the answers to them.
    pub(crate) operands: Vec<(String, Answers)>,
}

impl Servers<'_> {
    pub(crate) fn ask(&self, expr: &str, when: When) -> Answers {
        let [expected, found] = [self.referee, self.kymo].map(|url| ask(&self.agent, url, expr, when));
        Answers { expected, found }
    }

    /// What both must agree on.
    fn strictness(&self, node: &Node) -> Strictness {
        Strictness { tolerance: TOLERANCE, notes: self.version >= OURS, order: order(node) }
    }

    pub(crate) fn difference(&self, node: &Node, answers: &Answers) -> Option<Difference> {
        difference(&answers.expected, &answers.found, self.strictness(node))
    }

    /// Follows a difference into the expression, as far down as it is to be seen.
    pub(crate) fn blame(&self, node: &Node, when: When, answers: Answers, difference: Difference) -> Blame {
        self.blame_part(node, node.to_string(), when, when, answers, difference)
    }

    fn blame_part(
        &self,
        node: &Node,
        text: String,
        when: When,
        whole: When,
        answers: Answers,
        difference: Difference,
    ) -> Blame {
        let mut operands = Vec::new();
        for child in node.children().filter(|child| child.kind != Kind::Other) {
            let when = question(node, child, when, &difference);
            let text = if when == whole { child.to_string() } else { pinned(&child.to_string(), whole) };
            let answers = self.ask(&text, when);
            if let Some(difference) = self.difference(child, &answers) {
                return self.blame_part(child, text, when, whole, answers, difference);
            }
            operands.push((child.operation.clone(), answers));
        }
        Blame { node: node.clone(), text, when, answers, difference, operands }
    }

    /// The smallest expression found for which `is_different` holds.
    pub(crate) fn shrink(&self, node: &Node, is_different: impl Fn(&Node) -> bool) -> Node {
        let mut smallest = node.clone();
        let mut questions = 0;
        'smaller: loop {
            for candidate in smallest.reductions() {
                questions += 1;
                if questions > SHRINK_QUESTIONS_MAX {
                    return smallest;
                }
                if is_different(&candidate) {
                    smallest = candidate;
                    continue 'smaller;
                }
            }
            return smallest;
        }
    }
}

impl Answers {
    /// Whether they are the same to the last bit.
    pub(crate) fn are_identical(&self) -> bool {
        are_identical(&self.expected, &self.found)
    }

    /// The largest finite number in them.
    pub(crate) fn magnitude(&self) -> f64 {
        let mut largest = 0.0_f64;
        for answer in [&self.expected, &self.found] {
            let Answer::Data(data) = answer else { continue };
            for (_, point) in data.series.iter().flat_map(|series| &series.points) {
                let numbers: &[f64] = match point {
                    Point::Float(value) => std::slice::from_ref(value),
                    Point::Histogram(numbers) => numbers,
                    Point::Text(_) => &[],
                };
                largest =
                    numbers.iter().filter(|value| value.is_finite()).fold(largest, |a, b| a.max(b.abs()));
            }
        }
        largest
    }
}

/// Whether two answers are the same to the last bit, the order of an instant vector aside.
pub(crate) fn are_identical(a: &Answer, b: &Answer) -> bool {
    difference(a, b, Strictness { tolerance: 0.0, notes: false, order: Order::Nothing }).is_none()
}

/// How to ask for a part of `node`, which was asked for by `when` and differs.
fn question(node: &Node, child: &Node, when: When, difference: &Difference) -> When {
    let at = difference.at.unwrap_or(match when {
        When::Instant { at } => at,
        When::Range { end, .. } => end,
    });
    // What is in a subquery is evaluated at the times of its points. A range cannot be asked for at each step.
    if node.operation == "subquery" || child.kind == Kind::Matrix { When::Instant { at } } else { when }
}

/// `text` with what depends on the query's times written out.
fn pinned(text: &str, when: When) -> String {
    let (start, end, step) = match when {
        When::Instant { at } => (at, at, 0),
        When::Range { start, end, step } => (start, end, step),
    };
    [("start()", start), ("end()", end), ("step()", step), ("range()", end - start)]
        .iter()
        .fold(text.to_owned(), |text, (call, ms)| text.replace(call, &seconds(*ms)))
}

/// What the order of the answer to an instant query means.
fn order(node: &Node) -> Order {
    match node.operation.as_str() {
        "sort" | "sort_desc" | "topk" | "bottomk" => Order::Values,
        "sort_by_label" | "sort_by_label_desc" => Order::Labels,
        "parentheses" => node.children().next().map_or(Order::Nothing, order),
        _ => Order::Nothing,
    }
}
