//! Runs to columns of cells, and back.

use super::super::form::{Coded, Form, Side};
use super::cell::Cell;
use super::head::{Head, RunHead, SharedLayout};
use super::matrix::Matrix;
use super::runs::Run;
use crate::DecodeError;
use crate::codec::values::Density;
use crate::cursor::Reader;
use crate::histogram::STALE_NAN_BITS;

/// The fields of all histograms that are no stale markers, in their order.
#[derive(Debug)]
pub(super) struct Table<C> {
    /// How far each count is from the sum of all its buckets.
    distances: Vec<i64>,
    zero_counts: Vec<C>,
    sums: Vec<f64>,
    /// By layout.
    buckets: Vec<Matrix<C>>,
}

impl<C: Cell> Table<C> {
    /// The fields of `runs`, of which `head` is the head.
    pub(super) fn of<H: Form + Coded<Count = C>>(head: &Head, runs: &[Run<'_, H>]) -> Self {
        let matrix = |shared: &SharedLayout| Matrix::new(shared.buckets(), shared.histograms);
        let mut table = Self::empty(head, head.layouts.iter().map(matrix).collect());
        let mut rows = vec![0; head.layouts.len()];
        for (run, RunHead { layout, .. }) in runs.iter().zip(&head.runs) {
            let (Some(matrix), Some(row)) = (table.buckets.get_mut(*layout), rows.get_mut(*layout)) else {
                continue;
            };
            for histogram in &run.histograms {
                let parts = histogram.parts();
                matrix.set_row(
                    *row,
                    H::counts(parts.positive_buckets).chain(H::counts(parts.negative_buckets)),
                );
                let (count, zero_count) = histogram.totals();
                table.distances.push(count.distance_from(total(zero_count, matrix.row(*row))));
                table.zero_counts.push(zero_count);
                table.sums.push(parts.sum);
                *row += 1;
            }
        }
        table
    }

    fn empty(head: &Head, buckets: Vec<Matrix<C>>) -> Self {
        let len = head.histograms();
        Self {
            distances: Vec::with_capacity(len),
            zero_counts: Vec::with_capacity(len),
            sums: Vec::with_capacity(len),
            buckets,
        }
    }

    /// Appends the columns to `out`.
    pub(super) fn write(&self, density: Density, out: &mut Vec<u8>) {
        if self.sums.is_empty() {
            return;
        }
        i64::write_column(&self.distances, density, out);
        C::write_column(&self.zero_counts, density, out);
        f64::write_column(&self.sums, density, out);
        self.buckets.iter().for_each(|matrix| matrix.write(density, out));
    }

    /// Reads the columns of `head`.
    pub(super) fn read(head: &Head, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut table = Self::empty(head, Vec::with_capacity(head.layouts.len()));
        let len = head.histograms();
        if len > 0 {
            i64::read_column(reader, len, &mut table.distances)?;
            C::read_column(reader, len, &mut table.zero_counts)?;
            f64::read_column(reader, len, &mut table.sums)?;
        }
        for shared in &head.layouts {
            table.buckets.push(Matrix::read(reader, shared.buckets(), shared.histograms)?);
        }
        Ok(table)
    }

    /// Gives each histogram to `push`, stale markers included.
    pub(super) fn histograms<H: Form + Coded<Count = C>>(&self, head: &Head, mut push: impl FnMut(H)) {
        let mut fields = self.distances.iter().zip(&self.zero_counts).zip(&self.sums);
        let mut rows = vec![0; head.layouts.len()];
        for run in &head.runs {
            let (Some(shared), Some(matrix), Some(row)) =
                (head.layouts.get(run.layout), self.buckets.get(run.layout), rows.get_mut(run.layout))
            else {
                continue;
            };
            let positive = shared.positive_buckets();
            for (nth, ((distance, zero_count), sum)) in fields.by_ref().take(run.histograms).enumerate() {
                let hint = run.header.hint(if nth == 0 { 1 } else { 2 });
                let mut histogram = H::of_layout(&shared.layout, hint);
                let count = C::at_distance(total(*zero_count, matrix.row(*row)), *distance);
                histogram.set_totals(count, *zero_count, *sum);
                histogram.set_counts(Side::Positive, matrix.row(*row).take(positive));
                histogram.set_counts(Side::Negative, matrix.row(*row).skip(positive));
                push(histogram);
                *row += 1;
            }
            (0..run.stale).for_each(|_| push(H::stale(f64::from_bits(STALE_NAN_BITS))));
        }
    }
}

/// Observations in all buckets, in the order of their columns.
fn total<C: Cell>(zero_count: C, buckets: impl Iterator<Item = C>) -> C {
    buckets.fold(zero_count, C::plus)
}
