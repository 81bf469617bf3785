//! What changed between the referee's version and the one that Kymo follows, as rules that a difference must meet.
//!
//! A rule sees the part of an expression that is to blame, both answers to it and to its operands, and says
//! whether the change it is about explains them. Each is as narrow as that allows.

use super::{
    answer::{Answer, Data, Point, Series, When},
    blame::{Answers, Blame},
    compare::{How, TOLERANCE, are_close},
    referee::Version,
    tree::Node,
};

/// A known change of Prometheus.
pub(crate) struct Rule {
    pub(crate) name: &'static str,
    /// The first version that answers as Kymo does. The changelog of that version has the reason.
    pub(crate) since: Version,
    /// Whether it explains a difference.
    pub(crate) explains: fn(&Blame) -> bool,
}

/// All rules; `docs/testing.md` has a table of them with their reasons.
pub(crate) const RULES: &[Rule] = &[
    Rule { name: "last bits", since: NEVER, explains: last_bits },
    Rule { name: "largest exponentials", since: NEVER, explains: largest_exponentials },
    Rule { name: "which duplicates", since: NEVER, explains: which_duplicates },
    Rule { name: "which step fails", since: NEVER, explains: which_step_fails },
    Rule { name: "ties", since: NEVER, explains: ties },
    Rule { name: "order of series without the label", since: NEVER, explains: order_without_the_label },
    Rule { name: "float beside a histogram", since: NEVER, explains: float_beside_a_histogram },
    Rule { name: "samples out of order", since: NEVER, explains: samples_out_of_order },
    Rule { name: "ties of series", since: (2, 44), explains: ties_of_series },
    Rule { name: "parameter of a parse error", since: (2, 44), explains: parameter_of_a_parse_error },
    Rule { name: "atan2 keeps the name", since: (2, 47), explains: atan2_keeps_the_name },
    Rule { name: "timestamp at a time", since: (2, 47), explains: timestamp_at_a_time },
    Rule { name: "rate near zero", since: (2, 51), explains: rate_near_zero },
    Rule { name: "range at a time", since: (2, 51), explains: range_at_a_time },
    Rule { name: "count_values forgets labels", since: (2, 52), explains: count_values_forgets_labels },
    Rule { name: "small errors of buckets", since: (2, 49), explains: small_errors_of_buckets },
    Rule { name: "compensated sums", since: (2, 55), explains: compensated_sums },
    Rule { name: "deviation of infinity", since: (3, 0), explains: deviation_of_infinity },
    Rule { name: "UTF-8 names", since: (3, 3), explains: utf8_names },
    Rule { name: "deviation of infinity over time", since: (3, 5), explains: deviation_over_time },
    Rule { name: "overflow of a parameter", since: (3, 5), explains: overflow_of_a_parameter },
    Rule { name: "NaN as a number of series", since: (3, 6), explains: nan_as_a_number_of_series },
    Rule { name: "one to many in a filter", since: (3, 9), explains: one_to_many_in_a_filter },
    Rule { name: "series that do not overlap", since: (3, 9), explains: series_that_do_not_overlap },
];

/// Of rules about what Kymo does otherwise on purpose; `docs/query-languages.md` has them.
const NEVER: Version = (u32::MAX, 0);

const MULTIPLE_MATCHES: &str = "multiple matches for labels: ";
/// What rounding makes of numbers, relative to the largest of them: thousands of last bits.
const ROUNDING: f64 = 1e-12;

/// The rule that explains a difference from a referee of `version`.
pub(crate) fn explanation(version: Version, blame: &Blame) -> Option<&'static Rule> {
    RULES.iter().find(|rule| version < rule.since && (rule.explains)(blame))
}

/// Averages over time compensate for what rounding loses (Kahan).
fn compensated_sums(blame: &Blame) -> bool {
    is_one_of(&blame.node, &["avg_over_time"]) && is_rounding(blame)
}

