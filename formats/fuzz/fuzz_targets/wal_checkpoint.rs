//! A checkpoint payload survives being written again.
#![cfg_attr(fuzzing, no_main)]

use kymo_formats::{
    DecodeError,
    wal::checkpoint::{CheckpointEncoder, CheckpointPayload, CheckpointSeries},
};

pub fn target(bytes: &[u8]) {
    let Ok((lsn, series)) = decode(bytes) else { return };
    let mut encoder = CheckpointEncoder::new(lsn);
    for one in &series {
        encoder.begin_series(one.labels, one.newest_ts, one.newest_value, one.newest_kind);
        one.chunks.iter().for_each(|chunk| encoder.chunk(chunk));
        encoder.end_series(one.open, one.late);
    }
    assert_eq!(decode(&encoder.finish()), Ok((lsn, series)));
}

fn decode(bytes: &[u8]) -> Result<(u64, Vec<CheckpointSeries<'_>>), DecodeError> {
    let payload = CheckpointPayload::new(bytes)?;
    Ok((payload.applied_lsn(), payload.collect::<Result<_, _>>()?))
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target(bytes));
