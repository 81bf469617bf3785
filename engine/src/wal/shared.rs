//! What pins, waiters and the interval thread share, and how bytes move.
//!
//! Bytes go through three places, each an offset into the current segment: `appended` (in the buffer),
//! `written` (the kernel has them), `synced` (on disk). Whoever waits for bytes to get somewhere, and finds nobody
//! moving them, moves everything there is: so one write and one sync serve all who wait, and while one
//! thread syncs, the next batch is collected and written.

use std::{collections::BTreeSet, io, mem, path::PathBuf, sync::Arc, time::Duration};

use kymo_formats::wal::{
    FRAME_HEADER_BYTES, Frame, KIND_SEAL, SEGMENT_HEADER_BYTES, encode_frame, payload_checksum,
};
use parking_lot::{Condvar, Mutex, MutexGuard};

use super::{
    Lsn, WalConfig, WalError, WalStats,
    segment::{self, BeginError, SegmentFiles},
};
use crate::env::{Env, File};

/// A buffer that grew beyond this is given back once it is written.
const IDLE_BUFFER_BYTES_MAX: usize = 8 << 20;
/// Where the first frame of a segment begins.
pub(super) const HEADER_BYTES: u64 = SEGMENT_HEADER_BYTES as u64;

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) env: Env,
    pub(super) config: WalConfig,
    pub(super) files: SegmentFiles,
    pub(super) state: Mutex<State>,
    /// Bytes were written or synced, or the log failed.
    pub(super) moved: Condvar,
    /// A pin was dropped, a rotation ended, the buffer was emptied, or the log failed.
    pub(super) room: Condvar,
    /// The log is being dropped.
    pub(super) stop: Condvar,
}

#[derive(Debug)]
pub(super) struct State {
    /// Number of the current segment, or of the next one while there is none.
    pub(super) segment: u64,
    /// The current segment's file. None after a rotation found no room for the next one: everything appended is
    /// synced then.
    pub(super) file: Option<Arc<dyn File>>,
    /// Segments on disk before the current one.
    pub(super) older: BTreeSet<u64>,
    pub(super) spares: Vec<String>,
    /// Offsets in the current segment: `synced <= written <= appended`.
    pub(super) appended: u64,
    pub(super) written: u64,
    pub(super) synced: u64,
    /// The bytes between `written` (or, while a write is on its way, its end) and `appended`.
    pub(super) buffer: Vec<u8>,
    /// The other half of the double buffer.
    pub(super) idle: Vec<u8>,
    pub(super) in_flight: u64,
    pub(super) writing: bool,
    pub(super) syncing: bool,
    pub(super) rotating: bool,
    pub(super) stopping: bool,
    pub(super) pins: u64,
    /// Bytes that pins may still append.
    pub(super) reserved: u64,
    pub(super) failed: Option<WalError>,
    pub(super) counts: WalStats,
}

/// How far bytes must have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Goal {
    Written,
    Synced,
}

/// What a rotation does when there is no room for the next segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WithoutRoom {
    /// Leaves everything as it is.
    Stay,
    /// Ends the current segment all the same: the flush that asked for it may be what makes room.
    End,
}

impl State {
    pub(super) fn new(segment: u64, listing: segment::Listing) -> Self {
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

    pub(super) fn check(&self) -> Result<(), WalError> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    pub(super) fn append(&mut self, shard: u16, kind: u8, payload: &[u8], payload_checksum: u32) -> Lsn {
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
    pub(super) fn has_room(&self, state: &State, bytes: u64) -> bool {
        let seal = FRAME_HEADER_BYTES as u64;
        state.file.is_some() && state.appended + state.reserved + bytes + seal <= self.config.segment_bytes
    }

    /// Whether `bytes` more would exceed the buffer's bound. With nothing outstanding a large request passes.
    pub(super) fn is_over_buffer(&self, state: &State, bytes: u64) -> bool {
        let outstanding = state.buffer.len() as u64 + state.in_flight + state.reserved;
        outstanding > 0 && outstanding + bytes > self.config.buffer_bytes_max
    }

    pub(super) fn drain_buffer(&self, state: &mut MutexGuard<'_, State>) {
        if !state.buffer.is_empty() && !state.writing {
            self.write(state);
        } else if state.writing {
            self.moved.wait(state);
        } else {
            self.room.wait(state);
        }
    }

    /// Moves bytes, or waits while others move them, until `end` of `segment` has come to `goal`.
    pub(super) fn reach(
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
    pub(super) fn rotate(
        &self,
        state: &mut MutexGuard<'_, State>,
        without_room: WithoutRoom,
    ) -> Result<(), WalError> {
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

    pub(super) fn begin_first(&self) -> Result<(), WalError> {
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
    pub(super) fn retire(&self, number: u64) -> Result<(), WalError> {
        if self.state.lock().spares.len() >= self.config.spare_segments_max {
            return self.files.remove(number);
        }
        let spare = self.files.recycle(number)?;
        self.state.lock().spares.push(spare);
        Ok(())
    }

    pub(super) fn drop_surplus_spares(&self) -> Result<(), WalError> {
        let surplus = {
            let mut state = self.state.lock();
            let kept = state.spares.len().min(self.config.spare_segments_max);
            state.spares.split_off(kept)
        };
        surplus.iter().try_for_each(|name| self.files.remove_spare(name))
    }

    /// The body of the thread that syncs at intervals.
    pub(super) fn sync_at_intervals(&self, interval: Duration) {
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
