//! Expressions as trees of text: what is generated, taken apart to blame a part, and cut down to show a difference.

use std::fmt;

/// Type of an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Scalar,
    Vector,
    Matrix,
    /// An argument that is no expression of its own: a string, the selector of `info`.
    Other,
}

/// An expression: `operation` names what its root does, as it is written (`rate`, `+`, `sum`) or, where nothing is
/// written, `selector`, `number`, `range`, `subquery`, `parentheses`.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) operation: String,
    pub(crate) parts: Vec<Part>,
}

/// A piece of an expression.
#[derive(Debug, Clone)]
pub(crate) enum Part {
    Text(String),
    /// Text without which the expression is still one.
    Optional(String),
    Child(Node),
}

impl Node {
    pub(crate) fn new(kind: Kind, operation: impl Into<String>) -> Self {
        Self { kind, operation: operation.into(), parts: Vec::new() }
    }

    pub(crate) fn text(mut self, text: impl Into<String>) -> Self {
        self.parts.push(Part::Text(text.into()));
        self
    }

    pub(crate) fn optional(mut self, text: impl Into<String>) -> Self {
        self.parts.push(Part::Optional(text.into()));
        self
    }

    pub(crate) fn child(mut self, child: Self) -> Self {
        self.parts.push(Part::Child(child));
        self
    }

    pub(crate) fn children(&self) -> impl Iterator<Item = &Self> {
        self.parts.iter().filter_map(|part| match part {
            Part::Child(child) => Some(child),
            Part::Text(_) | Part::Optional(_) => None,
        })
    }

    /// Whether this or anything below satisfies `is`.
    pub(crate) fn any(&self, is: &dyn Fn(&Self) -> bool) -> bool {
        is(self) || self.children().any(|child| child.any(is))
    }

    /// Expressions with one thing less, the smallest first as far as that is known.
    pub(crate) fn reductions(&self) -> Vec<Self> {
        let mut found = Vec::new();
        self.descendants(self.kind, &mut found);
        found.extend(self.children().filter(|child| child.can_stand_alone()).cloned());
        self.reduce_parts(&mut found);
        found.sort_by_key(|node| node.to_string().len());
        found
    }

    /// Whether it can be asked for as a range query.
    fn can_stand_alone(&self) -> bool {
        matches!(self.kind, Kind::Scalar | Kind::Vector)
    }

    fn descendants(&self, kind: Kind, found: &mut Vec<Self>) {
        for child in self.children() {
            if child.kind == kind {
                found.push(child.clone());
            }
            child.descendants(kind, found);
        }
    }

    fn reduce_parts(&self, found: &mut Vec<Self>) {
        for (i, part) in self.parts.iter().enumerate() {
            let with = |part: Option<Part>| {
                let mut node = self.clone();
                node.parts.splice(i..=i, part);
                node
            };
            match part {
                Part::Text(_) => {}
                Part::Optional(_) => found.push(with(None)),
                Part::Child(child) => {
                    let mut smaller = Vec::new();
                    child.descendants(child.kind, &mut smaller);
                    child.reduce_parts(&mut smaller);
                    found.extend(smaller.into_iter().map(|child| with(Some(Part::Child(child)))));
                }
            }
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| match part {
            Part::Text(text) | Part::Optional(text) => f.write_str(text),
            Part::Child(child) => child.fmt(f),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reductions_leave_one_thing_out() {
        let selector = Node::new(Kind::Vector, "selector").text("x").optional(" offset 5m");
        let abs = Node::new(Kind::Vector, "abs").text("abs(").child(selector).text(")");
        let sum =
            Node::new(Kind::Vector, "sum").text("sum").optional(" by (a)").text("(").child(abs).text(")");
        assert_eq!(sum.to_string(), "sum by (a)(abs(x offset 5m))");
        let texts: Vec<String> = sum.reductions().iter().map(Node::to_string).collect();
        assert_eq!(
            texts,
            [
                "x offset 5m",
                "abs(x offset 5m)",
                "abs(x offset 5m)",
                "sum by (a)(abs(x))",
                "sum(abs(x offset 5m))",
                "sum by (a)(x offset 5m)",
            ]
        );
        assert!(sum.any(&|node| node.operation == "selector"));
    }
}
