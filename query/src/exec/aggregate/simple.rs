//! `count`, `group`, `min`, `max`, `stddev` and `stdvar`.

use kymo_formats::histogram::FloatHistogram;

use super::{
    super::{Note, Sample},
    fold::{Context, Fold},
};

/// `count`: floats and histograms alike.
pub(super) struct Count;

impl Fold for Count {
    type State = f64;

    fn add_float(&self, state: &mut f64, _: f64) {
        *state += 1.0;
    }

    fn add_histogram(&self, state: &mut f64, _: &FloatHistogram, _: &mut Context<'_>) {
        *state += 1.0;
    }

    fn finish(&self, state: f64, _: usize, _: &mut Context<'_>) -> Option<Sample> {
        (state > 0.0).then_some(Sample::Float(state))
    }
}

/// `group`: 1 where there is anything.
pub(super) struct Group;

impl Fold for Group {
    type State = bool;

    fn add_float(&self, state: &mut bool, _: f64) {
        *state = true;
    }

    fn add_histogram(&self, state: &mut bool, _: &FloatHistogram, _: &mut Context<'_>) {
        *state = true;
    }

    fn finish(&self, state: bool, _: usize, _: &mut Context<'_>) -> Option<Sample> {
        state.then_some(Sample::Float(1.0))
    }
}

/// `min`: NaN only where there is nothing else.
pub(super) struct Min;

impl Fold for Min {
    type State = Option<f64>;

    fn add_float(&self, state: &mut Option<f64>, value: f64) {
        match state {
            Some(least) if !(*least > value || least.is_nan()) => {}
            _ => *state = Some(value),
        }
    }

    fn add_histogram(&self, _: &mut Option<f64>, _: &FloatHistogram, context: &mut Context<'_>) {
        ignored(context, "min");
    }

    fn finish(&self, state: Option<f64>, _: usize, _: &mut Context<'_>) -> Option<Sample> {
        state.map(Sample::Float)
    }
}

/// `max`: NaN only where there is nothing else.
pub(super) struct Max;

impl Fold for Max {
    type State = Option<f64>;

    fn add_float(&self, state: &mut Option<f64>, value: f64) {
        match state {
            Some(most) if !(*most < value || most.is_nan()) => {}
            _ => *state = Some(value),
        }
    }

    fn add_histogram(&self, _: &mut Option<f64>, _: &FloatHistogram, context: &mut Context<'_>) {
        ignored(context, "max");
    }

    fn finish(&self, state: Option<f64>, _: usize, _: &mut Context<'_>) -> Option<Sample> {
        state.map(Sample::Float)
    }
}

/// Welford's running mean and sum of squared differences.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        if self.count == 1.0 {
            self.mean = value;
            // A first value that is not finite makes the whole result NaN.
            self.squares = if value.is_finite() { 0.0 } else { f64::NAN };
            return;
        }
        let delta = value - self.mean;
        self.mean += delta / self.count;
        self.squares += delta * (value - self.mean);
    }

    fn variance(self) -> Option<f64> {
        (self.count > 0.0).then_some(self.squares / self.count)
    }
}

/// `stdvar`
pub(super) struct Stdvar;

impl Fold for Stdvar {
    type State = Moments;

    fn add_float(&self, state: &mut Moments, value: f64) {
        state.add(value);
    }

    fn add_histogram(&self, _: &mut Moments, _: &FloatHistogram, context: &mut Context<'_>) {
        ignored(context, "stdvar");
    }

    fn finish(&self, state: Moments, _: usize, _: &mut Context<'_>) -> Option<Sample> {
        state.variance().map(Sample::Float)
    }
}

/// `stddev`
pub(super) struct Stddev;

impl Fold for Stddev {
    type State = Moments;

    fn add_float(&self, state: &mut Moments, value: f64) {
        state.add(value);
    }

    fn add_histogram(&self, _: &mut Moments, _: &FloatHistogram, context: &mut Context<'_>) {
        ignored(context, "stddev");
    }

    fn finish(&self, state: Moments, _: usize, _: &mut Context<'_>) -> Option<Sample> {
        state.variance().map(|variance| Sample::Float(variance.sqrt()))
    }
}

/// Notes that a histogram was left out.
pub(super) fn ignored(context: &mut Context<'_>, aggregation: &'static str) {
    context.notes.add(context.position, Note::HistogramIgnoredInAggregation { aggregation });
}
