//! The values of one series, one per step at most.

use std::sync::Arc;

use kymo_formats::histogram::FloatHistogram;

/// Bits of the NaN that stands for "no float at this step".
///
/// Real values with these bits are stored as another NaN, so presence needs no bitmap beside the values.
const ABSENT_BITS: u64 = 0x7ff4_ab5e_4700_dead;

/// The value of a series at one step.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Sample {
    /// A number.
    Float(f64),
    /// A native histogram.
    Histogram(Arc<FloatHistogram>),
}

/// A borrowed [`Sample`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum SampleRef<'a> {
    /// A number.
    Float(f64),
    /// A native histogram.
    Histogram(&'a Arc<FloatHistogram>),
}

impl SampleRef<'_> {
    /// The sample with a share in the histogram.
    pub(crate) fn to_owned(self) -> Sample {
        match self {
            Self::Float(value) => Sample::Float(value),
            Self::Histogram(histogram) => Sample::Histogram(Arc::clone(histogram)),
        }
    }
}

/// The values of one series over the steps of a grid. Each step has a float, a histogram or nothing.
///
/// Floats are dense from the first step that has one to the last, so a series that lived for a part of the
/// queried range costs only that part. Histograms are sparse.
#[derive(Debug, Clone, Default)]
pub(crate) struct Column {
    /// Step of `values[0]`.
    first: usize,
    /// Floats from `first` on, [`ABSENT_BITS`] where there is none.
    values: Vec<f64>,
    /// Histograms, ascending by step.
    histograms: Vec<(usize, Arc<FloatHistogram>)>,
}

impl Column {
    /// An empty column with room for `steps` floats.
    pub(crate) fn with_capacity(steps: usize) -> Self {
        Self { first: 0, values: Vec::with_capacity(steps), histograms: Vec::new() }
    }

    /// A column with a float at every step.
    pub(crate) fn from_floats(mut values: Vec<f64>) -> Self {
        values.iter_mut().for_each(|value| *value = boxed(*value));
        Self { first: 0, values, histograms: Vec::new() }
    }

    /// Appends a float. Steps must ascend.
    #[inline]
    pub(crate) fn push_float(&mut self, step: usize, value: f64) {
        if self.values.is_empty() {
            self.first = step;
        }
        let idx = step - self.first;
        debug_assert!(idx >= self.values.len(), "steps ascend");
        if idx > self.values.len() {
            self.values.resize(idx, f64::from_bits(ABSENT_BITS));
        }
        self.values.push(boxed(value));
    }

    /// Appends a histogram. Steps must ascend.
    pub(crate) fn push_histogram(&mut self, step: usize, histogram: Arc<FloatHistogram>) {
        debug_assert!(self.histograms.last().is_none_or(|(last, _)| *last < step), "steps ascend");
        self.histograms.push((step, histogram));
    }

    /// Appends a sample. Steps must ascend.
    pub(crate) fn push(&mut self, step: usize, sample: Sample) {
        match sample {
            Sample::Float(value) => self.push_float(step, value),
            Sample::Histogram(histogram) => self.push_histogram(step, histogram),
        }
    }

    /// Adds a sample at any step that has none yet; cheap when steps ascend.
    pub(crate) fn insert(&mut self, step: usize, sample: Sample) {
        match sample {
            Sample::Float(value) if self.values.is_empty() || step >= self.first + self.values.len() => {
                self.push_float(step, value);
            }
            Sample::Float(value) => {
                if step < self.first {
                    let missing = self.first - step;
                    self.values.splice(0..0, std::iter::repeat_n(f64::from_bits(ABSENT_BITS), missing));
                    self.first = step;
                }
                self.values[step - self.first] = boxed(value);
            }
            Sample::Histogram(histogram) => {
                let place = self.histograms.partition_point(|(other, _)| *other < step);
                self.histograms.insert(place, (step, histogram));
            }
        }
    }

    /// The float at `step`, if there is one.
    #[inline]
    pub(crate) fn float(&self, step: usize) -> Option<f64> {
        let value = *self.values.get(step.checked_sub(self.first)?)?;
        (value.to_bits() != ABSENT_BITS).then_some(value)
    }

    /// The histogram at `step`, if there is one.
    pub(crate) fn histogram(&self, step: usize) -> Option<&Arc<FloatHistogram>> {
        let idx = self.histograms.binary_search_by_key(&step, |(step, _)| *step).ok()?;
        Some(&self.histograms[idx].1)
    }

