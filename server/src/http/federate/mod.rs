//! Federation: the newest sample of selected series.
//!
//! * `text` - in the text exposition format, which cannot show histograms with exponential buckets
//! * `protobuf` - in the protobuf one, which can

mod protobuf;
mod text;

use std::{collections::BTreeMap, ops::RangeInclusive, sync::Arc};

use axum::{
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use kymo_engine::{Labels, MemoryBudget, SampleColumns, is_stale};
use kymo_formats::histogram::{CUSTOM_BUCKETS_SCHEMA, FloatHistogram, ResetHint};
use kymo_query::{EngineSource, Need, SelectRequest, Source};

use super::{
    caller,
    error::{PlainError, refuse_partial},
    middleware::Ready,
    params::Params,
};
use crate::{
    app::App,
    promql::{self, Matchers},
};

/// `/federate`
pub(crate) async fn federate(
    State(app): State<Arc<App>>,
    Ready(engine): Ready,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, PlainError> {
    let format = Format::negotiate(&headers);
    let sets = params
        .all("match[]")
        .map(promql::parse_selector)
        .collect::<Result<Vec<Matchers>, _>>()
        .map_err(|error| PlainError::bad_request(error.to_string()))?;
    let config = app.config();
    let end = app.now_ms();
    let start = end.saturating_sub(i64::try_from(config.query.lookback_ms).unwrap_or(i64::MAX));
    let memory = MemoryBudget::new(config.query.memory_bytes_max);
    let admission = app
        .queries
        .enter(caller::current(), config.query.timeout())
        .await
        .map_err(|_| PlainError::unavailable("too many queries are running"))?;
    let work = move || {
        let _admission = admission;
        let newest = newest_samples(&EngineSource(engine), &sets, start..=end, &memory)?;
        Ok::<_, PlainError>(match format {
            Format::Text => text::page(&newest, &config.external_labels).into_bytes(),
            Format::Protobuf => protobuf::page(&newest, &config.external_labels),
        })
    };
    let page = tokio::task::spawn_blocking(work).await.map_err(|_| {
        PlainError::new(
            axum::http::StatusCode::INTERNAL_SERVER_ERROR,
            "the request failed by a bug in the server",
        )
    })??;
    Ok(([(header::CONTENT_TYPE, format.content_type())], page).into_response())
}

/// How the page is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Text,
    Protobuf,
}

impl Format {
    /// The one of the two that the reader likes best; text if it names neither.
    fn negotiate(headers: &HeaderMap) -> Self {
        let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let mut best = (Self::Text, 0.0);
        for range in accepted.flat_map(|value| value.split(',')) {
            let Some((format, quality)) = Self::of_range(range) else { continue };
            if quality > best.1 {
                best = (format, quality);
            }
        }
        best.0
    }

    /// What one media range of the header stands for, and how much it is liked.
    fn of_range(range: &str) -> Option<(Self, f64)> {
        let mut parts = range.split(';').map(|part| part.trim().to_ascii_lowercase());
        let media_type = parts.next()?;
        let parameters: Vec<String> = parts.map(|part| part.replace(['"', ' '], "")).collect();
        let quality = parameters.iter().find_map(|parameter| parameter.strip_prefix("q="));
        let quality = quality.map_or(Some(1.0), |quality| quality.parse().ok())?;
        let has = |parameter: &str| parameters.iter().any(|other| other == parameter);
        let format = match media_type.as_str() {
            "text/plain" if !parameters.iter().any(|p| p.starts_with("version=")) || has("version=0.0.4") => {
                Self::Text
            }
            "application/vnd.google.protobuf"
                if has("proto=io.prometheus.client.metricfamily") && has("encoding=delimited") =>
            {
                Self::Protobuf
            }
            _ => return None,
        };
        Some((format, quality))
    }

    const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8; escaping=allow-utf-8",
            Self::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited; \
                 escaping=allow-utf-8"
            }
        }
    }
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
        let selection =
            source.select(&SelectRequest { matchers, start, end, limit: 0, need: Need::Samples, memory })?;
        refuse_partial(selection.warnings)?;
        for series in &selection.series {
            let name = series.labels().metric_name();
            if name.is_empty() {
                continue;
            }
            refuse_partial(series.read(&mut columns)?)?;
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

/// Bounds of a histogram with custom buckets, each with the observations up to it, as a classic histogram has them.
fn classic_buckets(histogram: &FloatHistogram) -> Vec<(f64, f64)> {
    let mut counts = kymo_query::histogram::positive_buckets(histogram).peekable();
    let mut cumulative = 0.0;
    let up_to = |bound: &f64| {
        while let Some(bucket) = counts.next_if(|bucket| bucket.upper <= *bound) {
            cumulative += bucket.count;
        }
        (*bound, cumulative)
    };
    histogram.custom_values.iter().map(up_to).collect()
}

/// Whether the histogram is shown as a classic one.
const fn is_classic(histogram: &FloatHistogram) -> bool {
    histogram.schema == CUSTOM_BUCKETS_SCHEMA
}

/// Whether the counts of the histogram may shrink.
fn is_gauge(histogram: &FloatHistogram) -> bool {
    histogram.reset_hint == ResetHint::Gauge
}

#[cfg(test)]
mod tests {
    use super::*;

    fn negotiated(accept: &'static str) -> Format {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        Format::negotiate(&headers)
    }

    #[test]
    fn the_reader_chooses_the_format() {
        const PROTOBUF: &str =
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
        assert_eq!(Format::negotiate(&HeaderMap::new()), Format::Text);
        assert_eq!(negotiated("*/*"), Format::Text);
        assert_eq!(negotiated(PROTOBUF), Format::Protobuf);
        let scraper = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,\
                       application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
        assert_eq!(negotiated(scraper), Format::Protobuf);
        let text_first = "text/plain;version=0.0.4;q=0.6,application/vnd.google.protobuf;\
                          proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.5";
        assert_eq!(negotiated(text_first), Format::Text);
        assert_eq!(
            negotiated("application/vnd.google.protobuf;proto=other;encoding=delimited"),
            Format::Text
        );
    }
}
