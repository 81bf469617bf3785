//! The syntax tree of PromQL.
//!
//! What holds in every tree that the parser returns without an error:
//! * types are checked: each argument, operand and parameter has the type that its place asks for;
//! * an expression is at most [`super::EXPR_DEPTH_MAX`] nodes high, so that recursion over it is safe;
//! * spans are byte offsets into the text that was parsed, and lie inside it.
//!
//! Only [`super::lower()`] makes [`Expr::StepInvariant`]; it also folds duration expressions into the literal
//! beside them and turns `@ start()` and `@ end()` into times.

use kymo_engine::Matcher;

use super::{AggregateOp, BinaryOp, FunctionSignature, UnaryOp, ValueType};
use crate::lang::Span;

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// `sum by (job) (up)`
    Aggregate(Box<Aggregate>),
    /// `a + b`
    Binary(Box<Binary>),
    /// `rate(x[5m])`
    Call(Call),
    /// `x[5m]`
    Matrix(Box<MatrixSelector>),
    /// `1.5`, or `5m` as a number of seconds.
    Number(NumberLiteral),
    /// `(x)`
    Paren(Box<Paren>),
    /// A subtree that has the same value at all steps.
    StepInvariant(Box<StepInvariant>),
    /// `"text"`
    String(StringLiteral),
    /// `x[5m:1m]`
    Subquery(Box<Subquery>),
    /// `-x`, where `x` is not a number.
    Unary(Box<Unary>),
    /// `x{job="api"}`
    Vector(Box<VectorSelector>),
}

/// An aggregation.
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    /// Which one.
    pub op: AggregateOp,
    /// What is aggregated; an instant vector.
    pub expr: Expr,
    /// Set exactly when [`AggregateOp::has_param`]: a string for `count_values`, else a scalar.
    pub param: Option<Expr>,
    /// Label names of `by` or `without`, in the order written, with repeats. Valid UTF-8, never empty.
    pub grouping: Vec<String>,
    /// Whether `grouping` are the labels to leave out.
    pub without: bool,
    /// From the operator to the last parenthesis.
    pub span: Span,
}

/// An operator with two operands.
#[derive(Debug, Clone, PartialEq)]
pub struct Binary {
    /// Which one.
    pub op: BinaryOp,
    /// Left operand; scalar or instant vector.
    pub lhs: Expr,
    /// Right operand; scalar or instant vector.
    pub rhs: Expr,
    /// How series of both sides find each other. Set exactly when both operands are vectors.
    pub matching: Option<VectorMatching>,
    /// Whether a comparison gives 0 or 1 instead of filtering. Always set when both operands are scalars.
    pub return_bool: bool,
}

/// How the series of two vectors find each other.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorMatching {
    /// How many series of one side may match how many of the other. [`Cardinality::ManyToMany`] exactly for
    /// set operators.
    pub cardinality: Cardinality,
    /// Labels of `on` or `ignoring`, in the order written.
    pub labels: Vec<String>,
    /// Whether `labels` are the only labels compared (`on`), or those left out (`ignoring`, or nothing).
    pub on: bool,
    /// Labels of `group_left` or `group_right`, taken over from the "one" side.
    pub include: Vec<String>,
    /// Values for series without a partner. Never set for set operators.
    pub fill: FillValues,
}

/// How many series of one side may match how many of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cardinality {
    /// The default.
    OneToOne,
    /// `group_left`
    ManyToOne,
    /// `group_right`
    OneToMany,
    /// Set operators.
    ManyToMany,
}

impl Cardinality {
    /// As upstream writes it in its JSON: `one-to-one`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OneToOne => "one-to-one",
            Self::ManyToOne => "many-to-one",
            Self::OneToMany => "one-to-many",
            Self::ManyToMany => "many-to-many",
        }
    }
}

/// Values of the modifiers `fill`, `fill_left` and `fill_right`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct FillValues {
    /// Stands in for a missing series of the left side.
    pub lhs: Option<f64>,
    /// Stands in for a missing series of the right side.
    pub rhs: Option<f64>,
}

/// A function call.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The function. Entries are unique, so comparing names or addresses are both fine.
    pub function: &'static FunctionSignature,
    /// As many as the signature allows, each of the type that it asks for.
    pub args: Vec<Expr>,
    /// From the name to the closing parenthesis.
    pub span: Span,
}

/// A selector of windows of samples.
#[derive(Debug, Clone, PartialEq)]
pub struct MatrixSelector {
    /// The series; its offset and `@` are those written after the range.
    pub selector: VectorSelector,
    /// Length of the window, positive after lowering.
    pub range: DurationSpec,
    /// From the selector to its last modifier.
    pub span: Span,
}

