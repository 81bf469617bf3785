//! The table of functions.

use super::{
    changes, estimate, extremes, histogram, instant_rate, math, over_time, rate, regression, sort, spread,
    time,
};
use crate::exec::{
    condensed::Condense,
    kernel::{
        Function::{self, HistogramMap, Map, MapWithScalars, Scalar, Vector, Window},
        WindowFn, WindowFunction, WindowsFn,
    },
};

/// The function `name`, unless there is none or the executor itself evaluates it.
pub(crate) fn find(name: &str) -> Option<&'static Function> {
    let idx = FUNCTIONS.binary_search_by(|(other, _)| (*other).cmp(name)).ok()?;
    Some(&FUNCTIONS[idx].1)
}

/// The names in the table.
#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().map(|(name, _)| *name)
}

/// A function that drops the name, with a kernel for whole series.
const fn window(window: WindowFn, windows: WindowsFn) -> WindowFunction {
    WindowFunction { windows: Some(windows), ..WindowFunction::new(window) }
}

/// `function`, which needs not see every sample of a chunk.
const fn condensed(to: Condense, function: WindowFunction) -> WindowFunction {
    WindowFunction { condense: Some(to), ..function }
}

/// `rate` and `increase`.
const fn counter(function: WindowFunction) -> Function {
    Window(WindowFunction {
        start_timestamps: true,
        expects_counter: true,
        anchored: true,
        smoothed: true,
        ..function
    })
}

