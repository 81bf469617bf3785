//! Layouts and runs: what a column says before its cells.

use super::super::form::{Coded, Form};
use super::super::layout::{Layout, bucket_count};
use super::runs::Run;
use super::{ResetHeader, SAMPLES_MAX, WORDS_MAX};
use crate::DecodeError;
use crate::bits::{BitReader, BitWriter};
use crate::cursor::{Reader, Writer};
use crate::histogram::{FloatHistogram, Histogram, is_valid_schema};

/// The layouts of a column, and its runs.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) layouts: Vec<SharedLayout>,
    pub(super) runs: Vec<RunHead>,
}

/// A layout that some histograms have.
#[derive(Debug)]
pub(super) struct SharedLayout {
    pub(super) layout: Layout,
    /// How many have it.
    pub(super) histograms: usize,
    /// Its bytes, by which layouts are told apart.
    bytes: Vec<u8>,
}

/// What a run says of its histograms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RunHead {
    pub(super) header: ResetHeader,
    /// Index of their layout.
    pub(super) layout: usize,
    /// Without the stale markers.
    pub(super) histograms: usize,
    /// Stale markers behind them.
    pub(super) stale: usize,
}

impl SharedLayout {
    /// Buckets on both sides.
    pub(super) fn buckets(&self) -> usize {
        self.positive_buckets().saturating_add(bucket_count(&self.layout.negative_spans))
    }

    /// Those of the positive side, which come first.
    pub(super) fn positive_buckets(&self) -> usize {
        bucket_count(&self.layout.positive_spans)
    }

    fn words(&self) -> usize {
        self.layout.words().saturating_mul(self.histograms)
    }
}

impl Head {
    /// The head of a column of `runs`; `None` when readers would refuse to take memory for it.
    pub(super) fn of<H: Form>(runs: &[Run<'_, H>]) -> Option<Self> {
        let mut head = Self { layouts: Vec::new(), runs: Vec::with_capacity(runs.len()) };
        for run in runs {
            let histograms = run.histograms.len();
            let layout = head.place(&run.layout);
            if let Some(shared) = head.layouts.get_mut(layout) {
                shared.histograms += histograms;
            }
            head.runs.push(RunHead { header: run.header, layout, histograms, stale: run.stale });
        }
        (head.words() <= WORDS_MAX).then_some(head)
    }

    /// The index of `layout`, which is added if there is none like it.
    fn place(&mut self, layout: &Layout) -> usize {
        let mut bits = BitWriter::new(Vec::new());
        layout.write(&mut bits);
        let bytes = bits.into_bytes();
        // By bytes, since `==` takes thresholds for equal that are not: 0.0 and -0.0.
        if let Some(idx) = self.layouts.iter().position(|other| other.bytes == bytes) {
            return idx;
        }
        self.layouts.push(SharedLayout { layout: layout.clone(), histograms: 0, bytes });
        self.layouts.len() - 1
    }

    /// Buckets, spans and bounds of all histograms, decoded.
    pub(super) fn words(&self) -> usize {
        self.layouts.iter().fold(0, |sum, shared| sum.saturating_add(shared.words()))
    }

    /// Histograms that are no stale markers.
    pub(super) fn histograms(&self) -> usize {
        self.layouts.iter().map(|shared| shared.histograms).sum()
    }

    pub(super) fn write(&self, number: u8, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out);
        writer.u8(number);
        writer.varint_usize(self.layouts.len());
        self.layouts.iter().for_each(|shared| writer.prefixed(&shared.bytes));
        writer.varint_usize(self.runs.len());
        for run in &self.runs {
            writer.varint((run.histograms as u64) << 2 | u64::from(run.header as u8 >> 6));
            writer.varint_usize(run.layout);
            writer.varint_usize(run.stale);
        }
    }

    /// The number of the form, and the head of a column of `count` histograms.
    pub(super) fn read(reader: &mut Reader<'_>, count: usize) -> Result<(u8, Self), DecodeError> {
        let number = reader.u8("histogram form")?;
        if (number != Histogram::NUMBER && number != FloatHistogram::NUMBER) || count > SAMPLES_MAX {
            return Err(reader.error("histogram form"));
        }
        let mut head = Self { layouts: Vec::new(), runs: Vec::new() };
        for _ in 0..reader.varint("histogram layouts")? {
            head.layouts.push(read_layout(reader)?);
        }
        let mut rest = count;
        for _ in 0..reader.varint("histogram runs")? {
            let run = read_run(reader)?;
            let shared = head.layouts.get_mut(run.layout).ok_or(reader.error("histogram layout"))?;
            // A run of nothing would cost time without end: each has its bytes, but columns have many.
            let len = run.histograms.checked_add(run.stale).filter(|&len| len > 0);
            rest = len.and_then(|len| rest.checked_sub(len)).ok_or(reader.error("histogram run"))?;
            shared.histograms += run.histograms;
            head.runs.push(run);
        }
        // Few bytes can stand for many empty buckets.
        if rest > 0 || head.words() > WORDS_MAX {
            return Err(reader.error("histogram runs"));
        }
        Ok((number, head))
    }
}

fn read_layout(reader: &mut Reader<'_>) -> Result<SharedLayout, DecodeError> {
    let bytes = reader.prefixed("histogram layout")?;
    let layout = Layout::read(&mut BitReader::new(bytes, 0)).map_err(|_| reader.error("histogram layout"))?;
    if !is_valid_schema(layout.schema) {
        return Err(reader.error("histogram schema"));
    }
    Ok(SharedLayout { layout, histograms: 0, bytes: Vec::new() })
}

fn read_run(reader: &mut Reader<'_>) -> Result<RunHead, DecodeError> {
    let start = reader.varint("histogram run")?;
    let header = match start & 3 {
        0 => ResetHeader::Unknown,
        1 => ResetHeader::NotReset,
        2 => ResetHeader::Reset,
        _ => ResetHeader::Gauge,
    };
    let histograms = usize::try_from(start >> 2).map_err(|_| reader.error("histogram run"))?;
    let layout = reader.varint_usize("histogram layout")?;
    let stale = reader.varint_usize("stale histograms")?;
    Ok(RunHead { header, layout, histograms, stale })
}
