//! Metrics grouped to families, as OpenMetrics wants them: all metrics of a family together, with names that fit its
//! type.

use std::collections::{BTreeMap, BTreeSet};

use kymo_engine::Metadata;
use kymo_formats::wire::MetricType;

/// Metrics that are described together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Family {
    pub(super) name: String,
    pub(super) metric_type: MetricType,
    /// Under which name it is known, and as what.
    pub(super) described: Option<(String, Metadata)>,
    /// Sorted.
    pub(super) metrics: Vec<String>,
}

impl Family {
    /// A metric as a family of its own, of which nothing fits but the name.
    pub(super) fn alone(metric: &str, described: Option<(&str, &Metadata)>) -> Self {
        Self {
            name: metric.to_owned(),
            metric_type: MetricType::Unknown,
            described: described.map(|(name, known)| (name.to_owned(), known.clone())),
            metrics: vec![metric.to_owned()],
        }
    }
}

/// What senders know of a metric: of itself, or of the family that it is a part of.
pub(super) fn describe<'m>(
    metric: &str,
    metadata: &'m BTreeMap<String, Metadata>,
) -> Option<(&'m str, &'m Metadata)> {
    let exact = metadata.get_key_value(metric);
    let part = || {
        let suffixes = ["_bucket", "_sum", "_count", "_gsum", "_gcount", "_total", "_info"];
        let stems = suffixes.iter().filter_map(|suffix| Some((*suffix, metric.strip_suffix(suffix)?)));
        stems.filter_map(|(suffix, stem)| Some((suffix, metadata.get_key_value(stem)?))).find_map(
            |(suffix, found)| {
                let fits = match type_of(found.1) {
                    MetricType::Histogram => ["_bucket", "_sum", "_count"].contains(&suffix),
                    MetricType::GaugeHistogram => !["_total", "_info"].contains(&suffix),
                    MetricType::Summary => ["_sum", "_count"].contains(&suffix),
                    MetricType::Counter => suffix == "_total",
                    MetricType::Info => suffix == "_info",
                    MetricType::Gauge | MetricType::StateSet | MetricType::Unknown => false,
                };
                fits.then_some(found)
            },
        )
    };
    exact.or_else(part).map(|(name, known)| (name.as_str(), known))
}

fn type_of(known: &Metadata) -> MetricType {
    MetricType::from_word(known.kind.as_bytes()).unwrap_or_default()
}

/// The families of `metrics`, sorted by name.
///
/// A metric whose name does not fit the type that it is known as (a counter without `_total`), or whose family would
/// have the name of another, is a family of its own and of unknown type: its samples are the same.
pub(super) fn families(metrics: &[String], metadata: &BTreeMap<String, Metadata>) -> Vec<Family> {
    let mut places: BTreeMap<&String, (String, MetricType)> =
        metrics.iter().map(|metric| (metric, place(metric, describe(metric, metadata)))).collect();
    loop {
        let mut types: BTreeMap<&str, BTreeSet<MetricType>> = BTreeMap::new();
        for (family, metric_type) in places.values() {
            types.entry(family).or_default().insert(*metric_type);
        }
        let clash = |family: &str| types.get(family).is_some_and(|types| types.len() > 1);
        let wrong: Vec<&String> = places
            .iter()
            .filter(|(metric, (family, metric_type))| {
                clash(family) && (family != **metric || *metric_type != MetricType::Unknown)
            })
            .map(|(metric, _)| *metric)
            .collect();
        if wrong.is_empty() {
            break;
        }
        for metric in wrong {
            places.insert(metric, (metric.clone(), MetricType::Unknown));
        }
    }
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    for (metric, (name, metric_type)) in places {
        let family = families.entry(name.clone()).or_insert_with(|| Family {
            name,
            metric_type,
            metrics: Vec::new(),
            ..Family::alone(metric, describe(metric, metadata))
        });
        family.metrics.push(metric.clone());
    }
    families.into_values().collect()
}

/// Family and type of a metric in OpenMetrics, if there were no other metric.
fn place(metric: &str, described: Option<(&str, &Metadata)>) -> (String, MetricType) {
    let alone = (metric.to_owned(), MetricType::Unknown);
    let Some((name, known)) = described else { return alone };
    let metric_type = type_of(known);
    let stem_of = |suffixes: &[&str]| suffixes.iter().find_map(|suffix| metric.strip_suffix(suffix));
    let stem = match metric_type {
        MetricType::Counter => stem_of(&["_total"]),
        MetricType::Info => stem_of(&["_info"]),
        MetricType::Histogram => stem_of(&["_bucket", "_sum", "_count"]).filter(|stem| *stem == name),
        MetricType::GaugeHistogram => stem_of(&["_bucket", "_gsum", "_gcount"]).filter(|stem| *stem == name),
        MetricType::Summary => {
            Some(metric).filter(|_| metric == name).or_else(|| stem_of(&["_sum", "_count"]))
        }
        MetricType::Gauge | MetricType::StateSet => Some(metric),
        MetricType::Unknown => None,
    };
    stem.filter(|stem| !stem.is_empty()).map_or(alone, |stem| (stem.to_owned(), metric_type))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grouped(metrics: &[&str], known: &[(&str, &str)]) -> Vec<String> {
        let metadata = known
            .iter()
            .map(|(family, kind)| {
                ((*family).to_owned(), Metadata { kind: (*kind).to_owned(), ..Metadata::default() })
            })
            .collect();
        let metrics: Vec<String> = metrics.iter().map(|metric| (*metric).to_owned()).collect();
        let show = |family: &Family| {
            format!("{} {}: {}", family.name, family.metric_type.as_str(), family.metrics.join(" "))
        };
        families(&metrics, &metadata).iter().map(show).collect()
    }

    #[test]
    fn names_fit_the_type() {
        let known = [
            ("a_total", "counter"),
            ("b", "counter"),
            ("h", "histogram"),
            ("s", "summary"),
            ("g", "gauge"),
            ("build_info", "info"),
            ("old", "counter"),
        ];
        let metrics = [
            "a_total",
            "b_total",
            "build_info",
            "g",
            "h",
            "h_bucket",
            "h_bucket_x",
            "h_count",
            "h_sum",
            "n",
            "old",
            "s",
            "s_count",
            "s_sum",
        ];
        let expected = [
            "a counter: a_total",
            "b counter: b_total",
            "build info: build_info",
            "g gauge: g",
            "h unknown: h",
            "h_bucket unknown: h_bucket",
            "h_bucket_x unknown: h_bucket_x",
            "h_count unknown: h_count",
            "h_sum unknown: h_sum",
            "n unknown: n",
            "old unknown: old",
            "s summary: s s_count s_sum",
        ];
        assert_eq!(grouped(&metrics, &known), expected);
        let without_h: Vec<&str> = metrics.into_iter().filter(|metric| *metric != "h").collect();
        assert!(grouped(&without_h, &known).contains(&"h histogram: h_bucket h_count h_sum".to_owned()));
    }

    #[test]
    fn two_families_never_have_one_name() {
        let known = [("a_total", "counter"), ("a", "gauge")];
        assert_eq!(grouped(&["a", "a_total"], &known), ["a unknown: a", "a_total unknown: a_total"]);
    }
}
