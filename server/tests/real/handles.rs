//! Few file handles: connections wait, writes pause with 503, nothing is lost, and all goes on when there are handles
//! again.

use std::{net::TcpStream, process::Command};

use crate::{
    kymo::{Kymo, agent},
    process::{Process, pause, say, seeded, wait_until},
    traffic::{Sender, Sent, verify},
};

/// Enough to start, and for a few connections and blocks.
const HANDLES: u32 = 48;
/// Segments and blocks come and go, which takes handles.
const CONFIG: &str = "wal: {segment_bytes: 65536}\nflush: {wal_bytes_max: 262144}\n";

#[test]
fn writes_go_on_when_handles_are_back() {
    let (replay, mut rng) = seeded("handles");
    let dir = tempfile::tempdir().unwrap();
    let mut senders = [Sender::new(0, rng.next_u64(), 50)];
    let kymo = Kymo::start_with(dir.path(), CONFIG, |kymo| {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("ulimit -n {HANDLES}; exec \"$0\" \"$@\"")]);
        shell.arg(kymo.get_program()).args(kymo.get_args());
        Process::start(&mut shell)
    });
    let agent = agent();
    assert!(matches!(senders[0].send(&agent, &kymo.url), Sent::Acknowledged));

    let address = kymo.url.trim_start_matches("http://").to_owned();
    let hogs: Vec<_> = (0..2 * HANDLES).map(|_| TcpStream::connect(&address).unwrap()).collect();
    // The sender has its connection: it is served or told to come back, as handles last.
    let mut refused = 0;
    for _ in 0..200 {
        match senders[0].send(&agent, &kymo.url) {
            Sent::Acknowledged => {}
            Sent::Refused(answer) => {
                assert!(answer.retry_after.is_some(), "{answer:?}");
                refused += 1;
                pause(std::time::Duration::from_millis(5));
            }
            Sent::Broken => panic!("{replay}: the connection broke"),
        }
    }
    say(&format!("{replay}: {refused} requests were refused while there were no handles"));
    drop(hogs);
    wait_until("writing goes on", || {
        matches!(senders[0].send(&agent, &kymo.url), Sent::Acknowledged).then_some(())
    });
    wait_until("a flush succeeds", || (kymo.post("/-/flush", &[], b"").status == 200).then_some(()));
    verify(&kymo, &senders, &format!("{replay}, {refused} refused"));
    kymo.kill();
    verify(&Kymo::start(dir.path(), CONFIG), &senders, &format!("{replay}, restarted"));
}