/// What follows from operands that are alike and yet not the same, because something in them is calculated in
/// another order, or by another library of mathematics.
fn last_bits(blame: &Blame) -> bool {
    const INEXACT: &[&str] = &[
        "sum",
        "avg",
        "stddev",
        "stdvar",
        "avg_over_time",
        "stddev_over_time",
        "stdvar_over_time",
        "^",
        "atan2",
        "exp",
        "ln",
        "log2",
        "log10",
        "sin",
        "cos",
        "tan",
        "asin",
        "acos",
        "atan",
        "sinh",
        "cosh",
        "tanh",
        "asinh",
        "acosh",
        "atanh",
    ];
    let is_inexact = blame.node.any(&|node| is_one_of(node, INEXACT));
    let operands_differ = blame.operands.iter().any(|(_, answers)| !answers.are_identical());
    // Upstream adds up results of functions in the order of a hash table, so that operands need not differ.
    let is_sum = is_one_of(&blame.node, &["sum", "avg", "stddev", "stdvar"]);
    (is_rounding(blame) && (is_sum || is_inexact && operands_differ))
        || (is_inexact && operands_differ && is_one_of(&blame.node, DISCONTINUOUS))
}

/// Operations that make much of a last bit.
const DISCONTINUOUS: &[&str] = &[
    "==",
    "!=",
    "<",
    ">",
    "<=",
    ">=",
    "%",
    "ceil",
    "floor",
    "round",
    "sgn",
    "changes",
    "resets",
    "count_values",
    "histogram_quantile",
    "topk",
    "bottomk",
    "rate",
    "increase",
    "irate",
    "sin",
    "cos",
    "tan",
    "exp",
    "^",
];

/// The last half of a power of two below infinity: Go on x86-64 calls it infinite.
fn largest_exponentials(blame: &Blame) -> bool {
    let is_large = |value: f64| value.is_finite() && value.abs() > f64::MAX / 4.0;
    is_one_of(&blame.node, &["exp", "sinh", "cosh"])
        && blame.difference.values.is_some_and(|(expected, found)| expected.is_infinite() && is_large(found))
}

/// When series are duplicates in several groups, one of them is named: upstream's choice depends on the order of a
/// hash table (and, before 2.55, so does the order of the two).
fn which_duplicates(blame: &Blame) -> bool {
    let without_names = |answer: &Answer| match answer {
        Answer::Error { text, .. } => {
            let (before, rest) = text.split_once(" for the match group ")?;
            let side = rest.split_once(" on the ")?.1.split_once(" hand-side")?.0;
            Some((before.to_owned(), side.to_owned(), rest.split_once("];")?.1.to_owned()))
        }
        Answer::Data(_) => None,
    };
    let expected = without_names(&blame.answers.expected);
    expected.is_some() && expected == without_names(&blame.answers.found)
}

/// In a range several steps may fail to match, each in its way: upstream shows what fails at the first of them.
fn which_step_fails(blame: &Blame) -> bool {
    let fails_to_match = |answer: &Answer| {
        fails_with(answer, MULTIPLE_MATCHES)
            || fails_with(answer, "found duplicate series for the match group")
    };
    let Answers { expected, found } = &blame.answers;
    matches!(blame.when, When::Range { .. }) && fails_to_match(expected) && fails_to_match(found)
}

/// Of series with equal values, upstream takes those that come first, and results of functions and operators come in
/// the order of a hash table.
fn ties(blame: &Blame) -> bool {
    // Series of storage come in order.
    let is_selector = blame.operands.iter().any(|(operation, _)| operation == "selector");
    !is_selector && (ties_of_series(blame) || is_another_choice(blame))
}

/// Whether `limitk` took as many series, though others.
fn is_another_choice(blame: &Blame) -> bool {
    let Answers { expected: Answer::Data(expected), found: Answer::Data(found) } = &blame.answers else {
        return false;
    };
    let times = |data: &Data| values(data).into_iter().map(|(ts, _)| ts).collect::<Vec<_>>();
    blame.node.operation == "limitk" && times(expected) == times(found)
}

/// Upstream's natural order puts a series without the label behind any other, and any other behind it.
fn order_without_the_label(blame: &Blame) -> bool {
    let Answer::Data(data) = &blame.answers.expected else { return false };
    let lacks = |label: &Node| {
        let key = format!("{label}:");
        data.series.iter().any(|series| !series.labels.contains(&key))
    };
    is_one_of(&blame.node, &["sort_by_label", "sort_by_label_desc"])
        && blame.difference.how == How::Order
        && blame.node.children().skip(1).any(lacks)
}