/// A number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NumberLiteral {
    /// Its value; seconds when it was written as a duration.
    pub value: f64,
    /// Whether it was written as a duration, and is to be printed as one.
    pub is_duration: bool,
    /// With its sign.
    pub span: Span,
}

/// An expression in parentheses, kept for printing.
#[derive(Debug, Clone, PartialEq)]
pub struct Paren {
    /// What stands between them.
    pub expr: Expr,
    /// With the parentheses.
    pub span: Span,
}

/// Marks a subtree that is evaluated once per query, at its start time.
#[derive(Debug, Clone, PartialEq)]
pub struct StepInvariant {
    /// The subtree; never a [`Expr::StepInvariant`], [`Expr::Matrix`], [`Expr::Number`] or [`Expr::String`],
    /// but inside of a subquery also the latter.
    pub expr: Expr,
}

/// A string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StringLiteral {
    /// Its bytes, escapes resolved. Need not be UTF-8.
    pub value: Box<[u8]>,
    /// With the quotes.
    pub span: Span,
}

/// An instant vector evaluated at the steps of a window.
#[derive(Debug, Clone, PartialEq)]
pub struct Subquery {
    /// What is evaluated; an instant vector.
    pub expr: Expr,
    /// Length of the window, positive after lowering.
    pub range: DurationSpec,
    /// Distance of the steps; zero when the query leaves it to the engine's default.
    pub step: DurationSpec,
    /// Shift into the past as written; may be negative.
    pub offset: DurationSpec,
    /// The time that replaces the evaluation time.
    pub at: Option<AtModifier>,
    /// From the inner expression to the last modifier.
    pub span: Span,
}

/// An operator before an expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Unary {
    /// Which one.
    pub op: UnaryOp,
    /// Scalar or instant vector.
    pub expr: Expr,
    /// From the operator to the end of the expression.
    pub span: Span,
}

/// A selector of series.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct VectorSelector {
    /// The metric name before the braces; empty when there is none.
    pub name: String,
    /// All conditions, in the order written; when `name` is not empty the last one is `__name__="name"`.
    pub matchers: Vec<Matcher>,
    /// Shift into the past as written; may be negative.
    pub offset: DurationSpec,
    /// The time that replaces the evaluation time.
    pub at: Option<AtModifier>,
    /// Whether edges of the window are taken from real samples.
    pub anchored: bool,
    /// Whether edges of the window are interpolated. Not together with `anchored`.
    pub smoothed: bool,
    /// Whether this is the second argument of `info()`, which may consist of conditions that an empty value
    /// satisfies, too.
    pub is_info_filter: bool,
    /// Set by lowering: only count and sum of native histograms are needed, not their buckets.
    pub skip_histogram_buckets: bool,
    /// From the name or brace to the last modifier.
    pub span: Span,
}

/// What `@` fixes the evaluation time to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AtModifier {
    /// Milliseconds since the Unix epoch.
    Timestamp(i64),
    /// Start of the query's range; lowering turns it into a time.
    Start,
    /// End of the query's range; lowering turns it into a time.
    End,
}

impl AtModifier {
    /// The time, once lowering has resolved it.
    #[must_use]
    pub const fn timestamp(self) -> Option<i64> {
        match self {
            Self::Timestamp(ts) => Some(ts),
            Self::Start | Self::End => None,
        }
    }
}

/// A length of time: a literal, or an expression that lowering folds into one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DurationSpec {
    /// Nanoseconds, as upstream keeps them, because literals may be finer than milliseconds. Zero until
    /// lowering when `expr` is set.
    pub nanos: i64,
    /// The expression, when it was not a plain literal.
    pub expr: Option<Box<DurationExpr>>,
}

impl DurationSpec {
    /// Whole milliseconds, rounded towards zero.
    #[must_use]
    pub const fn millis(&self) -> i64 {
        self.nanos / 1_000_000
    }

    /// Whether nothing was written, or a literal zero.
    #[must_use]
    pub const fn is_zero(&self) -> bool {
        self.nanos == 0 && self.expr.is_none()
    }
}

/// A node of a duration expression: `step() + 5m`.
#[derive(Debug, Clone, PartialEq)]
pub struct DurationExpr {
    /// What it computes.
    pub kind: DurationKind,
    /// Whether it was written in parentheses.
    pub wrapped: bool,
    /// As upstream counts it: parentheses are not part of it.
    pub span: Span,
}

