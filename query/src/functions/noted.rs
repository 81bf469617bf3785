//! Histogram operations that tell the user what they had to do.

use kymo_formats::histogram::FloatHistogram;

use crate::{
    exec::{HistogramOperation, Note, Notes, kernel::Window},
    histogram::{Combined, IncompatibleSchemas, add, sub},
};

/// Which argument annotations are about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) metric: &'a [u8],
    pub(super) position: usize,
}

impl<'a> Subject<'a> {
    /// The range vector.
    pub(super) fn matrix(window: &Window<'a>) -> Self {
        Self { metric: window.metric_name, position: window.call.matrix_position() }
    }

    /// The first argument, whatever it is.
    pub(super) fn first_argument(window: &Window<'a>) -> Self {
        Self { metric: window.metric_name, position: window.call.arg_position(0) }
    }

    pub(super) fn mixed_floats_histograms(self, notes: &mut Notes) {
        notes.add(self.position, Note::MixedFloatsHistograms { metric: self.metric.to_vec() });
    }

    pub(super) fn mixed_exponential_custom(self, notes: &mut Notes) {
        notes.add(self.position, Note::MixedExponentialCustom { metric: self.metric.to_vec() });
    }

    pub(super) fn histograms_ignored(self, notes: &mut Notes) {
        notes.add(self.position, Note::HistogramIgnoredInMixedRange { metric: self.metric.to_vec() });
    }

    pub(super) fn not_counter(self, notes: &mut Notes) {
        notes.add(self.position, Note::HistogramNotCounter { metric: self.metric.to_vec() });
    }

    pub(super) fn not_gauge(self, notes: &mut Notes) {
        notes.add(self.position, Note::HistogramNotGauge { metric: self.metric.to_vec() });
    }

    pub(super) fn start_time_overlap(self, notes: &mut Notes) {
        notes.add(self.position, Note::StartTimeOverlap { metric: self.metric.to_vec(), count: 1 });
    }

    /// Adds; `None` when the layouts cannot be combined.
    pub(super) fn add(
        self,
        target: &mut FloatHistogram,
        other: &FloatHistogram,
        notes: &mut Notes,
    ) -> Option<()> {
        self.combined(add(target, other), HistogramOperation::Addition, notes)
    }

    /// Subtracts; `None` when the layouts cannot be combined.
    pub(super) fn sub(
        self,
        target: &mut FloatHistogram,
        other: &FloatHistogram,
        notes: &mut Notes,
    ) -> Option<()> {
        self.combined(sub(target, other), HistogramOperation::Subtraction, notes)
    }

    /// Colliding hints are not reported: functions over counters treat resets themselves.
    fn combined(
        self,
        combined: Result<Combined, IncompatibleSchemas>,
        operation: HistogramOperation,
        notes: &mut Notes,
    ) -> Option<()> {
        match combined {
            Ok(combined) => {
                if combined.bounds_reconciled {
                    notes.add(self.position, Note::MismatchedCustomBuckets { operation });
                }
                Some(())
            }
            Err(IncompatibleSchemas) => {
                self.mixed_exponential_custom(notes);
                None
            }
        }
    }
}
