//! The log as it is read back at start: frames in order, torn tails and damage.
//!
//! Where no frame can be read, one of three things is true. Only zeros follow: the segment ends there. No valid
//! frame follows, in this segment or a later one: a write was cut short by a crash and nothing of it was
//! acknowledged, or the file was recycled and holds leftovers; it is cut off. A valid frame follows: what lies
//! between was written, perhaps acknowledged, and is damaged. It is moved to `quarantine/` up to the end of the
//! segment, because what follows may depend on it (encoders carry state from frame to frame), and replay goes
//! on with the next segment, which is self-contained.

use std::{
    collections::VecDeque,
    fmt, io,
    ops::{Range, RangeInclusive},
    path::{Path, PathBuf},
    sync::Arc,
};

use kymo_formats::wal::{
    Frame, KIND_SEAL, SEGMENT_HEADER_BYTES, SEGMENT_VERSION, SegmentHeader, find_former_frame, find_frame,
};

use super::{
    Lsn, WalError,
    segment::{self, Listing},
};
use crate::env::{Fs, Mapping, OpenMode};

/// An iterator over the frames of a log, from a segment on, or over the segments with all their frames. It holds one
/// segment in memory at a time, longer only where frames are kept.
///
/// Mends the log as it goes: what is cut off or moved away is gone from the segments before the next frame is
/// given out, so that the next start finds them clean. After an error it ends.
#[derive(Debug)]
pub struct Replay {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
    queue: VecDeque<u64>,
    current: Option<Segment>,
    report: ReplayReport,
}

#[derive(Debug)]
struct Segment {
    number: u64,
    bytes: Mapping,
    offset: usize,
}

/// A frame that was read back. Cheap to clone and to send to another thread: it shares the segment's bytes.
#[derive(Clone)]
pub struct ReplayedFrame {
    /// Its place in the log.
    pub lsn: Lsn,
    /// The head shard it was appended for.
    pub shard: u16,
    /// The kind it was appended with.
    pub kind: u8,
    /// Reserved for tenants, 0.
    pub space: u32,
    bytes: Mapping,
    payload: Range<usize>,
}

/// What comes next in a log.
enum Step {
    Frame(ReplayedFrame),
    SegmentEnd,
    LogEnd,
}

impl ReplayedFrame {
    /// The `frame` at `offset` of the file `bytes`.
    pub(crate) fn new(bytes: &Mapping, frame: &Frame<'_>, offset: usize) -> Self {
        let end = offset + frame.encoded_bytes();
        Self {
            lsn: Lsn::from_raw(frame.lsn),
            shard: frame.shard,
            kind: frame.kind,
            space: frame.space,
            bytes: bytes.clone(),
            payload: end - frame.payload.len()..end,
        }
    }

    /// The bytes that were appended.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.bytes[self.payload.clone()]
    }
}

impl fmt::Debug for ReplayedFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayedFrame")
            .field("lsn", &self.lsn)
            .field("shard", &self.shard)
            .field("kind", &self.kind)
            .field("payload_bytes", &self.payload.len())
            .finish_non_exhaustive()
    }
}

/// A tail that was cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TruncatedTail {
    /// The segment, and its new end.
    pub end: Lsn,
    /// Length of what may have been written of it: up to the segment's end, or to a frame that an earlier segment left
    /// in the file.
    pub bytes: u64,
}

/// Damage that was moved away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantinedRange {
    /// Where the damage begins; it was taken to reach to the segment's end.
    pub start: Lsn,
    /// Length of what was moved.
    pub bytes: u64,
    /// Where it is now. None when there was no room for a copy: it stays in the segment, and is met again by
    /// the next replay.
    pub path: Option<PathBuf>,
}

/// What replay found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReplayReport {
    /// Segments read.
    pub segments: u64,
    /// Frames given out.
    pub frames: u64,
    /// Bytes of their payloads.
    pub payload_bytes: u64,
    /// Tails cut off: nothing in them was ever acknowledged. What a recycled file held before is not counted.
    pub truncated: Vec<TruncatedTail>,
    /// Damage: what was in it is lost.
    pub quarantined: Vec<QuarantinedRange>,
    /// Segments that should be there and are not.
    pub missing: Vec<RangeInclusive<u64>>,
    /// Segments whose header is damaged; their frames were read all the same, since each is checked for itself.
    pub damaged_headers: Vec<u64>,
    /// The segment to go on in.
    pub next_segment: u64,
}

impl ReplayReport {
    /// Whether something that was acknowledged may be gone.
    #[must_use]
    pub fn is_lossy(&self) -> bool {
        !self.quarantined.is_empty() || !self.missing.is_empty()
    }
}

