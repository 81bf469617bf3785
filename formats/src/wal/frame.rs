//! One frame of the write-ahead log.
//!
//! | offset | width | field |
//! |---|---|---|
//! | 0 | u32 | length of the payload, at most [`PAYLOAD_BYTES_MAX`] |
//! | 4 | u32 | CRC-32 of: payload, bytes 0-3, bytes 8-23, segment number as u64 |
//! | 8 | u8 | kind, never 0; [`KIND_SEAL`] ends a segment, the others belong to the writer |
//! | 9 | u8 | flags, written as 0; a reader passes them on |
//! | 10 | u16 | shard |
//! | 12 | u32 | space, 0 until one log serves several tenants |
//! | 16 | u64 | lsn: the place of this frame, see [`lsn_at`] |
//! | 24 | | payload |
//!
//! The payload comes first in the checksum so that a writer can sum it before it knows the frame's place, outside
//! of the lock that gives places out.

use crate::{
    DecodeError,
    checksum::{crc32, crc32_append},
    cursor::{Reader, Writer},
};

/// Length of a frame without its payload.
pub const FRAME_HEADER_BYTES: usize = 24;
/// The longest payload. A bound for readers: a length that lies costs no memory.
pub const PAYLOAD_BYTES_MAX: usize = 64 << 20;
/// The kind of the frame that ends a segment: the log goes on in the next one.
pub const KIND_SEAL: u8 = 0xff;

const LSN_OFFSET: usize = 16;

/// A frame's fields; the payload is borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What the payload is, never 0.
    pub kind: u8,
    /// Written as 0.
    pub flags: u8,
    /// The head shard the payload is for.
    pub shard: u16,
    /// Reserved for tenants, 0.
    pub space: u32,
    /// Its place in the log, see [`lsn_at`].
    pub lsn: u64,
    /// The bytes it carries.
    pub payload: &'a [u8],
}

/// The log sequence number of a frame at byte `offset` of `segment`: the segment in the upper half, the offset in
/// the lower. It rises through the whole life of a log, and needs no counter that would have to be recovered.
#[must_use]
pub const fn lsn_at(segment: u64, offset: u32) -> u64 {
    // Widening: `u64::from` is not const.
    segment << 32 | offset as u64
}

/// The place of a frame at byte `offset` of the file `segment`. A checkpoint may be longer than the 4 GiB that the lower
/// half counts; its places then go on in the upper half. No other file of a log is so long, and checkpoint files are
/// not used again, so that a place still names one frame.
#[must_use]
pub const fn place_at(segment: u64, offset: u64) -> u64 {
    lsn_at(segment, 0).wrapping_add(offset)
}

/// The part of the checksum that does not depend on the frame's place, for [`encode_frame`].
#[must_use]
pub fn payload_checksum(payload: &[u8]) -> u32 {
    crc32(payload)
}

/// Appends `frame`, which lies in the segment of its lsn, to `out`. `payload_checksum` is that of its payload.
///
/// # Panics
/// When the payload is longer than [`PAYLOAD_BYTES_MAX`]: a reader would take it for damage.
pub fn encode_frame(frame: &Frame<'_>, payload_checksum: u32, out: &mut Vec<u8>) {
    assert!(frame.payload.len() <= PAYLOAD_BYTES_MAX, "a payload is bounded by its writer");
    let len = u32::try_from(frame.payload.len()).expect("64 MiB fit 32 bits").to_le_bytes();
    let fields = (u128::from(frame.kind)
        | u128::from(frame.flags) << 8
        | u128::from(frame.shard) << 16
        | u128::from(frame.space) << 32
        | u128::from(frame.lsn) << 64)
        .to_le_bytes();
    let checksum = finish_checksum(payload_checksum, len, &fields, frame.lsn >> 32);
    let mut writer = Writer::new(out);
    writer.bytes(&len);
    writer.u32(checksum);
    writer.bytes(&fields);
    writer.bytes(frame.payload);
}

