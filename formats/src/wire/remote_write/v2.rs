//! Remote write 2.0: `io.prometheus.write.v2.Request`.
//!
//! - [`Request`] decodes, [`RequestEncoder`] encodes, [`SymbolTable`] collects the strings of a request.
//!
//! Labels are pairs of references into the request's table of symbols. A reference that leads nowhere
//! concerns its series alone, for the protocol stores the rest of such a request: it is a [`RefError`] of
//! that series, not an error of [`Request::parse`].

mod encode;
mod refs;

use super::{
    HistogramSample, Sample,
    messages::{Messages, checked},
};
use crate::{
    DecodeError,
    wire::{MetricType, protobuf::Reader},
};

pub use encode::{RequestEncoder, SeriesEncoder, SymbolTable};
pub use refs::{LabelPairs, LabelRefs, RefError};

/// Most symbols in one request. Each takes 16 bytes of memory but only two of the message, so without a
/// bound a request could take eight times its size; senders put some thousand series into a request.
pub const SYMBOLS_MAX: usize = 1 << 20;

const LABEL_REFS: u32 = 1;
const SAMPLES: u32 = 2;
const HISTOGRAMS: u32 = 3;
const EXEMPLARS: u32 = 4;
const METADATA: u32 = 5;

/// A request whose every field was checked, but for its references.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    reader: Reader<'a>,
    symbols: Vec<&'a [u8]>,
}

impl<'a> Request<'a> {
    /// Checks the uncompressed request `bytes`.
    ///
    /// # Errors
    /// When the bytes are not such a message, or have more than [`SYMBOLS_MAX`] symbols.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let whole = Reader::new(bytes);
        let mut reader = whole;
        let mut symbols = Vec::new();
        while let Some(field) = reader.field()? {
            match field.number {
                4 if symbols.len() == SYMBOLS_MAX => return Err(reader.error("symbol count")),
                4 => symbols.push(field.bytes("symbol")?),
                5 => check_series(field.message("time series")?)?,
                _ => {}
            }
        }
        Ok(Self { reader: whole, symbols })
    }

    /// The table of symbols. By the specification the first one is empty; nothing here relies on it.
    #[must_use]
    pub fn symbols(&self) -> &[&'a [u8]] {
        &self.symbols
    }

    /// The series, in the order in which they were sent.
    pub fn series(&self) -> impl Iterator<Item = Series<'_>> + Clone {
        Messages::new(self.reader, 5).map(|reader| Series { reader, symbols: &self.symbols })
    }
}

/// One series of a request: its labels, its metadata and what was measured.
#[derive(Debug, Clone, Copy)]
pub struct Series<'a> {
    reader: Reader<'a>,
    symbols: &'a [&'a [u8]],
}

impl<'a> Series<'a> {
    /// The references of the labels: name, value, name, value, as they were sent.
    #[must_use]
    pub fn label_refs(&self) -> LabelRefs<'a> {
        LabelRefs::new(self.reader)
    }

    /// Names and values of the labels: in any order, perhaps twice, perhaps empty.
    ///
    /// # Errors
    /// When the references do not come in pairs, or one is beyond the table.
    pub fn labels(&self) -> Result<LabelPairs<'a>, RefError> {
        LabelPairs::new(self.label_refs(), self.symbols)
    }

    /// The float samples.
    #[inline]
    pub fn samples(&self) -> impl Iterator<Item = Sample> + Clone + use<'a> {
        Messages::new(self.reader, SAMPLES).map_while(|message| checked(Sample::decode(message)))
    }

    /// The native histograms. Each is decoded when it is asked for.
    pub fn histograms(&self) -> impl Iterator<Item = HistogramSample> + Clone + use<'a> {
        Messages::new(self.reader, HISTOGRAMS).map_while(|message| checked(HistogramSample::decode(message)))
    }

    /// The exemplars.
    pub fn exemplars(&self) -> impl Iterator<Item = Exemplar<'a>> + Clone + use<'a> {
        let symbols = self.symbols;
        Messages::new(self.reader, EXEMPLARS)
            .map_while(move |message| checked(Exemplar::decode(message, symbols)))
    }

    /// What the metric is, if the sender said so.
    ///
    /// # Errors
    /// When help or unit refer to symbols beyond the table.
    pub fn metadata(&self) -> Result<Option<Metadata<'a>>, RefError> {
        // A message that comes twice is merged field by field.
        let mut refs = None;
        for message in Messages::new(self.reader, METADATA) {
            let refs = refs.get_or_insert_with(MetadataRefs::default);
            checked(refs.merge(message));
        }
        refs.map(|refs| refs.resolve(self.symbols)).transpose()
    }
}

