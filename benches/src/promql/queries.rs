//! What is asked: one query per kind of operator over generated services, and the dashboard over a recording.

use crate::query::{Set, dashboard};

/// Steps of the graphs that are not given another number.
pub(crate) const STEPS: i64 = 240;

/// A query, and over how many steps it is asked.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    /// Which part of the table it belongs to.
    pub(crate) set: &'static str,
    /// What it shows.
    pub(crate) title: &'static str,
    /// The expression.
    pub(crate) expr: String,
    /// Steps of the graph.
    pub(crate) steps: i64,
}

/// The query by which the executor is judged.
pub(crate) const HEADLINE: &str = "rate, summed by job";

/// Title, expression, steps.
const OPERATORS: [(&str, &str, i64); 12] = [
    (HEADLINE, "sum by (job) (rate(requests_total[5m]))", 1_000),
    ("rate of 100 series", "rate(requests_total{job=\"job-0\",instance=\"host-0\"}[5m])", 1_000),
    ("instant selector", "requests_total{job=\"job-1\"}", STEPS),
    ("instant selector, averaged", "avg by (job) (queue_length)", 1_000),
    (
        "vector matching, many to one",
        "rate(requests_total{code=\"500\"}[5m]) / on (job, instance, handler) group_left \
         sum by (job, instance, handler) (rate(requests_total[5m]))",
        STEPS,
    ),
    ("topk", "topk(5, rate(requests_total[5m]))", STEPS),
    (
        "histogram_quantile",
        "histogram_quantile(0.99, sum by (job, le) (rate(latency_seconds_bucket[5m])))",
        1_000,
    ),
    ("subquery", "max_over_time(sum by (job) (rate(requests_total[5m]))[30m:1m])", STEPS),
    ("regex selector", "sum by (handler) (requests_total{handler=~\".*[05]\",code!~\"4..\"})", STEPS),
    ("max_over_time", "max by (job) (max_over_time(queue_length[10m]))", 1_000),
    ("quantile", "quantile by (job) (0.9, queue_length)", 1_000),
    (
        "label_replace",
        "sum by (class) (label_replace(requests_total, \"class\", \"${1}xx\", \"code\", \"(.)..\"))",
        STEPS,
    ),
];

/// Queries over generated services.
pub(crate) fn operators() -> Vec<Query> {
    let query = |(title, expr, steps): (&'static str, &str, i64)| Query {
        set: "operators",
        title,
        expr: expr.to_owned(),
        steps,
    };
    OPERATORS.into_iter().map(query).collect()
}

/// The 25 queries of the dashboard, over one node and over all.
pub(crate) fn dashboards(rate_window: &str) -> Vec<Query> {
    let sets = [(Set::Dashboard, "dashboard"), (Set::Fleet, "fleet")];
    sets.into_iter()
        .flat_map(|(set, name)| {
            dashboard::QUERIES.into_iter().map(move |(title, expr)| Query {
                set: name,
                title,
                expr: set.query(expr, "host-0", rate_window),
                steps: STEPS,
            })
        })
        .collect()
}
