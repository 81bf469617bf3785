//! The samples of a window of both kinds, in the order of time.

use kymo_engine::HistogramSample;
use kymo_formats::histogram::FloatHistogram;

/// One sample.
#[derive(Debug, Clone, Copy)]
pub(super) struct Point<'a> {
    pub(super) ts: i64,
    /// 0 = unknown.
    pub(super) start_ts: i64,
    pub(super) value: PointValue<'a>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum PointValue<'a> {
    Float(f64),
    Histogram(&'a FloatHistogram),
}

/// Iterates over floats and histograms together.
#[derive(Debug, Clone)]
pub(super) struct Points<'a> {
    ts: &'a [i64],
    values: &'a [f64],
    start_ts: &'a [i64],
    histograms: &'a [HistogramSample],
}

impl<'a> Points<'a> {
    /// The samples of these columns; `start_ts` may be empty.
    pub(super) fn new(
        ts: &'a [i64],
        values: &'a [f64],
        start_ts: &'a [i64],
        histograms: &'a [HistogramSample],
    ) -> Self {
        Self { ts, values, start_ts, histograms }
    }

    fn next_float(&mut self) -> Option<Point<'a>> {
        let (&ts, rest) = self.ts.split_first()?;
        let (&value, values) = self.values.split_first()?;
        let (start_ts, starts) =
            self.start_ts.split_first().map_or((0, &[][..]), |(first, rest)| (*first, rest));
        (self.ts, self.values, self.start_ts) = (rest, values, starts);
        Some(Point { ts, start_ts, value: PointValue::Float(value) })
    }

    fn next_histogram(&mut self) -> Option<Point<'a>> {
        let (sample, rest) = self.histograms.split_first()?;
        self.histograms = rest;
        Some(Point { ts: sample.ts, start_ts: sample.start_ts, value: PointValue::Histogram(&sample.value) })
    }
}

impl<'a> Iterator for Points<'a> {
    type Item = Point<'a>;

    fn next(&mut self) -> Option<Point<'a>> {
        match (self.ts.first(), self.histograms.first()) {
            (Some(ts), Some(histogram)) if histogram.ts < *ts => self.next_histogram(),
            (None, Some(_)) => self.next_histogram(),
            _ => self.next_float(),
        }
    }
}