/// An example of what was measured, usually with the id of a trace.
#[derive(Debug, Clone, Copy)]
pub struct Exemplar<'a> {
    /// Milliseconds since the Unix epoch.
    pub ts: i64,
    /// What was measured.
    pub value: f64,
    reader: Reader<'a>,
    symbols: &'a [&'a [u8]],
}

impl<'a> Exemplar<'a> {
    fn decode(reader: Reader<'a>, symbols: &'a [&'a [u8]]) -> Result<Self, DecodeError> {
        let mut exemplar = Self { ts: 0, value: 0.0, reader, symbols };
        let mut fields = reader;
        while let Some(field) = fields.field()? {
            match field.number {
                1 => field.each_varint("exemplar label reference", |_| {})?,
                2 => exemplar.value = field.double("exemplar value")?,
                3 => exemplar.ts = field.signed("exemplar timestamp")?,
                _ => {}
            }
        }
        Ok(exemplar)
    }

    /// Names and values of the labels, as they were sent.
    ///
    /// # Errors
    /// When the references do not come in pairs, or one is beyond the table.
    pub fn labels(&self) -> Result<LabelPairs<'a>, RefError> {
        LabelPairs::new(LabelRefs::new(self.reader), self.symbols)
    }
}

/// What the metric of a series is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata<'a> {
    /// Type of the metric.
    pub metric_type: MetricType,
    /// Help text.
    pub help: &'a [u8],
    /// Unit, mostly empty.
    pub unit: &'a [u8],
}

#[derive(Default, Clone, Copy)]
struct MetadataRefs {
    metric_type: u64,
    help: u64,
    unit: u64,
}

impl MetadataRefs {
    fn merge(&mut self, mut reader: Reader<'_>) -> Result<(), DecodeError> {
        while let Some(field) = reader.field()? {
            match field.number {
                1 => self.metric_type = field.varint("metric type")?,
                3 => self.help = field.varint("help reference")?,
                4 => self.unit = field.varint("unit reference")?,
                _ => {}
            }
        }
        Ok(())
    }

    fn resolve<'a>(self, symbols: &'a [&'a [u8]]) -> Result<Metadata<'a>, RefError> {
        Ok(Metadata {
            metric_type: MetricType::from_number(self.metric_type),
            help: refs::symbol(symbols, self.help)?,
            unit: refs::symbol(symbols, self.unit)?,
        })
    }
}

fn check_series(mut reader: Reader<'_>) -> Result<(), DecodeError> {
    while let Some(field) = reader.field()? {
        match field.number {
            LABEL_REFS => field.each_varint("label reference", |_| {})?,
            SAMPLES => drop(Sample::decode(field.message("sample")?)?),
            HISTOGRAMS => HistogramSample::check(field.message("histogram")?)?,
            EXEMPLARS => drop(Exemplar::decode(field.message("exemplar")?, &[])?),
            METADATA => MetadataRefs::default().merge(field.message("metadata")?)?,
            // 6 was a start timestamp in drafts of the protocol and is reserved now.
            _ => {}
        }
    }
    Ok(())
}
