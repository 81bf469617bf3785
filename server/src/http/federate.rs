//! Federation: the newest sample of selected series, in the text exposition format.

use std::{collections::BTreeMap, ops::RangeInclusive, sync::Arc};

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use kymo_engine::{Labels, MemoryBudget, SampleColumns, is_stale};
use kymo_formats::{
    histogram::{CUSTOM_BUCKETS_SCHEMA, FloatHistogram, ResetHint},
    wire::{MetricType, prom_text::TextWriter},
};
use kymo_query::{EngineSource, SelectRequest, Source};

use super::{error::PlainError, middleware::Ready, params::Params};
use crate::{
    app::App,
    promql::{self, Matchers},
};

/// `/federate`
pub(crate) async fn federate(
    State(app): State<Arc<App>>,
    Ready(engine): Ready,
    params: Params,
) -> Result<Response, PlainError> {
    let sets = params
        .all("match[]")
        .map(promql::parse_selector)
        .collect::<Result<Vec<Matchers>, _>>()
        .map_err(|error| PlainError::bad_request(error.to_string()))?;
    let config = app.config();
    let end = app.now_ms();
    let start = end.saturating_sub(i64::try_from(config.query.lookback_ms).unwrap_or(i64::MAX));
    let memory = MemoryBudget::new(config.query.memory_bytes_max);
    let work = move || {
        let newest = newest_samples(&EngineSource(engine), &sets, start..=end, &memory)?;
        Ok::<_, PlainError>(page(&newest, &config.external_labels))
    };
    let page = tokio::task::spawn_blocking(work).await.map_err(|_| {
        PlainError::new(
            axum::http::StatusCode::INTERNAL_SERVER_ERROR,
            "the request failed by a bug in the server",
        )
    })??;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8; escaping=allow-utf-8")], page)
        .into_response())
}

/// The newest sample of a series.
enum Newest {
    Float { ts: i64, value: f64 },
    Histogram { ts: i64, value: Arc<FloatHistogram> },
}

/// By metric name, then by labels.
type BySeries = BTreeMap<(Vec<u8>, Labels), Newest>;

fn newest_samples(
    source: &dyn Source,
    sets: &[Matchers],
    range: RangeInclusive<i64>,
    memory: &MemoryBudget,
) -> Result<BySeries, PlainError> {
    let (start, end) = range.into_inner();
    let mut found = BySeries::new();
    let mut columns = SampleColumns::default();
    for matchers in sets {
        let selection = source.select(&SelectRequest { matchers, start, end, limit: 0, memory })?;
        for series in &selection.series {
            let name = series.labels().metric_name();
            if name.is_empty() {
                continue;
            }
            series.read(&mut columns)?;
            if let Some(newest) = newest(&columns, start, end) {
                found.insert((name.to_vec(), series.labels().clone()), newest);
            }
        }
    }
    Ok(found)
}

/// The last sample at or before `end`, unless it says that the series has ended.
fn newest(columns: &SampleColumns, start: i64, end: i64) -> Option<Newest> {
    let floats = columns.ts.partition_point(|ts| *ts <= end);
    let float = floats.checked_sub(1).map(|i| (columns.ts[i], columns.values[i]));
    let histogram = columns.histograms.iter().rev().find(|sample| sample.ts <= end);
    let newest = match (float, histogram) {
        (Some((ts, _)), Some(sample)) if sample.ts > ts => Newest::of(sample),
        (Some((ts, value)), _) => Newest::Float { ts, value },
        (None, Some(sample)) => Newest::of(sample),
        (None, None) => return None,
    };
    let (ts, value) = match &newest {
        Newest::Float { ts, value } => (*ts, *value),
        Newest::Histogram { ts, value } => (*ts, value.sum),
    };
    (ts >= start && !is_stale(value)).then_some(newest)
}

impl Newest {
    fn of(sample: &kymo_engine::HistogramSample) -> Self {
        Self::Histogram { ts: sample.ts, value: Arc::clone(&sample.value) }
    }

    /// The type of the family that the sample is shown in; `None` for what the text format cannot show.
    fn metric_type(&self) -> Option<MetricType> {
        match self {
            Self::Float { .. } => Some(MetricType::Unknown),
            Self::Histogram { value, .. } if value.schema != CUSTOM_BUCKETS_SCHEMA => None,
            Self::Histogram { value, .. } if value.reset_hint == ResetHint::Gauge => {
                Some(MetricType::GaugeHistogram)
            }
            Self::Histogram { .. } => Some(MetricType::Histogram),
        }
    }
}

fn page(newest: &BySeries, external: &BTreeMap<String, String>) -> String {
    let mut page = String::new();
    let mut writer = TextWriter::new(&mut page);
    let mut family = None;
    for ((name, labels), sample) in newest {
        let Some(metric_type) = sample.metric_type() else { continue };
        let name = String::from_utf8_lossy(name);
        if family != Some((name.clone(), metric_type)) {
            writer.metric_type(&name, metric_type);
            family = Some((name.clone(), metric_type));
        }
        let pairs = pairs(labels, external);
        match sample {
            Newest::Float { ts, value } => {
                writer.sample(&name, borrowed(&pairs), *value, Some(*ts));
            }
            Newest::Histogram { ts, value } => push_classic(&mut writer, &name, &pairs, value, *ts),
        }
    }
    page
}

/// Labels of a series with those of this server. `instance` is always there, if need be empty, so that the
/// server that reads this does not put its own name for us in its place.
fn pairs(labels: &Labels, external: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut pairs: Vec<_> = labels
        .iter()
        .filter(|label| label.name != b"__name__")
        .map(|label| (text(label.name), text(label.value)))
        .collect();
    let instance = (!external.contains_key("instance")).then_some(("instance", ""));
    let added = external.iter().map(|(name, value)| (name.as_str(), value.as_str())).chain(instance);
    for (name, value) in added {
        if labels.get(name.as_bytes()).is_empty() {
            pairs.push((name.to_owned(), value.to_owned()));
        }
    }
    pairs
}

/// A histogram with custom buckets, as the classic histogram that it stands for.
fn push_classic(
    writer: &mut TextWriter<'_>,
    name: &str,
    pairs: &[(String, String)],
    histogram: &FloatHistogram,
    ts: i64,
) {
    let counts = kymo_query::histogram::buckets(histogram, kymo_query::histogram::Order::Ascending);
    let buckets: Vec<_> = counts.map(|bucket| (bucket.upper, bucket.count)).collect();
    let bounds = histogram.custom_values.iter().copied().chain([f64::INFINITY]);
    for bound in bounds {
        let below: f64 = buckets.iter().filter(|(upper, _)| *upper <= bound).map(|(_, count)| count).sum();
        let cumulative = if bound == f64::INFINITY { histogram.count } else { below };
        let mut le = String::new();
        kymo_formats::wire::prom_text::format_float(&mut le, bound);
        let labels = borrowed(pairs).chain([("le", le.as_str())]);
        writer.sample(&format!("{name}_bucket"), labels, cumulative, Some(ts));
    }
    writer.sample(&format!("{name}_sum"), borrowed(pairs), histogram.sum, Some(ts));
    writer.sample(&format!("{name}_count"), borrowed(pairs), histogram.count, Some(ts));
}

fn borrowed(pairs: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
}
