//! PromQL as of Prometheus 3.14.
//!
//! * `options` - switches for parts of the language
//! * `value_type`, `operator`, `functions` - vocabulary
//! * `ast` - the syntax tree

mod ast;
mod functions;
mod operator;
mod options;
mod value_type;

/// Height of the highest expression that parses; deeper ones end in an error.
///
/// Everything that walks a tree recurses, on threads with stacks of 2 MB: upstream's parser grows its stack on
/// the heap instead and has no limit.
pub const EXPR_DEPTH_MAX: usize = 500;

pub use {
    ast::{
        Aggregate, AtModifier, Binary, Call, Cardinality, DurationExpr, DurationKind, DurationOp,
        DurationSpec, Expr, FillValues, MatrixSelector, NumberLiteral, Paren, StepInvariant, StringLiteral,
        Subquery, Unary, VectorMatching, VectorSelector,
    },
    functions::{FUNCTIONS, FunctionSignature, function},
    operator::{AggregateOp, BinaryOp, UnaryOp},
    options::ParserOptions,
    value_type::ValueType,
};
