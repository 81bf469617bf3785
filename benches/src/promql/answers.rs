//! Whether two stores answered the same.

use std::collections::BTreeMap;

use serde_json::Value;

/// Answers may differ by this much, relatively: stores add numbers in different orders.
pub(crate) const TOLERANCE: f64 = 1e-9;

/// Points of each series by time, in milliseconds.
type Series = BTreeMap<String, BTreeMap<i64, f64>>;

/// How far apart two answers are.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Difference {
    /// Points that both have.
    pub(crate) points: usize,
    /// Points that only one of them has.
    pub(crate) unpaired: usize,
    /// Points with values that differ by more than [`TOLERANCE`].
    pub(crate) different: usize,
}

impl Difference {
    /// Between two range answers.
    pub(crate) fn between(left: &[Value], right: &[Value]) -> Self {
        let (left, right) = (series(left), series(right));
        let count = |series: &Series| series.values().map(BTreeMap::len).sum::<usize>();
        let mut found = Self::default();
        for (labels, points) in &left {
            let others = right.get(labels);
            for (time, value) in points {
                let Some(other) = others.and_then(|others| others.get(time)) else { continue };
                found.points += 1;
                found.different += usize::from(!is_same(*value, *other));
            }
        }
        found.unpaired = count(&left) + count(&right) - 2 * found.points;
        found
    }

    /// Whether the answers are the same.
    pub(crate) const fn is_none(&self) -> bool {
        self.unpaired == 0 && self.different == 0
    }
}

#[expect(clippy::cast_possible_truncation, reason = "times in milliseconds are far below 2^53")]
fn series(result: &[Value]) -> Series {
    let points = |series: &Value| {
        let values = series["values"].as_array().into_iter().flatten();
        let point = |point: &Value| {
            let time = (point[0].as_f64()? * 1e3).round() as i64;
            Some((time, point[1].as_str()?.parse().ok()?))
        };
        values.filter_map(point).collect()
    };
    // Objects of `serde_json` are sorted by key.
    result.iter().map(|series| (series["metric"].to_string(), points(series))).collect()
}

fn is_same(left: f64, right: f64) -> bool {
    if left.is_nan() || right.is_nan() || left.is_infinite() || right.is_infinite() {
        return left.to_bits() == right.to_bits() || (left.is_nan() && right.is_nan());
    }
    (left - right).abs() <= TOLERANCE * left.abs().max(right.abs())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_may_differ_by_rounding_only() {
        let answer = |value: &str| vec![json!({"metric": {"a": "1"}, "values": [[1.5, value], [2, "NaN"]]})];
        let same = Difference::between(&answer("1"), &answer("1.0000000001"));
        assert!(same.is_none(), "{same:?}");
        let other = Difference::between(&answer("1"), &answer("1.00001"));
        assert_eq!(other, Difference { points: 2, unpaired: 0, different: 1 });
        assert!(!Difference::between(&answer("+Inf"), &answer("-Inf")).is_none());
    }

    #[test]
    fn points_without_a_partner_are_counted_on_both_sides() {
        let left = [json!({"metric": {"a": "1"}, "values": [[1, "1"], [2, "1"]]})];
        let right = [json!({"metric": {"a": "2"}, "values": [[1, "1"]]})];
        assert_eq!(Difference::between(&left, &right), Difference { unpaired: 3, ..Difference::default() });
    }
}