impl Replay {
    /// Begins to read the log in `dir` at `from_segment`; earlier segments are left alone. A directory that does
    /// not exist holds an empty log.
    ///
    /// # Errors
    /// I/O errors.
    pub fn open(fs: &Arc<dyn Fs>, dir: &Path, from_segment: u64) -> Result<Self, WalError> {
        let listing = segment::list(&**fs, dir)?;
        let report = ReplayReport {
            missing: gaps(&listing, from_segment),
            // Never a number that was used: a spare may hold frames that would be valid under it.
            next_segment: listing.number_max.saturating_add(1).max(from_segment).max(1),
            ..ReplayReport::default()
        };
        for range in &report.missing {
            tracing::warn!(first = range.start(), last = range.end(), "write-ahead log segments are missing");
        }
        let queue = listing.segments.into_iter().filter(|number| *number >= from_segment).collect();
        Ok(Self { fs: Arc::clone(fs), dir: dir.to_owned(), queue, current: None, report })
    }

    /// What was found so far; complete once the iterator has ended.
    #[must_use]
    pub const fn report(&self) -> &ReplayReport {
        &self.report
    }

    /// Numbers of the first and the last segment that are still to be read.
    pub(crate) fn range(&self) -> Option<(u64, u64)> {
        Some((*self.queue.front()?, *self.queue.back()?))
    }

    /// All frames of the next segment, and its number; none when the log has ended.
    ///
    /// # Errors
    /// As the iterator's: the log ends there.
    pub(crate) fn next_segment(&mut self) -> Result<Option<(u64, Vec<ReplayedFrame>)>, WalError> {
        let Some(number) = self.queue.front().copied() else { return Ok(None) };
        let mut frames = Vec::new();
        loop {
            match self.step()? {
                Step::Frame(frame) => frames.push(frame),
                Step::SegmentEnd | Step::LogEnd => return Ok(Some((number, frames))),
            }
        }
    }

    /// After an error the log has ended.
    fn step(&mut self) -> Result<Step, WalError> {
        let step = self.try_step();
        if step.is_err() {
            self.queue.clear();
            self.current = None;
        }
        step
    }

    fn try_step(&mut self) -> Result<Step, WalError> {
        let mut current = match self.current.take() {
            Some(current) => current,
            None => match self.queue.pop_front() {
                Some(number) => self.load(number)?,
                None => return Ok(Step::LogEnd),
            },
        };
        match Frame::decode(&current.bytes, current.number, current.offset) {
            Ok(frame) if frame.kind == KIND_SEAL => Ok(Step::SegmentEnd),
            Ok(frame) => {
                let replayed = ReplayedFrame::new(&current.bytes, &frame, current.offset);
                self.report.frames += 1;
                self.report.payload_bytes += frame.payload.len() as u64;
                current.offset += frame.encoded_bytes();
                self.current = Some(current);
                Ok(Step::Frame(replayed))
            }
            Err(_) => self.end_without_seal(&current).map(|()| Step::SegmentEnd),
        }
    }

    fn load(&mut self, number: u64) -> Result<Segment, WalError> {
        let path = segment::path(&self.dir, number);
        // Copied, not mapped: it may be cut while frames of it are still in use.
        let bytes = self.fs.read(&path).map(Mapping::from).map_err(WalError::io("read", &path))?;
        self.report.segments += 1;
        match SegmentHeader::decode(&bytes) {
            Ok(header) if header.version > SEGMENT_VERSION => {
                return Err(WalError::Version { path, found: header.version, known: SEGMENT_VERSION });
            }
            Ok(header) if header.segment == number => {}
            Ok(_) | Err(_) => self.report.damaged_headers.push(number),
        }
        Ok(Segment { number, bytes, offset: SEGMENT_HEADER_BYTES })
    }

    /// Decides what lies behind the last frame of a segment that has no seal there.
    fn end_without_seal(&mut self, segment: &Segment) -> Result<(), WalError> {
        let rest = segment.bytes.get(segment.offset..).unwrap_or_default();
        match tail_of(&segment.bytes, segment.number, segment.offset, || {
            goes_on(&*self.fs, &self.dir, &self.queue)
        })? {
            Tail::Unused => self.sync(segment),
            Tail::Damaged => self.quarantine(segment, rest),
            Tail::Torn => {
                self.truncate(segment)?;
                // What follows from an intact frame of the file's earlier life on was never overwritten.
                let torn_end = find_former_frame(&segment.bytes, segment.number, segment.offset);
                let bytes = torn_end.map_or(rest.len(), |end| end - segment.offset);
                if bytes > 0 {
                    let end = lsn(segment.number, segment.offset);
                    tracing::info!(%end, bytes, "tail of the write-ahead log cut off");
                    self.report.truncated.push(TruncatedTail { end, bytes: bytes as u64 });
                }
                Ok(())
            }
        }
    }

