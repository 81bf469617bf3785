//! `io.prometheus.client.MetricFamily`, each behind its length: the exposition format that can show native histograms
//! with exponential buckets.

use crate::{
    histogram::FloatHistogram,
    wire::{
        protobuf::{put_bytes, put_double, put_message, put_signed, put_unsigned, put_varint, put_zigzag},
        remote_write::{put_doubles, put_spans},
    },
};

/// What all metrics of a family are. The numbers are those of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum FamilyType {
    /// Floats of which nothing is known.
    Untyped = 3,
    /// Histograms.
    Histogram = 4,
    /// Histograms whose counts may shrink.
    GaugeHistogram = 5,
}

/// The value of a metric.
#[derive(Debug, Clone, Copy)]
pub enum MetricValue<'a> {
    /// A float.
    Untyped(f64),
    /// A histogram with exponential buckets.
    Native(&'a FloatHistogram),
    /// A histogram with bounds of its own.
    Classic {
        /// All observations.
        count: f64,
        /// Sum of all observations.
        sum: f64,
        /// Upper bounds, ascending, each with the observations up to it. The one for all goes without saying.
        buckets: &'a [(f64, f64)],
    },
}

/// Appends one family to `out`: its name, its type and the metrics that `write` adds.
pub fn encode_family(
    out: &mut Vec<u8>,
    name: &[u8],
    family_type: FamilyType,
    write: impl FnOnce(&mut FamilyEncoder<'_>),
) {
    let mut family = Vec::new();
    put_bytes(&mut family, 1, name);
    put_unsigned(&mut family, 3, u64::from(family_type as u8));
    write(&mut FamilyEncoder { buf: &mut family });
    put_varint(out, family.len() as u64);
    out.extend_from_slice(&family);
}

/// Appends the metrics of a family.
#[derive(Debug)]
pub struct FamilyEncoder<'b> {
    buf: &'b mut Vec<u8>,
}

impl FamilyEncoder<'_> {
    /// Appends a metric at `ts`, in milliseconds since the Unix epoch.
    pub fn metric<'l>(
        &mut self,
        labels: impl IntoIterator<Item = (&'l [u8], &'l [u8])>,
        ts: i64,
        value: MetricValue<'_>,
    ) -> &mut Self {
        put_message(self.buf, 4, |buf| {
            for (name, value) in labels {
                put_message(buf, 1, |buf| {
                    put_bytes(buf, 1, name);
                    put_bytes(buf, 2, value);
                });
            }
            match value {
                MetricValue::Untyped(value) => put_message(buf, 5, |buf| put_double(buf, 1, value)),
                MetricValue::Native(histogram) => put_message(buf, 7, |buf| put_native(buf, histogram)),
                MetricValue::Classic { count, sum, buckets } => {
                    put_message(buf, 7, |buf| put_classic(buf, count, sum, buckets));
                }
            }
            put_signed(buf, 6, ts);
        });
        self
    }
}

fn put_native(buf: &mut Vec<u8>, histogram: &FloatHistogram) {
    put_double(buf, 2, histogram.sum);
    put_double(buf, 4, histogram.count);
    put_zigzag(buf, 5, i64::from(histogram.schema));
    put_double(buf, 6, histogram.zero_threshold);
    put_double(buf, 8, histogram.zero_count);
    put_spans(buf, 9, &histogram.negative_spans);
    put_doubles(buf, 11, &histogram.negative_buckets);
    put_spans(buf, 12, &histogram.positive_spans);
    put_doubles(buf, 14, &histogram.positive_buckets);
}

fn put_classic(buf: &mut Vec<u8>, count: f64, sum: f64, buckets: &[(f64, f64)]) {
    put_double(buf, 2, sum);
    for (bound, cumulative) in buckets {
        put_message(buf, 3, |buf| {
            put_double(buf, 2, *bound);
            put_double(buf, 4, *cumulative);
        });
    }
    put_double(buf, 4, count);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::Span;

    #[test]
    fn families_stand_behind_their_lengths() {
        let mut out = Vec::new();
        encode_family(&mut out, b"up", FamilyType::Untyped, |family| {
            family.metric([(&b"job"[..], &b"x"[..])], 5, MetricValue::Untyped(1.0));
        });
        // Lengths and tags by hand from the format's description.
        let metric =
            b"\x0a\x08\x0a\x03job\x12\x01x\x2a\x09\x09\x00\x00\x00\x00\x00\x00\xf0\x3f\x30\x05".as_slice();
        let mut expected = vec![u8::try_from(metric.len()).unwrap() + 8, 0x0a, 2, b'u', b'p', 0x18, 3, 0x22];
        expected.push(u8::try_from(metric.len()).unwrap());
        expected.extend_from_slice(metric);
        assert_eq!(out, expected);
    }

    #[test]
    fn native_buckets_are_spans_and_counts() {
        let histogram = FloatHistogram {
            schema: -1,
            count: 2.0,
            positive_spans: vec![Span { offset: -1, length: 1 }],
            positive_buckets: vec![2.0],
            ..FloatHistogram::default()
        };
        let mut out = Vec::new();
        put_native(&mut out, &histogram);
        let two = 2.0_f64.to_le_bytes();
        let expected = [&b"\x21"[..], &two, b"\x28\x01\x62\x04\x08\x01\x10\x01\x72\x08", &two].concat();
        assert_eq!(out, expected);
    }
}
