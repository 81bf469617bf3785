//! One process per directory; an orderly stop under load; another number of shards.

use std::time::Duration;

use crate::{
    kymo::{Kymo, agent},
    process::{pause, seeded},
    traffic::{Sender, Sent, verify},
};

const SERIES_PER_REQUEST: usize = 20;

#[test]
fn a_directory_has_one_process() {
    let (replay, mut rng) = seeded("one process");
    let dir = tempfile::tempdir().unwrap();
    let mut sender = Sender::new(0, rng.next_u64(), SERIES_PER_REQUEST);
    let kymo = Kymo::start(dir.path(), "");
    assert!(matches!(sender.send(&agent(), &kymo.url), Sent::Acknowledged));

    let (mut second, _config) = Kymo::launch(dir.path(), "");
    assert_eq!(second.wait().code(), Some(1));
    let log = second.log();
    let path = dir.path().display().to_string();
    assert!(log.contains("ERROR") && log.contains(&path), "{log}");
    assert!(log.contains("another process"), "{log}");

    assert!(matches!(sender.send(&agent(), &kymo.url), Sent::Acknowledged));
    kymo.kill();
    let kymo = Kymo::start(dir.path(), "");
    verify(&kymo, &[sender], &replay);
}

#[test]
fn a_stop_under_load_is_orderly() {
    let (replay, mut rng) = seeded("stop");
    let dir = tempfile::tempdir().unwrap();
    let mut senders: Vec<_> =
        (0..4).map(|number| Sender::new(number, rng.next_u64(), SERIES_PER_REQUEST)).collect();
    for round in 0..3 {
        let mut kymo = Kymo::start(dir.path(), "");
        verify(&kymo, &senders, &format!("{replay}, stop {round}"));
        let url = kymo.url.clone();
        let life = Duration::from_millis(100 + rng.below(500));
        std::thread::scope(|scope| {
            for sender in &mut senders {
                scope.spawn(|| sender.send_until_broken(&url));
            }
            pause(life);
            let status = kymo.terminate();
            assert_eq!(status.code(), Some(0), "{replay}: {status}");
        });
    }
    verify(&Kymo::start(dir.path(), ""), &senders, &replay);
    assert!(senders.iter().all(|sender| sender.acknowledged() > 100));
}

#[test]
fn the_number_of_shards_may_change() {
    let (replay, mut rng) = seeded("shards");
    let dir = tempfile::tempdir().unwrap();
    let mut senders = [Sender::new(0, rng.next_u64(), SERIES_PER_REQUEST)];
    for shards in [4, 1, 16, 2] {
        let kymo = Kymo::start(dir.path(), &format!("head: {{shards: {shards}}}\n"));
        verify(&kymo, &senders, &format!("{replay}, {shards} shards"));
        let agent = agent();
        // Some of it goes to a block, some stays in the log and is replayed into other shards.
        for _ in 0..10 {
            assert!(matches!(senders[0].send(&agent, &kymo.url), Sent::Acknowledged));
        }
        if rng.below(2) == 0 {
            kymo.admin("/-/flush");
        }
        for _ in 0..10 {
            assert!(matches!(senders[0].send(&agent, &kymo.url), Sent::Acknowledged));
        }
        verify(&kymo, &senders, &format!("{replay}, {shards} shards, written to"));
        kymo.kill();
    }
}
