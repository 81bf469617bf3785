//! Kernels over whole series against those over single windows, and facts about each family.

use std::{cell::Cell, sync::Arc};

use kymo_engine::{HistogramSample, Labels};
use kymo_formats::histogram::{CUSTOM_BUCKETS_SCHEMA, FloatHistogram, ResetHint, Span};
use proptest::{prelude::*, test_runner::FileFailurePersistence};

use super::{find, table::names};
use crate::{
    Error,
    exec::{
        Column, EvalOptions, Grid, Notes, Sample, Series,
        kernel::{Argument, Call, Extension, Function, Window, WindowFunction, Windows},
    },
};

/// A series to call functions on, and the range of the call.
#[derive(Debug, Clone, Default)]
struct Input {
    ts: Vec<i64>,
    values: Vec<f64>,
    start_ts: Vec<i64>,
    histograms: Vec<HistogramSample>,
    /// The range is `(start, end]`.
    start: i64,
    end: i64,
    scalars: Vec<f64>,
    extension: Extension,
}

impl Input {
    /// Floats every 10 seconds, the first at 10 s, in a range that ends with the last.
    fn floats(values: &[f64]) -> Self {
        let ts: Vec<i64> = (1..).map(|i| i * 10_000).take(values.len()).collect();
        let end = ts.last().copied().unwrap_or(0);
        Self { ts, values: values.to_vec(), end, ..Self::default() }
    }

    /// Histograms every 10 seconds, the first at 10 s, in a range that ends with the last.
    fn histograms(histograms: impl IntoIterator<Item = FloatHistogram>) -> Self {
        let sample =
            |(ts, value): (i64, FloatHistogram)| HistogramSample { ts, start_ts: 0, value: Arc::new(value) };
        let histograms: Vec<_> = (1..).map(|i| i * 10_000).zip(histograms).map(sample).collect();
        let end = histograms.last().map_or(0, |sample| sample.ts);
        Self { histograms, end, ..Self::default() }
    }

    fn with(self, histograms: impl IntoIterator<Item = FloatHistogram>) -> Self {
        let other = Self::histograms(histograms);
        let shifted =
            other.histograms.into_iter().map(|sample| HistogramSample { ts: sample.ts + 1, ..sample });
        Self { histograms: shifted.collect(), end: self.end.max(other.end + 1), ..self }
    }

    fn range(self, start: i64, end: i64) -> Self {
        Self { start: start * 1000, end: end * 1000, ..self }
    }

    fn starts(self, seconds: &[i64]) -> Self {
        Self { start_ts: seconds.iter().map(|start| start * 1000).collect(), ..self }
    }

    fn scalars(self, scalars: &[f64]) -> Self {
        Self { scalars: scalars.to_vec(), ..self }
    }

    fn extended(self, extension: Extension) -> Self {
        Self { extension, ..self }
    }

    fn try_call(&self, name: &str) -> Result<(Option<Sample>, Vec<String>), Error> {
        let call = Call {
            name,
            grid: Grid::instant(self.end),
            options: EvalOptions::default(),
            position: 0,
            arg_positions: &[2, 4, 6],
            matrix_arg: 1,
        };
        let window = Window {
            ts: &self.ts,
            values: &self.values,
            start_ts: &self.start_ts,
            histograms: &self.histograms,
            stands: None,
            start: self.start,
            end: self.end,
            time: self.end,
            scalars: &self.scalars,
            extension: self.extension,
            metric_name: b"m",
            call: &call,
        };
        let mut notes = Notes::default();
        let sample = (window_function(name).window)(&window, &mut notes)?;
        let (warnings, infos) = notes.into_texts(b"0123456789", 0);
        Ok((sample, [warnings, infos].concat()))
    }

    fn call(&self, name: &str) -> (Option<Sample>, Vec<String>) {
        self.try_call(name).unwrap()
    }

    /// The float that comes out without an annotation.
    fn float(&self, name: &str) -> f64 {
        match self.call(name) {
            (Some(Sample::Float(value)), notes) => {
                assert_eq!(notes, [""; 0], "{name}");
                value
            }
            other => panic!("{name}: {other:?}"),
        }
    }

