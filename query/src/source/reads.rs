//! What the selectors of a query read, and where.

use std::sync::Arc;

use kymo_engine::{Matcher, ReadCost, ReadMeter};

use super::plan::From;

/// Where a part of the answer to a selector comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartSource {
    /// Samples of the head and of blocks.
    Samples,
    /// Rows of a tier.
    Tier {
        /// Width of its windows, milliseconds.
        width_ms: i64,
        /// Whether they answer as the samples would.
        is_exact: bool,
    },
}

impl std::convert::From<From> for PartSource {
    fn from(source: From) -> Self {
        match source {
            From::Samples => Self::Samples,
            From::Rollups { width_ms, is_exact, .. } => Self::Tier { width_ms, is_exact },
        }
    }
}

/// A part of the answer to a selector, while it is read.
#[derive(Debug, Clone)]
pub struct SelectedPart {
    /// Where it comes from.
    pub source: PartSource,
    /// Samples and windows later than this, milliseconds.
    pub from: i64,
    /// Up to this, inclusive.
    pub to: i64,
    /// Number of series.
    pub series: u64,
    /// Counts what reading it takes.
    pub meter: Arc<ReadMeter>,
}

/// A part of the answer to a selector that has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartRead {
    /// Where it came from.
    pub source: PartSource,
    /// Samples and windows later than this, milliseconds.
    pub from: i64,
    /// Up to this, inclusive.
    pub to: i64,
    /// Number of series.
    pub series: u64,
    /// What reading it took.
    pub cost: ReadCost,
}

/// What a selector has read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectorRead {
    /// Its matchers, as PromQL.
    pub selector: String,
    /// Its parts, in the order of time.
    pub parts: Vec<PartRead>,
}

impl SelectorRead {
    /// What the selector of these matchers has read by now.
    pub(crate) fn of(selector: &str, parts: &[SelectedPart]) -> Self {
        let part = |part: &SelectedPart| {
            let SelectedPart { source, from, to, series, .. } = *part;
            PartRead { source, from, to, series, cost: part.meter.cost() }
        };
        Self { selector: selector.to_owned(), parts: parts.iter().map(part).collect() }
    }
}

/// Matchers as PromQL.
pub(crate) fn selector_text(matchers: &[Matcher]) -> String {
    let matchers: Vec<String> = matchers.iter().map(ToString::to_string).collect();
    format!("{{{}}}", matchers.join(","))
}
