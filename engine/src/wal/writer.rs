//! The log as it is written: pins, acknowledgement, rotation, removal.
//!
//! Rotation waits for all pins, and lets no new ones in meanwhile. So all frames of a segment were appended,
//! and applied by whoever held the pins, before the first frame of the next. There is no thread of the log's own but
//! the one that syncs at intervals; see `shared` for how bytes move.

use std::{
    mem,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::Duration,
};

use kymo_formats::wal::{FRAME_HEADER_BYTES, KIND_SEAL, PAYLOAD_BYTES_MAX, payload_checksum};
use parking_lot::{Condvar, Mutex};

use super::{
    Lsn, WalConfig, WalError, WalStats, WalSync,
    segment::{self, SegmentFiles},
    shared::{Goal, HEADER_BYTES, Shared, State, WithoutRoom},
};
use crate::env::{Env, spawn};

/// The write-ahead log. All methods may be called from several threads at once.
///
/// Dropping it hands what is buffered to the kernel; [`Wal::sync`] before that makes it durable.
#[derive(Debug)]
pub struct Wal {
    shared: Arc<Shared>,
    syncer: Option<JoinHandle<()>>,
}

impl Wal {
    /// Opens the log in `dir` for appending, in a new segment `next_segment`, which replay names
    /// ([`super::ReplayReport::next_segment`]). Segments already there are left as they are until
    /// [`Wal::remove_before`].
    ///
    /// A full disk is no error here: the log opens, and refuses until there is room.
    ///
    /// # Errors
    /// Settings that make no sense, I/O errors.
    pub fn open(env: &Env, dir: &Path, config: WalConfig, next_segment: u64) -> Result<Self, WalError> {
        config.validate()?;
        let fs = Arc::clone(&env.fs);
        fs.create_dir_all(dir).map_err(WalError::io("create", dir))?;
        if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            fs.sync_dir(parent).map_err(WalError::io("sync", parent))?;
        }
        let listing = segment::list(&*fs, dir)?;
        let files = SegmentFiles { fs, dir: dir.to_owned(), segment_bytes: config.segment_bytes };
        let state = State::new(next_segment.max(listing.number_max.saturating_add(1)), listing);
        let shared = Arc::new(Shared {
            env: env.clone(),
            config,
            files,
            state: Mutex::new(state),
            moved: Condvar::new(),
            room: Condvar::new(),
            stop: Condvar::new(),
        });
        shared.drop_surplus_spares()?;
        match shared.begin_first() {
            Ok(()) | Err(WalError::NoSpace { .. }) => {}
            Err(error) => return Err(error),
        }
        let syncer = match shared.config.sync {
            WalSync::Commit => None,
            WalSync::Interval { interval_ms } => Some(spawn_syncer(&shared, interval_ms)?),
        };
        Ok(Self { shared, syncer })
    }

    /// Pins the current segment for frames of together at most `bytes_max` bytes, their headers included
    /// ([`Wal::frame_bytes`]), and guarantees room for them: no write fails for want of room later.
    ///
    /// Begins a new segment where the current one has too little left. Waits while a rotation is under way, or
    /// the buffer is full. A thread must not enter while it holds a pin.
    ///
    /// # Errors
    /// [`WalError::NoSpace`] when a new segment is needed and the disk is full, [`WalError::TooLarge`], and
    /// [`WalError::Failed`]. Nothing has changed.
    pub fn enter(&self, bytes_max: u64) -> Result<WalPin<'_>, WalError> {
        let shared = &*self.shared;
        if bytes_max > shared.config.pin_bytes_max() {
            return Err(WalError::TooLarge { bytes: bytes_max, bytes_max: shared.config.pin_bytes_max() });
        }
        let mut state = shared.state.lock();
        loop {
            state.check()?;
            if state.rotating {
                shared.room.wait(&mut state);
            } else if !shared.has_room(&state, bytes_max) {
                shared.rotate(&mut state, WithoutRoom::Stay)?;
            } else if shared.is_over_buffer(&state, bytes_max) {
                shared.drain_buffer(&mut state);
            } else {
                break;
            }
        }
        state.pins += 1;
        state.reserved += bytes_max;
        Ok(WalPin { shared, segment: state.segment, bytes_left: AtomicU64::new(bytes_max) })
    }

    /// Bytes that a frame with such a payload takes, for [`Wal::enter`].
    #[must_use]
    pub const fn frame_bytes(payload_bytes: usize) -> u64 {
        (FRAME_HEADER_BYTES + payload_bytes) as u64
    }

    /// Returns when the frame at `lsn`, and so every frame before it, is safe: on disk with
    /// [`WalSync::Commit`], in the kernel with [`WalSync::Interval`]. Drop the pin before.
    ///
    /// # Errors
    /// [`WalError::Failed`]: whether the frame survives is unknown.
    pub fn wait_durable(&self, lsn: Lsn) -> Result<(), WalError> {
        let goal = match self.shared.config.sync {
            WalSync::Commit => Goal::Synced,
            WalSync::Interval { .. } => Goal::Written,
        };
        let mut state = self.shared.state.lock();
        state.counts.waiting += 1;
        // A frame is written and synced whole, so that its first byte stands for all of it.
        let reached = self.shared.reach(&mut state, lsn.segment(), lsn.offset() + 1, goal);
        state.counts.waiting -= 1;
        reached
    }

    /// Makes everything appended so far durable, whatever the setting.
    ///
    /// # Errors
    /// [`WalError::Failed`].
    pub fn sync(&self) -> Result<(), WalError> {
        let mut state = self.shared.state.lock();
        let (segment, end) = (state.segment, state.appended);
        self.shared.reach(&mut state, segment, end, Goal::Synced)
    }

    /// Ends the current segment and answers the number of the next: every frame of the segments before it is
    /// durable, and the pins they were appended through are dropped. An empty segment is not ended.
    ///
    /// With a full disk the current segment ends all the same, and the next one begins when there is room, so that
    /// a flush can free the segments before it.
    ///
    /// # Errors
    /// [`WalError::Failed`], I/O errors.
    pub fn rotate(&self) -> Result<u64, WalError> {
        let mut state = self.shared.state.lock();
        while state.rotating {
            self.shared.room.wait(&mut state);
        }
        state.check()?;
        if state.file.is_some() && state.appended > HEADER_BYTES {
            self.shared.rotate(&mut state, WithoutRoom::End)?;
        }
        Ok(state.segment)
    }

    /// Removes the segments before `segment`; some are kept to be written over. The current one always stays.
    ///
    /// # Errors
    /// I/O errors. Segments that could not be removed are tried again by the next call.
    pub fn remove_before(&self, segment: u64) -> Result<(), WalError> {
        let shared = &*self.shared;
        let removed = {
            let mut state = shared.state.lock();
            let kept = state.older.split_off(&segment);
            mem::replace(&mut state.older, kept)
        };
        if removed.is_empty() {
            return Ok(());
        }
        let mut left = removed.clone();
        let result = removed.iter().try_for_each(|number| {
            shared.retire(*number)?;
            left.remove(number);
            Ok(())
        });
        shared.state.lock().older.extend(left);
        result.and_then(|()| shared.files.sync_dir())
    }

    /// Number of the current segment, or of the next one while there is no room for it.
    #[must_use]
    pub fn segment(&self) -> u64 {
        self.shared.state.lock().segment
    }

    /// Counters and gauges.
    #[must_use]
    pub fn stats(&self) -> WalStats {
        let state = self.shared.state.lock();
        WalStats {
            segment: state.segment,
            segments: state.older.len() as u64 + u64::from(state.file.is_some()),
            spares: state.spares.len() as u64,
            buffered_bytes: state.appended - state.written,
            unsynced_bytes: state.appended - state.synced,
            pins: state.pins,
            failed: state.failed.is_some(),
            ..state.counts
        }
    }
}