impl<'a> Frame<'a> {
    /// The frame at `offset` of `segment`, whose bytes are `bytes`.
    ///
    /// # Errors
    /// When no valid frame of this segment lies there: zeros, a torn or damaged frame, leftovers of the segment
    /// that the file was before.
    pub fn decode(bytes: &'a [u8], segment: u64, offset: usize) -> Result<Self, DecodeError> {
        let fault = |what, at| DecodeError::new(what, offset.saturating_add(at));
        let mut reader = Reader::new(bytes.get(offset..).unwrap_or_default());
        let len = reader.array::<4>("frame length").map_err(|_| fault("frame length", 0))?;
        let checksum = reader.u32("frame checksum").map_err(|_| fault("frame checksum", 4))?;
        let fields =
            reader.take(FRAME_HEADER_BYTES - 8, "frame header").map_err(|_| fault("frame header", 8))?;
        let frame = Self::decode_fields(fields).map_err(|error| fault(error.what, 8 + error.offset))?;
        if frame.kind == 0 {
            return Err(fault("frame kind", 8));
        }
        if frame.lsn != place_at(segment, offset as u64) {
            return Err(fault("frame lsn", LSN_OFFSET));
        }
        let payload_len = u32::from_le_bytes(len) as usize;
        if payload_len > PAYLOAD_BYTES_MAX {
            return Err(fault("frame length", 0));
        }
        let payload = reader
            .take(payload_len, "frame payload")
            .map_err(|_| fault("frame payload", FRAME_HEADER_BYTES))?;
        if finish_checksum(crc32(payload), len, fields, frame.lsn >> 32) != checksum {
            return Err(fault("frame checksum", 4));
        }
        Ok(Self { payload, ..frame })
    }

    /// Length of the whole frame in the segment.
    #[must_use]
    pub const fn encoded_bytes(&self) -> usize {
        FRAME_HEADER_BYTES + self.payload.len()
    }

    fn decode_fields(fields: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(fields);
        Ok(Self {
            kind: reader.u8("frame kind")?,
            flags: reader.u8("frame flags")?,
            shard: reader.u16("frame shard")?,
            space: reader.u32("frame space")?,
            lsn: reader.u64("frame lsn")?,
            payload: &[],
        })
    }
}

/// The offset of the first valid frame of `segment` at or behind `from`, for telling a torn tail from damage.
///
/// Only a place that names itself has its checksum computed, so that a search through megabytes of garbage costs
/// one comparison per byte.
#[must_use]
pub fn find_frame(bytes: &[u8], segment: u64, from: usize) -> Option<usize> {
    find(bytes, from, |lsn, offset| (lsn == place_at(segment, offset as u64)).then_some(segment))
}

/// The offset of the first valid frame at or behind `from` that an earlier segment left in the file, which `segment`
/// uses again.
#[must_use]
pub fn find_former_frame(bytes: &[u8], segment: u64, from: usize) -> Option<usize> {
    find(bytes, from, |lsn, offset| {
        let former = lsn >> 32;
        (former < segment && lsn == place_at(former, offset as u64)).then_some(former)
    })
}

/// The first offset from `from` on where a valid frame lies, of the segment that `segment_of` names, given what would
/// be the frame's lsn and its offset.
fn find(bytes: &[u8], from: usize, segment_of: impl Fn(u64, usize) -> Option<u64>) -> Option<usize> {
    let lsns = bytes.get(from..)?.get(LSN_OFFSET..)?.array_windows::<8>();
    lsns.zip(from..).find_map(|(lsn, offset)| {
        let segment = segment_of(u64::from_le_bytes(*lsn), offset)?;
        Frame::decode(bytes, segment, offset).is_ok().then_some(offset)
    })
}

