//! Expressions as text, in upstream's normal form.
//!
//! What is printed parses to the same tree, but where upstream's form is ambiguous: `Inf ^ 1` is printed
//! `+Inf ^ 1`, which is the sign of a power, and durations lose what is finer than milliseconds.

use std::fmt::{self, Write as _};

use kymo_engine::{MatchOp, Matcher};

use super::{
    Aggregate, AtModifier, Binary, Call, Cardinality, DurationExpr, DurationKind, DurationOp, DurationSpec,
    Expr, MatrixSelector, NumberLiteral, Subquery, UnaryOp, VectorMatching, VectorSelector,
    number::{format_float, format_float_general, to_integer},
};
use crate::lang::{format_duration, quote};

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aggregate(node) => node.fmt(f),
            Self::Binary(node) => node.fmt(f),
            Self::Call(node) => node.fmt(f),
            Self::Matrix(node) => node.fmt(f),
            Self::Number(node) => node.fmt(f),
            Self::Paren(node) => write!(f, "({})", node.expr),
            Self::StepInvariant(node) => node.expr.fmt(f),
            Self::String(node) => f.write_str(&quote(&node.value)),
            Self::Subquery(node) => node.fmt(f),
            Self::Unary(node) => write!(f, "{}{}", node.op.as_str(), node.expr),
            Self::Vector(node) => node.fmt(f),
        }
    }
}

impl Aggregate {
    /// The aggregation without its arguments: `sum by (job) `.
    #[must_use]
    pub fn head(&self) -> String {
        let labels = label_list(&self.grouping);
        match (self.without, self.grouping.is_empty()) {
            (true, _) => format!("{} without ({labels}) ", self.op),
            (false, false) => format!("{} by ({labels}) ", self.op),
            (false, true) => self.op.to_string(),
        }
    }
}

impl fmt::Display for Aggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.head())?;
        if let Some(param) = &self.param {
            write!(f, "{param}, ")?;
        }
        write!(f, "{})", self.expr)
    }
}

impl Binary {
    /// The operator with its modifiers: `== bool on (job)`.
    #[must_use]
    pub fn head(&self) -> String {
        let mut head = self.op.to_string();
        if self.return_bool {
            head.push_str(" bool");
        }
        if let Some(matching) = &self.matching {
            head.push_str(&matching_text(matching));
        }
        head
    }
}

impl fmt::Display for Binary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.lhs, self.head(), self.rhs)
    }
}

fn matching_text(matching: &VectorMatching) -> String {
    let mut text = String::new();
    let side = match matching.cardinality {
        Cardinality::ManyToOne => Some("left"),
        Cardinality::OneToMany => Some("right"),
        Cardinality::OneToOne | Cardinality::ManyToMany => None,
    };
    if !matching.labels.is_empty() || matching.on || side.is_some() {
        let word = if matching.on { "on" } else { "ignoring" };
        text.push_str(&format!(" {word} ({})", label_list(&matching.labels)));
    }
    if let Some(side) = side {
        text.push_str(&format!(" group_{side} ({})", label_list(&matching.include)));
    }
    match (matching.fill.lhs, matching.fill.rhs) {
        (Some(lhs), Some(rhs)) if lhs == rhs => {
            text.push_str(&format!(" fill ({})", format_float_general(lhs)));
        }
        (lhs, rhs) => {
            for (word, value) in [("fill_left", lhs), ("fill_right", rhs)] {
                if let Some(value) = value {
                    text.push_str(&format!(" {word} ({})", format_float_general(value)));
                }
            }
        }
    }
    text
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.function.name)?;
        for (i, arg) in self.args.iter().enumerate() {
            let separator = if i == 0 { "" } else { ", " };
            write!(f, "{separator}{arg}")?;
        }
        f.write_char(')')
    }
}

impl fmt::Display for NumberLiteral {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_duration {
            return f.write_str(&format_float(self.value));
        }
        let sign = if self.value < 0.0 { "-" } else { "" };
        write!(f, "{sign}{}", format_duration(to_integer(self.value.abs() * 1e9)))
    }
}

impl fmt::Display for MatrixSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let selector = &self.selector;
        f.write_str(&series_text(selector))?;
        write!(f, "[{}]", duration_text(&self.range))?;
        f.write_str(extension_text(selector))?;
        f.write_str(&at_text(selector.at))?;
        f.write_str(&offset_text(&selector.offset))
    }
}