    /// The histogram that comes out.
    fn histogram(&self, name: &str) -> FloatHistogram {
        match self.call(name) {
            (Some(Sample::Histogram(value)), _) => (*value).clone(),
            other => panic!("{name}: {other:?}"),
        }
    }
}

fn window_function(name: &str) -> &'static WindowFunction {
    match find(name) {
        Some(Function::Window(function)) => function,
        other => panic!("{name} is {other:?}"),
    }
}

/// A counter histogram with as many observations in (0.5, 1] and (1, 2].
fn histogram(below: f64, above: f64) -> FloatHistogram {
    FloatHistogram {
        count: below + above,
        sum: below * 0.75 + above * 1.5,
        positive_spans: vec![Span { offset: 0, length: 2 }],
        positive_buckets: vec![below, above],
        ..FloatHistogram::default()
    }
}

fn gauge(below: f64, above: f64) -> FloatHistogram {
    FloatHistogram { reset_hint: ResetHint::Gauge, ..histogram(below, above) }
}

fn custom(bounds: &[f64], counts: &[f64]) -> FloatHistogram {
    FloatHistogram {
        schema: CUSTOM_BUCKETS_SCHEMA,
        count: counts.iter().sum(),
        positive_spans: vec![Span { offset: 0, length: u32::try_from(counts.len()).unwrap() }],
        positive_buckets: counts.to_vec(),
        custom_values: bounds.to_vec(),
        ..FloatHistogram::default()
    }
}

const MIXED: &str = "PromQL warning: encountered a mix of histograms and floats for metric name \"m\" (1:5)";
const MIXED_LAYOUTS: &str = "PromQL warning: vector contains a mix of histograms with exponential and custom buckets \
                             schemas for metric name \"m\" (1:5)";
const NOT_COUNTER: &str = "PromQL warning: this native histogram metric is not a counter: \"m\" (1:5)";
const NOT_GAUGE: &str = "PromQL warning: this native histogram metric is not a gauge: \"m\" (1:5)";

#[test]
fn rates_extrapolate_to_the_edges_if_samples_are_near() {
    let counter = Input::floats(&[10.0, 20.0, 30.0, 40.0]);
    // From 10 s to 40 s; 5 s at the start and 5 s at the end are within 1.1 times the distance.
    assert_eq!(counter.clone().range(5, 45).float("increase"), 40.0);
    assert_eq!(counter.clone().range(5, 45).float("rate"), 1.0);
    assert_eq!(counter.clone().range(5, 45).float("delta"), 40.0);
    // 20 s is too far: half a distance.
    assert_eq!(counter.clone().range(5, 60).float("increase"), 40.0);
    // The counter was zero at 0 s, so it is not extrapolated to before that.
    assert_eq!(counter.clone().range(-20, 40).float("increase"), 35.0);
    let near_zero = Input::floats(&[1.0, 11.0, 21.0]).range(2, 30);
    assert_eq!(near_zero.float("increase"), 21.0);
    assert_eq!(near_zero.float("delta"), 28.0);
}

#[test]
fn resets_are_added_to_rates_of_counters_only() {
    let counter = Input::floats(&[10.0, 20.0, 5.0, 15.0]).range(10, 40);
    assert_eq!(counter.float("increase"), 25.0);
    assert_eq!(counter.float("delta"), 5.0);
    assert_eq!(counter.float("resets"), 1.0);
    assert_eq!(counter.float("changes"), 3.0);
    assert_eq!(Input::floats(&[20.0, 5.0]).float("irate"), 0.5);
    assert_eq!(Input::floats(&[20.0, 5.0]).float("idelta"), -15.0);
}

#[test]
fn one_sample_has_no_rate_unless_its_start_is_known() {
    let one = Input::floats(&[30.0]).range(0, 10);
    assert_eq!(one.call("rate").0, None);
    assert_eq!(one.call("irate").0, None);
    assert_eq!(one.clone().starts(&[5]).float("increase"), 30.0);
    assert_eq!(one.clone().starts(&[5]).float("rate"), 3.0);
    assert_eq!(one.clone().starts(&[0]).call("increase").0, None);
    assert_eq!(one.starts(&[5]).call("delta").0, None);
}