/// `topk` and `bottomk` kept their series in another kind of heap, which let go of others among equal ones.
fn ties_of_series(blame: &Blame) -> bool {
    let Answers { expected: Answer::Data(expected), found: Answer::Data(found) } = &blame.answers else {
        return false;
    };
    is_one_of(&blame.node, &["topk", "bottomk"]) && values(expected) == values(found)
}

/// All values with their times, without the series that they belong to.
fn values(data: &Data) -> Vec<(i64, String)> {
    let points = data.series.iter().flat_map(|series| &series.points);
    let mut values: Vec<_> = points.map(|(ts, point)| (*ts, format!("{point:?}"))).collect();
    values.sort();
    values
}

/// Rewriting labels can bring a float and a histogram of one time together; an aggregation of Kymo sees both,
/// upstream's the float.
fn float_beside_a_histogram(blame: &Blame) -> bool {
    let Answer::Data(found) = &blame.answers.found else { return false };
    let sees_both =
        |note: &String| note.contains("encountered a mix of histograms and floats for aggregation");
    let rewrites =
        |(operation, _): &(String, Answers)| ["label_replace", "label_join"].contains(&operation.as_str());
    found.notes.iter().any(sees_both) && blame.operands.iter().any(rewrites)
}

/// Over how many samples a histogram counts down: upstream counts those of earlier steps again at each step.
fn samples_out_of_order(blame: &Blame) -> bool {
    let notes = |answer: &Answer| -> Vec<String> {
        let Answer::Data(data) = answer else { return Vec::new() };
        let uncounted = |note: &String| match (note.find(", over "), note.find(" samples from ")) {
            (Some(before), Some(after)) => note[..before].to_owned() + &note[after..],
            _ => note.clone(),
        };
        data.notes.iter().map(uncounted).collect()
    };
    blame.difference.how == How::Notes && notes(&blame.answers.expected) == notes(&blame.answers.found)
}

