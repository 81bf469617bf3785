//! The sections of a rows payload, and the iterators over their rows.

use super::{floats::FloatRows, histogram, tag};
use crate::{DecodeError, cursor::Reader, histogram::HistogramValue};

/// The sections of one rows payload; each is decoded when it is iterated.
#[derive(Debug, Clone, Copy, Default)]
pub struct RowsFrame<'a> {
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
            let bytes = take_bytes(&mut reader, "rows section")?;
            let section = match tag {
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

/// An id and the labels it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeriesDefinition<'a> {
    /// Dense id of the series in its shard.
    pub id: u32,
    /// Canonical label bytes, not checked here.
    pub labels: &'a [u8],
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

fn take_bytes<'a>(reader: &mut Reader<'a>, what: &'static str) -> Result<&'a [u8], DecodeError> {
    let offset = reader.position();
    let len = usize::try_from(reader.uvarint(what)?).map_err(|_| DecodeError::new(what, offset))?;
    reader.take(len, what)
}

fn series_id(reader: &mut Reader<'_>) -> Result<u32, DecodeError> {
    let offset = reader.position();
    u32::try_from(reader.uvarint("series id")?).map_err(|_| DecodeError::new("series id", offset))
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
    |reader| Ok(SeriesDefinition { id: series_id(reader)?, labels: take_bytes(reader, "series labels")? })
);
rows!(
    /// Iterator over the out-of-order floats of a frame.
    LateRows -> LateRow,
    |reader| Ok(LateRow {
        id: series_id(reader)?,
        ts: reader.zigzag("timestamp")?,
        start_ts: reader.zigzag("start timestamp")?,
        value: f64::from_bits(reader.u64("value")?),
    })
);
rows!(
    /// Iterator over the native histograms of a frame.
    HistogramRows -> HistogramRow,
    |reader| Ok(HistogramRow {
        id: series_id(reader)?,
        ts: reader.zigzag("timestamp")?,
        start_ts: reader.zigzag("start timestamp")?,
        value: histogram::decode(reader)?,
    })
);
rows!(
    /// Iterator over the exemplars of a frame.
    ExemplarRows -> ExemplarRow<'a>,
    |reader| Ok(ExemplarRow {
        id: series_id(reader)?,
        ts: reader.zigzag("timestamp")?,
        value: f64::from_bits(reader.u64("value")?),
        labels: take_bytes(reader, "exemplar labels")?,
    })
);
