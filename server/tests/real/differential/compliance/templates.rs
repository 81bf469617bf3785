//! The templates and how they are filled in.

/// What a name in a template, with `$` before it, stands for: each of these in turn.
const VARIANTS: [(&str, &[&str]); 19] = [
    ("aggregation", &["sum", "avg", "max", "min", "count", "stddev", "stdvar"]),
    ("over_time", &["sum", "avg", "max", "min", "count", "stddev", "stdvar", "absent", "last"]),
    ("top", &["topk", "bottomk"]),
    ("quantile", &["-0.5", "0.1", "0.5", "0.75", "0.95", "0.90", "0.99", "1", "1.5"]),
    ("range", &["1s", "15s", "1m", "5m", "15m", "1h"]),
    ("offset", &["1m", "5m", "10m"]),
    ("arithmetic", &["+", "-", "*", "/", "%", "^"]),
    ("comparison", &["==", "!=", "<", ">", "<=", ">="]),
    ("operator", &["+", "-", "*", "/", "%", "^", "==", "!=", "<", ">", "<=", ">="]),
    ("math", &["abs", "ceil", "floor", "exp", "sqrt", "ln", "log2", "log10", "round"]),
    ("date", &["day_of_month", "day_of_week", "days_in_month", "hour", "minute", "month", "year"]),
    ("extrapolated", &["delta", "rate", "increase"]),
    ("instant", &["idelta", "irate"]),
    ("clamp", &["clamp_min", "clamp_max"]),
    ("memory", &["demo_memory_usage_bytes"]),
    ("cpus", &["demo_num_cpus"]),
    ("cpu", &["demo_cpu_usage_seconds_total"]),
    ("disk", &["demo_disk_usage_bytes"]),
    ("success", &["demo_batch_last_success_timestamp_seconds"]),
];

