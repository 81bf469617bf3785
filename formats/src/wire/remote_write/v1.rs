//! Remote write 1.0: `prometheus.WriteRequest`.
//!
//! - [`WriteRequest`] decodes, [`WriteRequestEncoder`] encodes.
//!
//! A sender repeats the labels of a series byte for byte in every request. [`Series::raw_labels`] gives
//! these bytes, so that a receiver that hashes them knows the series again without taking them apart.

mod encode;

use super::{
    HistogramSample, Sample,
    messages::{Messages, checked},
};
use crate::{
    DecodeError,
    wire::{
        MetricType,
        protobuf::{Field, Reader},
    },
};

pub use encode::{SeriesEncoder, WriteRequestEncoder, encode_label};

/// Field of the request.
const SERIES: u32 = 1;

// Fields of a series.
const LABELS: u32 = 1;
const SAMPLES: u32 = 2;
const EXEMPLARS: u32 = 3;
const HISTOGRAMS: u32 = 4;

/// A request whose every field was checked.
#[derive(Debug, Clone, Copy)]
pub struct WriteRequest<'a> {
    reader: Reader<'a>,
}

impl<'a> WriteRequest<'a> {
    /// Checks the uncompressed request `bytes`.
    ///
    /// # Errors
    /// When the bytes are not such a message.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let whole = Reader::new(bytes);
        let mut reader = whole;
        while let Some(series) = reader.short_message(SERIES) {
            check_series(series)?;
        }
        while let Some(field) = reader.field()? {
            match field.number {
                SERIES => check_series(field.message("time series")?)?,
                3 => drop(Metadata::decode(field.message("metadata")?)?),
                _ => {}
            }
        }
        Ok(Self { reader: whole })
    }

    /// The series, in the order in which they were sent.
    #[must_use]
    pub fn series(&self) -> SeriesIter<'a> {
        SeriesIter(Messages::new(self.reader, SERIES))
    }

    /// The metadata of metrics. Senders put it into requests of its own.
    pub fn metadata(&self) -> impl Iterator<Item = Metadata<'a>> + Clone + use<'a> {
        Messages::new(self.reader, 3).map_while(|message| checked(Metadata::decode(message)))
    }
}

/// Iterator over the series of a [`WriteRequest`].
#[derive(Debug, Clone)]
pub struct SeriesIter<'a>(Messages<'a>);

impl<'a> Iterator for SeriesIter<'a> {
    type Item = Series<'a>;

    #[inline]
    fn next(&mut self) -> Option<Series<'a>> {
        self.0.next().map(Series::new)
    }
}

/// One series of a request: its labels and what was measured.
#[derive(Debug, Clone, Copy)]
pub struct Series<'a> {
    /// The run of labels at the front: all labels, from every sender known.
    labels: Reader<'a>,
    /// Everything behind it.
    rest: Reader<'a>,
    present: Present,
}

/// Which fields stand behind the labels at the front: nobody need look for the others.
#[derive(Debug, Clone, Copy, Default)]
struct Present(u8);

impl Present {
    /// The fields of the message that `reader` stands before.
    #[inline]
    fn of(mut reader: Reader<'_>) -> Self {
        let mut present = Self::default();
        while !reader.is_empty() {
            if reader.short_message(SAMPLES).is_some() {
                present.0 |= 1 << SAMPLES;
            } else if let Some(Some(field)) = checked(reader.field()) {
                present.0 |= 1_u8.checked_shl(field.number).unwrap_or(0);
            } else {
                break;
            }
        }
        present
    }

    const fn has(self, number: u32) -> bool {
        self.0 & 1 << number != 0
    }
}

impl<'a> Series<'a> {
    /// The series that `reader` stands before, checked: remote read answers with the same message.
    pub(in crate::wire) fn parse(reader: Reader<'a>) -> Result<Self, DecodeError> {
        check_series(reader)?;
        Ok(Self::new(reader))
    }

    #[inline]
    fn new(message: Reader<'a>) -> Self {
        let mut rest = message;
        while rest.short_message(LABELS).is_some() {}
        Self { labels: rest.since(message), rest, present: Present::of(rest) }
    }

    /// Whether there is anything beside labels: a sample, a histogram or an exemplar.
    #[must_use]
    #[inline]
    pub const fn has_rows(&self) -> bool {
        self.present.has(SAMPLES) || self.present.has(EXEMPLARS) || self.present.has(HISTOGRAMS)
    }

    /// The messages in the fields `number`.
    #[inline]
    fn messages(&self, number: u32) -> Messages<'a> {
        let reader = if self.present.has(number) { self.rest } else { Reader::new(&[]) };
        Messages::new(reader, number)
    }

    /// The bytes of the labels as they were sent, in runs: one run, unless labels stand between other
    /// fields. Equal runs mean equal labels; the opposite does not hold.
    pub fn raw_labels(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let front = self.labels.rest();
        let rest = if self.present.has(LABELS) { self.rest } else { Reader::new(&[]) };
        let scattered = RawLabels { reader: rest };
        (!front.is_empty()).then_some(front).into_iter().chain(scattered)
    }

    /// Names and values of the labels as they were sent: in any order, perhaps twice, perhaps empty.
    #[must_use]
    pub fn labels(&self) -> Labels<'a> {
        Labels { front: self.labels, rest: self.rest }
    }

    /// The float samples.
    #[inline]
    pub fn samples(&self) -> impl Iterator<Item = Sample> + Clone + use<'a> {
        self.messages(SAMPLES)
            .map_while(|message| checked(Sample::decode(message)))
            // The field is one of 2.0; in 1.0 it would be an unknown one.
            .map(|sample| Sample { start_ts: 0, ..sample })
    }

    /// The exemplars.
    pub fn exemplars(&self) -> impl Iterator<Item = Exemplar<'a>> + Clone + use<'a> {
        self.messages(EXEMPLARS).map_while(|message| checked(Exemplar::decode(message)))
    }

    /// The native histograms. Each is decoded when it is asked for.
    pub fn histograms(&self) -> impl Iterator<Item = HistogramSample> + Clone + use<'a> {
        self.messages(HISTOGRAMS).map_while(|message| checked(HistogramSample::decode(message)))
    }
}

