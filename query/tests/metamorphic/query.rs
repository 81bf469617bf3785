//! Random calls of functions over ranges.

use std::fmt;

use kymo_query::{QueryEngine, QueryOptions, QueryResult, Source};
use proptest::prelude::*;

use crate::store::{DAY_MS, END_MS, START_MS};

/// All functions that can do with summaries, and one that cannot.
pub(crate) const FUNCTIONS: [&str; 14] = [
    "count_over_time",
    "sum_over_time",
    "avg_over_time",
    "min_over_time",
    "max_over_time",
    "first_over_time",
    "last_over_time",
    "present_over_time",
    "absent_over_time",
    "resets",
    "changes",
    "rate",
    "increase",
    "delta",
];

const HOUR_MS: i64 = 3_600_000;

/// A call of a function over a range of all series, at some steps.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    pub(crate) function: usize,
    range: i64,
    start: i64,
    step: i64,
    steps: i64,
    offset: i64,
    at: Option<i64>,
}

impl Query {
    pub(crate) fn over(function: usize, range: i64, start: i64, step: i64, steps: i64) -> Self {
        Self { function, range, start, step, steps, offset: 0, at: None }
    }

    pub(crate) fn name(&self) -> &'static str {
        FUNCTIONS[self.function]
    }

    /// The window at the step of time `ts`: open on the left.
    pub(crate) fn window(&self, ts: i64) -> (i64, i64) {
        let end = self.at.unwrap_or(ts) - self.offset;
        (end - self.range, end)
    }

    fn text(&self) -> String {
        let offset = match self.offset {
            0 => String::new(),
            offset if offset < 0 => format!(" offset -{}ms", -offset),
            offset => format!(" offset {offset}ms"),
        };
        let at = self.at.map(|at| format!(" @ {}.{:03}", at / 1000, at % 1000)).unwrap_or_default();
        format!("{}(m[{}ms]{at}{offset})", self.name(), self.range)
    }

    pub(crate) fn run(&self, engine: &QueryEngine, source: &dyn Source) -> Result<QueryResult, String> {
        let options = QueryOptions { per_step_stats: true, ..QueryOptions::default() };
        let end = self.start + self.step * (self.steps - 1);
        let result = engine.range(source, &self.text(), self.start, end, self.step, &options);
        result.map_err(|error| format!("{self}: {error}"))
    }
}

/// A query of which each window consists of whole ones of `width` milliseconds.
pub(crate) fn aligned(width: i64) -> impl Strategy<Value = Query> {
    let times = |max: i64| (1..=max).prop_map(move |n| n * width);
    let steps = prop_oneof![1 => Just(1_i64), 2 => 2_i64..12, 1 => 12_i64..60];
    let offset = prop_oneof![3 => Just(0_i64), 1 => times(40)];
    let start = (START_MS - DAY_MS) / width..(END_MS + DAY_MS) / width;
    (0..FUNCTIONS.len(), times(20), start, times(9), steps, offset).prop_map(
        move |(function, range, start, step, steps, offset)| Query {
            function,
            range,
            start: start * width,
            step,
            steps,
            offset,
            at: None,
        },
    )
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} from {} by {}, {} times", self.text(), self.start, self.step, self.steps)
    }
}

/// Times at which chunks of some level begin or end, and others.
fn time() -> impl Strategy<Value = i64> {
    let days = (START_MS - DAY_MS) / DAY_MS..(END_MS + 3 * DAY_MS) / DAY_MS;
    prop_oneof![
        2 => (days.clone(), -1_i64..3).prop_map(|(day, off)| day * DAY_MS + off),
        1 => (days.clone(), 0_i64..12, -1_i64..3).prop_map(|(day, n, off)| day * DAY_MS + n * 2 * HOUR_MS + off),
        1 => (days, 0_i64..DAY_MS).prop_map(|(day, off)| day * DAY_MS + off),
    ]
}

fn length() -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => (1_i64..20, -1_i64..2).prop_map(|(days, off)| days * DAY_MS + off),
        2 => (1_i64..13, -1_i64..2).prop_map(|(n, off)| n * 2 * HOUR_MS + off),
        1 => 60_000_i64..20 * DAY_MS,
        1 => 1_i64..4 * HOUR_MS,
    ]
}

pub(crate) fn query() -> impl Strategy<Value = Query> {
    let steps = prop_oneof![2 => Just(1_i64), 2 => 2_i64..12, 1 => 12_i64..60];
    let offset = prop_oneof![4 => Just(0_i64), 1 => length(), 1 => length().prop_map(|length| -length)];
    let at = prop_oneof![6 => Just(None), 1 => time().prop_map(Some)];
    (0..FUNCTIONS.len(), length(), time(), length(), steps, offset, at).prop_map(
        |(function, range, start, step, steps, offset, at)| Query {
            function,
            range,
            start,
            step: step.max(1),
            steps,
            offset,
            at,
        },
    )
}
