//! A crash at every sync point of a workload: what was acknowledged is there, and nothing that was not sent, or was
//! deleted.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use kymo_engine::{Clock, Engine, Env, Exemplar, FaultFs, Fs, Labels, MemFs, Millis, SimClock};

use crate::support::{Content, config, content, digest, env, equal, everything, histogram, labels};

const MINUTE: i64 = 60_000;

/// What a run sent, and what of it was acknowledged.
#[derive(Default)]
struct Ledger {
    sent: Content,
    acknowledged: Content,
    /// Deleted, and acknowledged as such.
    deleted: Content,
    sent_exemplars: BTreeSet<ExemplarKey>,
    acknowledged_exemplars: BTreeSet<ExemplarKey>,
}

/// Time and bits of the value.
type ExemplarKey = (i64, u64);

/// The series of histograms, which has exemplars, too.
const HISTOGRAMS: usize = 4;

/// One request of two floats, a histogram and two exemplars; false once the store takes no more.
fn append(engine: &Engine, ledger: &mut Ledger, i: i64) -> bool {
    // Every fifth request is late, by hours.
    let ts = if i % 5 == 4 { (i - 3) * MINUTE - 30_000 } else { i * MINUTE };
    let rows: [(usize, f64); 2] = [(usize::try_from(i).expect("not negative") % 3, i as f64), (3, 0.5)];
    let histogram = histogram(i.unsigned_abs());
    let samples: [(usize, u64); 3] = [
        (rows[0].0, rows[0].1.to_bits()),
        (rows[1].0, rows[1].1.to_bits()),
        (HISTOGRAMS, digest(&histogram.to_float())),
    ];
    // Both at one time: one that is repeated is not the newest of its series.
    let exemplars = [1.0, 2.0].map(|value: f64| (i * MINUTE, value));
    let exemplar_keys = exemplars.map(|(ts, value)| (ts, value.to_bits()));
    ledger.sent_exemplars.extend(exemplar_keys);
    let mut batch = engine.batch();
    for (series, bits) in samples {
        ledger.sent.entry(labels(series)).or_default().insert(ts, bits);
    }
    for (series, value) in rows {
        let id = batch.series(&labels(series), None).expect("a series within the limits");
        batch.float(id, ts, 0, value);
    }
    let id = batch.series(&labels(HISTOGRAMS), None).expect("a series within the limits");
    batch.histogram(id, ts, if i % 3 == 0 { ts - 1 } else { 0 }, histogram);
    for (ts, value) in exemplars {
        batch.exemplar(id, Exemplar { labels: Labels::from_pairs([("trace_id", "a")]), value, ts });
    }
    let Ok(outcome) = batch.commit() else { return false };
    assert_eq!(outcome.refused_count, 0);
    for (series, bits) in samples {
        ledger.acknowledged.entry(labels(series)).or_default().insert(ts, bits);
    }
    ledger.acknowledged_exemplars.extend(exemplar_keys);
    true
}

