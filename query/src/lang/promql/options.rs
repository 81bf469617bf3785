//! What the parser accepts.

/// Parts of the language that can be switched, as upstream's feature flags do. The default is upstream's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ParserOptions {
    /// Functions and aggregations marked experimental (`promql-experimental-functions`).
    pub experimental_functions: bool,
    /// Arithmetic and `step()`, `range()`, `min_of()`, `max_of()` in durations (`promql-duration-expr`).
    pub duration_expressions: bool,
    /// `anchored` and `smoothed` (`promql-extended-range-selectors`).
    pub extended_range_selectors: bool,
    /// `fill`, `fill_left` and `fill_right` (`promql-binop-fill-modifiers`).
    pub binop_fill_modifiers: bool,
}

impl ParserOptions {
    /// Everything on.
    pub const ALL: Self = Self {
        experimental_functions: true,
        duration_expressions: true,
        extended_range_selectors: true,
        binop_fill_modifiers: true,
    };
}

impl Default for ParserOptions {
    fn default() -> Self {
        Self {
            experimental_functions: false,
            duration_expressions: true,
            extended_range_selectors: false,
            binop_fill_modifiers: false,
        }
    }
}