impl Drop for Wal {
    fn drop(&mut self) {
        {
            let mut state = self.shared.state.lock();
            state.stopping = true;
            self.shared.stop.notify_all();
            let (segment, end) = (state.segment, state.appended);
            // A failure was logged when it happened, and there is nobody left to tell.
            self.shared.reach(&mut state, segment, end, Goal::Written).ok();
        }
        if let Some(syncer) = self.syncer.take() {
            // A panic of that thread was printed where it happened.
            syncer.join().ok();
        }
    }
}

/// The right to append to one segment, and room for it there. See [`Wal::enter`].
#[derive(Debug)]
pub struct WalPin<'a> {
    shared: &'a Shared,
    segment: u64,
    bytes_left: AtomicU64,
}

impl WalPin<'_> {
    /// The segment that every frame of this pin goes to.
    #[must_use]
    pub const fn segment(&self) -> u64 {
        self.segment
    }

    /// Appends a frame: its place in the log. Frames lie in the log in the order of these calls, from whatever
    /// threads and pins. `kind` is the caller's, from 1 to 254.
    ///
    /// # Errors
    /// [`WalError::Reservation`] when the pin was entered for less, [`WalError::TooLarge`], and
    /// [`WalError::Failed`]: the frame is not in the log.
    ///
    /// # Panics
    /// When `kind` is 0 or the seal's: a reader would not give the frame back.
    pub fn append(&self, shard: u16, kind: u8, payload: &[u8]) -> Result<Lsn, WalError> {
        assert!(kind != 0 && kind != KIND_SEAL, "kinds 0 and {KIND_SEAL} are the log's own");
        let bytes = Wal::frame_bytes(payload.len());
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(WalError::TooLarge { bytes, bytes_max: Wal::frame_bytes(PAYLOAD_BYTES_MAX) });
        }
        let checksum = payload_checksum(payload);
        let mut state = self.shared.state.lock();
        state.check()?;
        let bytes_left = self.bytes_left.load(Relaxed);
        if bytes > bytes_left {
            return Err(WalError::Reservation { bytes, bytes_left });
        }
        self.bytes_left.store(bytes_left - bytes, Relaxed);
        state.reserved -= bytes;
        Ok(state.append(shard, kind, payload, checksum))
    }
}

impl Drop for WalPin<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.pins -= 1;
        state.reserved -= self.bytes_left.load(Relaxed);
        self.shared.room.notify_all();
    }
}

fn spawn_syncer(shared: &Arc<Shared>, interval_ms: u64) -> Result<JoinHandle<()>, WalError> {
    let syncer = Arc::clone(shared);
    let body = move || syncer.sync_at_intervals(Duration::from_millis(interval_ms));
    spawn("kymo-wal-sync", body).map_err(WalError::io("start the sync thread of", &shared.files.dir))
}
