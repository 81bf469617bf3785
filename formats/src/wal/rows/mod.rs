//! Rows frames: what one request appended to one shard of the head.
//!
//! A payload is a sequence of sections, each `{tag u8, len uvarint, bytes}`. Sections refer to series by the
//! shard's dense id; an id is described (its labels given) before its first use in each segment, so that a
//! segment can be replayed without any other.
//!
//! * `floats` - in-order floats, each value as the XOR with the series' value before it in this segment
//! * `histogram` - native histograms, every field
//! * `encode` - the sections of one frame, filled row by row
//! * `decode` - the sections of a payload, and the iterators over their rows

mod decode;
mod encode;
mod floats;
mod histogram;

#[cfg(test)]
mod tests;

pub use {
    decode::{
        ExemplarRow, ExemplarRows, HistogramRow, HistogramRows, LateRow, LateRows, RowsFrame, SeriesDefinition,
        SeriesDefinitions,
    },
    encode::RowsEncoder,
    floats::{FloatRow, FloatRows},
};

/// Tags of the sections. A reader refuses tags that it does not know: skipping one would lose rows.
mod tag {
    /// Series definitions.
    pub(super) const SERIES: u8 = 1;
    /// In-order floats.
    pub(super) const FLOATS: u8 = 2;
    /// Out-of-order floats.
    pub(super) const LATE: u8 = 3;
    /// Native histograms, in order or not.
    pub(super) const HISTOGRAMS: u8 = 4;
    /// Exemplars.
    pub(super) const EXEMPLARS: u8 = 5;
}
