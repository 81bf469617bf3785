//! The buckets of all histograms of one layout.

use super::cell::Cell;
use crate::DecodeError;
use crate::codec::values::Density;
use crate::cursor::{Reader, Writer};

/// Columns of so many cells and more are kept by bucket without looking at the other order, which never takes less from
/// about 16 on.
const BY_BUCKET_ROWS: usize = 32;
/// Columns of a multiple of this would lie where a processor's cache keeps only a few of them at a time.
const CACHE_CONFLICT: usize = 128;
const PADDING: usize = 8;

/// In which order cells are stored. The numbers are on disk and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Order {
    /// A column for each bucket: its counts along time.
    ByBucket = 0,
    /// One column: histogram behind histogram, the buckets of each as the steps from the one before.
    ByHistogram = 1,
}

/// Cells by bucket and histogram.
#[derive(Debug)]
pub(super) struct Matrix<C> {
    /// The counts of each bucket along time, one bucket behind the other.
    cells: Vec<C>,
    buckets: usize,
    rows: usize,
    /// Cells from one bucket to the next.
    stride: usize,
}

impl<C: Cell> Matrix<C> {
    /// Empty buckets of `rows` histograms.
    pub(super) fn new(buckets: usize, rows: usize) -> Self {
        let stride = stride(rows);
        Self { cells: vec![C::default(); buckets * stride], buckets, rows, stride }
    }

    /// The cells of histogram `row`.
    pub(super) fn row(&self, row: usize) -> impl Iterator<Item = C> {
        let cells = self.cells.get(row..).unwrap_or_default();
        cells.iter().step_by(self.stride).take(self.buckets).copied()
    }

    /// Sets the cells of histogram `row`.
    pub(super) fn set_row(&mut self, row: usize, counts: impl Iterator<Item = C>) {
        let cells = self.cells.get_mut(row..).unwrap_or_default();
        cells.iter_mut().step_by(self.stride).zip(counts).for_each(|(cell, count)| *cell = count);
    }

    fn columns(&self) -> impl Iterator<Item = &[C]> {
        self.cells.chunks(self.stride).filter_map(|column| column.get(..self.rows))
    }

    /// Appends the cells to `out`, in whichever order takes less.
    pub(super) fn write(&self, density: Density, out: &mut Vec<u8>) {
        if self.cells.is_empty() {
            return;
        }
        let start = out.len();
        Writer::new(out).u8(Order::ByBucket as u8);
        self.columns().for_each(|column| C::write_column(column, density, out));
        if self.rows >= BY_BUCKET_ROWS {
            return;
        }
        let mut other = vec![Order::ByHistogram as u8];
        C::write_column(&self.steps(), density, &mut other);
        if other.len() < out.len() - start {
            out.truncate(start);
            out.extend_from_slice(&other);
        }
    }

    /// The cells of all rows, each as the step from the row before.
    fn steps(&self) -> Vec<C> {
        let mut steps = Vec::with_capacity(self.buckets * self.rows);
        let mut previous = vec![C::default(); self.buckets];
        for row in 0..self.rows {
            for (cell, previous) in self.row(row).zip(&mut previous) {
                steps.push(cell.step_from(*previous));
                *previous = cell;
            }
        }
        steps
    }

    /// Reads what [`Matrix::write`] wrote.
    pub(super) fn read(reader: &mut Reader<'_>, buckets: usize, rows: usize) -> Result<Self, DecodeError> {
        let stride = stride(rows);
        let empty = Self { cells: Vec::new(), buckets, rows, stride };
        if buckets == 0 || rows == 0 {
            return Ok(empty);
        }
        let mut cells = Vec::new();
        match reader.u8("bucket order")? {
            0 => {
                cells.reserve(buckets * stride);
                for bucket in 1..=buckets {
                    C::read_column(reader, rows, &mut cells)?;
                    cells.resize(bucket * stride, C::default());
                }
                Ok(Self { cells, ..empty })
            }
            1 => {
                C::read_column(reader, rows * buckets, &mut cells)?;
                Ok(Self::of_steps(&cells, buckets, rows))
            }
            _ => Err(reader.error("bucket order")),
        }
    }

    fn of_steps(steps: &[C], buckets: usize, rows: usize) -> Self {
        let mut matrix = Self::new(buckets, rows);
        let mut counts = vec![C::default(); buckets];
        for (row, steps) in steps.chunks(buckets).enumerate() {
            counts.iter_mut().zip(steps).for_each(|(count, step)| *count = step.step_onto(*count));
            matrix.set_row(row, counts.iter().copied());
        }
        matrix
    }
}

const fn stride(rows: usize) -> usize {
    if rows.is_multiple_of(CACHE_CONFLICT) { rows + PADDING } else { rows }
}
