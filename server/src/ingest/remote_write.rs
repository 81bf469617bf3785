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
    rows::{GROUP_SERIES, LateExemplars, Rows, SeriesKey, Stored},
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
    let mut group = Vec::with_capacity(GROUP_SERIES);
    // A series without anything must not become one of the store.
    let mut all = request.series().filter(v1::Series::has_rows);
    loop {
        group.clear();
        group.extend(all.by_ref().take(GROUP_SERIES).map(|series| (series, key_v1(&series, rows))));
        if group.is_empty() {
            break;
        }
        rows.begin_group(group.iter().map(|(_, key)| *key));
        for (place, (series, key)) in group.iter().enumerate() {
            let pairs = || series.labels().collect();
            let found = rows.series(place, *key, &pairs, series.samples(), series.histograms())?;
            let Some(found) = found else { continue };
            for exemplar in series.exemplars() {
                let labels = Labels::from_pairs(exemplar.labels());
                rows.exemplar(found, Exemplar { labels, value: exemplar.value, ts: exemplar.ts });
            }
        }
    }
    for metadata in request.metadata() {
        rows.metadata(metadata.family, metadata_of(metadata.metric_type, metadata.help, metadata.unit));
    }
    Ok(())
}

fn key_v1(series: &v1::Series<'_>, rows: &Rows<'_>) -> SeriesKey {
    let mut runs = series.raw_labels();
    let first = runs.next().unwrap_or_default();
    match runs.next() {
        None => rows.key(first),
        Some(second) => rows.key(&[first, second].into_iter().chain(runs).collect::<Vec<_>>().concat()),
    }
}

fn store_v2(
    request: &v2::Request<'_>,
    type_and_unit: TypeAndUnit,
    rows: &mut Rows<'_>,
) -> Result<(), CommitError> {
    let mut group = Vec::with_capacity(GROUP_SERIES);
    let mut raw = Vec::new();
    let mut all = request.series();
    loop {
        group.clear();
        let mut is_end = true;
        for series in all.by_ref().take(GROUP_SERIES) {
            is_end = false;
            let Some(described) = describe_v2(&series, type_and_unit, rows) else { continue };
            raw_key(&mut raw, described.labels.clone());
            group.push((series, described, rows.key(&raw)));
        }
        if is_end {
            return Ok(());
        }
        rows.begin_group(group.iter().map(|(_, _, key)| *key));
        for (place, (series, described, key)) in group.iter().enumerate() {
            let pairs = || described.labels.clone().collect();
            let found = rows.series(place, *key, &pairs, series.samples(), series.histograms())?;
            let Some(found) = found else { continue };
            push_exemplars(series, found, rows);
            if let Some(metadata) = &described.metadata {
                push_metadata(metadata, described.labels.clone(), rows);
            }
        }
    }
}

/// What describes a series of version 2.0.
struct Described<'a, L> {
    /// Names and values of the labels.
    labels: L,
    metadata: Option<v2::Metadata<'a>>,
}

/// What describes a series; `None` if it is refused.
fn describe_v2<'a>(
    series: &v2::Series<'a>,
    type_and_unit: TypeAndUnit,
    rows: &mut Rows<'_>,
) -> Option<Described<'a, impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone + use<'a>>> {
    let (labels, metadata) = match (series.labels(), series.metadata()) {
        (Ok(labels), Ok(metadata)) => (labels, metadata),
        (Err(error), _) => {
            rows.refuse(format_args!("parsing labels for series {}: {error}", Refs(series)));
            return None;
        }
        (_, Err(error)) => {
            rows.refuse(format_args!("parsing metadata for series {}: {error}", Refs(series)));
            return None;
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
        return None;
    }
    Some(Described { labels, metadata })
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
