//! Selectors, ranges, subqueries, `offset` and `@`.

use super::{
    super::{
        data::BASE_MS,
        tree::{Kind, Node},
    },
    Generator,
};

const RANGES: [&str; 8] = ["20s", "45s", "1m", "1m30s", "2m", "5m", "7m", "10m"];
const STEPS: [&str; 6] = ["", "10s", "15s", "30s", "1m", "47s"];
const OFFSETS: [&str; 8] = ["5s", "30s", "1m", "3m", "10m", "-30s", "-2m", "1h"];

impl Generator<'_> {
    pub(super) fn selector(&mut self) -> Node {
        let mut node = self.bare_selector(Kind::Vector, "selector");
        if self.language.has_extended_ranges() && self.one_in(12) {
            node = node.optional(self.pick(&[" smoothed", " anchored"]));
        }
        self.modifiers(node, 12)
    }

    pub(super) fn matrix(&mut self, depth: u64) -> Node {
        if depth > 0 && self.one_in(4) {
            return self.subquery(depth - 1);
        }
        let range = self.range();
        let mut node = self.bare_selector(Kind::Matrix, "range").text(format!("[{range}]"));
        if self.language.has_extended_ranges() && self.one_in(6) {
            node = node.optional(self.pick(&[" smoothed", " anchored"]));
        }
        self.modifiers(node, 10)
    }

    fn subquery(&mut self, depth: u64) -> Node {
        let child = self.vector(depth).in_parentheses();
        let (mut range, step) = (self.range(), self.pick(&STEPS));
        if !self.language.may_meet_edges() {
            // What is inside is evaluated at multiples of the step: then the range must not reach to one.
            range.push_str("250ms");
        }
        let node = Node::new(Kind::Matrix, "subquery").child(child).text(format!("[{range}:{step}]"));
        self.modifiers(node, 10)
    }

    fn range(&mut self) -> String {
        let range = self.pick(&RANGES);
        if self.language.is_ours() && self.one_in(10) {
            return self
                .pick(&["90", "1m + 15s", "step() * 4", "max_of(step(), 1m)", "2 * 40s", "2m - 0.5"])
                .to_owned();
        }
        range.to_owned()
    }

    /// Adds `offset` and `@`, each once in so many times.
    fn modifiers(&mut self, mut node: Node, once_in: u64) -> Node {
        if self.one_in(once_in) {
            let offset = if self.language.is_ours() && self.one_in(5) {
                self.pick(&["(10s + 20)", "step()", "-90", "(2m / 4)"])
            } else {
                self.pick(&OFFSETS)
            };
            node = node.optional(format!(" offset {offset}"));
        }
        if self.one_in(once_in * 2) {
            let at = match self.rng.below(3) {
                0 => "start()".to_owned(),
                1 => "end()".to_owned(),
                _ => self.time(),
            };
            node = node.optional(format!(" @ {at}"));
        }
        node
    }

    fn time(&mut self) -> String {
        let second = BASE_MS / 1000 + i64::try_from(self.rng.below(1600)).unwrap();
        let fraction = if self.language.may_meet_edges() { self.pick(&["", ".5"]) } else { ".125" };
        format!("{second}{fraction}")
    }

    pub(super) fn bare_selector(&mut self, kind: Kind, operation: &str) -> Node {
        let matchers = self.matchers();
        let node = Node::new(kind, operation);
        match self.rng.below(20) {
            0 => node.text(format!(r#"{{__name__="{}"{}}}"#, self.metric, in_list(&matchers))),
            1 => {
                let first = self.metric;
                self.change_metric();
                node.text(format!(r#"{{__name__=~"{first}|{}"{}}}"#, self.metric, in_list(&matchers)))
            }
            2 if self.language.may_meet_edges() => {
                node.text(format!(r#"{{"{}"{}}}"#, self.metric, in_list(&matchers)))
            }
            _ if matchers.is_empty() => node.text(self.metric),
            _ => node.text(self.metric).optional(format!("{{{matchers}}}")),
        }
    }

    fn matchers(&mut self) -> String {
        let mut matchers = Vec::new();
        while matchers.len() < 3 && self.one_in(3) {
            let label = if self.one_in(15) { "nowhere" } else { self.pick(&self.labels()) };
            matchers.push(self.matcher(label));
        }
        matchers.join(",")
    }

    fn matcher(&mut self, label: &str) -> String {
        let values = self.vocabulary[self.metric].get(label);
        let value = values.map_or("", |values| {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            self.pick(&values)
        });
        let text = value.replace('\\', r"\\").replace('"', r#"\""#);
        let head: String = value.chars().take(2).filter(char::is_ascii_alphanumeric).collect();
        match self.rng.below(8) {
            0..=2 => format!(r#"{label}="{text}""#),
            3 => format!(r#"{label}!="{text}""#),
            4 => format!(r#"{label}=~"{head}.*""#),
            5 => format!(r#"{label}!~"{head}.+""#),
            6 => format!(r#"{label}=~"(?:[a-c0]|.*{head}).*""#),
            _ => format!(r#"{label}=~".+""#),
        }
    }
}

/// The matchers after another one.
fn in_list(matchers: &str) -> String {
    if matchers.is_empty() { String::new() } else { format!(",{matchers}") }
}