    fn quarantine(&mut self, segment: &Segment, damaged: &[u8]) -> Result<(), WalError> {
        let start = lsn(segment.number, segment.offset);
        let path = match self.copy_to_quarantine(start, damaged) {
            Ok(path) => {
                self.truncate(segment)?;
                Some(path)
            }
            Err((_, error)) if error.kind() == io::ErrorKind::StorageFull => {
                self.sync(segment)?;
                None
            }
            Err((path, error)) => return Err(WalError::io("quarantine to", path)(error)),
        };
        tracing::warn!(
            %start,
            bytes = damaged.len(),
            path = path.as_ref().map(|path| tracing::field::display(path.display())),
            "damage in the write-ahead log, quarantined to the end of its segment"
        );
        self.report.quarantined.push(QuarantinedRange { start, bytes: damaged.len() as u64, path });
        Ok(())
    }

    fn copy_to_quarantine(&self, start: Lsn, damaged: &[u8]) -> Result<PathBuf, (PathBuf, io::Error)> {
        let dir = self.dir.join("quarantine");
        let path = dir.join(format!("{:016}-{}.bin", start.segment(), start.offset()));
        let copy = || {
            self.fs.create_dir_all(&dir)?;
            if self.fs.exists(&path)? {
                // An earlier start was interrupted before it cut the segment.
                self.fs.remove(&path)?;
            }
            let file = self.fs.open(&path, OpenMode::CreateNew)?;
            file.write_at(damaged, 0)?;
            file.sync_data()?;
            self.fs.sync_dir(&dir)?;
            self.fs.sync_dir(&self.dir)
        };
        match copy() {
            Ok(()) => Ok(path),
            Err(error) => Err((path, error)),
        }
    }

    /// What was read may be in the kernel only, when a process was killed before its sync. From here on it counts,
    /// and later segments follow it, so that a power loss must not take it back.
    fn sync(&self, segment: &Segment) -> Result<(), WalError> {
        let path = segment::path(&self.dir, segment.number);
        let sync = || self.fs.open(&path, OpenMode::ReadWrite)?.sync_data();
        sync().map_err(WalError::io("sync", path.clone()))
    }

    fn truncate(&self, segment: &Segment) -> Result<(), WalError> {
        let path = segment::path(&self.dir, segment.number);
        let cut = || {
            let file = self.fs.open(&path, OpenMode::ReadWrite)?;
            file.set_len(segment.offset as u64)?;
            file.sync_data()
        };
        cut().map_err(WalError::io("truncate", path.clone()))
    }
}

impl Iterator for Replay {
    type Item = Result<ReplayedFrame, WalError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.step() {
                Ok(Step::Frame(frame)) => return Some(Ok(frame)),
                Ok(Step::SegmentEnd) => {}
                Ok(Step::LogEnd) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// What lies behind the last frame of a segment that has no seal there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tail {
    /// Zeros: it was never written.
    Unused,
    /// A write that a crash cut short, or leftovers of the segment that the file was before.
    Torn,
    /// What was written, and perhaps acknowledged.
    Damaged,
}

/// Judges what lies at `offset` of a segment, where no frame is. `goes_on` tells whether a later segment has one.
pub(super) fn tail_of<E>(
    bytes: &[u8],
    number: u64,
    offset: usize,
    goes_on: impl FnOnce() -> Result<bool, E>,
) -> Result<Tail, E> {
    if bytes.get(offset..).unwrap_or_default().iter().all(|byte| *byte == 0) {
        return Ok(Tail::Unused);
    }
    let damaged = find_frame(bytes, number, offset + 1).is_some() || goes_on()?;
    Ok(if damaged { Tail::Damaged } else { Tail::Torn })
}

/// Whether one of the segments `later` holds a frame. A segment is synced to its seal before the next one gets its
/// first frame, so that nothing before that one can be torn.
pub(super) fn goes_on<'a>(
    fs: &dyn Fs,
    dir: &Path,
    later: impl IntoIterator<Item = &'a u64>,
) -> Result<bool, WalError> {
    for number in later {
        let path = segment::path(dir, *number);
        let bytes = fs.read(&path).map_err(WalError::io("read", path))?;
        if find_frame(&bytes, *number, SEGMENT_HEADER_BYTES).is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The place at `offset` of `segment`, where a frame is or could be.
fn lsn(segment: u64, offset: usize) -> Lsn {
    // Segments are far below 4 GiB; a foreign file that is not has no frame beyond that.
    Lsn::new(segment, u32::try_from(offset).unwrap_or(u32::MAX))
}

/// The numbers from `from` to the last segment that no segment has.
pub(super) fn gaps(listing: &Listing, from: u64) -> Vec<RangeInclusive<u64>> {
    let mut gaps = Vec::new();
    let mut expected = from.max(1);
    for number in listing.segments.iter().copied().filter(|number| *number >= from) {
        if number > expected {
            gaps.push(expected..=number - 1);
        }
        expected = number + 1;
    }
    gaps
}