/// Templates whose queries are answered.
const ANSWERED: [&str; 113] = [
    // Literals.
    "42",
    "1.234",
    ".123",
    "1.23e-3",
    "0x3d",
    "Inf",
    "+Inf",
    "-Inf",
    "NaN",
    // Selectors.
    "$memory",
    r#"{__name__="$memory"}"#,
    r#"$memory{type="free"}"#,
    r#"$memory{type!="free"}"#,
    r#"$memory{instance=~"demo.promlabs.com:.*"}"#,
    r#"$memory{instance=~"host"}"#,
    r#"$memory{instance!~".*:10000"}"#,
    r#"$memory{type="free", instance!="demo.promlabs.com:10000"}"#,
    r#"{type="free", instance!="demo.promlabs.com:10000"}"#,
    "nonexistent_metric_name",
    "$memory offset $offset",
    "$memory offset -$offset",
    "demo_intermittent_metric",
    // Aggregations.
    "$aggregation($memory)",
    "$aggregation(nonexistent_metric_name)",
    "$aggregation by() ($memory)",
    "$aggregation by(instance) ($memory)",
    "$aggregation by(instance, type) ($memory)",
    "$aggregation by(nonexistent) ($memory)",
    "$aggregation without() ($memory)",
    "$aggregation without(instance) ($memory)",
    "$aggregation without(instance, type) ($memory)",
    "$aggregation without(nonexistent) ($memory)",
    "$top (3, $memory)",
    "$top by(instance) (2, $memory)",
    "$top without(instance) (2, $memory)",
    "$top without() (2, $memory)",
    "quantile($quantile, $memory)",
    "avg(max by(type) ($memory))",
    // Operators.
    "1 * 2 + 4 / 6 - 10 % 2 ^ 2",
    "$cpus + (1 $comparison bool 2)",
    "$memory $operator 1.2345",
    "$memory $comparison bool 1.2345",
    "1.2345 $comparison bool $memory",
    "0.12345 $operator $memory",
    "(1 * 2 + 4 / 6 - (10%7)^2) $operator $memory",
    "$memory $operator (1 * 2 + 4 / 6 - 10)",
    "timestamp($memory * 1)",
    "timestamp(-$memory)",
    "$memory $operator on(instance, job, type) $memory",
    "sum by(instance, type) ($memory) $operator on(instance, type) group_left(job) $memory",
    "$memory $comparison bool on(instance, job, type) $memory",
    "$memory / on(instance, job, type, __name__) $memory",
    "sum without(job) ($memory) / on(instance, type) $memory",
    "sum without(job) ($memory) / on(instance, type) group_left $memory",
    "sum without(job) ($memory) / on(instance, type) group_left(job) $memory",
    "$memory / on(instance, job) group_left $cpus",
    "$memory / on(instance, type, job, non_existent) $memory",
    "$cpus * Inf",
    "$cpus * -Inf",
    "$cpus * NaN",
    "$memory + -(1)",
    "-$memory",
    "-1 ^ 2",
    "1 $arithmetic time()",
    "time() $arithmetic 1",
    "time() $comparison bool 1",
    "1 $comparison bool time()",
    "time() $arithmetic time()",
    "time() $comparison bool time()",
    "time() $operator $memory",
    "$memory $operator time()",
    // Functions.
    "$over_time_over_time($memory[$range])",
    "quantile_over_time($quantile, $memory[$range])",
    "timestamp($cpus)",
    "timestamp(timestamp($cpus))",
    "$math($memory)",
    "$math(-$memory)",
    "$extrapolated(nonexistent_metric[5m])",
    "$extrapolated($cpu[$range])",
    "deriv($disk[$range])",
    "predict_linear($disk[$range], 600)",
    "time()",
    r#"label_replace($cpus, "job", "destination-value-$1", "instance", "demo.promlabs.com:(.*)")"#,
    r#"label_replace($cpus, "job", "destination-value-$1", "instance", "host:(.*)")"#,
    r#"label_replace($cpus, "job", "$1-$2", "instance", "local(.*):(.*)")"#,
    r#"label_replace($cpus, "job", "value-$1", "nonexistent-src", "source-value-(.*)")"#,
    r#"label_replace($cpus, "job", "value-$1", "nonexistent-src", "(.*)")"#,
    r#"label_replace($cpus, "job", "value-$1", "instance", "non-matching-regex")"#,
    r#"label_replace($cpus, "job", "", "dst", ".*")"#,
    r#"label_join($cpus, "new_label", "-", "instance", "job")"#,
    r#"label_join($cpus, "job", "-", "instance", "job")"#,
    r#"label_join($cpus, "job", "-", "instance")"#,
    "$date()",
    "$date($success offset $offset)",
    "$instant($cpu[$range])",
    "$clamp($memory, 2)",
    "clamp($memory, 0, 1)",
    "clamp($memory, 0, 1000000000000)",
    "clamp($memory, 1000000000000, 0)",
    "clamp($memory, 1000000000000, 1000000000000)",
    "resets($cpu[$range])",
    "changes($success[$range])",
    "vector(1.23)",
    "vector(time())",
    "histogram_quantile($quantile, rate(demo_api_request_duration_seconds_bucket[1m]))",
    "histogram_quantile(0.9, nonexistent_metric)",
    "histogram_quantile(0.9, $memory)",
    r#"histogram_quantile(0.9, {__name__=~"demo_api_request_duration_seconds_.+"})"#,
    r#"count_values("value", demo_api_request_duration_seconds_bucket)"#,
    "absent($memory)",
    "absent(nonexistent_metric_name)",
    // Subqueries.
    "max_over_time((time() - max($success) < 1000)[5m:10s] offset 5m)",
    "avg_over_time(rate($cpu[1m])[2m:10s])",
];

/// Templates whose queries are errors.
const FAILING: [&str; 5] = [
    r#"{__name__=~".*"}"#,
    r#"label_replace($cpus, "job", "value-$1", "src", "(.*")"#,
    r#"label_replace($cpus, "~invalid", "", "src", "(.*)")"#,
    r#"label_replace($cpus, "instance", "", "", "")"#,
    r#"label_join($cpus, "~invalid", "-", "instance")"#,
];

/// How many templates there are.
pub(super) const TEMPLATES: usize = ANSWERED.len() + FAILING.len();

/// All queries, and whether the suite wants them to fail.
pub(super) fn queries() -> Vec<(String, bool)> {
    let answered = ANSWERED.iter().flat_map(|template| expand(template)).map(|query| (query, false));
    answered.chain(FAILING.iter().flat_map(|template| expand(template)).map(|query| (query, true))).collect()
}

fn expand(template: &str) -> Vec<String> {
    let next = VARIANTS.iter().find(|(name, _)| template.contains(&format!("${name}")));
    let Some((name, values)) = next else { return vec![template.to_owned()] };
    values.iter().flat_map(|value| expand(&template.replace(&format!("${name}"), value))).collect()
}
