//! What the referee knows, by version and features.

use kymo_query::promql::{FUNCTIONS, FunctionSignature};

use super::super::referee::{Features, LEFT_OPEN, OURS, Version};

/// Stable functions that came after 2.42, or to what is generated here.
const SINCE: [(&str, Version); 5] = [
    ("first_over_time", (3, 14)),
    ("histogram_avg", (2, 50)),
    // Of classic histograms; before, of native ones alone.
    ("histogram_fraction", (3, 4)),
    ("histogram_stddev", (2, 46)),
    ("histogram_stdvar", (2, 46)),
];

/// The language that the referee and Kymo have in common.
pub(crate) struct Language {
    pub(crate) version: Version,
    pub(crate) features: Features,
}

impl Language {
    /// All functions that are known and switched on.
    pub(crate) fn functions(&self) -> impl Iterator<Item = &'static FunctionSignature> {
        FUNCTIONS.iter().filter(|function| {
            let since = SINCE.iter().find(|(name, _)| *name == function.name).map(|(_, version)| *version);
            since.is_none_or(|since| self.version >= since)
                && (!function.experimental || self.has_experimental_functions())
                && (function.name != "start_timestamp" || self.features.has("use-start-timestamps"))
        })
    }

    pub(crate) fn has_experimental_functions(&self) -> bool {
        self.has_feature("promql-experimental-functions")
    }

    pub(crate) fn has_extended_ranges(&self) -> bool {
        self.has_feature("promql-extended-range-selectors")
    }

    pub(crate) fn has_fill(&self) -> bool {
        self.has_feature("promql-binop-fill-modifiers")
    }

    pub(crate) fn has_durations_as_numbers(&self) -> bool {
        self.version >= LEFT_OPEN
    }

    /// Arithmetic in ranges, steps and offsets, and operators that trim histograms.
    pub(crate) fn is_ours(&self) -> bool {
        self.version >= OURS
    }

    /// Whether windows may end where samples are.
    pub(crate) fn may_meet_edges(&self) -> bool {
        self.version >= LEFT_OPEN
    }

    fn has_feature(&self, name: &str) -> bool {
        self.is_ours() && self.features.has(name)
    }
}