/// Iterator over names and values of labels.
#[derive(Debug, Clone)]
pub struct Labels<'a> {
    front: Reader<'a>,
    rest: Reader<'a>,
}

impl<'a> Labels<'a> {
    /// The labels in the fields 1 of a message, each of which passed [`Labels::check`].
    pub(in crate::wire) const fn of_message(message: Reader<'a>) -> Self {
        Self { front: message, rest: Reader::new(&[]) }
    }

    /// Checks the label in `field`.
    pub(in crate::wire) fn check(field: &Field<'_>) -> Result<(), DecodeError> {
        label(field).map(drop)
    }
}

impl<'a> Iterator for Labels<'a> {
    type Item = (&'a [u8], &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if let Some((name, value, after)) = usual_label(self.front.rest()) {
            self.front.skip_to(after);
            return Some((name, value));
        }
        loop {
            let reader = if self.front.is_empty() { &mut self.rest } else { &mut self.front };
            let field = checked(reader.field())??;
            if field.number == LABELS {
                return checked(label(&field));
            }
        }
    }
}

/// Iterator over the runs of labels behind the front, of which there are none from any sender known.
struct RawLabels<'a> {
    reader: Reader<'a>,
}

impl<'a> Iterator for RawLabels<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let mut run = None;
        loop {
            let before = self.reader;
            match checked(self.reader.field())? {
                Some(field) if field.number == LABELS => run = Some(run.unwrap_or(before)),
                Some(_) if run.is_none() => {}
                // The end of the message, or the field behind a run; the next call reads the latter again.
                _ => {
                    self.reader = before;
                    return run.map(|start| before.since(start).rest());
                }
            }
        }
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
}

impl<'a> Exemplar<'a> {
    fn decode(reader: Reader<'a>) -> Result<Self, DecodeError> {
        let mut exemplar = Self { ts: 0, value: 0.0, reader };
        let mut fields = reader;
        while let Some(field) = fields.field()? {
            match field.number {
                1 => Labels::check(&field)?,
                2 => exemplar.value = field.double("exemplar value")?,
                3 => exemplar.ts = field.signed("exemplar timestamp")?,
                _ => {}
            }
        }
        Ok(exemplar)
    }

    /// Names and values of the labels, as they were sent.
    #[must_use]
    pub fn labels(&self) -> Labels<'a> {
        Labels::of_message(self.reader)
    }
}

/// What a metric is, independent of any one series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Metadata<'a> {
    /// Type of the metric.
    pub metric_type: MetricType,
    /// Name of the metric, without `_bucket`, `_sum` and `_count`.
    pub family: &'a [u8],
    /// Help text.
    pub help: &'a [u8],
    /// Unit, mostly empty.
    pub unit: &'a [u8],
}

impl<'a> Metadata<'a> {
    fn decode(mut reader: Reader<'a>) -> Result<Self, DecodeError> {
        let mut metadata = Self::default();
        while let Some(field) = reader.field()? {
            match field.number {
                1 => metadata.metric_type = MetricType::from_number(field.varint("metric type")?),
                2 => metadata.family = field.bytes("metric name")?,
                4 => metadata.help = field.bytes("metric help")?,
                5 => metadata.unit = field.bytes("metric unit")?,
                _ => {}
            }
        }
        Ok(metadata)
    }
}

#[inline]
fn check_series(mut reader: Reader<'_>) -> Result<(), DecodeError> {
    while let Some((_, _, after)) = usual_label(reader.rest()) {
        reader.skip_to(after);
    }
    while let Some(message) = reader.short_message(SAMPLES) {
        Sample::decode(message)?;
    }
    while let Some(field) = reader.field()? {
        match field.number {
            LABELS => Labels::check(&field)?,
            SAMPLES => drop(Sample::decode(field.message("sample")?)?),
            EXEMPLARS => drop(Exemplar::decode(field.message("exemplar")?)?),
            HISTOGRAMS => HistogramSample::check(field.message("histogram")?)?,
            _ => {}
        }
    }
    Ok(())
}

fn label<'a>(field: &Field<'a>) -> Result<(&'a [u8], &'a [u8]), DecodeError> {
    let mut reader = field.message("label")?;
    let (mut name, mut value) = (&[][..], &[][..]);
    while let Some(field) = reader.field()? {
        match field.number {
            1 => name = field.bytes("label name")?,
            2 => value = field.bytes("label value")?,
            _ => {}
        }
    }
    Ok((name, value))
}

/// Name, value and what follows of a label field at the front of `bytes` that has the form nearly all
/// have: the name, then the value, nothing else, every length in one byte. Labels are most of a request.
#[inline]
fn usual_label(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let [0x0a, len @ 0..0x80, 0x0a, name_len @ 0..0x80, rest @ ..] = bytes else { return None };
    let (name, rest) = rest.split_at_checked(usize::from(*name_len))?;
    let [0x12, value_len @ 0..0x80, rest @ ..] = rest else { return None };
    let (value, rest) = rest.split_at_checked(usize::from(*value_len))?;
    (usize::from(*len) == name.len() + value.len() + 4).then_some((name, value, rest))
}