/// What a duration expression computes, in seconds.
#[derive(Debug, Clone, PartialEq)]
pub enum DurationKind {
    /// A literal.
    Number(NumberLiteral),
    /// `step()`: distance of the query's steps.
    Step,
    /// `range()`: length of the query's range.
    Range,
    /// A sign.
    Unary(UnaryOp, Box<DurationExpr>),
    /// An operator or function of two operands.
    Binary(DurationOp, Box<DurationExpr>, Box<DurationExpr>),
}

/// An operator or function of two durations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DurationOp {
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `%`
    Mod,
    /// `^`
    Pow,
    /// `min_of(a, b)`
    MinOf,
    /// `max_of(a, b)`
    MaxOf,
}

impl DurationOp {
    /// The operator as PromQL writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Mod => "%",
            Self::Pow => "^",
            Self::MinOf => "min_of",
            Self::MaxOf => "max_of",
        }
    }
}

impl Expr {
    /// What it evaluates to.
    #[must_use]
    pub fn value_type(&self) -> ValueType {
        match self {
            Self::Aggregate(_) | Self::Vector(_) => ValueType::Vector,
            Self::Matrix(_) | Self::Subquery(_) => ValueType::Matrix,
            Self::Number(_) => ValueType::Scalar,
            Self::String(_) => ValueType::String,
            Self::Call(call) => call.function.returns,
            Self::Paren(paren) => paren.expr.value_type(),
            Self::Unary(unary) => unary.expr.value_type(),
            Self::StepInvariant(inner) => inner.expr.value_type(),
            Self::Binary(binary) => binary.value_type(),
        }
    }

    /// Where it stands in the text.
    #[must_use]
    pub fn span(&self) -> Span {
        match self {
            Self::Aggregate(node) => node.span,
            Self::Binary(node) => node.span(),
            Self::Call(node) => node.span,
            Self::Matrix(node) => node.span,
            Self::Number(node) => node.span,
            Self::Paren(node) => node.span,
            Self::StepInvariant(node) => node.expr.span(),
            Self::String(node) => node.span,
            Self::Subquery(node) => node.span,
            Self::Unary(node) => node.span,
            Self::Vector(node) => node.span,
        }
    }

    /// Start of the span; follows one path, where [`Self::span`] of nested operators would walk the tree.
    fn start(&self) -> u32 {
        match self {
            Self::Binary(node) => node.lhs.start(),
            _ => self.span().start,
        }
    }

    fn end(&self) -> u32 {
        match self {
            Self::Binary(node) => node.rhs.end(),
            _ => self.span().end,
        }
    }

    /// The expression without parentheses around it.
    #[must_use]
    pub fn unparenthesized(&self) -> &Self {
        let mut expr = self;
        while let Self::Paren(paren) = expr {
            expr = &paren.expr;
        }
        expr
    }

    /// Calls `visit` for each direct child, an aggregation's parameter after its expression. The selector in
    /// a [`MatrixSelector`] is not a child.
    pub fn for_each_child<'a>(&'a self, mut visit: impl FnMut(&'a Self)) {
        match self {
            Self::Aggregate(node) => {
                visit(&node.expr);
                node.param.iter().for_each(visit);
            }
            Self::Binary(node) => {
                visit(&node.lhs);
                visit(&node.rhs);
            }
            Self::Call(node) => node.args.iter().for_each(visit),
            Self::Paren(node) => visit(&node.expr),
            Self::StepInvariant(node) => visit(&node.expr),
            Self::Subquery(node) => visit(&node.expr),
            Self::Unary(node) => visit(&node.expr),
            Self::Matrix(_) | Self::Number(_) | Self::String(_) | Self::Vector(_) => {}
        }
    }

    /// All selectors in the tree, those of range vectors included, in the order of a depth-first walk.
    #[must_use]
    pub fn selectors(&self) -> Vec<&VectorSelector> {
        fn collect<'a>(expr: &'a Expr, found: &mut Vec<&'a VectorSelector>) {
            match expr {
                Expr::Vector(selector) => found.push(selector),
                Expr::Matrix(matrix) => found.push(&matrix.selector),
                _ => expr.for_each_child(|child| collect(child, found)),
            }
        }
        let mut found = Vec::new();
        collect(self, &mut found);
        found
    }
}

impl Binary {
    /// Scalar when both operands are, else an instant vector.
    #[must_use]
    pub fn value_type(&self) -> ValueType {
        match (self.lhs.value_type(), self.rhs.value_type()) {
            (ValueType::Scalar, ValueType::Scalar) => ValueType::Scalar,
            _ => ValueType::Vector,
        }
    }

    /// From the left operand to the right one.
    #[must_use]
    pub fn span(&self) -> Span {
        Span::new(self.lhs.start(), self.rhs.end())
    }
}
