//! The sum and the mean of many histograms, with compensation for rounding.

use crate::histogram::FloatHistogram;

use super::{
    combine::{Accumulator, CellSide, Combined, IncompatibleSchemas, Sign},
    kahan::Kahan,
};

/// A running sum of histograms.
#[derive(Debug, Clone, PartialEq)]
pub struct HistogramSum(Accumulator<Kahan>);

impl HistogramSum {
    /// A sum that starts with `histogram`.
    #[must_use]
    pub fn new(histogram: &FloatHistogram) -> Self {
        let cells = |counts: &[f64]| counts.iter().map(|count| Kahan::new(*count)).collect();
        Self(Accumulator {
            reset_hint: histogram.reset_hint,
            schema: histogram.schema,
            zero_threshold: histogram.zero_threshold,
            zero_count: Kahan::new(histogram.zero_count),
            count: Kahan::new(histogram.count),
            sum: Kahan::new(histogram.sum),
            positive: CellSide {
                spans: histogram.positive_spans.clone(),
                cells: cells(&histogram.positive_buckets),
            },
            negative: CellSide {
                spans: histogram.negative_spans.clone(),
                cells: cells(&histogram.negative_buckets),
            },
            custom_values: histogram.custom_values.clone(),
        })
    }

    /// Adds a histogram.
    ///
    /// # Errors
    /// When one has exponential and the other custom buckets.
    pub fn add(&mut self, histogram: &FloatHistogram) -> Result<Combined, IncompatibleSchemas> {
        self.0.combine(histogram, Sign::Plus)
    }

    /// The layout that all of them have been brought to: schema, zero threshold and custom bounds.
    #[must_use]
    pub fn layout(&self) -> (i32, f64, &[f64]) {
        (self.0.schema, self.0.zero_threshold, &self.0.custom_values)
    }

    /// Multiplies the sum and its compensation, with a positive factor.
    pub fn multiply(&mut self, factor: f64) {
        self.for_each_cell(|cell| {
            cell.sum *= factor;
            cell.compensation *= factor;
        });
    }

    /// Divides the sum and its compensation, by a positive number.
    pub fn divide(&mut self, divisor: f64) {
        self.for_each_cell(|cell| {
            cell.sum /= divisor;
            cell.compensation /= divisor;
        });
    }

    /// Whether any count or bound is infinite: the sum has left the range of floats.
    #[must_use]
    pub fn overflows(&self) -> bool {
        let Accumulator { zero_count, count, sum, positive, negative, custom_values, .. } = &self.0;
        [zero_count, count, sum]
            .into_iter()
            .chain(&positive.cells)
            .chain(&negative.cells)
            .any(|cell| cell.sum.is_infinite())
            || custom_values.iter().any(|bound| bound.is_infinite())
    }

    /// Whether `histogram` can be added without any chance of an overflow, however buckets are merged.
    fn is_far_from_overflow(&self, histogram: &FloatHistogram) -> bool {
        /// More of these than a histogram can have buckets add up to a finite number.
        const FAR: f64 = 1e290;
        let Accumulator { zero_count, count, sum, positive, negative, custom_values, .. } = &self.0;
        let FloatHistogram { positive_buckets, negative_buckets, .. } = histogram;
        let is_far = |value: &f64| value.abs() < FAR;
        [zero_count, count, sum]
            .into_iter()
            .chain(&positive.cells)
            .chain(&negative.cells)
            .all(|cell| is_far(&cell.sum) && is_far(&cell.compensation))
            && [histogram.zero_count, histogram.count, histogram.sum].iter().all(is_far)
            && positive_buckets.iter().chain(negative_buckets).chain(custom_values).all(is_far)
    }

    /// The compensated sum.
    #[must_use]
    pub fn total(&self) -> FloatHistogram {
        let totals = |cells: &[Kahan]| cells.iter().copied().map(Kahan::total).collect();
        FloatHistogram {
            reset_hint: self.0.reset_hint,
            schema: self.0.schema,
            zero_threshold: self.0.zero_threshold,
            zero_count: self.0.zero_count.total(),
            count: self.0.count.total(),
            sum: self.0.sum.total(),
            positive_spans: self.0.positive.spans.clone(),
            negative_spans: self.0.negative.spans.clone(),
            positive_buckets: totals(&self.0.positive.cells),
            negative_buckets: totals(&self.0.negative.cells),
            custom_values: self.0.custom_values.clone(),
        }
    }

    fn for_each_cell(&mut self, change: impl Fn(&mut Kahan)) {
        let Accumulator { zero_count, count, sum, positive, negative, .. } = &mut self.0;
        [zero_count, count, sum]
            .into_iter()
            .chain(&mut positive.cells)
            .chain(&mut negative.cells)
            .for_each(change);
    }
}

/// A running mean of histograms: a compensated sum that is divided at the end, or, once that sum would
/// overflow, a mean that is adjusted with every histogram.
#[derive(Debug, Clone)]
pub struct HistogramMean {
    value: HistogramSum,
    count: f64,
    incremental: bool,
}

impl HistogramMean {
    /// A mean that starts with `sum`, which is that of `count` histograms.
    #[must_use]
    pub fn new(sum: &FloatHistogram, count: f64) -> Self {
        Self { value: HistogramSum::new(sum), count, incremental: false }
    }

    /// Adds the sum of `count` histograms.
    ///
    /// # Errors
    /// When one has exponential and the other custom buckets.
    pub fn add(&mut self, histogram: &FloatHistogram, count: f64) -> Result<Combined, IncompatibleSchemas> {
        let before = self.count;
        self.count += count;
        let mut seen = Combined::default();
        if !self.incremental {
            if self.value.is_far_from_overflow(histogram) {
                return self.value.add(histogram);
            }
            let mut sum = self.value.clone();
            seen = sum.add(histogram)?;
            if !sum.overflows() {
                self.value = sum;
                return Ok(seen);
            }
            self.incremental = true;
            self.value.divide(before);
        }
        self.value.multiply(before / self.count);
        let mut share = histogram.clone();
        super::scale::divide(&mut share, self.count);
        let combined = self.value.add(&share)?;
        Ok(Combined {
            hints_collide: seen.hints_collide || combined.hints_collide,
            bounds_reconciled: seen.bounds_reconciled || combined.bounds_reconciled,
        })
    }

    /// The mean.
    #[must_use]
    pub fn finish(mut self) -> FloatHistogram {
        if !self.incremental {
            self.value.divide(self.count);
        }
        self.value.total()
    }
}