#[test]
fn start_timestamps_reveal_resets() {
    let counter = Input::floats(&[10.0, 20.0, 30.0]).range(10, 30);
    assert_eq!(counter.clone().starts(&[1, 1, 25]).float("increase"), 40.0);
    assert_eq!(counter.clone().starts(&[1, 1, 25]).float("resets"), 1.0);
    assert_eq!(counter.clone().starts(&[1, 1, 25]).float("irate"), 3.0);
    let (_, notes) = counter.starts(&[1, 1, 15]).call("increase");
    let overlap =
        "PromQL warning: sample has start time that overlaps with previous sample timestamp for metric \"m\"";
    assert_eq!(notes, [format!("{overlap} (1:5)")]);
}

#[test]
fn rates_of_histograms() {
    let counter =
        Input::histograms([histogram(1.0, 1.0), histogram(3.0, 2.0), histogram(5.0, 4.0)]).range(10, 30);
    let increase = counter.histogram("increase");
    assert_eq!((increase.positive_buckets.clone(), increase.count), (vec![4.0, 3.0], 7.0));
    assert_eq!(increase.reset_hint, ResetHint::Gauge);
    assert_eq!(counter.call("increase").1, [""; 0]);
    assert_eq!(counter.call("delta").1, [NOT_GAUGE]);
    assert_eq!(counter.histogram("irate").positive_buckets, [0.2, 0.2]);
    let reset =
        Input::histograms([histogram(9.0, 9.0), histogram(1.0, 0.0), histogram(2.0, 2.0)]).range(10, 30);
    assert_eq!(reset.histogram("increase").positive_buckets, [2.0, 2.0]);
    assert_eq!(reset.float("resets"), 1.0);
    let gauges = Input::histograms([gauge(1.0, 1.0), gauge(3.0, 2.0)]).range(10, 20);
    assert_eq!(gauges.call("rate").1, [NOT_COUNTER]);
    assert_eq!(gauges.call("delta").1, [""; 0]);
}

#[test]
fn kinds_and_layouts_that_do_not_mix_are_left_out_with_a_warning() {
    let mixed = Input::floats(&[1.0, 2.0]).with([histogram(1.0, 1.0)]);
    for name in ["rate", "increase", "delta", "irate", "sum_over_time", "avg_over_time"] {
        assert_eq!(mixed.call(name), (None, vec![MIXED.to_owned()]), "{name}");
    }
    let layouts = Input::histograms([histogram(1.0, 1.0), custom(&[1.0], &[1.0, 5.0]), histogram(9.0, 9.0)]);
    for name in ["rate", "sum_over_time", "avg_over_time"] {
        assert_eq!(layouts.call(name), (None, vec![MIXED_LAYOUTS.to_owned()]), "{name}");
    }
    let other_kind_at_the_end = Input::histograms([histogram(1.0, 1.0), custom(&[1.0], &[1.0, 5.0])]);
    assert_eq!(
        other_kind_at_the_end.histogram("rate").positive_buckets.len(),
        2,
        "a change of layout is a reset"
    );
}

#[test]
fn custom_bounds_are_reconciled_with_an_info() {
    let input =
        Input::histograms([custom(&[1.0, 2.0], &[1.0, 1.0, 1.0]), custom(&[2.0, 3.0], &[4.0, 1.0, 1.0])]);
    let info = |operation| {
        format!("PromQL info: mismatched custom buckets were reconciled during {operation} (1:5)")
    };
    assert_eq!(input.call("increase").1, [info("subtraction")]);
    assert_eq!(input.call("sum_over_time").1, [info("aggregation")]);
    assert_eq!(input.histogram("sum_over_time").positive_buckets, [6.0, 3.0]);
    assert_eq!(input.histogram("avg_over_time").positive_buckets, [3.0, 1.5]);
}

