//! A full disk: writes are refused, reads go on, and writing resumes when there is room.

use std::sync::Arc;

use kymo_engine::{ErrorKind, FaultFs, Fs};

use crate::support::{append, config, content, env, labels, open};

#[test]
fn writes_are_refused_while_the_disk_is_full() {
    let fs = Arc::new(FaultFs::default());
    let engine = open(&env(Arc::clone(&fs) as Arc<dyn Fs>), config());
    append(&engine, &labels(0), 1, 1.0);
    fs.set_capacity(Some(0));
    let mut ts = 2;
    let error = loop {
        let mut batch = engine.batch();
        let series = batch.series(&labels(0), None).unwrap();
        batch.float(series, ts, 0, 0.1 * ts as f64);
        match batch.commit() {
            Ok(outcome) => assert_eq!(outcome.floats, 1),
            Err(error) => break error,
        }
        ts += 1;
        assert!(ts < 1_000_000, "the log never fills its segment");
    };
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let stored = usize::try_from(ts - 1).unwrap();
    assert_eq!(content(&engine)[&labels(0)].len(), stored);
    assert!(engine.flush().is_err());
    assert_eq!(content(&engine)[&labels(0)].len(), stored);
    fs.set_capacity(None);
    append(&engine, &labels(0), ts, 2.0);
    engine.flush().unwrap();
    assert_eq!(content(&engine)[&labels(0)].len(), stored + 1);
}
