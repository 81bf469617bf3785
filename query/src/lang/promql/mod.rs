//! PromQL as of Prometheus 3.14: text to syntax tree, and back.
//!
//! * `options` - switches for parts of the language
//! * `value_type`, `operator`, `functions` - vocabulary
//! * `token`, `lexer` - text to tokens
//! * `number`, `unquote` - values of literals
//! * `ast` - the syntax tree
//! * `parser`, `error` - tokens to tree, or to upstream's error texts
//! * `check` - types
//! * `lower` - what is settled before evaluation
//! * `printer`, `pretty`, `json` - tree to text
//! * `generate` - random expressions for tests

mod ast;
mod check;
mod error;
mod functions;
#[cfg(any(test, feature = "test-util"))]
pub mod generate;
mod json;
mod lexer;
mod lower;
mod number;
mod operator;
mod options;
mod parser;
mod pretty;
mod printer;
#[cfg(test)]
mod tests;
mod token;
mod unquote;
mod value_type;

/// Height of the highest expression that parses; deeper ones end in an error.
///
/// Everything that walks a tree recurses, on threads with stacks of 2 MB: upstream's parser grows its stack on
/// the heap instead and has no limit.
pub const EXPR_DEPTH_MAX: usize = 500;

#[cfg(any(test, feature = "test-util"))]
pub use lexer::token_spans;
#[cfg(feature = "test-util")]
pub(crate) use lower::TIME_DEPENDENT;
pub use {
    ast::{
        Aggregate, AtModifier, Binary, Call, Cardinality, DurationExpr, DurationKind, DurationOp,
        DurationSpec, Expr, FillValues, MatrixSelector, NumberLiteral, Paren, StepInvariant, StringLiteral,
        Subquery, Unary, VectorMatching, VectorSelector,
    },
    error::{ParseError, ParseErrors},
    functions::{FUNCTIONS, FunctionSignature, function},
    json::to_json,
    lower::{QueryRange, lower},
    number::format_float,
    operator::{AggregateOp, BinaryOp, UnaryOp},
    options::ParserOptions,
    parser::{
        SequenceValue, SeriesDescription, parse, parse_metric, parse_selector, parse_series_description,
    },
    pretty::pretty,
    value_type::ValueType,
};
