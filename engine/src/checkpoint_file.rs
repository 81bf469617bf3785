//! Checkpoint files: the head as frames, in a segment file of its own beside the log.

use std::{
    io,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use kymo_formats::wal::{
    Frame, KIND_SEAL, PAYLOAD_BYTES_MAX, SEGMENT_HEADER_BYTES, SEGMENT_VERSION, SegmentHeader, encode_frame,
    find_frame, payload_checksum, place_at,
};

use crate::{
    env::{File, Fs, OpenMode},
    error::Error,
    head::Head,
    wal::ReplayedFrame,
};

/// Bytes collected before they are written.
const BUFFER_BYTES: usize = 1 << 20;

/// The checkpoint of this number.
pub(crate) fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("checkpoint-{number:016}.ckpt"))
}

/// The number of the checkpoint of this file name.
pub(crate) fn number_of(name: &str) -> Option<u64> {
    name.strip_prefix("checkpoint-")?.strip_suffix(".ckpt")?.parse().ok()
}

/// Writes what the head holds and no flush set aside, durably, as the checkpoint `number`: a number that no
/// checkpoint has that the manifest may name. Returns the length of the file in bytes.
///
/// # Errors
/// When writing fails; the checkpoint does not exist then.
pub(crate) fn write(fs: &Arc<dyn Fs>, dir: &Path, number: u64, head: &Head) -> Result<u64, Error> {
    let path = path(dir, number);
    let temporary = path.with_extension("tmp");
    let written = write_file(fs, &temporary, number, head).and_then(|len| {
        fs.rename(&temporary, &path).map_err(Error::io("rename", &temporary))?;
        fs.sync_dir(dir).map_err(Error::io("sync", dir))?;
        Ok(len)
    });
    if written.is_err() {
        // Whatever is left is removed at the next start; what went wrong is already being reported.
        drop(fs.remove(&temporary));
    }
    written
}

fn write_file(fs: &Arc<dyn Fs>, path: &Path, number: u64, head: &Head) -> Result<u64, Error> {
    if fs.exists(path).map_err(Error::io("look for", path))? {
        fs.remove(path).map_err(Error::io("remove", path))?;
    }
    let file = fs.open(path, OpenMode::CreateNew).map_err(Error::io("create", path))?;
    let mut writer = FrameWriter { file, number, offset: 0, buffer: Vec::with_capacity(BUFFER_BYTES) };
    let header = SegmentHeader { version: SEGMENT_VERSION, segment: number, space: 0 };
    writer.buffer.extend_from_slice(&header.encode());
    let written = head
        .checkpoint(|record| writer.frame(record.kind, record.shard, &record.payload))
        .and_then(|()| writer.frame(KIND_SEAL, 0, &[]))
        .and_then(|()| writer.write())
        .and_then(|()| writer.file.sync_data());
    written.map_err(Error::io("write", path))?;
    Ok(writer.offset)
}

struct FrameWriter {
    file: Arc<dyn File>,
    /// Stands where a segment of the log has its own.
    number: u64,
    /// Bytes written so far.
    offset: u64,
    buffer: Vec<u8>,
}

impl FrameWriter {
    fn frame(&mut self, kind: u8, shard: u16, payload: &[u8]) -> io::Result<()> {
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(io::Error::other("a series has too much in memory for one record of a checkpoint"));
        }
        let lsn = place_at(self.number, self.offset + self.buffer.len() as u64);
        let frame = Frame { kind, flags: 0, shard, space: 0, lsn, payload };
        encode_frame(&frame, payload_checksum(payload), &mut self.buffer);
        if self.buffer.len() >= BUFFER_BYTES { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> io::Result<()> {
        self.file.write_at(&self.buffer, self.offset)?;
        self.offset += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

/// All valid frames of the checkpoint. Damaged parts are left out; returns also where they lie, the missing end (at least
/// a byte) included.
///
/// # Errors
/// When the file cannot be read or is no checkpoint at all.
pub(crate) fn read(
    fs: &dyn Fs,
    dir: &Path,
    number: u64,
) -> Result<(Vec<ReplayedFrame>, Vec<Range<usize>>), Error> {
    let path = path(dir, number);
    let bytes = fs.map(&path).map_err(Error::io("map", &path))?;
    SegmentHeader::decode(&bytes).map_err(Error::corrupt(&path))?;
    let mut frames = Vec::new();
    let mut offset = SEGMENT_HEADER_BYTES;
    let mut damaged: Vec<Range<usize>> = Vec::new();
    loop {
        match Frame::decode(&bytes, number, offset) {
            Ok(frame) if frame.kind == KIND_SEAL => return Ok((frames, damaged)),
            Ok(frame) => {
                frames.push(ReplayedFrame::new(&bytes, &frame, offset));
                offset += frame.encoded_bytes();
            }
            Err(_) => {
                let next = find_frame(&bytes, number, offset + 1).unwrap_or(bytes.len());
                if next == bytes.len() {
                    damaged.push(offset..next.max(offset + 1));
                    return Ok((frames, damaged));
                }
                damaged.push(offset..next);
                offset = next;
            }
        }
    }
}
