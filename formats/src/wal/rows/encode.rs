//! The sections of one rows frame, filled row by row.

use super::{
    floats::{FloatRow, Previous, ROW_BYTES_MAX},
    histogram, tag,
};
use crate::{histogram::HistogramValue, varint};

/// Builds the payload of one rows frame. Reused from frame to frame: [`RowsEncoder::clear`] keeps the memory.
#[derive(Debug, Default)]
pub struct RowsEncoder {
    series: Vec<u8>,
    floats: Vec<u8>,
    late: Vec<u8>,
    histograms: Vec<u8>,
    exemplars: Vec<u8>,
    previous: Previous,
}

impl RowsEncoder {
    /// Upper bound of the bytes that a float row takes, in order or late.
    pub const FLOAT_BYTES_MAX: usize = ROW_BYTES_MAX;
    /// Upper bound of the bytes that a series definition or an exemplar takes beside its labels.
    pub const SERIES_BYTES_MAX: usize = 3 * varint::LEN_MAX + 8;
    /// Upper bound of the bytes of section headers.
    pub const HEADERS_BYTES_MAX: usize = 5 * (1 + varint::LEN_MAX);

    /// Forgets all rows.
    pub fn clear(&mut self) {
        self.series.clear();
        self.floats.clear();
        self.late.clear();
        self.histograms.clear();
        self.exemplars.clear();
        self.previous = Previous::default();
    }

    /// Whether no row was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sections().iter().all(|(_, bytes)| bytes.is_empty())
    }

    /// Says that `id` stands for the series with these canonical labels, from here to the segment's end.
    pub fn series(&mut self, id: u32, labels: &[u8]) {
        varint::put_u64(&mut self.series, u64::from(id));
        put_bytes(&mut self.series, labels);
    }

    /// An in-order float; see [`FloatRow::xor`].
    #[inline]
    pub fn float(&mut self, row: FloatRow) {
        self.previous.encode(&mut self.floats, row);
    }

    /// An out-of-order float.
    pub fn late(&mut self, id: u32, ts: i64, start_ts: i64, value: f64) {
        varint::put_u64(&mut self.late, u64::from(id));
        varint::put_i64(&mut self.late, ts);
        varint::put_i64(&mut self.late, start_ts);
        self.late.extend_from_slice(&value.to_bits().to_le_bytes());
    }

    /// A native histogram, in order or not.
    pub fn histogram(&mut self, id: u32, ts: i64, start_ts: i64, value: &HistogramValue) {
        varint::put_u64(&mut self.histograms, u64::from(id));
        varint::put_i64(&mut self.histograms, ts);
        varint::put_i64(&mut self.histograms, start_ts);
        histogram::encode(&mut self.histograms, value);
    }

    /// Upper bound of the bytes that a row with this histogram takes.
    #[must_use]
    pub fn histogram_bytes_max(value: &HistogramValue) -> usize {
        3 * varint::LEN_MAX + histogram::bytes_max(value)
    }

    /// An exemplar of series `id`; `labels` are canonical bytes.
    pub fn exemplar(&mut self, id: u32, ts: i64, value: f64, labels: &[u8]) {
        varint::put_u64(&mut self.exemplars, u64::from(id));
        varint::put_i64(&mut self.exemplars, ts);
        self.exemplars.extend_from_slice(&value.to_bits().to_le_bytes());
        put_bytes(&mut self.exemplars, labels);
    }

    /// Appends the payload to `out`.
    pub fn finish(&self, out: &mut Vec<u8>) {
        for (tag, bytes) in self.sections() {
            if !bytes.is_empty() {
                out.push(tag);
                put_bytes(out, bytes);
            }
        }
    }

    fn sections(&self) -> [(u8, &[u8]); 5] {
        [
            (tag::SERIES, &self.series),
            (tag::FLOATS, &self.floats),
            (tag::LATE, &self.late),
            (tag::HISTOGRAMS, &self.histograms),
            (tag::EXEMPLARS, &self.exemplars),
        ]
    }
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    varint::put_u64(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}
