//! The log as it is written: pins, group commit, rotation.
//!
//! Bytes go through three places, each an offset into the current segment: `appended` (in the buffer),
//! `written` (the kernel has them), `synced` (on disk). Whoever waits for bytes to get somewhere, and finds nobody
//! moving them, moves everything there is: so one write and one sync serve all who wait, and while one
//! thread syncs, the next batch is collected and written. There is no thread of the log's own but the one that
//! syncs at intervals.
//!
//! Rotation waits for all pins, and lets no new ones in meanwhile. So all frames of a segment were appended,
//! and applied by whoever held the pins, before the first frame of the next.

use std::{
    collections::BTreeSet,
    io, mem,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::Duration,
};

use kymo_formats::wal::{
    FRAME_HEADER_BYTES, Frame, KIND_SEAL, PAYLOAD_BYTES_MAX, SEGMENT_HEADER_BYTES, encode_frame,
    payload_checksum,
};
use parking_lot::{Condvar, Mutex, MutexGuard};

use super::{
    Lsn, WalConfig, WalError, WalStats, WalSync,
    segment::{self, BeginError, SegmentFiles},
};
use crate::env::{Env, File, spawn};

/// A buffer that grew beyond this is given back once it is written.
const IDLE_BUFFER_BYTES_MAX: usize = 8 << 20;
const HEADER_BYTES: u64 = SEGMENT_HEADER_BYTES as u64;

/// The write-ahead log. All methods may be called from several threads at once.
///
/// Dropping it hands what is buffered to the kernel; [`Wal::sync`] before that makes it durable.
#[derive(Debug)]
pub struct Wal {
    shared: Arc<Shared>,
    syncer: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    env: Env,
    config: WalConfig,
    files: SegmentFiles,
    state: Mutex<State>,
    /// Bytes were written or synced, or the log failed.
    moved: Condvar,
    /// A pin was dropped, a rotation ended, the buffer was emptied, or the log failed.
    room: Condvar,
    /// The log is being dropped.
    stop: Condvar,
}

#[derive(Debug)]
struct State {
    /// Number of the current segment, or of the next one while there is none.
    segment: u64,
    /// The current segment's file. None after a rotation found no room for the next one: everything appended is
    /// synced then.
    file: Option<Arc<dyn File>>,
    /// Segments on disk before the current one.
    older: BTreeSet<u64>,
    spares: Vec<String>,
    /// Offsets in the current segment: `synced <= written <= appended`.
    appended: u64,
    written: u64,
    synced: u64,
    /// The bytes between `written` (or, while a write is on its way, its end) and `appended`.
    buffer: Vec<u8>,
    /// The other half of the double buffer.
    idle: Vec<u8>,
    in_flight: u64,
    writing: bool,
    syncing: bool,
    rotating: bool,
    stopping: bool,
    pins: u64,
    /// Bytes that pins may still append.
    reserved: u64,
    failed: Option<WalError>,
    counts: WalStats,
}

/// How far bytes must have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goal {
    Written,
    Synced,
}

/// What a rotation does when there is no room for the next segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WithoutRoom {
    /// Leaves everything as it is.
    Stay,
    /// Ends the current segment all the same: the flush that asked for it may be what makes room.
    End,
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

impl State {
    fn new(segment: u64, listing: segment::Listing) -> Self {
        Self {
            segment,
            file: None,
            older: listing.segments.into_iter().collect(),
            spares: listing.spares,
            appended: HEADER_BYTES,
            written: HEADER_BYTES,
            synced: HEADER_BYTES,
            buffer: Vec::new(),
            idle: Vec::new(),
            in_flight: 0,
            writing: false,
            syncing: false,
            rotating: false,
            stopping: false,
            pins: 0,
            reserved: 0,
            failed: None,
            counts: WalStats::default(),
        }
    }

    fn check(&self) -> Result<(), WalError> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    fn append(&mut self, shard: u16, kind: u8, payload: &[u8], payload_checksum: u32) -> Lsn {
        let offset = u32::try_from(self.appended).expect("a segment's size fits 32 bits");
        let lsn = Lsn::new(self.segment, offset);
        let frame = Frame { kind, flags: 0, shard, space: 0, lsn: lsn.get(), payload };
        encode_frame(&frame, payload_checksum, &mut self.buffer);
        self.appended += frame.encoded_bytes() as u64;
        self.counts.frames_total += 1;
        self.counts.bytes_total += frame.encoded_bytes() as u64;
        lsn
    }

