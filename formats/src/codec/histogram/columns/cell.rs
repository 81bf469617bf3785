//! Counts, integer or float, and the columns that they are kept in.

use crate::DecodeError;
use crate::codec::{
    integers,
    values::{self, Density},
};
use crate::cursor::{Reader, Writer};

/// A count of observations.
pub(in crate::codec::histogram) trait Cell: Copy + Default {
    /// The sum; wrapping where there are bounds.
    fn plus(self, other: Self) -> Self;
    /// How far the count is from `sum`, which it mostly is: in units of an integer, or of a float's last place.
    fn distance_from(self, sum: Self) -> i64;
    /// The inverse of [`Cell::distance_from`].
    fn at_distance(sum: Self, distance: i64) -> Self;
    /// What is stored where `previous` is known.
    fn step_from(self, previous: Self) -> Self;
    /// The inverse of [`Cell::step_from`].
    fn step_onto(self, previous: Self) -> Self;
    /// Appends the column of `cells`, at least one, to `out`.
    fn write_column(cells: &[Self], density: Density, out: &mut Vec<u8>);
    /// Reads a column of `count` cells, at least one, and appends them to `out`.
    fn read_column(reader: &mut Reader<'_>, count: usize, out: &mut Vec<Self>) -> Result<(), DecodeError>;
}

impl Cell for i64 {
    fn plus(self, other: Self) -> Self {
        self.wrapping_add(other)
    }

    fn distance_from(self, sum: Self) -> i64 {
        self.wrapping_sub(sum)
    }

    fn at_distance(sum: Self, distance: i64) -> Self {
        sum.wrapping_add(distance)
    }

    fn step_from(self, previous: Self) -> Self {
        self.wrapping_sub(previous)
    }

    fn step_onto(self, previous: Self) -> Self {
        previous.wrapping_add(self)
    }

    fn write_column(cells: &[Self], _: Density, out: &mut Vec<u8>) {
        integers::encode(cells, out);
    }

    fn read_column(reader: &mut Reader<'_>, count: usize, out: &mut Vec<Self>) -> Result<(), DecodeError> {
        integers::read(reader, count, out)
    }
}

impl Cell for f64 {
    fn plus(self, other: Self) -> Self {
        self + other
    }

    fn distance_from(self, sum: Self) -> i64 {
        self.to_bits().wrapping_sub(base(sum)).cast_signed()
    }

    fn at_distance(sum: Self, distance: i64) -> Self {
        Self::from_bits(base(sum).wrapping_add_signed(distance))
    }

    fn step_from(self, _: Self) -> Self {
        // A difference of floats does not lead back.
        self
    }

    fn step_onto(self, _: Self) -> Self {
        self
    }

    fn write_column(cells: &[Self], density: Density, out: &mut Vec<u8>) {
        let mut column = Vec::new();
        values::encode(cells, density, &mut column);
        Writer::new(out).prefixed(&column);
    }

    fn read_column(reader: &mut Reader<'_>, count: usize, out: &mut Vec<Self>) -> Result<(), DecodeError> {
        values::decode(reader.prefixed("histogram column")?, count, out)
    }
}

/// The bits of a sum. Those of a NaN are not the same on all machines.
const fn base(sum: f64) -> u64 {
    if sum.is_nan() { 0 } else { sum.to_bits() }
}