/// A parse error says in which parameter of the request it is.
fn parameter_of_a_parse_error(blame: &Blame) -> bool {
    let (Answer::Error { text: expected, .. }, Answer::Error { text: found, .. }) =
        (&blame.answers.expected, &blame.answers.found)
    else {
        return false;
    };
    found.strip_prefix(r#"invalid parameter "query": "#) == Some(expected)
}

/// `atan2` drops the name of the metric as other operators do.
fn atan2_keeps_the_name(blame: &Blame) -> bool {
    let finds_duplicates = fails_with(&blame.answers.found, MULTIPLE_MATCHES);
    blame.node.operation == "atan2" && (blame.difference.how == How::Labels || finds_duplicates)
}

/// Where a counter may have been zero within the range, half the distance between samples is added at most.
fn rate_near_zero(blame: &Blame) -> bool {
    let Some((expected, found)) = blame.difference.values else { return false };
    let [(_, Answers { expected: Answer::Data(range), .. })] = blame.operands.as_slice() else {
        return false;
    };
    // Before, up to 1.1 distances were.
    let most = |points: usize| (points as f64 - 1.0 + 1.1) / (points as f64 - 1.0 + 0.5);
    let fewest = range.series.iter().map(|series| series.points.len()).filter(|count| *count > 1).min();
    is_one_of(&blame.node, &["rate", "increase"])
        && found < expected
        && fewest.is_some_and(|points| expected / found <= most(points) * (1.0 + TOLERANCE))
}

/// `timestamp` looked at a selector's `offset` beside an `@`.
fn timestamp_at_a_time(blame: &Blame) -> bool {
    let has_both = |node: &Node| {
        let text = node.to_string();
        node.operation == "selector" && text.contains(" offset ") && text.contains(" @ ")
    };
    blame.node.operation == "timestamp" && blame.node.any(&has_both)
}

/// From the second step on, the label that `count_values` writes pushed another one out of those it groups by.
fn count_values_forgets_labels(blame: &Blame) -> bool {
    let has_list = blame.node.to_string().contains(" by (");
    let is_range = matches!(blame.when, When::Range { .. });
    blame.node.operation == "count_values" && is_range && has_list && blame.difference.how == How::Labels
}

/// Comparisons look for several matches of one series, as other operators do.
fn one_to_many_in_a_filter(blame: &Blame) -> bool {
    is_one_of(&blame.node, &["==", "!=", "<", ">", "<=", ">="])
        && fails_with(&blame.answers.found, MULTIPLE_MATCHES)
        && !matches!(blame.answers.expected, Answer::Error { .. })
}

/// The window of a range with `@` stayed that of the first step where its function is evaluated at each.
fn range_at_a_time(blame: &Blame) -> bool {
    let has_at = |node: &Node| is_one_of(node, &["range", "subquery"]) && node.to_string().contains(" @ ");
    matches!(blame.when, When::Range { .. })
        && blame.node.operation == "predict_linear"
        && blame.node.any(&has_at)
}

/// Buckets that count down by no more than rounding makes of them are equal.
fn small_errors_of_buckets(blame: &Blame) -> bool {
    let Some((_, Answers { expected: Answer::Data(buckets), .. })) = blame.operands.last() else {
        return false;
    };
    let at = |series: &Series| {
        series.points.iter().find(|(ts, _)| Some(*ts) == blame.difference.at).map(|(_, point)| point.clone())
    };
    let mut counts: Vec<f64> = buckets.series.iter().filter_map(at).filter_map(Point::float).collect();
    counts.sort_by(f64::total_cmp);
    blame.node.operation == "histogram_quantile"
        && counts.windows(2).any(|pair| pair[0] != pair[1] && are_close(pair[0], pair[1], ROUNDING))
}

/// The number in the text is the largest of all steps, not the first that is too large.
fn overflow_of_a_parameter(blame: &Blame) -> bool {
    let fails = |answer: &Answer| fails_with(answer, "Scalar value ") && fails_with(answer, "flows int64");
    fails(&blame.answers.expected) && fails(&blame.answers.found)
}

/// NaN is no number of series, and the text says so.
fn nan_as_a_number_of_series(blame: &Blame) -> bool {
    is_one_of(&blame.node, &["topk", "bottomk"])
        && fails_with(&blame.answers.expected, "Scalar value NaN overflows int64")
        && fails_with(&blame.answers.found, "Parameter value is NaN")
}

/// An infinite value has no deviation, even when it is the first one.
fn deviation_of_infinity(blame: &Blame) -> bool {
    is_one_of(&blame.node, &["stddev", "stdvar"])
        && blame.difference.values.is_some_and(|(_, found)| found.is_nan())
        && blame.operands.iter().any(|(_, answers)| has(&answers.expected, |value| !value.is_finite()))
}

/// The compensation of a sum that is infinite is no number, and does not count.
fn deviation_over_time(blame: &Blame) -> bool {
    is_one_of(&blame.node, &["stddev_over_time", "stdvar_over_time"])
        && blame.difference.values.is_some_and(|(expected, found)| expected.is_nan() && found.is_infinite())
}

/// Names of labels may be any UTF-8.
fn utf8_names(blame: &Blame) -> bool {
    is_one_of(&blame.node, &["label_replace", "label_join", "count_values"])
        && fails_with(&blame.answers.expected, "invalid")
        && !matches!(blame.answers.found, Answer::Error { .. })
}

/// Series with the same labels are one if they have no time in common.
fn series_that_do_not_overlap(blame: &Blame) -> bool {
    is_one_of(&blame.node, &["unary -", "label_replace", "label_join"])
        && fails_with(&blame.answers.expected, "vector cannot contain metrics with the same labelset")
        && !matches!(blame.answers.found, Answer::Error { .. })
}

fn is_one_of(node: &Node, operations: &[&str]) -> bool {
    operations.contains(&node.operation.as_str())
}

/// Whether numbers differ by no more than what rounding makes of the operands.
fn is_rounding(blame: &Blame) -> bool {
    let largest = blame.operands.iter().map(|(_, answers)| answers.magnitude()).fold(0.0, f64::max);
    blame.difference.how == How::Values
        && blame.difference.values.is_some_and(|(a, b)| (a - b).abs() <= ROUNDING * largest)
}

fn fails_with(answer: &Answer, text: &str) -> bool {
    matches!(answer, Answer::Error { text: found, .. } if found.contains(text))
}

fn has(answer: &Answer, is: impl Fn(f64) -> bool) -> bool {
    let Answer::Data(data) = answer else { return false };
    let mut points = data.series.iter().flat_map(|series| &series.points);
    points.any(|(_, point)| matches!(point, Point::Float(value) if is(*value)))
}
