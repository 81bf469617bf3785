//! A full disk: writes are refused with 503, reads go on, writing resumes when there is room.

use std::{path::Path, process::Command};

use tempfile::TempDir;

use crate::{
    kymo::{Kymo, agent},
    process::{remove_file, say, seeded, wait_until, write_file},
    traffic::{Sender, Sent, verify},
};

const DISK_BYTES: usize = 4 << 20;
const BALLAST_BYTES: usize = 2 << 20;
const CONFIG: &str = "wal: {segment_bytes: 131072, spare_segments_max: 1}\n";

/// A file system of [`DISK_BYTES`]; unmounted when dropped.
struct Disk(TempDir);

impl Disk {
    /// `None` when this machine lets us mount nothing.
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let size = format!("size={DISK_BYTES}");
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(dir.path()).output();
        mount.is_ok_and(|output| output.status.success()).then_some(Self(dir))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: what still holds a file there is about to end.
        drop(Command::new("umount").arg("--lazy").arg(self.path()).status());
    }
}

#[test]
fn writing_pauses_while_the_disk_is_full() {
    let Some(disk) = Disk::mount() else {
        return say("SKIPPED disk_full: a tmpfs cannot be mounted here (it takes root)");
    };
    let (replay, mut rng) = seeded("disk full");
    let ballast = disk.path().join("ballast");
    write_file(&ballast, &vec![0; BALLAST_BYTES]);
    let data = disk.path().join("data");
    let mut senders = [Sender::new(0, rng.next_u64(), 200)];

    let kymo = Kymo::start(&data, CONFIG);
    fill_up(&kymo, &mut senders, &format!("{replay}, full"));
    assert!(senders[0].acknowledged() > 1000, "{}", senders[0].acknowledged());
    // There may be room for its blocks even so; then the log gives room back, and is filled up again.
    let flush = kymo.post("/-/flush", &[], b"");
    assert!([200, 503].contains(&flush.status), "{}: {}", flush.status, flush.text());
    fill_up(&kymo, &mut senders, &format!("{replay}, full, flush attempted"));
    kymo.kill();
    let kymo = Kymo::start(&data, CONFIG);
    fill_up(&kymo, &mut senders, &format!("{replay}, full, restarted"));

    remove_file(&ballast);
    let agent = agent();
    wait_until("writing resumes", || {
        matches!(senders[0].send(&agent, &kymo.url), Sent::Acknowledged).then_some(())
    });
    for _ in 0..20 {
        assert!(matches!(senders[0].send(&agent, &kymo.url), Sent::Acknowledged));
    }
    // A compaction may hold the room for a moment that this needs.
    wait_until("a flush succeeds", || (kymo.post("/-/flush", &[], b"").status == 200).then_some(()));
    verify(&kymo, &senders, &format!("{replay}, room again"));
    kymo.kill();
    verify(&Kymo::start(&data, CONFIG), &senders, &format!("{replay}, room again, restarted"));
}

/// Writes until the disk is full; then everything else goes on.
fn fill_up(kymo: &Kymo, senders: &mut [Sender; 1], context: &str) {
    // More than once: a flush of the server's own may have made room since.
    for _ in 0..3 {
        let sent = senders[0].send_until_broken(&kymo.url);
        let Sent::Refused(refusal) = sent else { panic!("{context}: {sent:?}") };
        assert!(refusal.text().contains("no room"), "{context}: {}", refusal.text());
        assert!(refusal.retry_after.is_some(), "{context}: {refusal:?}");
    }
    for path in ["/-/healthy", "/-/ready"] {
        assert_eq!(kymo.get(path, &[]).status, 200, "{context}: {path}");
    }
    verify(kymo, senders, context);
}
