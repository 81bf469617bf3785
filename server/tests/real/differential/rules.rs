//! What changed between the referee's version and the one that Kymo follows, as rules that a difference must meet.

use super::{
    blame::Blame,
    referee::Version,
};

/// A known change of Prometheus.
pub(crate) struct Rule {
    pub(crate) name: &'static str,
    /// What changed.
    pub(crate) reason: &'static str,
    /// The first version that answers as Kymo does.
    pub(crate) since: Version,
    /// Whether it explains a difference.
    pub(crate) explains: fn(&Blame) -> bool,
}

/// All rules.
pub(crate) const RULES: &[Rule] = &[
];

/// The rule that explains a difference from a referee of `version`.
pub(crate) fn explanation(version: Version, blame: &Blame) -> Option<&'static Rule> {
    RULES.iter().find(|rule| version < rule.since && (rule.explains)(blame))
}