#[test]
fn colliding_hints_are_reported_when_aggregating() {
    let hinted = |hint| FloatHistogram { reset_hint: hint, ..histogram(1.0, 1.0) };
    let input = Input::histograms([hinted(ResetHint::Reset), hinted(ResetHint::NotReset)]);
    let warning = "PromQL warning: conflicting counter resets during histogram aggregation (1:5)";
    assert_eq!(input.call("sum_over_time").1, [warning]);
    assert_eq!(input.call("avg_over_time").1, [warning]);
}

#[test]
fn anchored_ranges_begin_with_the_sample_before_them() {
    let anchored = Input::floats(&[10.0, 20.0, 30.0, 40.0]).range(15, 35).extended(Extension::Anchored);
    let anchored = Input { ts: anchored.ts[..3].to_vec(), values: anchored.values[..3].to_vec(), ..anchored };
    assert_eq!(anchored.float("increase"), 20.0);
    assert_eq!(anchored.float("rate"), 1.0);
    assert_eq!(anchored.float("changes"), 2.0);
    let stopped = anchored.clone().range(30, 50);
    assert_eq!(stopped.call("increase").0, None);
    assert_eq!(stopped.call("resets").0, None);
    let reset = Input::floats(&[10.0, 4.0, 6.0]).range(15, 35).extended(Extension::Anchored);
    assert_eq!((reset.float("increase"), reset.float("delta"), reset.float("resets")), (6.0, -4.0, 1.0));
}

#[test]
fn smoothed_ranges_are_interpolated_at_both_edges() {
    let smoothed = Input::floats(&[10.0, 20.0, 30.0, 40.0]).range(15, 35).extended(Extension::Smoothed);
    assert_eq!(smoothed.float("increase"), 20.0);
    // A counter that drops rises from zero; a gauge falls.
    let reset = Input::floats(&[10.0, 4.0, 6.0]).range(15, 25).extended(Extension::Smoothed);
    assert_eq!(reset.float("increase"), 3.0);
    assert_eq!(reset.float("delta"), -2.0);
    assert_eq!(smoothed.range(50, 60).call("increase").0, None);
    let histograms = Input::histograms([histogram(0.0, 4.0), histogram(2.0, 8.0), histogram(4.0, 12.0)])
        .range(15, 25)
        .extended(Extension::Smoothed);
    assert_eq!(histograms.histogram("increase").positive_buckets, [2.0, 4.0]);
    assert_eq!(histograms.histogram("rate").positive_buckets, [0.2, 0.4]);
}

#[test]
fn sums_and_means_are_compensated() {
    let tricky = Input::floats(&[1.0, 1e100, 1.0, -1e100]);
    assert_eq!((tricky.float("sum_over_time"), tricky.float("avg_over_time")), (2.0, 0.5));
    let huge = Input::floats(&[f64::MAX, f64::MAX, f64::MAX]);
    assert_eq!(huge.float("sum_over_time"), f64::INFINITY);
    assert!((huge.float("avg_over_time") / f64::MAX - 1.0).abs() < 1e-15);
    assert_eq!(Input::floats(&[f64::INFINITY, 1.0]).float("avg_over_time"), f64::INFINITY);
    assert!(Input::floats(&[f64::INFINITY, f64::NEG_INFINITY]).float("sum_over_time").is_nan());
}

#[test]
fn histograms_are_summed_and_averaged() {
    let input = Input::histograms([histogram(1.0, 2.0), histogram(3.0, 4.0)]);
    assert_eq!(input.histogram("sum_over_time").positive_buckets, [4.0, 6.0]);
    assert_eq!(input.histogram("avg_over_time").positive_buckets, [2.0, 3.0]);
    let huge = Input::histograms([
        histogram(f64::MAX / 2.0, 0.0),
        histogram(f64::MAX / 2.0, 0.0),
        histogram(f64::MAX, 0.0),
    ]);
    let mean = huge.histogram("avg_over_time").count;
    assert!((mean / (f64::MAX / 3.0 * 2.0) - 1.0).abs() < 1e-12, "{mean}");
}

