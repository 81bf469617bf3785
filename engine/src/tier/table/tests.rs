//! The log against a model, beside other writers, and with a store that fails.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use kymo_formats::{delta::Action, rollup::table::FileStats};

use super::*;
use crate::{
    env::{Env, FaultObjects, FolderStore, MemFs, ObjectErrorKind, ObjectFault, ObjectStore, Rng},
    model::Millis,
    tier::TierError,
};

fn store() -> Arc<FaultObjects> {
    let folder = FolderStore::open(Arc::new(MemFs::default()), Path::new("/bucket")).unwrap();
    Arc::new(FaultObjects::new(Arc::new(folder)))
}

fn table(store: &Arc<FaultObjects>, seed: u64) -> Table {
    let env = Env::simulated(Arc::new(MemFs::default()), seed);
    let store: Arc<dyn ObjectStore> = Arc::<FaultObjects>::clone(store);
    Table::new(store, &env, "rollup_5m", 300_000, Partition::Day)
}

fn file(name: &str) -> DataFileMeta {
    let stats = FileStats { rows: 1, series: 1, min_end: 5, max_end: 6, ..FileStats::default() };
    let writer = Writer { src: 0, policy: "default".to_owned() };
    DataFileMeta::of(
        format!("day=1970-01-01/{name}.parquet"),
        "1970-01-01".to_owned(),
        Millis(1),
        &stats,
        &writer,
    )
}

fn add(table: &mut Table, app: &str, job: i64, name: &str) -> Result<Committed, TierError> {
    let commit = Commit { operation: "WRITE", job: Some((app.to_owned(), job)) };
    table.commit(&commit, |_| Ok(vec![Action::Add(file(name).to_add(Partition::Day, true))]))
}

fn names(table: &mut Table) -> BTreeSet<String> {
    table.refresh().unwrap();
    let name =
        |file: &DataFileMeta| file.path["day=1970-01-01/".len()..].trim_end_matches(".parquet").to_owned();
    table.state().files().map(name).collect()
}

fn set<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.into_iter().map(str::to_owned).collect()
}

#[test]
fn what_is_committed_is_there_for_all() {
    let store = store();
    let (mut a, mut b) = (table(&store, 1), table(&store, 2));
    assert_eq!(names(&mut a), set([]));
    a.prepare(["job", "Job", "sum"].into_iter()).unwrap();
    assert_eq!(add(&mut a, "a", 1, "a1").unwrap(), Committed::Now(1));
    assert_eq!(add(&mut b, "b", 1, "b1").unwrap(), Committed::Now(2));
    assert_eq!(add(&mut a, "a", 2, "a2").unwrap(), Committed::Now(3));
    for table in [&mut a, &mut b, &mut table(&store, 3)] {
        assert_eq!(names(table), set(["a1", "a2", "b1"]));
        assert_eq!((table.state().job("a"), table.state().job("b")), (Some(2), Some(1)));
        assert_eq!(table.state().labels().names(), ["job"]);
    }
    // Another label gets a column, the others keep theirs.
    b.prepare(["pod"].into_iter()).unwrap();
    b.prepare(["job"].into_iter()).unwrap();
    a.refresh().unwrap();
    assert_eq!(
        (a.state().labels().names(), a.state().version()),
        (&["job".to_owned(), "pod".to_owned()][..], 4)
    );
    let remove = file("b1").to_remove(Partition::Day, Millis(9), true);
    let commit = Commit { operation: "DELETE", job: None };
    a.commit(&commit, |_| Ok(vec![Action::Remove(remove.clone())])).unwrap();
    assert_eq!(a.commit(&commit, |_| Ok(Vec::new())).unwrap(), Committed::Nothing);
    assert_eq!(names(&mut b), set(["a1", "a2"]));
    assert_eq!(b.state().removed().len(), 1);
}

#[test]
fn a_job_is_committed_once() {
    let store = store();
    let mut first = table(&store, 1);
    first.prepare([].into_iter()).unwrap();
    assert_eq!(add(&mut first, "a", 7, "a7").unwrap(), Committed::Now(1));
    // Anew after a crash: another file, the same number.
    let mut again = table(&store, 2);
    assert_eq!(add(&mut again, "a", 7, "a7-again").unwrap(), Committed::Before);
    assert_eq!(add(&mut again, "a", 6, "a6").unwrap(), Committed::Before);
    assert_eq!(names(&mut again), set(["a7"]));
}

#[test]
fn an_answer_that_was_lost_is_found() {
    for fault in [ObjectFault::AnswerIsLost, ObjectFault::IsRetried] {
        let store = store();
        let mut table = table(&store, 1);
        table.prepare([].into_iter()).unwrap();
        table.refresh().unwrap();
        // The listing, then the commit.
        store.plan([None, Some(fault)]);
        assert_eq!(add(&mut table, "a", 1, "a1").unwrap(), Committed::Now(1), "{fault:?}");
        assert_eq!(names(&mut table), set(["a1"]));
    }
}