impl Subquery {
    /// What stands behind the inner expression: `[5m:1m] offset 1m`.
    #[must_use]
    pub fn suffix(&self) -> String {
        let step = if self.step.is_zero() { String::new() } else { step_text(&self.step) };
        let range = duration_text(&self.range);
        format!("[{range}:{step}]{}{}", at_text(self.at), offset_text(&self.offset))
    }
}

impl fmt::Display for Subquery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.expr, self.suffix())
    }
}

impl fmt::Display for VectorSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&series_text(self))?;
        f.write_str(&at_text(self.at))?;
        f.write_str(extension_text(self))?;
        f.write_str(&offset_text(&self.offset))
    }
}

/// A selector without what modifies its time. Conditions are sorted by their text.
fn series_text(selector: &VectorSelector) -> String {
    let is_name = |matcher: &Matcher| {
        matcher.name() == b"__name__"
            && matcher.op() == MatchOp::Equal
            && matcher.value() == selector.name.as_bytes()
            && !selector.name.is_empty()
    };
    let mut matchers: Vec<String> =
        selector.matchers.iter().filter(|matcher| !is_name(matcher)).map(ToString::to_string).collect();
    if matchers.is_empty() {
        return selector.name.clone();
    }
    matchers.sort_unstable();
    format!("{}{{{}}}", selector.name, matchers.join(","))
}

const fn extension_text(selector: &VectorSelector) -> &'static str {
    match (selector.anchored, selector.smoothed) {
        (true, _) => " anchored",
        (false, true) => " smoothed",
        (false, false) => "",
    }
}

fn at_text(at: Option<AtModifier>) -> String {
    match at {
        None => String::new(),
        Some(AtModifier::Start) => " @ start()".to_owned(),
        Some(AtModifier::End) => " @ end()".to_owned(),
        Some(AtModifier::Timestamp(ts)) => format!(" @ {:.3}", ts as f64 / 1000.0),
    }
}

fn offset_text(offset: &DurationSpec) -> String {
    match &offset.expr {
        Some(expr) => format!(" offset {expr}"),
        None if offset.nanos > 0 => format!(" offset {}", format_duration(offset.nanos)),
        None if offset.nanos < 0 => format!(" offset -{}", format_duration(offset.nanos.wrapping_neg())),
        None => String::new(),
    }
}

fn duration_text(duration: &DurationSpec) -> String {
    duration.expr.as_ref().map_or_else(|| format_duration(duration.nanos), ToString::to_string)
}

/// Unlike ranges and offsets, a step that has been folded is printed as its value.
fn step_text(step: &DurationSpec) -> String {
    match &step.expr {
        Some(expr) if step.nanos == 0 => expr.to_string(),
        _ => format_duration(step.nanos),
    }
}

impl fmt::Display for DurationExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, close) = if self.wrapped { ("(", ")") } else { ("", "") };
        f.write_str(open)?;
        match &self.kind {
            DurationKind::Number(number) => number.fmt(f)?,
            DurationKind::Step => f.write_str("step()")?,
            DurationKind::Range => f.write_str("range()")?,
            DurationKind::Unary(UnaryOp::Plus, inner) => inner.fmt(f)?,
            DurationKind::Unary(UnaryOp::Minus, inner) => write!(f, "-{inner}")?,
            DurationKind::Binary(op @ (DurationOp::MinOf | DurationOp::MaxOf), lhs, rhs) => {
                write!(f, "{}({lhs}, {rhs})", op.as_str())?;
            }
            DurationKind::Binary(op, lhs, rhs) => write!(f, "{lhs} {} {rhs}", op.as_str())?,
        }
        f.write_str(close)
    }
}

/// Names of labels, quoted where they have to be.
fn label_list(labels: &[String]) -> String {
    let mut text = String::new();
    for (i, label) in labels.iter().enumerate() {
        text.push_str(if i == 0 { "" } else { ", " });
        if is_plain_label(label) { text.push_str(label) } else { text.push_str(&quote(label.as_bytes())) }
    }
    text
}

fn is_plain_label(label: &str) -> bool {
    let is_word = |c: char| c == '_' || c.is_ascii_alphanumeric();
    label.chars().all(is_word) && !label.starts_with(|c: char| c.is_ascii_digit()) && !label.is_empty()
}