#[test]
fn extremes_ignore_nan_and_histograms() {
    let input = Input::floats(&[f64::NAN, 3.0, 1.0, 3.0, 1.0, f64::NAN]);
    assert_eq!((input.float("max_over_time"), input.float("min_over_time")), (3.0, 1.0));
    assert_eq!((input.float("ts_of_max_over_time"), input.float("ts_of_min_over_time")), (40.0, 50.0));
    assert!(Input::floats(&[f64::NAN]).float("max_over_time").is_nan());
    let ignored = "PromQL info: ignored histograms in a range containing both floats and histograms for metric name \"m\" (1:5)";
    let mixed = Input::floats(&[2.0]).with([histogram(1.0, 1.0)]);
    assert_eq!(mixed.call("max_over_time"), (Some(Sample::Float(2.0)), vec![ignored.to_owned()]));
    assert_eq!(Input::histograms([histogram(1.0, 1.0)]).call("max_over_time"), (None, vec![]));
}

#[test]
fn the_first_and_the_last_sample_may_be_of_either_kind() {
    let mixed = Input::floats(&[1.0, 2.0]).with([histogram(1.0, 1.0)]);
    assert_eq!((mixed.float("first_over_time"), mixed.float("last_over_time")), (1.0, 2.0));
    assert_eq!((mixed.float("ts_of_first_over_time"), mixed.float("ts_of_last_over_time")), (10.0, 20.0));
    assert_eq!((mixed.float("count_over_time"), mixed.float("present_over_time")), (3.0, 1.0));
    let later = Input::floats(&[1.0]).with([histogram(1.0, 1.0)]);
    assert_eq!(later.histogram("last_over_time"), histogram(1.0, 1.0));
    assert_eq!((mixed.float("changes"), mixed.float("resets")), (2.0, 2.0));
}

#[test]
fn spread_of_floats() {
    let input = Input::floats(&[4.0, 1.0, 3.0, 2.0]);
    assert_eq!((input.float("stdvar_over_time"), input.float("stddev_over_time")), (1.25, 1.25_f64.sqrt()));
    assert_eq!(input.float("mad_over_time"), 1.0);
    assert_eq!(input.clone().scalars(&[0.5]).float("quantile_over_time"), 2.5);
    assert_eq!(input.clone().scalars(&[1.0]).float("quantile_over_time"), 4.0);
    let outside = input.scalars(&[1.5]).call("quantile_over_time");
    let warning = "PromQL warning: quantile value should be between 0 and 1, got 1.5 (1:3)";
    assert_eq!(outside, (Some(Sample::Float(f64::INFINITY)), vec![warning.to_owned()]));
    let with_nan = Input::floats(&[1.0, f64::NAN, 3.0]);
    assert!(with_nan.float("mad_over_time").is_nan());
    assert!(with_nan.clone().scalars(&[0.0]).float("quantile_over_time").is_nan());
    assert_eq!(with_nan.scalars(&[1.0]).float("quantile_over_time"), 3.0);
}

#[test]
fn trends() {
    let line = Input::floats(&[1.0, 3.0, 5.0]);
    assert_eq!(line.float("deriv"), 0.2);
    assert!((line.clone().scalars(&[10.0]).float("predict_linear") - 7.0).abs() < 1e-12);
    let constant = Input::floats(&[7.0, 7.0]).scalars(&[100.0]);
    assert_eq!((constant.float("deriv"), constant.float("predict_linear")), (0.0, 7.0));
    assert!(Input::floats(&[f64::INFINITY, f64::INFINITY]).float("deriv").is_nan());
    assert_eq!(Input::floats(&[1.0]).call("deriv").0, None);
    let smoothed = line.clone().scalars(&[0.5, 0.5]).float("double_exponential_smoothing");
    assert_eq!(smoothed, 5.0);
    let error = line.clone().scalars(&[1.0, 0.5]).try_call("double_exponential_smoothing").unwrap_err();
    assert_eq!(error.to_string(), "invalid smoothing factor. Expected: 0 < sf < 1, got: 1.000000");
    let error = line.scalars(&[0.5, -2.0]).try_call("double_exponential_smoothing").unwrap_err();
    assert_eq!(error.to_string(), "invalid trend factor. Expected: 0 < tf < 1, got: -2.000000");
}

