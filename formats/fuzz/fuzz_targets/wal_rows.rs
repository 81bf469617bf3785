//! A rows payload: all sections, row by row; rows that decode survive being written again.
#![cfg_attr(fuzzing, no_main)]

use kymo_formats::{
    DecodeError, varint,
    wal::rows::{RowsEncoder, RowsFrame},
};

pub fn target(bytes: &[u8]) {
    let Ok(first) = copy(bytes) else { return };
    let second = copy(&first.payload).expect("our own rows decode");
    assert_eq!(first.rows, second.rows);
    // The text of a NaN does not show its bits; the bytes do.
    assert_eq!(first.payload, second.payload);
}

struct Copy {
    /// The rows in words: a NaN is not equal to itself.
    rows: Vec<String>,
    payload: Vec<u8>,
}

fn copy(bytes: &[u8]) -> Result<Copy, DecodeError> {
    let frame = RowsFrame::parse(bytes)?;
    let (mut encoder, mut rows) = (RowsEncoder::default(), Vec::new());
    for label in frame.labels() {
        let label = label?;
        encoder.label(label.id, label.name, label.value);
        rows.push(format!("{label:?}"));
    }
    for series in frame.series() {
        let series = series?;
        let (id, previous) = (series.id, series.previous);
        let (mut ids, mut labels) = (Vec::new(), Vec::new());
        for label in series {
            let label = label?;
            varint::put(&mut labels, u64::from(label));
            ids.push(label);
        }
        encoder.series(id, previous, &labels);
        rows.push(format!("{id} {previous} {ids:?}"));
    }
    for row in frame.floats() {
        let row = row?;
        encoder.float(row);
        rows.push(format!("{row:?}"));
    }
    for row in frame.late() {
        let row = row?;
        encoder.late(row.id, row.ts, row.start_ts, row.value);
        rows.push(format!("{row:?}"));
    }
    for row in frame.histograms() {
        let row = row?;
        encoder.histogram(row.id, row.ts, row.start_ts, &row.value);
        rows.push(format!("{row:?}"));
    }
    for row in frame.exemplars() {
        let row = row?;
        encoder.exemplar(row.id, row.ts, row.value, row.labels);
        rows.push(format!("{row:?}"));
    }
    let mut payload = Vec::new();
    encoder.finish(&mut payload);
    Ok(Copy { rows, payload })
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target(bytes));
