//! The text exposition format.

use kymo_formats::wire::{MetricType, prom_text::TextWriter};

use super::{Family, names::Kind};

/// `families` in the text exposition format, version 0.0.4.
pub(crate) fn exposition(families: &[Family]) -> String {
    let mut page = String::with_capacity(16 << 10);
    let mut writer = TextWriter::new(&mut page);
    for family in families {
        let name = family.info.name;
        let metric_type = match family.info.kind {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
            Kind::Histogram => MetricType::Histogram,
        };
        writer.help(name, family.info.help).metric_type(name, metric_type);
        for point in &family.points {
            let labels = point.labels.iter().map(|(name, value)| (*name, value.as_str()));
            writer.sample(&format!("{name}{}", point.suffix), labels, point.value, None);
        }
    }
    page
}