fn finish_checksum(payload_checksum: u32, len: [u8; 4], fields: &[u8], segment: u64) -> u32 {
    let checksum = crc32_append(crc32_append(payload_checksum, &len), fields);
    crc32_append(checksum, &segment.to_le_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::test_config::config;

    fn encoded(frame: &Frame<'_>) -> Vec<u8> {
        let mut out = vec![0xaa; (frame.lsn & 0xffff_ffff) as usize];
        encode_frame(frame, payload_checksum(frame.payload), &mut out);
        out
    }

    fn sample(payload: &[u8]) -> Frame<'_> {
        Frame { kind: 1, flags: 0, shard: 7, space: 0, lsn: lsn_at(3, 40), payload }
    }

    #[test]
    fn every_flipped_bit_is_detected() {
        let bytes = encoded(&sample(b"payload"));
        assert!(Frame::decode(&bytes, 3, 40).is_ok());
        for bit in 40 * 8..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(Frame::decode(&damaged, 3, 40).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_frame_is_valid_only_in_its_place() {
        let bytes = encoded(&sample(b"payload"));
        assert!(Frame::decode(&bytes, 2, 40).is_err(), "another segment");
        assert!(Frame::decode(&bytes[8..], 3, 32).is_err(), "another offset");
        assert!(Frame::decode(&[0; 100], 3, 0).is_err(), "zeros");
        assert!(Frame::decode(&bytes, 3, usize::MAX).is_err());
        assert_eq!(find_frame(&bytes, 3, 0), Some(40));
        assert_eq!(find_frame(&bytes, 3, 40), Some(40));
        assert_eq!(find_frame(&bytes, 3, 41), None);
        assert_eq!(find_frame(&bytes, 2, 0), None);
    }

    #[test]
    fn frames_of_an_earlier_segment_are_told_from_nothing() {
        let mut bytes = encoded(&sample(b"payload"));
        assert_eq!(find_former_frame(&bytes, 4, 0), Some(40));
        assert_eq!(find_former_frame(&bytes, 4, 41), None);
        assert_eq!(find_former_frame(&bytes, 3, 0), None, "its own");
        *bytes.last_mut().unwrap() ^= 1;
        assert_eq!(find_former_frame(&bytes, 4, 0), None, "damaged");
    }

    #[test]
    fn places_go_on_behind_four_gibibytes() {
        assert_eq!(place_at(3, 40), lsn_at(3, 40));
        assert_eq!(place_at(3, (1 << 32) + 40), lsn_at(4, 40));
        assert!(place_at(3, u64::from(u32::MAX)) < place_at(3, 1 << 32));
    }

    #[test]
    fn a_length_that_lies_is_an_error() {
        let mut bytes = encoded(&sample(b""));
        bytes[40..44].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(Frame::decode(&bytes, 3, 40), Err(DecodeError::new("frame length", 40)));
        bytes[40..44].copy_from_slice(&100_u32.to_le_bytes());
        assert_eq!(Frame::decode(&bytes, 3, 40), Err(DecodeError::new("frame payload", 64)));
    }

    proptest! {
        #![proptest_config(config(concat!(env!("CARGO_MANIFEST_DIR"), "/../proptest-regressions/formats/wal.txt")))]

        #[test]
        fn round_trips(
            kind in 1_u8.., flags: u8, shard: u16, space: u32, segment: u32, offset in 0_u32..100, payload: Vec<u8>,
        ) {
            let lsn = lsn_at(u64::from(segment), offset);
            let frame = Frame { kind, flags, shard, space, lsn, payload: &payload };
            let bytes = encoded(&frame);
            prop_assert_eq!(bytes.len(), offset as usize + frame.encoded_bytes());
            prop_assert_eq!(Frame::decode(&bytes, u64::from(segment), offset as usize), Ok(frame));
        }

        #[test]
        fn any_bytes_decode_or_fail(bytes: Vec<u8>, segment: u32, offset in 0_usize..200) {
            prop_assert!(Frame::decode(&bytes, u64::from(segment), offset).is_err());
            prop_assert_eq!(find_frame(&bytes, u64::from(segment), offset), None);
        }
    }
}
