//! Tests of the traffic on tiny recordings.

use std::collections::BTreeMap;

use kymo_formats::wire::{
    MetricType,
    remote_write::{v1, v2},
};

use super::{
    Protocol, Setup,
    fleet::Fleet,
    plan::ConnectionPlan,
    recording::{Recording, round_to},
};

fn archive(pages: usize) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for page in 0..pages {
        let node = format!(
            "# HELP cpu_seconds_total Seconds.\n# TYPE cpu_seconds_total counter\n\
             cpu_seconds_total{{mode=\"user\"}} {}.25\n# TYPE load gauge\nload {}\n{}",
            page * 3,
            page % 2,
            if page >= 2 { "late_total 7\n" } else { "" }
        );
        let other =
            format!("requests_bucket{{le=\"1\"}} {page}\nrequests_sum {}\ninfo 1\n", page as f64 * 0.1);
        for (job, text) in [("node", node), ("other", other)] {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            archive.append_data(&mut header, format!("{job}/{page:05}.txt"), text.as_bytes()).unwrap();
        }
    }
    archive.into_inner().unwrap()
}

fn recording() -> Recording {
    Recording::read(&archive(4)[..]).unwrap()
}

fn setup(protocol: Protocol) -> Setup {
    Setup {
        instances: 3,
        series_max: usize::MAX,
        connections: 2,
        batch: 4,
        interval_ms: 15_000,
        start_ms: 1_000_000,
        scrapes: 11,
        jitter_ms: 20,
        seed: 7,
        protocol,
    }
}

type Point = (i64, u64);
type Traffic = BTreeMap<Vec<(String, String)>, Vec<Point>>;

fn text(labels: impl Iterator<Item = (impl AsRef<[u8]>, impl AsRef<[u8]>)>) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    labels.map(|(name, value)| (text(name.as_ref()), text(value.as_ref()))).collect()
}

/// All that a load sends, by series, in the order in which it is sent.
fn traffic(setup: &Setup) -> Traffic {
    let fleet = Fleet::new(recording(), setup);
    let mut traffic = Traffic::new();
    let mut body = Vec::new();
    for connection in 0..setup.connections {
        let plan = ConnectionPlan::new(&fleet, setup, connection);
        for scrape in 0..setup.scrapes {
            for batch in &plan.batches {
                let samples = batch.write(&fleet, scrape, &mut body);
                assert!(samples <= setup.batch);
                assert_eq!(take(setup.protocol, &body, &mut traffic), samples);
            }
        }
    }
    traffic
}

fn take(protocol: Protocol, body: &[u8], traffic: &mut Traffic) -> usize {
    let mut found = 0;
    let mut add = |labels, ts, value: f64| {
        traffic.entry(labels).or_default().push((ts, value.to_bits()));
        found += 1;
    };
    match protocol {
        Protocol::V1 => {
            for series in v1::WriteRequest::parse(body).unwrap().series() {
                series.samples().for_each(|sample| add(text(series.labels()), sample.ts, sample.value));
            }
        }
        Protocol::V2 => {
            for series in v2::Request::parse(body).unwrap().series() {
                let labels = text(series.labels().unwrap());
                series.samples().for_each(|sample| add(labels.clone(), sample.ts, sample.value));
            }
        }
    }
    found
}

#[test]
fn pages_become_columns() {
    let recording = recording();
    let node = &recording.exporters[0];
    assert_eq!((node.job.as_str(), node.pages, node.series.len()), ("node", 4, 3));
    let cpu = &node.series[0];
    assert_eq!(cpu.values, [0.25, 3.25, 6.25, 9.25].map(Some));
    assert_eq!((cpu.decimals, cpu.cumulative, cpu.metric_type), (Some(2), true, MetricType::Counter));
    assert_eq!(cpu.help, b"Seconds.");
    assert!(!node.series[1].cumulative);
    assert_eq!(node.series[2].values, [None, None, Some(7.0), Some(7.0)]);
    let sum = &recording.exporters[1].series[1];
    assert_eq!(sum.decimals, None, "3 * 0.1 is no decimal number with few places");
    assert_eq!((sum.cumulative, &sum.family[..]), (true, &b"requests"[..]));
    assert_eq!(round_to(0.1 + 0.2, 1).to_bits(), 0.3_f64.to_bits());
}

#[test]
fn both_protocols_carry_the_same_traffic() {
    let (first, second) = (traffic(&setup(Protocol::V1)), traffic(&setup(Protocol::V2)));
    assert_eq!(first.len(), 3 * 6);
    assert_eq!(first, second);
}

#[test]
fn samples_of_a_series_are_in_order_and_an_interval_apart() {
    let setup = setup(Protocol::V1);
    for (labels, points) in traffic(&setup) {
        for pair in points.windows(2) {
            let apart = pair[1].0 - pair[0].0;
            let gap = labels.iter().any(|(_, value)| value == "late_total");
            assert!((apart - setup.interval_ms).abs() < setup.jitter_ms || gap && apart > 0, "{labels:?}");
        }
    }
}

#[test]
fn counters_go_on_growing_when_the_recording_starts_again() {
    let all = traffic(&setup(Protocol::V1));
    let counters = all.iter().filter(|(labels, _)| {
        labels.iter().any(|(_, value)| value == "cpu_seconds_total" || value == "requests_sum")
    });
    for (labels, points) in counters {
        let values: Vec<f64> = points.iter().map(|(_, bits)| f64::from_bits(*bits)).collect();
        assert!(values.is_sorted(), "{labels:?}: {values:?}");
        assert!(values.last() > values.first());
    }
}

#[test]
fn decimal_counters_stay_decimal_in_copies() {
    for (labels, points) in traffic(&setup(Protocol::V1)) {
        if labels.iter().any(|(_, value)| value == "cpu_seconds_total") {
            for (_, bits) in points {
                let value = f64::from_bits(bits);
                assert_eq!(round_to(value, 2).to_bits(), bits, "{value}");
            }
        }
    }
}

#[test]
fn the_bound_on_series_leaves_targets_out() {
    let setup = Setup { series_max: 10, ..setup(Protocol::V1) };
    let fleet = Fleet::new(recording(), &setup);
    assert_eq!((fleet.targets.len(), fleet.series_count()), (3, 9));
}

#[test]
fn another_seed_is_another_load() {
    let other = Setup { seed: 8, ..setup(Protocol::V1) };
    assert_ne!(traffic(&setup(Protocol::V1)), traffic(&other));
}
