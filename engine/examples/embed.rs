//! A store of time series in ten lines: no server, no runtime, no configuration.
//!
//! `cargo run -p kymo-engine --example embed -- /tmp/store`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use kymo_engine::{Engine, Labels, MatchOp, Matcher, SampleColumns};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::args().nth(1).unwrap_or_else(|| "kymo-example-data".to_owned());
    let engine = Engine::open_with(dir, kymo_engine::EngineConfig::keep_everything())?;

    let mut batch = engine.batch();
    let series =
        batch.series(&Labels::from_pairs([("__name__", "room_celsius"), ("room", "kitchen")]), None)?;
    (0..10_i32).for_each(|i| batch.float(series, i64::from(i) * 15_000, 0, 20.0 + f64::from(i) / 10.0));
    batch.commit()?; // Durable from here on.

    let matcher = Matcher::new(MatchOp::Regex, b"room", b"kit.*")?;
    let mut columns = SampleColumns::default();
    for series in engine.select(&[matcher], 0, 60_000)?.series {
        series.read(&mut columns)?;
        println!("{} {:?} {:?}", series.labels(), columns.ts, columns.values);
    }
    engine.close()?;
    Ok(())
}
