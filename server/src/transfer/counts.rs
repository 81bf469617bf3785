//! What was moved.

use std::fmt;

use kymo_engine::Labels;
use kymo_formats::codec::ChunkSamples;

/// What went through.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Counts {
    /// Series, one counted again where it comes again behind another one.
    pub(super) series: u64,
    /// Float samples.
    pub(super) samples: u64,
    pub(super) histograms: u64,
    last: Option<Labels>,
}

impl Counts {
    /// Counts samples of one series.
    pub(super) fn add(&mut self, labels: &Labels, samples: &ChunkSamples) {
        if self.last.as_ref() != Some(labels) {
            self.series += 1;
            self.last = Some(labels.clone());
        }
        self.samples += samples.ts.len() as u64;
        self.histograms += samples.histograms.len() as u64;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { series, samples, histograms, .. } = self;
        write!(f, "{samples} samples and {histograms} histograms of {series} series")
    }
}
