//! The rows of one write request.

use kymo_engine::{HistogramValue, Labels};

use super::Metadata;

/// A series of a [`Batch`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SeriesIdx(pub(crate) usize);

#[derive(Debug)]
pub(super) struct SampleRow {
    pub(super) series: usize,
    pub(super) ts: i64,
    pub(super) start_ts: i64,
    pub(super) value: f64,
}

#[derive(Debug)]
pub(super) struct HistogramRow {
    pub(super) series: usize,
    pub(super) ts: i64,
    pub(super) start_ts: i64,
    pub(super) value: HistogramValue,
}

#[derive(Debug)]
pub(super) struct ExemplarRow {
    pub(super) series: usize,
    pub(super) ts: i64,
    pub(super) value: f64,
    pub(super) labels: Labels,
}

/// The rows of one write request, in the order in which they were sent.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(super) series: Vec<Labels>,
    pub(super) samples: Vec<SampleRow>,
    pub(super) histograms: Vec<HistogramRow>,
    pub(super) exemplars: Vec<ExemplarRow>,
    pub(super) metadata: Vec<(String, Metadata)>,
}

impl Batch {
    pub(crate) fn series(&mut self, pairs: &[(&[u8], &[u8])]) -> SeriesIdx {
        self.series.push(Labels::from_pairs(pairs.iter().copied()));
        SeriesIdx(self.series.len() - 1)
    }

    pub(crate) fn sample(&mut self, series: SeriesIdx, ts: i64, value: f64, start_ts: i64) {
        self.samples.push(SampleRow { series: series.0, ts, start_ts, value });
    }

    pub(crate) fn histogram(&mut self, series: SeriesIdx, ts: i64, value: HistogramValue, start_ts: i64) {
        self.histograms.push(HistogramRow { series: series.0, ts, start_ts, value });
    }

    pub(crate) fn exemplar(&mut self, series: SeriesIdx, ts: i64, value: f64, labels: &[(&[u8], &[u8])]) {
        let labels = Labels::from_pairs(labels.iter().copied());
        self.exemplars.push(ExemplarRow { series: series.0, ts, value, labels });
    }

    pub(crate) fn metadata(&mut self, family: &[u8], metadata: Metadata) {
        self.metadata.push((String::from_utf8_lossy(family).into_owned(), metadata));
    }

    /// Rows of all kinds.
    pub(crate) fn row_count(&self) -> usize {
        self.samples.len() + self.histograms.len() + self.exemplars.len()
    }
}
