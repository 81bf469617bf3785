//! A crash at every sync point of a workload: what was acknowledged is there, and nothing that was not sent.

use std::{collections::BTreeMap, sync::Arc};

use kymo_engine::{Engine, FaultFs, Fs, MemFs};

use crate::support::{Content, config, content, env, labels, open};

const MINUTE: i64 = 60_000;

/// What a run sent, and what of it was acknowledged.
#[derive(Default)]
struct Ledger {
    sent: Content,
    acknowledged: Content,
}

/// One request of two rows; false once the store takes no more.
fn append(engine: &Engine, ledger: &mut Ledger, i: i64) -> bool {
    // Every fifth request is late, by hours.
    let ts = if i % 5 == 4 { (i - 3) * MINUTE - 30_000 } else { i * MINUTE };
    let rows: [(usize, f64); 2] = [(usize::try_from(i).expect("not negative") % 3, i as f64), (3, 0.5)];
    let mut batch = engine.batch();
    for (series, value) in rows {
        ledger.sent.entry(labels(series)).or_default().insert(ts, value.to_bits());
        let id = batch.series(&labels(series), None).expect("a series within the limits");
        batch.float(id, ts, 0, value);
    }
    let Ok(outcome) = batch.commit() else { return false };
    assert_eq!(outcome.refused_count, 0);
    for (series, value) in rows {
        ledger.acknowledged.entry(labels(series)).or_default().insert(ts, value.to_bits());
    }
    true
}

/// Appends, flushes, compacts, deletes nothing; ends early when the power fails.
fn workload(fs: &FaultFs) -> Ledger {
    let mut ledger = Ledger::default();
    let env = env(Arc::new(fs.clone()) as Arc<dyn Fs>);
    let Ok(engine) = Engine::open_in(&env, std::path::Path::new("/data"), config()) else { return ledger };
    for i in 0..300 {
        if !append(&engine, &mut ledger, i) {
            return ledger;
        }
        let done = match i {
            70 | 210 => engine.flush().is_ok(),
            140 => engine.maintain().is_ok(),
            180 | 270 => engine.compact().is_ok(),
            // Two flushes without a write in between; what the first leaves open, the second seals.
            250 => engine.maintain().is_ok() && engine.flush().is_ok(),
            _ => true,
        };
        if !done {
            return ledger;
        }
    }
    // An error here is a crash during the last flush.
    drop(engine.close());
    ledger
}

fn check(image: MemFs, ledger: &Ledger, crash: &str) {
    let engine = open(&env(Arc::new(image)), config());
    let found = content(&engine);
    let nothing = BTreeMap::new();
    for (labels, samples) in &ledger.acknowledged {
        let found = found.get(labels).unwrap_or(&nothing);
        for (ts, bits) in samples {
            assert_eq!(found.get(ts), Some(bits), "{crash}: acknowledged sample of {labels} at {ts} is lost");
        }
    }
    for (labels, samples) in &found {
        for (ts, bits) in samples {
            let sent = ledger.sent.get(labels).and_then(|sent| sent.get(ts));
            assert_eq!(sent, Some(bits), "{crash}: sample of {labels} at {ts} was never sent");
        }
    }
    // And the store goes on.
    let mut ledger = Ledger::default();
    assert!(append(&engine, &mut ledger, 1_000));
    engine.flush().expect("a flush after recovery");
    engine.compact().expect("a compaction after recovery");
    assert_eq!(content(&engine).values().map(BTreeMap::len).sum::<usize>(), {
        let mut all = found;
        for (labels, samples) in ledger.acknowledged {
            all.entry(labels).or_default().extend(samples);
        }
        all.values().map(BTreeMap::len).sum()
    });
}

#[test]
fn a_crash_at_every_sync_point_loses_nothing_acknowledged() {
    let fs = FaultFs::new();
    let complete = workload(&fs);
    let points = fs.sync_points();
    assert_eq!(complete.acknowledged.values().map(BTreeMap::len).sum::<usize>(), 600);
    assert!(points > 300, "each request syncs: {points}");
    for point in 0..points {
        let fs = FaultFs::new();
        fs.crash_at(point);
        let ledger = workload(&fs);
        assert!(fs.crashed(), "sync point {point} of {points} is reached");
        for seed in [1, point] {
            check(fs.durable_image(seed), &ledger, &format!("crash at sync point {point}, seed {seed}"));
        }
    }
}

#[test]
fn a_failed_sync_stops_writes_and_loses_nothing_acknowledged() {
    let fs = FaultFs::new();
    workload(&fs);
    let points = fs.sync_points();
    for point in (0..points).step_by(7) {
        let fs = FaultFs::new();
        fs.fail_sync(point);
        let ledger = workload(&fs);
        fs.crash();
        check(fs.durable_image(point), &ledger, &format!("failed sync {point}"));
    }
}
