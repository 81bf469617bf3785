//! Messages of remote write 1.0 and 2.0 into a batch.

use std::fmt::Write as _;

use kymo_engine::HistogramValue;
use kymo_formats::{
    DecodeError,
    wire::remote_write::{HistogramSample, NativeHistogram, v1, v2},
};

use super::Report;
use crate::store::{Batch, Metadata, SeriesIdx};

/// A version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// `prometheus.WriteRequest`
    V1,
    /// `io.prometheus.write.v2.Request`
    V2,
}

/// Puts the rows of `message` into `batch`. Series that cannot be stored as they were sent go into `report`.
///
/// # Errors
/// When the bytes are no such message; `batch` is not touched then.
pub(crate) fn fill(
    version: Version,
    message: &[u8],
    batch: &mut Batch,
    report: &mut Report,
) -> Result<(), DecodeError> {
    match version {
        Version::V1 => fill_v1(&v1::WriteRequest::parse(message)?, batch),
        Version::V2 => fill_v2(&v2::Request::parse(message)?, batch, report),
    }
    Ok(())
}

fn fill_v1(request: &v1::WriteRequest<'_>, batch: &mut Batch) {
    let mut pairs = Vec::new();
    let mut exemplar_pairs = Vec::new();
    for series in request.series() {
        pairs.clear();
        pairs.extend(series.labels());
        let idx = batch.series(&pairs);
        for sample in series.samples() {
            batch.sample(idx, sample.ts, sample.value, 0);
        }
        for histogram in series.histograms() {
            push_histogram(batch, idx, histogram);
        }
        for exemplar in series.exemplars() {
            exemplar_pairs.clear();
            exemplar_pairs.extend(exemplar.labels());
            batch.exemplar(idx, exemplar.ts, exemplar.value, &exemplar_pairs);
        }
    }
    for metadata in request.metadata() {
        batch.metadata(metadata.family, Metadata {
            metric_type: metadata.metric_type.as_str().to_owned(),
            help: text(metadata.help),
            unit: text(metadata.unit),
        });
    }
}

fn fill_v2(request: &v2::Request<'_>, batch: &mut Batch, report: &mut Report) {
    let mut pairs = Vec::new();
    for series in request.series() {
        let (labels, metadata) = match (series.labels(), series.metadata()) {
            (Ok(labels), Ok(metadata)) => (labels, metadata),
            (Err(error), _) => {
                report.add(format_args!("parsing labels for series {}: {error}", refs(&series)));
                continue;
            }
            (_, Err(error)) => {
                report.add(format_args!("parsing metadata for series {}: {error}", refs(&series)));
                continue;
            }
        };
        pairs.clear();
        pairs.extend(labels);
        if series.samples().next().is_none() && series.histograms().next().is_none() {
            report.add(format_args!(
                "TimeSeries must contain at least one sample or histogram for series {}",
                Pairs(&pairs)
            ));
            continue;
        }
        let idx = batch.series(&pairs);
        for sample in series.samples() {
            batch.sample(idx, sample.ts, sample.value, sample.start_ts);
        }
        for histogram in series.histograms() {
            push_histogram(batch, idx, histogram);
        }
        push_exemplars(&series, idx, &pairs, batch, report);
        if let Some(metadata) = metadata {
            push_metadata(&metadata, &pairs, batch);
        }
    }
}

fn push_exemplars(
    series: &v2::Series<'_>,
    idx: SeriesIdx,
    pairs: &[(&[u8], &[u8])],
    batch: &mut Batch,
    report: &mut Report,
) {
    for exemplar in series.exemplars() {
        match exemplar.labels() {
            Ok(labels) => batch.exemplar(idx, exemplar.ts, exemplar.value, &labels.collect::<Vec<_>>()),
            Err(error) => {
                report.add(format_args!("parsing exemplar for series {}: {error}", Pairs(pairs)));
            }
        }
    }
}

/// Metadata comes with each series here, and is about the family: the name without what a part of a histogram
/// or summary adds to it.
fn push_metadata(metadata: &v2::Metadata<'_>, pairs: &[(&[u8], &[u8])], batch: &mut Batch) {
    use kymo_formats::wire::MetricType;
    if metadata.metric_type == MetricType::Unknown && metadata.help.is_empty() && metadata.unit.is_empty() {
        return;
    }
    let Some((_, name)) = pairs.iter().find(|(name, _)| *name == b"__name__") else { return };
    let suffixes: &[&[u8]] = match metadata.metric_type {
        MetricType::Histogram | MetricType::GaugeHistogram => &[b"_bucket", b"_sum", b"_count"],
        MetricType::Summary => &[b"_sum", b"_count"],
        _ => &[],
    };
    let family = suffixes.iter().find_map(|suffix| name.strip_suffix(*suffix)).unwrap_or(name);
    batch.metadata(family, Metadata {
        metric_type: metadata.metric_type.as_str().to_owned(),
        help: text(metadata.help),
        unit: text(metadata.unit),
    });
}

fn push_histogram(batch: &mut Batch, idx: SeriesIdx, sample: HistogramSample) {
    let value = match sample.value {
        NativeHistogram::Integer(histogram) => HistogramValue::Integer(histogram),
        NativeHistogram::Float(histogram) => HistogramValue::Float(histogram),
    };
    batch.histogram(idx, sample.ts, value, sample.start_ts);
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// References as Go prints them: `[1 2 3]`, cut where nobody reads on.
fn refs(series: &v2::Series<'_>) -> String {
    const SHOWN_MAX: usize = 64;
    let mut out = String::from("[");
    for (i, reference) in series.label_refs().take(SHOWN_MAX).enumerate() {
        let _: std::fmt::Result = write!(out, "{}{reference}", if i > 0 { " " } else { "" });
    }
    out.push(']');
    out
}

/// Labels as they were sent, as PromQL would write them.
struct Pairs<'a>(&'a [(&'a [u8], &'a [u8])]);

impl std::fmt::Display for Pairs<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("{")?;
        for (i, (name, value)) in self.0.iter().enumerate() {
            let separator = if i > 0 { ", " } else { "" };
            write!(f, "{separator}{}={:?}", String::from_utf8_lossy(name), String::from_utf8_lossy(value))?;
        }
        f.write_str("}")
    }
}
