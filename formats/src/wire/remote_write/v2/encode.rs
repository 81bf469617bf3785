//! Writes requests of version 2.0.

use std::collections::BTreeMap;

use super::{EXEMPLARS, HISTOGRAMS, HistogramSample, LABEL_REFS, METADATA, SAMPLES, Sample};
use crate::wire::{
    MetricType,
    protobuf::{put_double, put_message, put_repeated_bytes, put_signed, put_unsigned, put_varint},
};

/// The strings of a request, each once, with the empty one in front.
#[derive(Debug, Clone)]
pub struct SymbolTable {
    symbols: Vec<Vec<u8>>,
    refs: BTreeMap<Vec<u8>, u32>,
}

impl SymbolTable {
    /// A table that holds the empty string only.
    #[must_use]
    pub fn new() -> Self {
        Self { symbols: vec![Vec::new()], refs: BTreeMap::from([(Vec::new(), 0)]) }
    }

    /// The reference of `symbol`, which is added if it is new.
    ///
    /// # Panics
    /// With more than 2^32 symbols.
    pub fn intern(&mut self, symbol: &[u8]) -> u32 {
        if let Some(reference) = self.refs.get(symbol) {
            return *reference;
        }
        let reference = u32::try_from(self.symbols.len()).expect("a request has far fewer symbols than 2^32");
        self.symbols.push(symbol.to_vec());
        self.refs.insert(symbol.to_vec(), reference);
        reference
    }

    /// The symbols in the order of their references.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.symbols.iter().map(Vec::as_slice)
    }
}

impl Default for SymbolTable {
    fn default() -> Self {
        Self::new()
    }
}

/// Appends a request to a buffer, field by field. There is nothing to finish: the buffer holds a valid
/// request once every symbol that a series refers to is in it, before or behind the series.
#[derive(Debug)]
pub struct RequestEncoder<'b> {
    buf: &'b mut Vec<u8>,
}

impl<'b> RequestEncoder<'b> {
    /// An encoder that appends to `buf`.
    pub const fn new(buf: &'b mut Vec<u8>) -> Self {
        Self { buf }
    }

    /// Appends symbols to the table.
    pub fn symbols<'s>(&mut self, symbols: impl IntoIterator<Item = &'s [u8]>) -> &mut Self {
        for symbol in symbols {
            put_repeated_bytes(self.buf, 4, symbol);
        }
        self
    }

    /// Appends a series, which `write` fills.
    pub fn series(&mut self, write: impl FnOnce(&mut SeriesEncoder<'_>)) -> &mut Self {
        put_message(self.buf, 5, |buf| write(&mut SeriesEncoder { buf }));
        self
    }
}

/// Appends the fields of one series.
#[derive(Debug)]
pub struct SeriesEncoder<'b> {
    buf: &'b mut Vec<u8>,
}

impl SeriesEncoder<'_> {
    /// Appends the references of the labels: name, value, name, value, ascending by name.
    pub fn label_refs(&mut self, refs: &[u32]) -> &mut Self {
        put_refs(self.buf, refs);
        self
    }

    /// Appends a float sample.
    pub fn sample(&mut self, sample: &Sample) -> &mut Self {
        sample.encode(self.buf, SAMPLES);
        self
    }

    /// Appends a native histogram.
    pub fn histogram(&mut self, histogram: &HistogramSample) -> &mut Self {
        histogram.encode(self.buf, HISTOGRAMS);
        self
    }

    /// Appends an exemplar.
    pub fn exemplar(&mut self, label_refs: &[u32], value: f64, ts: i64) -> &mut Self {
        put_message(self.buf, EXEMPLARS, |buf| {
            put_refs(buf, label_refs);
            put_double(buf, 2, value);
            put_signed(buf, 3, ts);
        });
        self
    }

    /// Appends the metadata of the metric, with references to its help text and unit.
    pub fn metadata(&mut self, metric_type: MetricType, help_ref: u32, unit_ref: u32) -> &mut Self {
        put_message(self.buf, METADATA, |buf| {
            put_unsigned(buf, 1, metric_type.number());
            put_unsigned(buf, 3, u64::from(help_ref));
            put_unsigned(buf, 4, u64::from(unit_ref));
        });
        self
    }
}

fn put_refs(buf: &mut Vec<u8>, refs: &[u32]) {
    if !refs.is_empty() {
        put_message(buf, LABEL_REFS, |buf| {
            refs.iter().for_each(|reference| put_varint(buf, u64::from(*reference)));
        });
    }
}
