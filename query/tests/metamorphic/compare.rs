//! Two answers to one query.

use std::collections::BTreeMap;

use kymo_engine::Labels;
use kymo_query::{QueryResult, Value};

use crate::{query::Query, store::Store};

/// Of the sum of the magnitudes of its terms a sum may be off by this part.
const SUM_ERROR: f64 = 1e-15;
/// A mean whose sum overflows is adjusted value by value, and rounded each time.
const OVERFLOWN_MEAN_ERROR: f64 = 1e-11;

type Floats = BTreeMap<Labels, BTreeMap<i64, f64>>;

/// What the first difference between the answers is, if there is one.
pub(crate) fn difference(
    expected: &QueryResult,
    found: &QueryResult,
    query: &Query,
    store: &Store,
) -> Result<(), String> {
    same("warnings", &expected.warnings, &found.warnings)?;
    same("infos", &expected.infos, &found.infos)?;
    same("samples", &expected.stats.samples, &found.stats.samples)?;
    same("samples of steps", &expected.stats.samples_per_step, &found.stats.samples_per_step)?;
    same("peak samples", &expected.stats.peak_samples, &found.stats.peak_samples)?;
    let (expected, found) = (floats(&expected.value)?, floats(&found.value)?);
    same("series", &expected.keys().collect::<Vec<_>>(), &found.keys().collect())?;
    for (labels, expected) in &expected {
        let found = &found[labels];
        same("times", &expected.keys().collect::<Vec<_>>(), &found.keys().collect())?;
        for (ts, expected) in expected {
            let found = found[ts];
            if !agree(*expected, found, query, store, labels, *ts) {
                return Err(format!("{labels} at {ts}: {found:?} instead of {expected:?}"));
            }
        }
    }
    Ok(())
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, expected: &T, found: &T) -> Result<(), String> {
    if expected == found { Ok(()) } else { Err(format!("{what}: {found:?} instead of {expected:?}")) }
}

/// The floats of an answer. Histograms do not come of summaries; that there are as many is told by the statistics.
fn floats(value: &Value) -> Result<Floats, String> {
    let Value::Matrix(series) = value else { return Err(format!("not a matrix: {value:?}")) };
    let points = |series: &kymo_query::MatrixSeries| {
        series.floats.iter().map(|point| (point.ts, point.value)).collect::<BTreeMap<_, _>>()
    };
    Ok(series.iter().map(|series| (series.labels.clone(), points(series))).collect())
}

fn agree(expected: f64, found: f64, query: &Query, store: &Store, labels: &Labels, ts: i64) -> bool {
    if expected.to_bits() == found.to_bits() || (expected.is_nan() && found.is_nan()) {
        return true;
    }
    let terms = store.floats(labels, query.window(ts));
    let magnitude: f64 = terms.iter().map(|value| value.abs()).sum();
    let error = match query.name() {
        "sum_over_time" => SUM_ERROR * magnitude,
        "avg_over_time" if magnitude.is_finite() => SUM_ERROR * magnitude / terms.len() as f64,
        "avg_over_time" => {
            terms.iter().fold(0.0_f64, |most, value| most.max(value.abs())) * OVERFLOWN_MEAN_ERROR
        }
        _ => return false,
    };
    (expected - found).abs() <= error
}
