//! A store of time series in ten lines: no server, no runtime, no configuration.
//!
//! `cargo run -p kymo-engine --example embed -- /tmp/kymo-example`
#![cfg_attr(not(test), expect(clippy::print_stdout, reason = "an example shows what it does"))]

use std::{error::Error, path::Path};

use kymo_engine::{Engine, EngineConfig, Labels, MatchOp, Matcher, SampleColumns};

fn main() -> Result<(), Box<dyn Error>> {
    let dir = std::env::args().nth(1).unwrap_or_else(|| "kymo-example".to_owned());
    println!("{}", run(Path::new(&dir))?);
    Ok(())
}

/// Stores ten readings and reads the first five back. The tests run it too.
pub(crate) fn run(dir: &Path) -> Result<String, Box<dyn Error>> {
    let engine = Engine::open_with(dir, EngineConfig::keep_everything())?;

    let mut batch = engine.batch();
    let series =
        batch.series(&Labels::from_pairs([("__name__", "room_celsius"), ("room", "kitchen")]), None)?;
    (0..10_i32).for_each(|i| batch.float(series, i64::from(i) * 15_000, 0, 20.0 + f64::from(i) / 4.0));
    batch.commit()?; // Durable from here on.

    let matcher = Matcher::new(MatchOp::Regex, b"room", b"kit.*")?;
    let mut columns = SampleColumns::default();
    let mut answer = String::new();
    for series in engine.select(&[matcher], 0, 60_000)?.series {
        let warnings = series.read(&mut columns)?;
        assert!(warnings.is_empty(), "damaged data was left out");
        let readings = columns.ts.iter().zip(&columns.values).take_while(|(ts, _)| **ts <= 60_000);
        answer = format!("{} {:?}", series.labels(), readings.collect::<Vec<_>>());
    }
    engine.close()?;
    Ok(answer)
}
