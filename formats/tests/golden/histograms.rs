//! What Prometheus says about histograms.

use kymo_formats::histogram::bounds::exponential_bound;
use kymo_formats::histogram::{FloatHistogram, ResetHint};

use crate::samples::{Kind, histograms};

#[test]
fn resets_are_seen_where_prometheus_sees_them() {
    let mut seen = 0;
    for line in include_str!("prometheus-3.14/resets.txt").lines() {
        let [kind, seed, expected] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let kind = match kind {
            "counter" => Kind::Counter,
            "gauge" => Kind::Gauge,
            _ => Kind::Custom,
        };
        let samples: Vec<FloatHistogram> = histograms(seed.parse().unwrap(), kind)
            .into_iter()
            .map(|(_, histogram)| FloatHistogram { reset_hint: ResetHint::Unknown, ..histogram.to_float() })
            .collect();
        let found: String =
            samples.windows(2).map(|pair| if pair[1].detect_reset(&pair[0]) { '1' } else { '0' }).collect();
        assert_eq!(found, expected, "{kind:?} {seed}");
        seen += 1;
    }
    assert_eq!(seen, 9);
}

#[test]
fn bounds_are_those_of_prometheus() {
    for line in include_str!("prometheus-3.14/bounds.txt").lines() {
        let [schema, first, last, expected] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let (first, last): (i64, i64) = (first.parse().unwrap(), last.parse().unwrap());
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for index in first..=last {
            for byte in exponential_bound(index, schema.parse().unwrap()).to_bits().to_le_bytes() {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
            }
        }
        assert_eq!(format!("{hash:016x}"), expected, "schema {schema}");
    }
}
