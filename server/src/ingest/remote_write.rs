//! Messages of remote write 1.0 and 2.0.

use kymo_engine::{CommitError, Engine, Exemplar, Labels, Metadata, SeriesRef};
use kymo_formats::{
    DecodeError,
    wire::{
        MetricType,
        remote_write::{v1, v2},
    },
};

use super::{
    Report,
    rows::{LateExemplars, Rows, SeriesKey, Stored},
    validate,
};

/// A version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// `prometheus.WriteRequest`
    V1,
    /// `io.prometheus.write.v2.Request`
    V2,
}

/// Why a request was not stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IngestError {
    /// It is no such message; nothing of it is stored.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The engine takes no rows; some of the request may be stored.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// Whether type and unit of a metric, which version 2.0 sends with each series, become labels of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TypeAndUnit {
    /// They are metadata only.
    Metadata,
    /// They are the labels `__type__` and `__unit__`, too.
    Labels,
}

/// Stores the rows of `message`; returns when they are durable. What cannot be stored is in the report.
pub(crate) fn store(
    engine: &Engine,
    version: Version,
    type_and_unit: TypeAndUnit,
    message: &[u8],
) -> Result<(Stored, Report), IngestError> {
    let rows = match version {
        Version::V1 => {
            let request = v1::WriteRequest::parse(message)?;
            let mut rows = Rows::new(engine, LateExemplars::Forgive);
            store_v1(&request, &mut rows)?;
            rows
        }
        Version::V2 => {
            let request = v2::Request::parse(message)?;
            let mut rows = Rows::new(engine, LateExemplars::Report);
            store_v2(&request, type_and_unit, &mut rows)?;
            rows
        }
    };
    Ok(rows.finish()?)
}

fn store_v1(request: &v1::WriteRequest<'_>, rows: &mut Rows<'_>) -> Result<(), CommitError> {
    let mut scattered = Vec::new();
    for series in request.series() {
        // A series without anything must not become one of the store.
        if series.samples().next().is_none()
            && series.histograms().next().is_none()
            && series.exemplars().next().is_none()
        {
            continue;
        }
        let mut runs = series.raw_labels();
        let mut raw = runs.next().unwrap_or_default();
        if let Some(second) = runs.next() {
            scattered.clear();
            [raw, second].into_iter().chain(runs).for_each(|run| scattered.extend_from_slice(run));
            raw = &scattered;
        }
        let key = SeriesKey { raw, pairs: &|| series.labels().collect() };
        let Some(found) = rows.series(key, series.samples(), series.histograms())? else { continue };
        for exemplar in series.exemplars() {
            let labels = Labels::from_pairs(exemplar.labels());
            rows.exemplar(found, Exemplar { labels, value: exemplar.value, ts: exemplar.ts });
        }
    }
    for metadata in request.metadata() {
        rows.metadata(metadata.family, metadata_of(metadata.metric_type, metadata.help, metadata.unit));
    }
    Ok(())
}

fn store_v2(
    request: &v2::Request<'_>,
    type_and_unit: TypeAndUnit,
    rows: &mut Rows<'_>,
) -> Result<(), CommitError> {
    let mut raw = Vec::new();
    for series in request.series() {
        let (labels, metadata) = match (series.labels(), series.metadata()) {
            (Ok(labels), Ok(metadata)) => (labels, metadata),
            (Err(error), _) => {
                rows.refuse(format_args!("parsing labels for series {}: {error}", Refs(&series)));
                continue;
            }
            (_, Err(error)) => {
                rows.refuse(format_args!("parsing metadata for series {}: {error}", Refs(&series)));
                continue;
            }
        };
        let added = match type_and_unit {
            TypeAndUnit::Metadata => MetadataLabels::default(),
            TypeAndUnit::Labels => MetadataLabels::of(metadata.as_ref()),
        };
        let labels = added.replace_in(labels);
        // Upstream asks for a sample or a histogram, but sends exemplars in series of their own.
        if series.samples().next().is_none()
            && series.histograms().next().is_none()
            && series.exemplars().next().is_none()
        {
            rows.refuse(format_args!(
                "TimeSeries must contain at least one sample or histogram for series {}",
                validate::Pairs(&labels.collect::<Vec<_>>())
            ));
            continue;
        }
        raw_key(&mut raw, labels.clone());
        let key = SeriesKey { raw: &raw, pairs: &|| labels.clone().collect() };
        let Some(found) = rows.series(key, series.samples(), series.histograms())? else { continue };
        push_exemplars(&series, found, rows);
        if let Some(metadata) = metadata {
            push_metadata(&metadata, labels, rows);
        }
    }
    Ok(())
}