/// Calls a function of vectors at one time.
fn vector_call(
    name: &str,
    delayed_name_removal: bool,
    args: Vec<Argument>,
) -> (Vec<(String, f64)>, Vec<String>) {
    let Some(Function::Vector(function)) = find(name) else { panic!("{name}") };
    let call = Call {
        name,
        grid: Grid::instant(0),
        options: EvalOptions { delayed_name_removal, ..EvalOptions::default() },
        position: 0,
        arg_positions: &[2, 4, 6],
        matrix_arg: 0,
    };
    let mut notes = Notes::default();
    let series = function(args, &call, &mut notes).unwrap();
    let (warnings, infos) = notes.into_texts(b"0123456789", 0);
    let floats =
        series.iter().filter_map(|series| Some((series.labels.to_string(), series.column.float(0)?)));
    (floats.collect(), [warnings, infos].concat())
}

fn series(pairs: &[(&str, &str)], sample: Sample) -> Series {
    let mut column = Column::default();
    column.push(0, sample);
    Series { labels: Labels::from_pairs(pairs.iter().copied()), drop_name: false, column }
}

fn bucket(le: &str, count: f64) -> Series {
    series(&[("__name__", "h"), ("le", le)], Sample::Float(count))
}

#[test]
fn quantiles_of_classic_buckets() {
    let buckets = || Argument::Vector(vec![bucket("1", 2.0), bucket("+Inf", 4.0), bucket("2", 4.0)]);
    let scalar = |value| Argument::Scalar(vec![value]);
    let h = "{__name__=\"h\"}".to_owned();
    assert_eq!(
        vector_call("histogram_quantile", true, vec![scalar(0.75), buckets()]),
        (vec![(h.clone(), 1.5)], vec![])
    );
    assert_eq!(
        vector_call("histogram_fraction", true, vec![scalar(0.0), scalar(1.0), buckets()]),
        (vec![(h, 0.5)], vec![])
    );
    let quantiles = vec![buckets(), Argument::String(b"q".to_vec()), scalar(0.5), scalar(1.0)];
    let labelled = |q: &str| format!("{{__name__=\"h\", q=\"{q}\"}}");
    assert_eq!(
        vector_call("histogram_quantiles", true, quantiles),
        (vec![(labelled("0.5"), 1.0), (labelled("1.0"), 2.0)], vec![])
    );
}

#[test]
fn problems_of_buckets_are_noted() {
    let quantile = |delayed, vector| {
        vector_call("histogram_quantile", delayed, vec![Argument::Scalar(vec![2.0]), vector])
    };
    let invalid = "PromQL warning: quantile value should be between 0 and 1, got 2 (1:3)";
    assert_eq!(quantile(true, Argument::Vector(vec![])), (vec![], vec![invalid.to_owned()]));
    let bad = "PromQL warning: bucket label \"le\" is missing or has a malformed value of \"x\"";
    let (_, notes) = quantile(true, Argument::Vector(vec![bucket("x", 1.0)]));
    assert_eq!(notes, [format!("{bad} for metric name \"h\" (1:5)"), invalid.to_owned()]);
    let (_, notes) = quantile(false, Argument::Vector(vec![bucket("x", 1.0)]));
    assert_eq!(notes, [format!("{bad} (1:5)"), invalid.to_owned()]);
    let native = series(&[("__name__", "h")], Sample::Histogram(Arc::new(histogram(1.0, 1.0))));
    let (result, notes) = quantile(true, Argument::Vector(vec![native, bucket("+Inf", 1.0)]));
    let mix =
        "PromQL warning: vector contains a mix of classic and native histograms for metric name \"h\" (1:5)";
    assert_eq!((result, notes), (vec![], vec![invalid.to_owned(), mix.to_owned()]));
}

