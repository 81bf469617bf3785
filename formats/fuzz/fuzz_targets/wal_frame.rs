//! A frame of the log: what is found decodes, what is written is found, and one wrong byte is noticed.
#![cfg_attr(fuzzing, no_main)]

use kymo_formats::wal::{Frame, encode_frame, find_frame, lsn_at, payload_checksum};

pub fn target(bytes: &[u8]) {
    if let Some(at) = find_frame(bytes, 0, 0) {
        let frame = Frame::decode(bytes, 0, at).expect("what is found decodes");
        assert!(at + frame.encoded_bytes() <= bytes.len());
    }
    let Some((&[kind, flags, split, damage, segment, shard], rest)) = bytes.split_first_chunk() else {
        return;
    };
    let (before, payload) = rest.split_at(usize::from(split).min(rest.len()));
    let (segment, offset) = (u64::from(segment), u32::from(split).min(rest.len() as u32));
    let lsn = lsn_at(segment, offset);
    let frame = Frame { kind: kind.max(1), flags, shard: u16::from(shard), space: 0, lsn, payload };
    let mut log = before.to_vec();
    encode_frame(&frame, payload_checksum(payload), &mut log);
    assert_eq!(Frame::decode(&log, segment, before.len()), Ok(frame));
    assert!(find_frame(&log, segment, 0).is_some_and(|at| at <= before.len()));
    let damaged = before.len() + usize::from(damage) % frame.encoded_bytes();
    log[damaged] ^= kind.max(1);
    assert!(Frame::decode(&log, segment, before.len()).is_err(), "byte {damaged} is wrong");
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target(bytes));
