//! Histograms without their buckets, for functions that need only count and sum.

use std::{mem, sync::Arc};

use kymo_engine::{Labels, SampleColumns, SummaryRequest, Warnings, is_stale};
use kymo_formats::histogram::{FloatHistogram, ResetHint};

use crate::{Error, SeriesReader, Summaries};

/// A series whose histograms have no buckets.
///
/// Resets cannot be found without buckets, so each histogram gets a hint that compares it with the one before.
pub(super) struct BucketlessReader(pub(super) Box<dyn SeriesReader>);

impl SeriesReader for BucketlessReader {
    fn labels(&self) -> &Labels {
        self.0.labels()
    }

    fn samples_max(&self) -> usize {
        self.0.samples_max()
    }

    fn read(&self, columns: &mut SampleColumns) -> Result<Warnings, Error> {
        let warnings = self.0.read(columns)?;
        drop_buckets(columns);
        Ok(warnings)
    }

    fn read_summarised(
        &self,
        request: &SummaryRequest,
        columns: &mut SampleColumns,
        summaries: &mut Summaries,
    ) -> Result<Warnings, Error> {
        let warnings = self.0.read_summarised(request, columns, summaries)?;
        // Windows of rollups are compared with what is before and behind them.
        if summaries.windows.is_empty() {
            drop_buckets(columns);
        }
        Ok(warnings)
    }
}

fn drop_buckets(columns: &mut SampleColumns) {
    let mut previous: Option<Arc<FloatHistogram>> = None;
    for sample in &mut columns.histograms {
        let full = &*sample.value;
        let stale = is_stale(full.sum);
        let reset_hint = match (full.reset_hint, &previous) {
            (ResetHint::Unknown, Some(previous)) if !stale => {
                if full.detect_reset(previous) {
                    ResetHint::Reset
                } else {
                    ResetHint::NotReset
                }
            }
            (hint, _) => hint,
        };
        let (schema, count, sum) = (full.schema, full.count, full.sum);
        let bucketless = FloatHistogram { reset_hint, schema, count, sum, ..FloatHistogram::default() };
        let full = mem::replace(&mut sample.value, Arc::new(bucketless));
        if !stale {
            previous = Some(full);
        }
    }
}
