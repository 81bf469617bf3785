//! The sections of a rows payload, and the iterators over their rows.

use super::{floats::FloatRows, histogram, tag};
use crate::{DecodeError, cursor::Reader, histogram::HistogramValue};

/// The sections of one rows payload; each is decoded when it is iterated.
#[derive(Debug, Clone, Copy, Default)]
pub struct RowsFrame<'a> {
    labels: &'a [u8],
    series: &'a [u8],
    floats: &'a [u8],
    late: &'a [u8],
    histograms: &'a [u8],
    exemplars: &'a [u8],
}

impl<'a> RowsFrame<'a> {
    /// Finds the sections of `payload`.
    ///
    /// # Errors
    /// When a section is cut short, occurs twice or has an unknown tag.
    pub fn parse(payload: &'a [u8]) -> Result<Self, DecodeError> {
        let mut frame = Self::default();
        let mut reader = Reader::new(payload);
        while !reader.is_empty() {
            let offset = reader.position();
            let tag = reader.u8("rows section tag")?;
            let bytes = reader.prefixed("rows section")?;
            let section = match tag {
                tag::LABELS => &mut frame.labels,
                tag::SERIES => &mut frame.series,
                tag::FLOATS => &mut frame.floats,
                tag::LATE => &mut frame.late,
                tag::HISTOGRAMS => &mut frame.histograms,
                tag::EXEMPLARS => &mut frame.exemplars,
                _ => return Err(DecodeError::new("rows section tag", offset)),
            };
            if !section.is_empty() {
                return Err(DecodeError::new("repeated rows section", offset));
            }
            *section = bytes;
        }
        Ok(frame)
    }

    /// Labels that are described in this frame; they come before all series that use them.
    #[must_use]
    pub fn labels(&self) -> LabelDefinitions<'a> {
        LabelDefinitions { reader: Reader::new(self.labels) }
    }

    /// Series that are described in this frame; they come before all rows that use them.
    #[must_use]
    pub fn series(&self) -> SeriesDefinitions<'a> {
        SeriesDefinitions { reader: Reader::new(self.series) }
    }

    /// In-order floats.
    #[must_use]
    pub fn floats(&self) -> FloatRows<'a> {
        FloatRows::new(self.floats)
    }

    /// Out-of-order floats.
    #[must_use]
    pub fn late(&self) -> LateRows<'a> {
        LateRows { reader: Reader::new(self.late) }
    }

    /// Native histograms.
    #[must_use]
    pub fn histograms(&self) -> HistogramRows<'a> {
        HistogramRows { reader: Reader::new(self.histograms) }
    }

    /// Exemplars.
    #[must_use]
    pub fn exemplars(&self) -> ExemplarRows<'a> {
        ExemplarRows { reader: Reader::new(self.exemplars) }
    }
}

/// An id of a label, and the label it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LabelDefinition<'a> {
    /// Dense id of the name and value in its shard.
    pub id: u32,
    /// Label name.
    pub name: &'a [u8],
    /// Label value.
    pub value: &'a [u8],
}

/// An id of a series, and the labels it stands for.
#[derive(Debug, Clone)]
pub struct SeriesDefinition<'a> {
    /// Dense id of the series in its shard.
    pub id: u32,
    /// Bits of the value that the next in-order float of the series is relative to.
    pub previous: u64,
    labels: Reader<'a>,
}

impl Iterator for SeriesDefinition<'_> {
    type Item = Result<u32, DecodeError>;

    /// The next label's id, ascending by label name.
    fn next(&mut self) -> Option<Self::Item> {
        if self.labels.is_empty() {
            return None;
        }
        let id = self.labels.varint_u32("label id");
        if id.is_err() {
            self.labels = Reader::new(&[]);
        }
        Some(id)
    }
}

/// An out-of-order float.
#[derive(Debug, Clone, Copy)]
pub struct LateRow {
    /// Dense id of the series in its shard.
    pub id: u32,
    /// Milliseconds.
    pub ts: i64,
    /// Start timestamp, milliseconds, 0 = unknown.
    pub start_ts: i64,
    /// The value.
    pub value: f64,
}

/// A native histogram.
#[derive(Debug, Clone, PartialEq)]
pub struct HistogramRow {
    /// Dense id of the series in its shard.
    pub id: u32,
    /// Milliseconds.
    pub ts: i64,
    /// Start timestamp, milliseconds, 0 = unknown.
    pub start_ts: i64,
    /// The histogram, in the form in which it was sent.
    pub value: HistogramValue,
}

/// An exemplar.
#[derive(Debug, Clone, Copy)]
pub struct ExemplarRow<'a> {
    /// Dense id of the series in its shard.
    pub id: u32,
    /// Milliseconds.
    pub ts: i64,
    /// The value.
    pub value: f64,
    /// Canonical label bytes of the exemplar, not checked here.
    pub labels: &'a [u8],
}

/// Declares an iterator that decodes rows until its bytes end, or until the first error.
macro_rules! rows {
    ($(#[$doc:meta])* $name:ident -> $row:ty, $decode:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name<'a> {
            reader: Reader<'a>,
        }

        impl<'a> Iterator for $name<'a> {
            type Item = Result<$row, DecodeError>;

            fn next(&mut self) -> Option<Self::Item> {
                if self.reader.is_empty() {
                    return None;
                }
                let decode: fn(&mut Reader<'a>) -> Result<$row, DecodeError> = $decode;
                let row = decode(&mut self.reader);
                if row.is_err() {
                    self.reader = Reader::new(&[]);
                }
                Some(row)
            }
        }
    };
}

rows!(
    /// Iterator over the series definitions of a frame.
    SeriesDefinitions -> SeriesDefinition<'a>,
    |reader| Ok(SeriesDefinition {
        id: reader.varint_u32("series id")?,
        previous: reader.u64("series value")?,
        labels: Reader::new(reader.prefixed("series labels")?),
    })
);
rows!(
    /// Iterator over the label definitions of a frame.
    LabelDefinitions -> LabelDefinition<'a>,
    |reader| Ok(LabelDefinition {
        id: reader.varint_u32("label id")?,
        name: reader.prefixed("label name")?,
        value: reader.prefixed("label value")?,
    })
);
rows!(
    /// Iterator over the out-of-order floats of a frame.
    LateRows -> LateRow,
    |reader| Ok(LateRow {
        id: reader.varint_u32("series id")?,
        ts: reader.varint_i64("timestamp")?,
        start_ts: reader.varint_i64("start timestamp")?,
        value: f64::from_bits(reader.u64("value")?),
    })
);
rows!(
    /// Iterator over the native histograms of a frame.
    HistogramRows -> HistogramRow,
    |reader| Ok(HistogramRow {
        id: reader.varint_u32("series id")?,
        ts: reader.varint_i64("timestamp")?,
        start_ts: reader.varint_i64("start timestamp")?,
        value: histogram::decode(reader)?,
    })
);
rows!(
    /// Iterator over the exemplars of a frame.
    ExemplarRows -> ExemplarRow<'a>,
    |reader| Ok(ExemplarRow {
        id: reader.varint_u32("series id")?,
        ts: reader.varint_i64("timestamp")?,
        value: f64::from_bits(reader.u64("value")?),
        labels: reader.prefixed("exemplar labels")?,
    })
);
