//! `kill -9` under load loses nothing that was acknowledged.

use std::time::Duration;

use kymo_engine::Rng;

use crate::{
    kymo::{Kymo, agent, post},
    process::{pause, seeded},
    traffic::{Sender, verify},
};

const KILLS: u32 = 10;
const SENDERS: u32 = 4;
const SERIES_PER_REQUEST: usize = 20;
/// Small enough that segments and flushes come and go while the test runs.
const CONFIG: &str = "wal: {segment_bytes: 1048576}\nflush: {wal_bytes_max: 4194304}\n";

#[test]
fn what_was_acknowledged_survives_ten_kills() {
    let (replay, mut rng) = seeded("kill");
    let dir = tempfile::tempdir().unwrap();
    let mut senders: Vec<_> =
        (0..SENDERS).map(|number| Sender::new(number, rng.next_u64(), SERIES_PER_REQUEST)).collect();
    let mut kymo = Kymo::start(dir.path(), CONFIG);
    for round in 1..=KILLS {
        let life = Duration::from_millis(100 + rng.below(1000));
        let maintenance = Rng::new(rng.next_u64());
        let url = kymo.url.clone();
        std::thread::scope(|scope| {
            for sender in &mut senders {
                scope.spawn(|| sender.send_until_broken(&url));
            }
            scope.spawn(|| maintain(&url, maintenance));
            pause(life);
            kymo.kill();
        });
        if rng.below(2) == 0 {
            // Once more, while it starts: recovery must stand being cut short as well.
            let (starting, _config) = Kymo::launch(dir.path(), CONFIG);
            pause(Duration::from_millis(rng.below(100)));
            starting.kill();
        }
        kymo = Kymo::start(dir.path(), CONFIG);
        verify(&kymo, &senders, &format!("{replay}, kill {round} after {life:?}"));
    }
    let acknowledged: usize = senders.iter().map(Sender::acknowledged).sum();
    assert!(acknowledged > 10_000, "only {acknowledged} rows were acknowledged: too few to tell");
    kymo.admin("/-/compact");
    verify(&kymo, &senders, &format!("{replay}, after compaction"));
}

/// Flushes and compacts at random moments until the server is gone.
fn maintain(url: &str, mut rng: Rng) {
    let agent = agent();
    loop {
        pause(Duration::from_millis(rng.below(400)));
        let path = if rng.below(4) == 0 { "/-/compact" } else { "/-/flush" };
        match post(&agent, &format!("{url}{path}"), &[], b"") {
            Ok(answer) => assert_eq!(answer.status, 200, "{path}: {}", answer.text()),
            Err(_) => return,
        }
    }
}
