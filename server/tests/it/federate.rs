//! Federation, as another Prometheus scrapes it.

use kymo_formats::{
    histogram::{FloatHistogram, HistogramValue, Span},
    wire::{
        prom_protobuf::{FamilyType, MetricValue, encode_family},
        remote_write::{HistogramSample, v1},
    },
};

use crate::harness::{Server, V1, now};

#[test]
fn the_newest_samples_are_shown_by_family() {
    let server = Server::with_config("self_metrics: {enabled: false}\nexternal_labels: {zone: z}\n");
    let ts = now();
    let stale = f64::from_bits(0x7ff0_0000_0000_0002);
    server.store(&[("__name__", "b"), ("job", "x\"")], &[(ts - 1000, 1.0), (ts, 2.0)]);
    server.store(&[("__name__", "a"), ("instance", "i"), ("zone", "own")], &[(ts, 0.5)]);
    server.store(&[("__name__", "gone")], &[(ts - 1000, 1.0), (ts, stale)]);
    server.store(&[("__name__", "old")], &[(ts - 600_000, 1.0)]);
    let answer = server.get("/federate", &[("match[]", "{__name__=~\".+\"}"), ("match[]", "a")]);
    assert!(answer.header("content-type").starts_with("text/plain; version=0.0.4"));
    assert_eq!(
        answer.text(),
        format!(
            "# TYPE a untyped\na{{instance=\"i\",zone=\"own\"}} 0.5 {ts}\n\
             # TYPE b untyped\nb{{job=\"x\\\"\",zone=\"z\",instance=\"\"}} 2 {ts}\n"
        )
    );
    assert_eq!(server.get("/federate", &[("match[]", "{")]).status, 400);
    assert_eq!(server.get("/federate", &[]).text(), "");
}

#[test]
fn who_reads_protobuf_sees_native_histograms() {
    let server = Server::new();
    let ts = now();
    let mut message = Vec::new();
    let value = FloatHistogram {
        schema: 1,
        count: 3.0,
        sum: 5.5,
        positive_spans: vec![Span { offset: -2, length: 2 }],
        positive_buckets: vec![1.0, 2.0],
        ..FloatHistogram::default()
    };
    v1::WriteRequestEncoder::new(&mut message).series(|series| {
        let value = HistogramValue::Float(value.clone());
        series.label(b"__name__", b"h").histogram(&HistogramSample { ts, start_ts: 0, value });
    });
    assert_eq!(server.write(V1, &message).status, 204);
    server.store(&[("__name__", "f")], &[(ts, 2.5)]);
    let url = "/federate?match[]=h&match[]=f";
    let accept = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,\
                  text/plain;version=0.0.4;q=0.2";
    let answer = server.get_with(url, &[("accept", accept)]);
    assert!(answer.header("content-type").starts_with("application/vnd.google.protobuf; proto=io."));
    let mut expected = Vec::new();
    let instance: [(&[u8], &[u8]); 1] = [(b"instance", b"")];
    encode_family(&mut expected, b"f", FamilyType::Untyped, |family| {
        family.metric(instance, ts, MetricValue::Untyped(2.5));
    });
    encode_family(&mut expected, b"h", FamilyType::Histogram, |family| {
        family.metric(instance, ts, MetricValue::Native(&value));
    });
    assert_eq!(answer.body, expected);
    assert!(!server.get_with(url, &[]).text().contains("h{"), "text cannot show it");
}
