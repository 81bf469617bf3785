//! Switches of PromQL, by upstream's names for them.

use crate::EngineOptions;

/// A part of PromQL that upstream has behind `--enable-feature` and that is off unless named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Feature {
    /// Functions and aggregations marked experimental.
    ExperimentalFunctions,
    /// Arithmetic in durations. Part of the language by now; upstream still takes the name.
    DurationExpressions,
    /// The modifiers `anchored` and `smoothed`.
    ExtendedRangeSelectors,
    /// The modifiers `fill`, `fill_left` and `fill_right`.
    BinopFillModifiers,
    /// Metric names are removed at the end of a query only.
    DelayedNameRemoval,
    /// Statistics of a query count the samples of each step if asked to.
    PerStepStats,
    /// `rate` and the like use the start timestamps of samples.
    UseStartTimestamps,
    /// The labels `__type__` and `__unit__` are metadata of the metric.
    TypeAndUnitLabels,
}

impl Feature {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::ExperimentalFunctions,
        Self::DurationExpressions,
        Self::ExtendedRangeSelectors,
        Self::BinopFillModifiers,
        Self::DelayedNameRemoval,
        Self::PerStepStats,
        Self::UseStartTimestamps,
        Self::TypeAndUnitLabels,
    ];

    /// Upstream's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ExperimentalFunctions => "promql-experimental-functions",
            Self::DurationExpressions => "promql-duration-expr",
            Self::ExtendedRangeSelectors => "promql-extended-range-selectors",
            Self::BinopFillModifiers => "promql-binop-fill-modifiers",
            Self::DelayedNameRemoval => "promql-delayed-name-removal",
            Self::PerStepStats => "promql-per-step-stats",
            Self::UseStartTimestamps => "use-start-timestamps",
            Self::TypeAndUnitLabels => "type-and-unit-labels",
        }
    }

    /// The feature of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|feature| feature.name() == name)
    }
}

impl EngineOptions {
    /// These options with `feature` switched on.
    #[must_use]
    pub const fn with(mut self, feature: Feature) -> Self {
        let switch = match feature {
            Feature::ExperimentalFunctions => &mut self.parser.experimental_functions,
            Feature::DurationExpressions => &mut self.parser.duration_expressions,
            Feature::ExtendedRangeSelectors => &mut self.parser.extended_range_selectors,
            Feature::BinopFillModifiers => &mut self.parser.binop_fill_modifiers,
            Feature::DelayedNameRemoval => &mut self.eval.delayed_name_removal,
            Feature::PerStepStats => &mut self.eval.per_step_stats,
            Feature::UseStartTimestamps => &mut self.eval.use_start_timestamps,
            Feature::TypeAndUnitLabels => &mut self.eval.type_and_unit_labels,
        };
        *switch = true;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_switches_something_else_on() {
        let default = EngineOptions::default();
        let mut seen = vec![default];
        for feature in Feature::ALL {
            assert_eq!(Feature::from_name(feature.name()), Some(feature));
            let options = default.with(feature);
            // Arithmetic in durations is on without being named.
            if feature == Feature::DurationExpressions {
                assert_eq!(options, default);
            } else {
                assert!(!seen.contains(&options), "{feature:?}");
                seen.push(options);
            }
        }
        assert_eq!(Feature::from_name("promql-experimental"), None);
    }
}