    fn has_reached(&self, segment: u64, end: u64, goal: Goal) -> bool {
        let place = match goal {
            Goal::Written => self.written,
            Goal::Synced => self.synced,
        };
        // A segment ends only when all of it is synced.
        segment < self.segment || place >= end
    }

    /// Goes on to `segment`. Everything of the one before is synced.
    fn begin(&mut self, segment: u64, file: Option<Arc<dyn File>>) {
        debug_assert!(self.buffer.is_empty() && !self.writing && !self.syncing && self.pins == 0);
        if self.file.is_some() {
            self.older.insert(self.segment);
            self.counts.rotations_total += 1;
        }
        self.segment = segment;
        self.file = file;
        self.appended = HEADER_BYTES;
        self.written = HEADER_BYTES;
        self.synced = HEADER_BYTES;
    }
}

impl Shared {
    fn has_room(&self, state: &State, bytes: u64) -> bool {
        let seal = FRAME_HEADER_BYTES as u64;
        state.file.is_some() && state.appended + state.reserved + bytes + seal <= self.config.segment_bytes
    }

    /// Whether `bytes` more would exceed the buffer's bound. With nothing outstanding a large request passes.
    fn is_over_buffer(&self, state: &State, bytes: u64) -> bool {
        let outstanding = state.buffer.len() as u64 + state.in_flight + state.reserved;
        outstanding > 0 && outstanding + bytes > self.config.buffer_bytes_max
    }

    fn drain_buffer(&self, state: &mut MutexGuard<'_, State>) {
        if !state.buffer.is_empty() && !state.writing {
            self.write(state);
        } else if state.writing {
            self.moved.wait(state);
        } else {
            self.room.wait(state);
        }
    }

    /// Moves bytes, or waits while others move them, until `end` of `segment` has come to `goal`.
    fn reach(
        &self,
        state: &mut MutexGuard<'_, State>,
        segment: u64,
        end: u64,
        goal: Goal,
    ) -> Result<(), WalError> {
        while !state.has_reached(segment, end, goal) {
            state.check()?;
            if state.written < end && !state.writing {
                self.write(state);
            } else if state.written >= end && !state.syncing {
                self.sync(state);
            } else {
                self.moved.wait(state);
            }
        }
        Ok(())
    }

    /// Hands the buffer to the kernel. Others append and sync meanwhile.
    fn write(&self, state: &mut MutexGuard<'_, State>) {
        let Some(file) = state.file.clone() else { return };
        let idle = mem::take(&mut state.idle);
        let mut bytes = mem::replace(&mut state.buffer, idle);
        let offset = state.written;
        state.in_flight = bytes.len() as u64;
        state.writing = true;
        let written = MutexGuard::unlocked(state, || file.write_at(&bytes, offset));
        state.writing = false;
        state.in_flight = 0;
        match written {
            Ok(()) => {
                state.written += bytes.len() as u64;
                state.counts.writes_total += 1;
            }
            Err(source) => {
                let path = self.files.path(state.segment);
                self.fail(state, "write", path, source);
            }
        }
        if bytes.capacity() <= IDLE_BUFFER_BYTES_MAX {
            bytes.clear();
            state.idle = bytes;
        }
        self.moved.notify_all();
        self.room.notify_all();
    }

    /// Syncs everything that is written. Others append and write meanwhile.
    fn sync(&self, state: &mut MutexGuard<'_, State>) {
        let Some(file) = state.file.clone() else { return };
        let end = state.written;
        state.syncing = true;
        let (synced, nanos) = MutexGuard::unlocked(state, || {
            let start = self.env.clock.monotonic_nanos();
            let synced = file.sync_data();
            (synced, self.env.clock.monotonic_nanos().saturating_sub(start))
        });
        state.syncing = false;
        match synced {
            Ok(()) => {
                state.synced = end;
                state.counts.count_sync(nanos);
            }
            Err(source) => {
                let path = self.files.path(state.segment);
                self.fail(state, "sync", path, source);
            }
        }
        self.moved.notify_all();
    }