#[test]
fn what_failed_is_tried_again_by_the_caller() {
    let store = store();
    let mut table = table(&store, 1);
    table.prepare([].into_iter()).unwrap();
    store.plan([None, Some(ObjectFault::Fails)]);
    assert!(add(&mut table, "a", 1, "a1").unwrap_err().is_transient());
    store.plan([None, Some(ObjectFault::Denied)]);
    let denied = add(&mut table, "a", 1, "a1").unwrap_err();
    assert!(matches!(&denied, TierError::Object(error) if error.kind == ObjectErrorKind::Denied), "{denied}");
    assert_eq!(add(&mut table, "a", 1, "a1").unwrap(), Committed::Now(1));
}

#[test]
fn checkpoints_stand_for_commits() {
    let store = store();
    let mut writer = table(&store, 1);
    let mut late = table(&store, 2);
    writer.prepare(["job"].into_iter()).unwrap();
    add(&mut writer, "a", 0, "0").unwrap();
    late.refresh().unwrap();
    for job in 1..450 {
        let name = job.to_string();
        add(&mut writer, "a", job, &name).unwrap();
        let old = file(&(job - 1).to_string()).to_remove(Partition::Day, Millis(0), true);
        let commit = Commit { operation: "DELETE", job: None };
        writer.commit(&commit, |_| Ok(vec![Action::Remove(old.clone())])).unwrap();
    }
    let objects = store.list("", None).unwrap();
    assert!(objects.len() < 320, "old commits are removed: {}", objects.len());
    for table in [&mut late, &mut table(&store, 3), &mut writer] {
        assert_eq!(names(table), set(["449"]));
        assert_eq!((table.state().job("a"), table.state().version()), (Some(449), 899));
        assert_eq!(table.state().labels().names(), ["job"]);
    }
    // A pointer that is damaged is no obstacle as long as the log is whole; a commit that is missing is.
    store.put("rollup_5m/_delta_log/_last_checkpoint", "{".into()).unwrap();
    assert!(matches!(table(&store, 4).refresh(), Err(TierError::Gap { .. })));
}

#[test]
fn tables_of_others_are_refused() {
    let store = store();
    let mut ours = table(&store, 1);
    ours.prepare([].into_iter()).unwrap();
    let env = Env::simulated(Arc::new(MemFs::default()), 1);
    let other: Arc<dyn ObjectStore> = Arc::<FaultObjects>::clone(&store);
    let mut wider = Table::new(Arc::clone(&other), &env, "rollup_5m", 60_000, Partition::Day);
    assert!(matches!(wider.refresh(), Err(TierError::Foreign { .. })));
    let mut monthly = Table::new(other, &env, "rollup_5m", 300_000, Partition::Month);
    assert!(matches!(monthly.refresh(), Err(TierError::Foreign { .. })));
    let foreign = br#"{"add":{"path":"x.parquet","partitionValues":{},"size":1,"modificationTime":1,"dataChange":true}}"#;
    store.create("rollup_5m/_delta_log/00000000000000000001.json", foreign.as_slice().into()).unwrap();
    let error = ours.refresh().unwrap_err().to_string();
    assert!(error.contains("x.parquet"), "{error}");
    let newer = br#"{"protocol":{"minReaderVersion":3,"minWriterVersion":7}}"#;
    store.put("rollup_5m/_delta_log/00000000000000000001.json", newer.as_slice().into()).unwrap();
    assert!(matches!(ours.refresh(), Err(TierError::Log { .. })));
}

/// Writers that take turns at random with a store that fails at random: each job ends up in the table once.
#[test]
fn many_writers_and_a_bad_store() {
    for seed in 0..30 {
        let mut rng = Rng::new(seed);
        let store = store();
        let mut tables: Vec<Table> = (0..3).map(|n| table(&store, seed * 10 + n)).collect();
        tables[0].prepare(["job"].into_iter()).unwrap();
        store.fail_at_random(Rng::new(seed), 200, &ObjectFault::ALL);
        let mut jobs = [0_i64; 3];
        let mut expected = BTreeSet::new();
        for _ in 0..60 {
            let who = usize::try_from(rng.below(3)).unwrap();
            if rng.below(5) == 0 {
                // It forgets everything, as after a crash.
                tables[who] = table(&store, rng.next_u64());
            }
            let name = format!("{who}-{}", jobs[who]);
            if add(&mut tables[who], &who.to_string(), jobs[who], &name).is_ok() {
                expected.insert(name);
                jobs[who] += 1;
            }
        }
        store.heal();
        let found = names(&mut table(&store, 99));
        // A job whose answer was lost and that was not tried again may be there.
        assert!(found.is_superset(&expected), "seed {seed}: {found:?} {expected:?}");
        assert!(found.len() <= expected.len() + 3, "seed {seed}: {found:?} {expected:?}");
        assert!(store.counts().all(|(_, count)| count > 0), "seed {seed}");
        for (who, job) in jobs.into_iter().enumerate() {
            add(&mut tables[who], &who.to_string(), job, &format!("{who}-{job}")).unwrap();
        }
    }
}
