//! Functions, from the parser's table.

use kymo_query::promql::{FunctionSignature, ValueType};

use super::{
    super::tree::{Kind, Node},
    Generator,
};

/// Makes the arguments of one function.
type Arguments = fn(&mut Generator<'_>, u64) -> Vec<Node>;

/// Functions whose arguments mean something only if they are chosen for them.
const CHOSEN: [(&str, Arguments); 14] = [
    ("clamp", |g, depth| vec![g.vector(depth), g.number(), g.number()]),
    ("double_exponential_smoothing", |g, depth| vec![g.matrix(depth), g.part(), g.part()]),
    ("histogram_fraction", |g, depth| vec![g.number(), g.number(), g.buckets(depth)]),
    ("histogram_quantile", |g, depth| vec![g.part(), g.buckets(depth)]),
    ("histogram_quantiles", |g, depth| vec![g.buckets(depth), string("q"), g.part(), g.part()]),
    ("info", |g, depth| vec![g.vector(depth), g.info_selector()]),
    ("label_join", |g, depth| {
        let (to, from, other) = (g.target(), g.source(), g.source());
        vec![g.vector(depth), string(&to), string("-"), string(&from), string(&other)]
    }),
    ("label_replace", |g, depth| {
        let (to, from) = (g.target(), g.source());
        let (new, pattern) = (
            g.pick(&["$1", "x-$1", "", "${1}y", "z"]),
            g.pick(&["(.*)", "(.).*", "(a|b)(.*)", "", "(.*):.*"]),
        );
        vec![g.vector(depth), string(&to), string(new), string(&from), string(pattern)]
    }),
    ("predict_linear", |g, depth| {
        let seconds = g.pick(&["60", "3600", "-30", "0"]);
        vec![g.matrix(depth), Node::new(Kind::Scalar, "number").text(seconds)]
    }),
    ("quantile_over_time", |g, depth| vec![g.part(), g.matrix(depth)]),
    ("round", |g, depth| {
        let to = g.pick(&["0.1", "5", "0", "-2", "0.25"]);
        vec![g.vector(depth), Node::new(Kind::Scalar, "number").text(to)]
    }),
    ("sort_by_label", |g, depth| {
        let label = g.source();
        vec![g.vector(depth), string(&label)]
    }),
    ("sort_by_label_desc", |g, depth| {
        let label = g.source();
        vec![g.vector(depth), string(&label)]
    }),
    ("vector", |g, depth| vec![g.scalar(depth)]),
];

impl Generator<'_> {
    /// A call of any function that returns `kind`.
    pub(super) fn call(&mut self, kind: Kind, depth: u64) -> Node {
        let functions: Vec<_> =
            self.language.functions().filter(|function| kind_of(function.returns) == kind).collect();
        let function = self.pick(&functions);
        self.call_of(function, depth)
    }

    fn call_of(&mut self, function: &'static FunctionSignature, depth: u64) -> Node {
        let chosen = CHOSEN.iter().find(|(name, _)| *name == function.name);
        let arguments = match chosen {
            Some((_, arguments)) => arguments(self, depth),
            None => self.arguments(function, depth),
        };
        let mut node =
            Node::new(kind_of(function.returns), function.name).text(format!("{}(", function.name));
        for (i, argument) in arguments.into_iter().enumerate() {
            if i > 0 {
                node = node.text(", ");
            }
            node = node.child(argument);
        }
        node.text(")")
    }

    fn arguments(&mut self, function: &FunctionSignature, depth: u64) -> Vec<Node> {
        let mut kinds = function.args;
        if function.variadic > 0 && self.one_in(2) {
            kinds = &kinds[..kinds.len() - 1];
        }
        kinds.iter().map(|kind| self.of_kind(kind_of(*kind), depth)).collect()
    }

    /// Mostly between 0 and 1.
    fn part(&mut self) -> Node {
        let text = self.pick(&["0.5", "0.9", "0.1", "0.99", "0", "1", "0.333", "-0.1", "1.01"]);
        Node::new(Kind::Scalar, "number").text(text)
    }

    /// A histogram most of the time.
    fn buckets(&mut self, depth: u64) -> Node {
        if self.one_in(6) {
            return self.vector(depth);
        }
        let histograms = ["_bucket", "made_latency_seconds", "made_size_bytes", "made_depth", "made_mixed"];
        let metrics: Vec<&str> = self
            .vocabulary
            .keys()
            .map(String::as_str)
            .filter(|name| histograms.iter().any(|end| name.ends_with(end)))
            .collect();
        self.metric = self.vocabulary.get_key_value(self.pick(&metrics)).unwrap().0;
        match self.rng.below(3) {
            0 => self.selector(),
            1 => {
                let name = self.pick(&["rate", "increase", "last_over_time"]);
                Node::new(Kind::Vector, name).text(format!("{name}(")).child(self.matrix(0)).text(")")
            }
            _ => {
                let by = if self.one_in(2) { "by (le)" } else { "by (le, instance)" };
                self.aggregate_by("sum", Some(by.to_owned()), depth.min(1))
            }
        }
    }

    fn info_selector(&mut self) -> Node {
        let text = self.pick(&[
            "{}",
            r#"{region="a"}"#,
            r#"{__name__="made_build_info"}"#,
            r#"{version=~".+"}"#,
            r#"{__name__=~".+_info"}"#,
        ]);
        Node::new(Kind::Other, "info selector").text(text)
    }

    /// A label to write.
    fn target(&mut self) -> String {
        if self.one_in(2) { "new".to_owned() } else { self.source() }
    }

    /// A label to read.
    fn source(&mut self) -> String {
        let labels = self.labels();
        if self.one_in(12) { "nowhere".to_owned() } else { self.pick(&labels).to_owned() }
    }
}

fn string(text: &str) -> Node {
    Node::new(Kind::Other, "string").text(format!("\"{text}\""))
}

const fn kind_of(value_type: ValueType) -> Kind {
    match value_type {
        ValueType::Scalar => Kind::Scalar,
        ValueType::Vector => Kind::Vector,
        ValueType::Matrix => Kind::Matrix,
        ValueType::String => Kind::Other,
    }
}