    /// Takes no more writes from now on: the error that everybody gets.
    fn fail(&self, state: &mut State, operation: &'static str, path: PathBuf, source: io::Error) -> WalError {
        tracing::error!(
            operation,
            path = %path.display(),
            error = %source,
            "write-ahead log failed, no more writes are taken"
        );
        let error = WalError::Failed { operation, path, source: Arc::new(source) };
        self.moved.notify_all();
        self.room.notify_all();
        state.failed.get_or_insert(error).clone()
    }

    /// Ends the current segment, if there is one, and begins the next.
    fn rotate(&self, state: &mut MutexGuard<'_, State>, without_room: WithoutRoom) -> Result<(), WalError> {
        state.rotating = true;
        let rotated = self.rotate_alone(state, without_room);
        state.rotating = false;
        self.room.notify_all();
        rotated
    }

    fn rotate_alone(
        &self,
        state: &mut MutexGuard<'_, State>,
        without_room: WithoutRoom,
    ) -> Result<(), WalError> {
        let next = state.segment + u64::from(state.file.is_some());
        let file = match self.begin_segment(state, next) {
            Ok(file) => Some(file),
            Err(WalError::NoSpace { .. }) if without_room == WithoutRoom::End => None,
            Err(error) => return Err(error),
        };
        while state.pins > 0 {
            self.room.wait(state);
        }
        if state.file.is_some() {
            state.append(0, KIND_SEAL, &[], payload_checksum(&[]));
            let (segment, end) = (state.segment, state.appended);
            self.reach(state, segment, end, Goal::Synced)?;
        }
        state.begin(next, file);
        Ok(())
    }

    fn begin_first(&self) -> Result<(), WalError> {
        let mut state = self.state.lock();
        self.rotate(&mut state, WithoutRoom::Stay)
    }

    fn begin_segment(
        &self,
        state: &mut MutexGuard<'_, State>,
        number: u64,
    ) -> Result<Arc<dyn File>, WalError> {
        let spare = state.spares.pop();
        let begun = MutexGuard::unlocked(state, || self.files.begin(number, spare.as_deref()));
        match begun {
            Ok(file) => Ok(file),
            Err(BeginError::Refused(error)) => {
                state.spares.extend(spare);
                Err(error)
            }
            Err(BeginError::Sync { path, source }) => Err(self.fail(state, "sync", path, source)),
        }
    }

    /// Makes a segment a spare, or removes it when there are enough.
    fn retire(&self, number: u64) -> Result<(), WalError> {
        if self.state.lock().spares.len() >= self.config.spare_segments_max {
            return self.files.remove(number);
        }
        let spare = self.files.recycle(number)?;
        self.state.lock().spares.push(spare);
        Ok(())
    }

    fn drop_surplus_spares(&self) -> Result<(), WalError> {
        let surplus = {
            let mut state = self.state.lock();
            let kept = state.spares.len().min(self.config.spare_segments_max);
            state.spares.split_off(kept)
        };
        surplus.iter().try_for_each(|name| self.files.remove_spare(name))
    }

    /// The body of the thread that syncs at intervals.
    fn sync_at_intervals(&self, interval: Duration) {
        let mut state = self.state.lock();
        loop {
            if !state.stopping {
                self.stop.wait_for(&mut state, interval);
            }
            let (segment, end) = (state.segment, state.appended);
            let synced = self.reach(&mut state, segment, end, Goal::Synced);
            // A failure was logged, and leaves nothing to sync.
            if state.stopping || synced.is_err() {
                return;
            }
        }
    }
}

fn spawn_syncer(shared: &Arc<Shared>, interval_ms: u64) -> Result<JoinHandle<()>, WalError> {
    let syncer = Arc::clone(shared);
    let body = move || syncer.sync_at_intervals(Duration::from_millis(interval_ms));
    spawn("kymo-wal-sync", body).map_err(WalError::io("start the sync thread of", &shared.files.dir))
}
