//! Writes requests of version 1.0.

use super::{EXEMPLARS, HISTOGRAMS, HistogramSample, LABELS, Metadata, SAMPLES, Sample};
use crate::wire::protobuf::{put_bytes, put_double, put_message, put_signed, put_unsigned};

/// Appends a request to a buffer, field by field. There is nothing to finish: the buffer holds a valid
/// request after every call.
#[derive(Debug)]
pub struct WriteRequestEncoder<'b> {
    buf: &'b mut Vec<u8>,
}

impl<'b> WriteRequestEncoder<'b> {
    /// An encoder that appends to `buf`.
    pub const fn new(buf: &'b mut Vec<u8>) -> Self {
        Self { buf }
    }

    /// Appends a series, which `write` fills.
    pub fn series(&mut self, write: impl FnOnce(&mut SeriesEncoder<'_>)) -> &mut Self {
        put_message(self.buf, 1, |buf| write(&mut SeriesEncoder { buf }));
        self
    }

    /// Appends the metadata of one metric.
    pub fn metadata(&mut self, metadata: &Metadata<'_>) -> &mut Self {
        put_message(self.buf, 3, |buf| {
            put_unsigned(buf, 1, metadata.metric_type.number());
            put_bytes(buf, 2, metadata.family);
            put_bytes(buf, 4, metadata.help);
            put_bytes(buf, 5, metadata.unit);
        });
        self
    }
}

/// Appends the fields of one series: first its labels, ascending by name, then the rest.
#[derive(Debug)]
pub struct SeriesEncoder<'b> {
    buf: &'b mut Vec<u8>,
}

impl<'b> SeriesEncoder<'b> {
    pub(in crate::wire) const fn new(buf: &'b mut Vec<u8>) -> Self {
        Self { buf }
    }

    /// Appends a label.
    pub fn label(&mut self, name: &[u8], value: &[u8]) -> &mut Self {
        encode_label(self.buf, name, value);
        self
    }

    /// Appends labels that [`encode_label`] encoded.
    pub fn raw_labels(&mut self, labels: &[u8]) -> &mut Self {
        self.buf.extend_from_slice(labels);
        self
    }

    /// Appends a float sample. Its start timestamp is left out: this version has none.
    pub fn sample(&mut self, sample: &Sample) -> &mut Self {
        Sample { start_ts: 0, ..*sample }.encode(self.buf, SAMPLES);
        self
    }

    /// Appends an exemplar.
    pub fn exemplar<'l>(
        &mut self,
        labels: impl IntoIterator<Item = (&'l [u8], &'l [u8])>,
        value: f64,
        ts: i64,
    ) -> &mut Self {
        put_message(self.buf, EXEMPLARS, |buf| {
            labels.into_iter().for_each(|(name, value)| encode_label(buf, name, value));
            put_double(buf, 2, value);
            put_signed(buf, 3, ts);
        });
        self
    }

    /// Appends a native histogram.
    pub fn histogram(&mut self, histogram: &HistogramSample) -> &mut Self {
        histogram.encode(self.buf, HISTOGRAMS);
        self
    }
}

/// Appends a label as the field it is in a series. Who sends the same labels again and again encodes them
/// once.
pub fn encode_label(buf: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    put_message(buf, LABELS, |buf| {
        put_bytes(buf, 1, name);
        put_bytes(buf, 2, value);
    });
}
