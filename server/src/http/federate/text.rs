//! The page of federation in the text exposition format.

use std::collections::BTreeMap;

use kymo_formats::{
    histogram::FloatHistogram,
    wire::{
        MetricType,
        prom_text::{TextWriter, format_float},
    },
};

use super::{BySeries, Newest, classic_buckets, is_classic, is_gauge, pairs};

/// The page, family by family.
pub(super) fn page(newest: &BySeries, external: &BTreeMap<String, String>) -> String {
    let mut page = String::new();
    let mut writer = TextWriter::new(&mut page);
    let mut family = None;
    for ((name, labels), sample) in newest {
        let Some(metric_type) = metric_type(sample) else { continue };
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

/// The type of the family that the sample is shown in; `None` for what this format cannot show.
fn metric_type(sample: &Newest) -> Option<MetricType> {
    match sample {
        Newest::Float { .. } => Some(MetricType::Unknown),
        Newest::Histogram { value, .. } if !is_classic(value) => None,
        Newest::Histogram { value, .. } if is_gauge(value) => Some(MetricType::GaugeHistogram),
        Newest::Histogram { .. } => Some(MetricType::Histogram),
    }
}

/// A histogram with custom buckets, as the classic histogram that it stands for.
fn push_classic(
    writer: &mut TextWriter<'_>,
    name: &str,
    pairs: &[(String, String)],
    histogram: &FloatHistogram,
    ts: i64,
) {
    for (bound, cumulative) in
        classic_buckets(histogram).into_iter().chain([(f64::INFINITY, histogram.count)])
    {
        let mut le = String::new();
        format_float(&mut le, bound);
        let labels = borrowed(pairs).chain([("le", le.as_str())]);
        writer.sample(&format!("{name}_bucket"), labels, cumulative, Some(ts));
    }
    writer.sample(&format!("{name}_sum"), borrowed(pairs), histogram.sum, Some(ts));
    writer.sample(&format!("{name}_count"), borrowed(pairs), histogram.count, Some(ts));
}

fn borrowed(pairs: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
}