/// All functions, by name.
#[rustfmt::skip]
const FUNCTIONS: &[(&str, Function)] = &[
    ("abs", Map(f64::abs)),
    ("acos", Map(f64::acos)),
    ("acosh", Map(f64::acosh)),
    ("asin", Map(f64::asin)),
    ("asinh", Map(f64::asinh)),
    ("atan", Map(f64::atan)),
    ("atanh", Map(f64::atanh)),
    ("avg_over_time", Window(condensed(Condense::Sum, window(over_time::avg, over_time::avg_all)))),
    ("ceil", Map(f64::ceil)),
    ("changes", Window(WindowFunction { anchored: true, ..condensed(Condense::Changes, window(changes::changes, changes::changes_all)) })),
    ("clamp", MapWithScalars(math::clamp)),
    ("clamp_max", MapWithScalars(math::clamp_max)),
    ("clamp_min", MapWithScalars(math::clamp_min)),
    ("cos", Map(f64::cos)),
    ("cosh", Map(math::cosh)),
    ("count_over_time", Window(condensed(Condense::First, window(over_time::count, over_time::count_all)))),
    ("day_of_month", Map(time::day_of_month)),
    ("day_of_week", Map(time::day_of_week)),
    ("day_of_year", Map(time::day_of_year)),
    ("days_in_month", Map(time::days_in_month)),
    ("deg", Map(math::deg)),
    ("delta", Window(WindowFunction { anchored: true, smoothed: true, ..condensed(Condense::Ends, window(rate::delta, rate::delta_all)) })),
    ("deriv", Window(WindowFunction::new(regression::deriv))),
    ("double_exponential_smoothing", Window(WindowFunction::new(regression::double_exponential_smoothing))),
    ("exp", Map(f64::exp)),
    ("first_over_time", Window(WindowFunction { keeps_name: true, ..condensed(Condense::Ends, window(over_time::first, over_time::first_all)) })),
    ("floor", Map(f64::floor)),
    ("histogram_avg", HistogramMap(histogram::avg)),
    ("histogram_count", HistogramMap(histogram::count)),
    ("histogram_fraction", Vector(estimate::histogram_fraction)),
    ("histogram_quantile", Vector(estimate::histogram_quantile)),
    ("histogram_quantiles", Vector(estimate::histogram_quantiles)),
    ("histogram_stddev", HistogramMap(histogram::stddev)),
    ("histogram_stdvar", HistogramMap(histogram::stdvar)),
    ("histogram_sum", HistogramMap(histogram::sum)),
    ("hour", Map(time::hour)),
    ("idelta", Window(window(instant_rate::idelta, instant_rate::idelta_all))),
    ("increase", counter(condensed(Condense::Counter, window(rate::increase, rate::increase_all)))),
    ("irate", Window(WindowFunction { start_timestamps: true, ..window(instant_rate::irate, instant_rate::irate_all) })),
    ("last_over_time", Window(WindowFunction { keeps_name: true, ..condensed(Condense::Ends, window(over_time::last, over_time::last_all)) })),
    ("ln", Map(f64::ln)),
    ("log10", Map(f64::log10)),
    ("log2", Map(f64::log2)),
    ("mad_over_time", Window(WindowFunction::new(spread::mad_over_time))),
    ("max_of", Scalar(math::max_of)),
    ("max_over_time", Window(condensed(Condense::Max, window(extremes::max, extremes::max_all)))),
    ("min_of", Scalar(math::min_of)),
    ("min_over_time", Window(condensed(Condense::Min, window(extremes::min, extremes::min_all)))),
    ("minute", Map(time::minute)),
    ("month", Map(time::month)),
    ("pi", Scalar(math::pi)),
    ("predict_linear", Window(WindowFunction::new(regression::predict_linear))),
    ("present_over_time", Window(condensed(Condense::First, window(over_time::present, over_time::present_all)))),
    ("quantile_over_time", Window(WindowFunction::new(spread::quantile_over_time))),
    ("rad", Map(math::rad)),
    ("rate", counter(condensed(Condense::Counter, window(rate::rate, rate::rate_all)))),
    ("resets", Window(WindowFunction { start_timestamps: true, anchored: true, ..condensed(Condense::Resets, window(changes::resets, changes::resets_all)) })),
    ("round", MapWithScalars(math::round)),
    ("sgn", Map(math::sgn)),
    ("sin", Map(f64::sin)),
    ("sinh", Map(math::sinh)),
    ("sort", Vector(sort::sort)),
    ("sort_by_label", Vector(sort::sort_by_label)),
    ("sort_by_label_desc", Vector(sort::sort_by_label_desc)),
    ("sort_desc", Vector(sort::sort_desc)),
    ("sqrt", Map(f64::sqrt)),
    ("stddev_over_time", Window(window(spread::stddev_over_time, spread::stddev_all))),
    ("stdvar_over_time", Window(window(spread::stdvar_over_time, spread::stdvar_all))),
    ("sum_over_time", Window(condensed(Condense::Sum, window(over_time::sum, over_time::sum_all)))),
    ("tan", Map(f64::tan)),
    ("tanh", Map(f64::tanh)),
    ("time", Scalar(time::time)),
    ("ts_of_first_over_time", Window(WindowFunction::new(over_time::ts_of_first))),
    ("ts_of_last_over_time", Window(WindowFunction::new(over_time::ts_of_last))),
    ("ts_of_max_over_time", Window(WindowFunction::new(extremes::ts_of_max))),
    ("ts_of_min_over_time", Window(WindowFunction::new(extremes::ts_of_min))),
    ("year", Map(time::year)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted() {
        assert!(FUNCTIONS.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn every_name_is_found() {
        assert!(FUNCTIONS.iter().all(|(name, _)| find(name).is_some()));
        assert!(find("absent").is_none() && find("Rate").is_none());
    }

    #[test]
    fn only_these_functions_take_extended_ranges() {
        let with = |pick: fn(&WindowFunction) -> bool| {
            let picked =
                FUNCTIONS.iter().filter(|(_, function)| matches!(function, Window(window) if pick(window)));
            picked.map(|(name, _)| *name).collect::<Vec<_>>()
        };
        assert_eq!(with(|window| window.anchored), ["changes", "delta", "increase", "rate", "resets"]);
        assert_eq!(with(|window| window.smoothed), ["delta", "increase", "rate"]);
        assert_eq!(with(|window| window.start_timestamps), ["increase", "irate", "rate", "resets"]);
        assert_eq!(with(|window| window.expects_counter), ["increase", "rate"]);
        assert_eq!(with(|window| window.keeps_name), ["first_over_time", "last_over_time"]);
    }
}