/// Appends, flushes, compacts, deletes nothing; ends early when the power fails.
fn workload(fs: &FaultFs) -> Ledger {
    let mut ledger = Ledger::default();
    let env = env(Arc::new(fs.clone()) as Arc<dyn Fs>);
    let Ok(engine) = Engine::open_in(&env, Path::new("/data"), config()) else { return ledger };
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

/// Quiet times, in which one flush follows another without a row in between; deletions; series that come and go.
fn quiet_workload(fs: &FaultFs) -> Ledger {
    let mut ledger = Ledger::default();
    let clock = Arc::new(SimClock::new(Millis(0)));
    let env = Env { clock: Arc::clone(&clock) as Arc<dyn Clock>, ..env(Arc::new(fs.clone()) as Arc<dyn Fs>) };
    drop(run_quietly(&env, &clock, &mut ledger));
    ledger
}

fn run_quietly(env: &Env, clock: &SimClock, ledger: &mut Ledger) -> Result<(), kymo_engine::Error> {
    let mut config = config();
    config.flush.interval_ms = MINUTE;
    let engine = Engine::open_in(env, Path::new("/data"), config)?;
    for round in 0..4_i64 {
        clock.set(Millis((round * 130 + 5) * MINUTE));
        for i in 0..4 {
            if !append(&engine, ledger, round * 130 + i) {
                return Ok(());
            }
        }
        // The first one keeps open chunks in the checkpoint, or drops the series of an earlier round.
        clock.advance(Millis(MINUTE * if round == 2 { 120 } else { 2 }));
        engine.maintain()?;
        if round != 1 {
            engine.flush()?;
        }
        engine.flush()?;
        if round == 2 {
            let gone = ledger.acknowledged.remove(&labels(0)).unwrap_or_default();
            let matchers = [equal("instance", "host-0"), equal("__name__", "even")];
            engine.delete_series(&matchers, i64::MIN, i64::MAX)?;
            ledger.deleted.insert(labels(0), gone);
            engine.compact()?;
        }
    }
    engine.close()
}

fn check(image: MemFs, ledger: &Ledger, crash: &str) {
    let opened = Engine::open_in(&env(Arc::new(image)), Path::new("/data"), config());
    let engine = opened.unwrap_or_else(|error| panic!("{crash}: {error}"));
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
    for (labels, samples) in &ledger.deleted {
        let found = found.get(labels).unwrap_or(&nothing);
        let again = samples.keys().find(|ts| found.contains_key(ts));
        assert_eq!(again, None, "{crash}: a deleted sample of {labels} is back");
    }
    check_exemplars(&engine, ledger, crash);
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
        all.values().map(BTreeMap::len).sum::<usize>()
    });
}

/// The ring holds all that the workloads send.
fn check_exemplars(engine: &Engine, ledger: &Ledger, crash: &str) {
    let found = engine.exemplars(&[vec![everything()]], i64::MIN, i64::MAX);
    let found: Vec<ExemplarKey> = found
        .into_iter()
        .flat_map(|(_, exemplars)| exemplars)
        .map(|exemplar| (exemplar.ts, exemplar.value.to_bits()))
        .collect();
    let distinct: BTreeSet<_> = found.iter().copied().collect();
    assert_eq!(found.len(), distinct.len(), "{crash}: an exemplar is there twice");
    let lost: Vec<_> = ledger.acknowledged_exemplars.difference(&distinct).collect();
    assert!(lost.is_empty(), "{crash}: acknowledged exemplars are lost: {lost:?}");
    let foreign: Vec<_> = distinct.difference(&ledger.sent_exemplars).collect();
    assert!(foreign.is_empty(), "{crash}: exemplars that were never sent: {foreign:?}");
}

#[test]
fn a_crash_at_every_sync_point_loses_nothing_acknowledged() {
    let fs = FaultFs::new();
    let complete = workload(&fs);
    let points = fs.sync_points();
    assert_eq!(complete.acknowledged.values().map(BTreeMap::len).sum::<usize>(), 900);
    assert_eq!(complete.acknowledged_exemplars.len(), 600);
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
fn a_crash_between_flushes_without_a_write_loses_nothing() {
    let fs = FaultFs::new();
    let complete = quiet_workload(&fs);
    assert!(!complete.deleted.is_empty());
    for point in 0..fs.sync_points() {
        let fs = FaultFs::new();
        fs.crash_at(point);
        let ledger = quiet_workload(&fs);
        assert!(fs.crashed(), "sync point {point} is reached");
        let image = || fs.durable_image(point);
        check(image(), &ledger, &format!("quiet, crash at sync point {point}"));
        // The power fails once more while the store opens, and in the flush after that.
        for again in 0..if point % 6 == 0 { 8 } else { 0 } {
            let fs = FaultFs::over(image());
            fs.crash_at(again);
            let env = env(Arc::new(fs.clone()) as Arc<dyn Fs>);
            if let Ok(engine) = Engine::open_in(&env, Path::new("/data"), config()) {
                drop(engine.flush());
            }
            check(fs.durable_image(again), &ledger, &format!("quiet, crash at {point}, then at {again}"));
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
