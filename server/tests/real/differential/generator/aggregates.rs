//! Aggregations.

use super::{
    super::tree::{Kind, Node},
    Generator,
};

const PLAIN: [&str; 8] = ["sum", "avg", "count", "min", "max", "group", "stddev", "stdvar"];
/// With a parameter, which stands first.
const WITH_PARAMETER: [&str; 4] = ["topk", "bottomk", "quantile", "count_values"];
const EXPERIMENTAL: [&str; 2] = ["limitk", "limit_ratio"];

impl Generator<'_> {
    pub(super) fn aggregate(&mut self, depth: u64) -> Node {
        let name = if !self.one_in(3) {
            self.pick(&PLAIN)
        } else if self.language.has_experimental_functions() && self.one_in(3) {
            self.pick(&EXPERIMENTAL)
        } else {
            self.pick(&WITH_PARAMETER)
        };
        self.aggregate_by(name, None, depth)
    }

    /// An aggregation with a given or a random grouping.
    pub(super) fn aggregate_by(&mut self, name: &'static str, grouping: Option<String>, depth: u64) -> Node {
        let grouping = grouping.or_else(|| self.grouping());
        let spelled = if self.one_in(20) { name.to_uppercase() } else { name.to_owned() };
        let is_last = grouping.is_some() && self.one_in(5);
        let mut node = Node::new(Kind::Vector, name).text(spelled);
        if let (Some(grouping), false) = (&grouping, is_last) {
            node = node.optional(format!(" {grouping} "));
        }
        node = node.text("(");
        if let Some(parameter) = self.parameter(name, depth) {
            node = node.child(parameter).text(", ");
        }
        node = node.child(self.vector(depth)).text(")");
        if let (Some(grouping), true) = (&grouping, is_last) {
            node = node.optional(format!(" {grouping}"));
        }
        node
    }

    pub(super) fn grouping(&mut self) -> Option<String> {
        let word = match self.rng.below(6) {
            0 => return None,
            1..=3 => "by",
            _ => "without",
        };
        Some(format!("{word} ({})", self.label_list(3)))
    }

    fn parameter(&mut self, name: &str, depth: u64) -> Option<Node> {
        let number = |text: &str| Node::new(Kind::Scalar, "number").text(text);
        match name {
            "count_values" => {
                let label = self.pick(&[r#""value""#, r#""instance""#, r#""job""#]);
                Some(Node::new(Kind::Other, "string").text(label))
            }
            _ if PLAIN.contains(&name) => None,
            _ if self.one_in(8) => Some(self.scalar(depth)),
            "quantile" => Some(number(self.pick(&["0.5", "0.9", "0", "1", "0.333", "1.5", "-1", "NaN"]))),
            "limit_ratio" => Some(number(self.pick(&["0.5", "-0.5", "0.25", "1", "-1", "0", "1.1"]))),
            _ => Some(number(self.pick(&["1", "2", "3", "5", "0", "-1", "2.7", "100"]))),
        }
    }
}