    /// The sample at `step`, if there is one.
    #[inline]
    pub(crate) fn get(&self, step: usize) -> Option<SampleRef<'_>> {
        if let Some(value) = self.float(step) {
            return Some(SampleRef::Float(value));
        }
        if self.histograms.is_empty() {
            return None;
        }
        self.histogram(step).map(SampleRef::Histogram)
    }

    /// The floats with their steps, ascending.
    pub(crate) fn floats(&self) -> impl Iterator<Item = (usize, f64)> {
        let present = |(_, value): &(usize, f64)| value.to_bits() != ABSENT_BITS;
        self.values.iter().enumerate().map(|(i, value)| (self.first + i, *value)).filter(present)
    }

    /// The histograms with their steps, ascending.
    pub(crate) fn histograms(&self) -> impl Iterator<Item = (usize, &Arc<FloatHistogram>)> {
        self.histograms.iter().map(|(step, histogram)| (*step, histogram))
    }

    /// The samples of both kinds with their steps, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, SampleRef<'_>)> {
        let mut floats = self.floats().peekable();
        let mut histograms = self.histograms().peekable();
        std::iter::from_fn(move || {
            let histogram_first = match (floats.peek(), histograms.peek()) {
                (Some((float, _)), Some((histogram, _))) => histogram < float,
                (None, Some(_)) => true,
                (_, None) => false,
            };
            if histogram_first {
                return histograms.next().map(|(step, histogram)| (step, SampleRef::Histogram(histogram)));
            }
            floats.next().map(|(step, value)| (step, SampleRef::Float(value)))
        })
    }

    /// Replaces every float by what `map` makes of it.
    pub(crate) fn map_floats(&mut self, map: impl Fn(f64) -> f64) {
        for value in &mut self.values {
            if value.to_bits() != ABSENT_BITS {
                *value = boxed(map(*value));
            }
        }
    }

    /// Replaces every histogram by what `map` makes of it.
    pub(crate) fn map_histograms(&mut self, map: impl Fn(&FloatHistogram) -> FloatHistogram) {
        for (_, histogram) in &mut self.histograms {
            *histogram = Arc::new(map(histogram));
        }
    }

    /// Forgets the histograms.
    pub(crate) fn clear_histograms(&mut self) {
        self.histograms.clear();
    }

    /// The first and last step that may have a sample; `None` when no step has one.
    pub(crate) fn extent(&self) -> Option<(usize, usize)> {
        let floats = self.values.len().checked_sub(1).map(|last| (self.first, self.first + last));
        let histograms = self.histograms.first().zip(self.histograms.last()).map(|(a, b)| (a.0, b.0));
        match (floats, histograms) {
            (Some(floats), Some(histograms)) => {
                Some((floats.0.min(histograms.0), floats.1.max(histograms.1)))
            }
            (floats, histograms) => floats.or(histograms),
        }
    }

    /// Number of floats.
    pub(crate) fn float_count(&self) -> usize {
        self.floats().count()
    }

    /// Number of samples of both kinds.
    pub(crate) fn len(&self) -> usize {
        self.float_count() + self.histograms.len()
    }

    /// Whether no step has a sample.
    pub(crate) fn is_empty(&self) -> bool {
        self.histograms.is_empty() && self.floats().next().is_none()
    }

    /// Whether there is a histogram at any step.
    pub(crate) fn has_histograms(&self) -> bool {
        !self.histograms.is_empty()
    }

    /// What the column counts against the sample limit: a float is one, a histogram what its size says.
    pub(crate) fn weight(&self) -> usize {
        self.values.len()
            + self.histograms.iter().map(|(_, histogram)| histogram_weight(histogram)).sum::<usize>()
    }
}

/// A histogram in units of float samples, as upstream counts it.
pub(crate) fn histogram_weight(histogram: &FloatHistogram) -> usize {
    let parts = histogram.positive_spans.len()
        + histogram.negative_spans.len()
        + histogram.positive_buckets.len()
        + histogram.negative_buckets.len()
        + histogram.custom_values.len();
    (168 + 8 * parts + 8) / 16
}

/// `value`, unless its bits are those that stand for nothing.
#[inline]
const fn boxed(value: f64) -> f64 {
    if value.to_bits() == ABSENT_BITS { f64::NAN } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_without_a_float_are_absent() {
        let mut column = Column::default();
        column.push_float(3, 1.0);
        column.push_float(5, f64::NAN);
        column.push_histogram(4, Arc::default());
        assert_eq!(column.float(2), None);
        assert_eq!(column.float(3), Some(1.0));
        assert_eq!(column.float(4), None);
        assert!(column.float(5).is_some_and(f64::is_nan));
        assert_eq!(column.float(6), None);
        let steps: Vec<usize> = column.iter().map(|(step, _)| step).collect();
        assert_eq!(steps, [3, 4, 5]);
        assert_eq!(column.len(), 3);
    }

    #[test]
    fn a_real_value_never_reads_as_absent() {
        let column = Column::from_floats(vec![f64::from_bits(ABSENT_BITS)]);
        assert_eq!(column.len(), 1);
    }
}
