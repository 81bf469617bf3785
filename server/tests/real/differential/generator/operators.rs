//! Operators, matching and `fill`.

use super::{
    super::tree::{Kind, Node},
    Generator,
};

const ARITHMETIC: [&str; 7] = ["+", "-", "*", "/", "%", "^", "atan2"];
const COMPARISONS: [&str; 6] = ["==", "!=", "<", ">", "<=", ">="];
const TRIMS: [&str; 2] = ["</", ">/"];
const SETS: [&str; 3] = ["and", "or", "unless"];

impl Node {
    /// Whether its root is an operator between two sides.
    pub(super) fn is_operator(&self) -> bool {
        let operation = self.operation.as_str();
        ARITHMETIC.contains(&operation)
            || COMPARISONS.contains(&operation)
            || TRIMS.contains(&operation)
            || SETS.contains(&operation)
    }
}

impl Generator<'_> {
    pub(super) fn scalar_operator(&mut self, depth: u64) -> Node {
        let (left, right) = (self.scalar(depth).in_parentheses(), self.scalar(depth).in_parentheses());
        let is_comparison = self.one_in(3);
        let operator = self.pick(if is_comparison { &COMPARISONS[..] } else { &ARITHMETIC });
        let node = Node::new(Kind::Scalar, operator).child(left).text(format!(" {operator} "));
        let node = if is_comparison { node.text("bool ") } else { node };
        node.child(right)
    }

    pub(super) fn vector_operator(&mut self, depth: u64) -> Node {
        match self.rng.below(12) {
            0..=2 => self.with_scalar(depth),
            3 | 4 => self.alike(depth),
            5 | 6 => self.grouped_alike(depth),
            7 | 8 => self.many_to_one(depth),
            9 | 10 => self.set(depth),
            _ => self.anything(depth),
        }
    }

    fn with_scalar(&mut self, depth: u64) -> Node {
        let mut sides = [self.vector(depth), self.scalar(depth)];
        if self.one_in(3) {
            sides.swap(0, 1);
        }
        let (operator, bool) = self.operator();
        join(sides, operator, &[bool])
    }

    /// Sides with the labels of the same series.
    fn alike(&mut self, depth: u64) -> Node {
        let sides = [self.same_series(depth), self.same_series(depth)];
        let (operator, bool) = self.operator();
        let matching = match self.rng.below(4) {
            0 => format!("on ({})", self.labels().join(", ")),
            1 => "ignoring (nowhere)".to_owned(),
            _ => String::new(),
        };
        let fill = self.fill();
        join(sides, operator, &[bool, &matching, &fill])
    }

    /// Something that has one series for each series of the metric.
    fn same_series(&mut self, depth: u64) -> Node {
        const OF_RANGES: [&str; 6] =
            ["rate", "increase", "delta", "max_over_time", "count_over_time", "last_over_time"];
        const OF_VECTORS: [&str; 5] = ["abs", "ceil", "sqrt", "timestamp", "sgn"];
        let (range, vector) = (self.pick(&OF_RANGES), self.pick(&OF_VECTORS));
        match self.rng.below(3) {
            0 => self.selector(),
            1 if depth > 0 => {
                Node::new(Kind::Vector, range).text(format!("{range}(")).child(self.matrix(0)).text(")")
            }
            _ => Node::new(Kind::Vector, vector).text(format!("{vector}(")).child(self.selector()).text(")"),
        }
    }

    fn grouped_alike(&mut self, depth: u64) -> Node {
        let grouping = self.grouping();
        let mut side = |name| self.aggregate_by(name, grouping.clone().or(Some("by ()".to_owned())), depth);
        let sides = [side("sum"), side("max")];
        let (operator, bool) = self.operator();
        let fill = self.fill();
        join(sides, operator, &[bool, &fill])
    }

    fn many_to_one(&mut self, depth: u64) -> Node {
        let labels = self.label_list(2);
        let many = self.same_series(depth);
        let one = self.aggregate_by("max", Some(format!("by ({labels})")), depth);
        let (operator, bool) = self.operator();
        let matching = format!("on ({labels})");
        let copied = if self.one_in(3) { format!("({})", self.label_list(1)) } else { String::new() };
        let fill = self.fill();
        if self.one_in(2) {
            join([many, one], operator, &[bool, &matching, &format!("group_left {copied}"), &fill])
        } else {
            join([one, many], operator, &[bool, &matching, &format!("group_right {copied}"), &fill])
        }
    }

    fn set(&mut self, depth: u64) -> Node {
        let sides = [self.vector(depth), self.vector(depth)];
        let operator = self.pick(&SETS);
        let matching = match self.rng.below(3) {
            0 => format!("on ({})", self.label_list(2)),
            1 => format!("ignoring ({})", self.label_list(2)),
            _ => String::new(),
        };
        join(sides, operator, &[&matching])
    }

    /// Sides that may have nothing in common, or too much.
    fn anything(&mut self, depth: u64) -> Node {
        let sides = [self.vector(depth), self.vector(depth)];
        let (operator, bool) = self.operator();
        let word = self.pick(&["on", "ignoring"]);
        let matching = format!("{word} ({})", self.label_list(3));
        let group = self.pick(&["", "", "group_left", "group_right ()"]);
        join(sides, operator, &[bool, &matching, group])
    }

    /// An operator and perhaps `bool`.
    fn operator(&mut self) -> (&'static str, &'static str) {
        if self.language.is_ours() && self.one_in(15) {
            return (self.pick(&TRIMS), "");
        }
        if self.one_in(3) {
            return (self.pick(&COMPARISONS), if self.one_in(2) { "bool" } else { "" });
        }
        (self.pick(&ARITHMETIC), "")
    }

    fn fill(&mut self) -> String {
        if !self.language.has_fill() || !self.one_in(3) {
            return String::new();
        }
        self.pick(&[
            "fill (0)",
            "fill (-1.5)",
            "fill_left (1)",
            "fill_right (NaN)",
            "fill_left (1) fill_right (2)",
        ])
        .to_owned()
    }
}

fn join([left, right]: [Node; 2], operator: &'static str, modifiers: &[&str]) -> Node {
    let right = right.in_parentheses();
    let mut node =
        Node::new(Kind::Vector, operator).child(left.in_parentheses()).text(format!(" {operator} "));
    // `group_left` needs the `on` before it, so they can only be left out together.
    let modifiers: Vec<&str> =
        modifiers.iter().map(|text| text.trim()).filter(|text| !text.is_empty()).collect();
    let mut text = modifiers.join(" ");
    // Without labels of its own it would take the right side for its list.
    if ["group_left", "group_right"].iter().any(|word| text.ends_with(word))
        && right.to_string().starts_with('(')
    {
        text.push_str(" ()");
    }
    if !text.is_empty() {
        node = node.optional(text + " ");
    }
    node.child(right)
}