#[test]
fn sorting_puts_nan_last_and_drops_histograms() {
    let vector = || {
        let floats = [("a", 2.0), ("b", f64::NAN), ("c", 1.0)];
        let mut vector: Vec<_> =
            floats.map(|(name, value)| series(&[("n", name)], Sample::Float(value))).into();
        vector.push(series(&[("n", "h")], Sample::Histogram(Arc::default())));
        vec![Argument::Vector(vector)]
    };
    let order =
        |name| vector_call(name, true, vector()).0.into_iter().map(|(labels, _)| labels).collect::<Vec<_>>();
    let n = |name: &str| format!("{{n=\"{name}\"}}");
    assert_eq!(order("sort"), [n("c"), n("a"), n("b")]);
    assert_eq!(order("sort_desc"), [n("a"), n("c"), n("b")]);
    assert_eq!(order("sort_by_label_desc"), [n("c"), n("b"), n("a")]);
}

/// A series with gaps, resets, and the odd special value.
fn any_series() -> impl Strategy<Value = (Vec<i64>, Vec<f64>)> {
    let gap = prop_oneof![4 => Just(15_000_i64), 1 => 1..100_000_i64];
    let special =
        prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.0, f64::MAX, 1e-310]);
    let value = prop_oneof![6 => (0..50_u8).prop_map(f64::from), 2 => -1e3..1e3_f64, 1 => special];
    let rise = any::<bool>();
    (prop::collection::vec((gap, value), 0..60), rise).prop_map(|(samples, rise)| {
        let (mut time, mut sum) = (0, 0.0);
        samples
            .into_iter()
            .map(|(gap, value)| {
                time += gap;
                sum = if value < 3.0 || !f64::is_finite(sum) { 0.0 } else { sum + value };
                (time, if rise && value.is_finite() { sum } else { value })
            })
            .unzip()
    })
}

fn config() -> ProptestConfig {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../proptest-regressions/query/functions.txt");
    ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(path))),
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whole_series_kernels_answer_what_window_kernels_answer(
        (ts, values) in any_series(),
        range in prop_oneof![1..60_000_i64, 60_000..600_000_i64],
        offset in -50_000..50_000_i64,
        start in -100_000..900_000_i64,
        interval in prop_oneof![Just(15_000_i64), 1..120_000_i64],
        steps in 1..30_usize,
    ) {
        let grid = Grid { start, interval, steps };
        for name in names() {
            let Some(Function::Window(WindowFunction { window, windows: Some(all), .. })) = find(name) else { continue };
            let call =
                Call { name, grid, options: EvalOptions::default(), position: 0, arg_positions: &[0], matrix_arg: 0 };
            let mut column = Column::default();
            let seen = Cell::default();
            let windows = Windows { ts: &ts, values: &values, range, offset, call: &call, weights: None, seen: &seen };
            all(&windows, &mut Notes::default(), &mut column).unwrap();
            for (step, time) in grid.times().enumerate() {
                let (from, to) = (time - offset - range, time - offset);
                let samples = ts.partition_point(|ts| *ts <= from)..ts.partition_point(|ts| *ts <= to);
                let window_at = Window {
                    ts: &ts[samples.clone()],
                    values: &values[samples.clone()],
                    start_ts: &[],
                    histograms: &[],
                    stands: None,
                    start: from,
                    end: to,
                    time,
                    scalars: &[],
                    extension: Extension::Plain,
                    metric_name: b"m",
                    call: &call,
                };
                let expected = if samples.is_empty() {
                    None
                } else {
                    window(&window_at, &mut Notes::default()).unwrap()
                };
                let bits = expected.map(|sample| match sample {
                    Sample::Float(value) => value.to_bits(),
                    Sample::Histogram(_) => 0,
                });
                prop_assert_eq!(column.float(step).map(f64::to_bits), bits, "{} at step {}", name, step);
            }
        }
    }

    #[test]
    fn the_order_by_label_is_total(values in prop::collection::vec("[0-9a-c]{0,6}", 0..12)) {
        let vector = values.iter().map(|value| series(&[("l", value)], Sample::Float(1.0))).collect();
        let args = vec![Argument::Vector(vector), Argument::String(b"l".to_vec())];
        prop_assert_eq!(vector_call("sort_by_label", true, args).0.len(), values.len());
    }
}
