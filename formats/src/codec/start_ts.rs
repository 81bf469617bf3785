//! The column of start timestamps: when the count of each sample began, in milliseconds, 0 = unknown.
//!
//! Start timestamps hardly vary: a counter has one for its life, a sender that reports deltas starts each sample
//! where the one before ended, and many have none. So the column is a list of runs, each a varint
//! `samples << 2 | kind` with the kinds 0 (unknown), 1 (the same for all) and 2 (each the timestamp before).
//! Behind kind 1 follows a zig-zag varint: the start timestamp less the last known one, or, for the first, less
//! the timestamp of the run's first sample.

use crate::DecodeError;
use crate::cursor::{Reader, Writer};

/// What the samples of a run have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// No start timestamp.
    Unknown = 0,
    /// One start timestamp.
    Same = 1,
    /// Each starts at the timestamp of the sample before it; never the first sample of a chunk.
    Follows = 2,
}

/// Appends the column of `start_ts` to `out`. `ts` are the timestamps of the same samples.
///
/// # Panics
/// When the columns differ in length.
pub fn encode(start_ts: &[i64], ts: &[i64], out: &mut Vec<u8>) {
    assert_eq!(start_ts.len(), ts.len(), "each sample has a timestamp and a start timestamp");
    let mut writer = Writer::new(out);
    let mut run: Option<Run> = None;
    let mut known = None;
    let mut previous_ts = None;
    for (&start, &ts) in start_ts.iter().zip(ts) {
        match run.as_mut() {
            Some(run) if run.takes(start, previous_ts) => run.samples += 1,
            _ => {
                if let Some(run) = run.take() {
                    run.write(&mut writer, &mut known);
                }
                run = Some(Run::begin(start, ts, previous_ts));
            }
        }
        previous_ts = Some(ts);
    }
    if let Some(run) = run {
        run.write(&mut writer, &mut known);
    }
}

/// Appends the start timestamps of the samples at `ts` to `out`.
///
/// # Errors
/// When `bytes` is not a column of exactly as many samples; `out` is then as it was.
pub fn decode(bytes: &[u8], ts: &[i64], out: &mut Vec<i64>) -> Result<(), DecodeError> {
    let before = out.len();
    out.reserve(ts.len());
    decode_runs(bytes, ts, out).inspect_err(|_| out.truncate(before))
}

fn decode_runs(bytes: &[u8], ts: &[i64], out: &mut Vec<i64>) -> Result<(), DecodeError> {
    let mut reader = Reader::new(bytes);
    let mut known = None;
    let mut previous_ts = None;
    let mut rest = ts;
    while !rest.is_empty() {
        let header = reader.varint("start timestamp run")?;
        let samples = usize::try_from(header >> 2).unwrap_or(usize::MAX);
        let Some((run, behind)) = rest.split_at_checked(samples).filter(|(run, _)| !run.is_empty()) else {
            return Err(reader.error("start timestamp run"));
        };
        match (header & 3, previous_ts) {
            (0, _) => out.extend(run.iter().map(|_| 0)),
            (1, _) => {
                let base = known.unwrap_or_else(|| run.first().copied().unwrap_or_default());
                let start = base.wrapping_add(reader.varint_i64("start timestamp")?);
                known = Some(start);
                out.extend(run.iter().map(|_| start));
            }
            (2, Some(previous)) => {
                // As many as the run has, each the timestamp before.
                out.extend(std::iter::once(previous).chain(run.iter().copied()).take(run.len()));
            }
            _ => return Err(reader.error("start timestamp run")),
        }
        previous_ts = run.last().copied();
        rest = behind;
    }
    reader.finish("end of start timestamps")
}

/// A run on its way into the column.
#[derive(Debug, Clone, Copy)]
struct Run {
    kind: Kind,
    samples: u64,
    start: i64,
    first_ts: i64,
}

impl Run {
    const fn begin(start: i64, ts: i64, previous_ts: Option<i64>) -> Self {
        let kind = match previous_ts {
            _ if start == 0 => Kind::Unknown,
            Some(previous) if start == previous => Kind::Follows,
            _ => Kind::Same,
        };
        Self { kind, samples: 1, start, first_ts: ts }
    }

    fn takes(&self, start: i64, previous_ts: Option<i64>) -> bool {
        match self.kind {
            Kind::Unknown => start == 0,
            Kind::Same => start == self.start,
            Kind::Follows => start != 0 && Some(start) == previous_ts,
        }
    }

    fn write(self, writer: &mut Writer<'_>, known: &mut Option<i64>) {
        writer.varint(self.samples << 2 | self.kind as u64);
        if self.kind == Kind::Same {
            writer.varint_i64(self.start.wrapping_sub(known.unwrap_or(self.first_ts)));
            *known = Some(self.start);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::test_config::config;

    fn column(start_ts: &[i64], ts: &[i64]) -> Vec<u8> {
        let mut out = Vec::new();
        encode(start_ts, ts, &mut out);
        out
    }

    fn decoded(bytes: &[u8], ts: &[i64]) -> Result<Vec<i64>, DecodeError> {
        let mut out = vec![7];
        let result = decode(bytes, ts, &mut out);
        if result.is_err() {
            assert_eq!(out, [7]);
        }
        result.map(|()| out.split_off(1))
    }

    #[test]
    fn usual_columns_take_a_few_bytes() {
        let ts: Vec<i64> = (0..120).map(|n| 1_700_000_000_000 + n * 15_000).collect();
        assert_eq!(column(&[0; 120], &ts).len(), 2);
        assert!(column(&[1_699_999_000_000; 120], &ts).len() <= 5);
        let mut deltas = ts.clone();
        deltas.rotate_right(1);
        deltas[0] = ts[0] - 15_000;
        let bytes = column(&deltas, &ts);
        assert!(bytes.len() <= 6, "{}", bytes.len());
        assert_eq!(decoded(&bytes, &ts), Ok(deltas));
    }

    #[test]
    fn rejects_runs_that_lie() {
        let ts = [1, 2, 3];
        for bytes in [
            &[][..],
            &[2 << 2],
            &[4 << 2],
            &[0],
            &[3 << 2 | 2],
            &[3 << 2 | 3],
            &[3 << 2 | 1],
            &[3 << 2, 0],
            &[0xff; 10],
        ] {
            assert!(decoded(bytes, &ts).is_err(), "{bytes:?}");
        }
    }

    proptest! {
        #![proptest_config(config(concat!(env!("CARGO_MANIFEST_DIR"), "/../proptest-regressions/formats/start_ts.txt")))]

        #[test]
        fn round_trips(
            samples in vec((any::<i64>(), prop_oneof![Just(0_i64), 1..3_i64, any::<i64>()], any::<bool>()), 0..60),
        ) {
            let ts: Vec<i64> = samples.iter().map(|sample| sample.0).collect();
            let mut previous = 5;
            let start_ts: Vec<i64> = samples
                .iter()
                .map(|&(ts, start, follows)| {
                    let start = if follows { previous } else { start };
                    previous = ts;
                    start
                })
                .collect();
            prop_assert_eq!(decoded(&column(&start_ts, &ts), &ts), Ok(start_ts));
        }

        #[test]
        fn hostile_bytes_never_panic(bytes in vec(any::<u8>(), 0..40), ts in vec(any::<i64>(), 0..20)) {
            if let Ok(start_ts) = decoded(&bytes, &ts) {
                prop_assert_eq!(start_ts.len(), ts.len());
            }
        }
    }
}
