//! The page of federation in the protobuf exposition format.

use std::collections::BTreeMap;

use kymo_engine::Labels;
use kymo_formats::wire::prom_protobuf::{FamilyEncoder, FamilyType, MetricValue, encode_family};

use super::{BySeries, Newest, classic_buckets, is_classic, is_gauge, pairs};

/// The page, family by family. Where series of one name are floats and histograms, there are several families of that
/// name, as upstream has it.
pub(super) fn page(newest: &BySeries, external: &BTreeMap<String, String>) -> Vec<u8> {
    let mut page = Vec::new();
    let all: Vec<_> = newest.iter().collect();
    let same_family = |((a, _), left): &(&(Vec<u8>, Labels), &Newest),
                       ((b, _), right): &(&(Vec<u8>, Labels), &Newest)| {
        a == b && family_type(left) == family_type(right)
    };
    for family in all.chunk_by(same_family) {
        let Some(((name, _), first)) = family.first() else { continue };
        encode_family(&mut page, name, family_type(first), |encoder| {
            for ((_, labels), sample) in family {
                push(encoder, &pairs(labels, external), sample);
            }
        });
    }
    page
}

fn family_type(sample: &Newest) -> FamilyType {
    match sample {
        Newest::Float { .. } => FamilyType::Untyped,
        Newest::Histogram { value, .. } if is_gauge(value) => FamilyType::GaugeHistogram,
        Newest::Histogram { .. } => FamilyType::Histogram,
    }
}

fn push(encoder: &mut FamilyEncoder<'_>, pairs: &[(String, String)], sample: &Newest) {
    let labels = pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    match sample {
        Newest::Float { ts, value } => {
            encoder.metric(labels, *ts, MetricValue::Untyped(*value));
        }
        Newest::Histogram { ts, value } if is_classic(value) => {
            let buckets = classic_buckets(value);
            let classic = MetricValue::Classic { count: value.count, sum: value.sum, buckets: &buckets };
            encoder.metric(labels, *ts, classic);
        }
        Newest::Histogram { ts, value } => {
            encoder.metric(labels, *ts, MetricValue::Native(value));
        }
    }
}
