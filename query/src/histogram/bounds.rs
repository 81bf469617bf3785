//! Where buckets begin and end.

use kymo_formats::histogram::{bounds::exponential_bound, is_custom_schema};

/// Upper bound of the positive bucket `index`.
///
/// Indices outside of the custom bounds, which only a damaged histogram has, lie at the infinities.
#[must_use]
pub(crate) fn upper_bound(index: i32, schema: i32, custom_values: &[f64]) -> f64 {
    if !is_custom_schema(schema) {
        return exponential_bound(index.into(), schema);
    }
    match usize::try_from(index) {
        Ok(index) => custom_values.get(index).copied().unwrap_or(f64::INFINITY),
        Err(_) => f64::NEG_INFINITY,
    }
}

#[cfg(test)]
mod tests {
    use kymo_formats::histogram::CUSTOM_BUCKETS_SCHEMA;

    use super::*;

    #[test]
    fn custom_bounds_end_at_the_infinities() {
        let bounds = [1.0, 2.0];
        let at = |index| upper_bound(index, CUSTOM_BUCKETS_SCHEMA, &bounds);
        assert_eq!([at(-1), at(0), at(1), at(2)], [f64::NEG_INFINITY, 1.0, 2.0, f64::INFINITY]);
    }
}
