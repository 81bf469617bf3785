//! Federation, as another Prometheus scrapes it.

use crate::harness::{Server, now};

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