/// The labels that type and unit of a metric become; those that say nothing become none.
#[derive(Debug, Clone, Copy, Default)]
struct MetadataLabels<'a>([Option<(&'a [u8], &'a [u8])>; 2]);

impl<'a> MetadataLabels<'a> {
    const NAMES: [&'static [u8]; 2] = [b"__type__", b"__unit__"];

    fn of(metadata: Option<&v2::Metadata<'a>>) -> Self {
        let Some(metadata) = metadata else { return Self::default() };
        let known_type = metadata.metric_type != MetricType::Unknown;
        let values = [
            known_type.then(|| metadata.metric_type.as_str().as_bytes()),
            Some(metadata.unit).filter(|unit| !unit.is_empty()),
        ];
        let mut labels = Self::default();
        for ((label, name), value) in labels.0.iter_mut().zip(Self::NAMES).zip(values) {
            *label = value.map(|value| (name, value));
        }
        labels
    }

    /// `labels` with these in place of both that were sent under the names, if there is any of these.
    fn replace_in(
        self,
        labels: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
    ) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone {
        let replaces = self.0.iter().any(Option::is_some);
        labels
            .filter(move |(name, _)| !replaces || !Self::NAMES.contains(name))
            .chain(self.0.into_iter().flatten())
    }
}

/// Bytes that stand for labels and cannot stand for others: each string with its length in front. The first byte
/// is none that a message of version 1.0 begins its labels with, so that keys of both versions differ.
fn raw_key<'a>(raw: &mut Vec<u8>, labels: impl Iterator<Item = (&'a [u8], &'a [u8])>) {
    raw.clear();
    raw.push(2);
    for (name, value) in labels {
        for string in [name, value] {
            raw.extend_from_slice(&(string.len() as u64).to_le_bytes());
            raw.extend_from_slice(string);
        }
    }
}

fn push_exemplars(series: &v2::Series<'_>, found: SeriesRef, rows: &mut Rows<'_>) {
    for exemplar in series.exemplars() {
        match exemplar.labels() {
            Ok(labels) => {
                let labels = Labels::from_pairs(labels);
                rows.exemplar(found, Exemplar { labels, value: exemplar.value, ts: exemplar.ts });
            }
            Err(error) => rows.refuse(format_args!("parsing exemplar for series {}: {error}", Refs(series))),
        }
    }
}

/// Metadata comes with each series here, and is about the family: the name without what a part of a histogram
/// or summary adds to it.
fn push_metadata<'a>(
    metadata: &v2::Metadata<'_>,
    mut labels: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    rows: &mut Rows<'_>,
) {
    if metadata.metric_type == MetricType::Unknown && metadata.help.is_empty() && metadata.unit.is_empty() {
        return;
    }
    let Some((_, name)) = labels.find(|(name, _)| *name == b"__name__") else { return };
    let suffixes: &[&[u8]] = match metadata.metric_type {
        MetricType::Histogram | MetricType::GaugeHistogram => &[b"_bucket", b"_sum", b"_count"],
        MetricType::Summary => &[b"_sum", b"_count"],
        _ => &[],
    };
    let family = suffixes.iter().find_map(|suffix| name.strip_suffix(*suffix)).unwrap_or(name);
    rows.metadata(family, metadata_of(metadata.metric_type, metadata.help, metadata.unit));
}

fn metadata_of(metric_type: MetricType, help: &[u8], unit: &[u8]) -> Metadata {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Metadata { kind: metric_type.as_str().to_owned(), help: text(help), unit: text(unit) }
}

/// References of a series as Go prints them: `[1 2 3]`, cut where nobody reads on.
struct Refs<'s, 'a>(&'s v2::Series<'a>);

impl std::fmt::Display for Refs<'_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const SHOWN_MAX: usize = 64;
        f.write_str("[")?;
        for (i, reference) in self.0.label_refs().take(SHOWN_MAX).enumerate() {
            write!(f, "{}{reference}", if i > 0 { " " } else { "" })?;
        }
        f.write_str("]")
    }
}
