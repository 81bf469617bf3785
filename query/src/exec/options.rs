//! What can be switched in evaluation.

/// Switches of evaluation, with upstream's names and defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EvalOptions {
    /// Metric names are removed at the end of the query, not by the operation that invalidates them.
    pub delayed_name_removal: bool,
    /// `rate` and the like use the start timestamps of samples.
    pub use_start_timestamps: bool,
    /// The labels `__type__` and `__unit__` are taken as metadata of the metric.
    pub type_and_unit_labels: bool,
    /// Samples are counted for each step, too, where [`crate::QueryOptions::per_step_stats`] asks for it.
    pub per_step_stats: bool,
}
