//! OpenMetrics text as a sink.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::Path,
};

use kymo_engine::{Labels, Metadata, is_stale};
use kymo_formats::{
    codec::ChunkSamples,
    wire::{MetricType, prom_text::OpenMetricsWriter},
};

use super::{
    Ending, ExportError, Sink,
    families::{Family, families},
};
use crate::transfer::files::OutputFile;

/// Bytes that are written at once.
const WRITE_BYTES: usize = 64 << 10;
/// The NaN that readers make of `NaN`: that of Go.
const PLAIN_NAN_BITS: u64 = 0x7ff8_0000_0000_0001;

/// A page under way.
pub(super) struct Page {
    out: Out,
    text: String,
    histograms: u64,
    stale: u64,
    odd_nans: u64,
    not_utf8: u64,
}

enum Out {
    File(OutputFile),
    Stdout(io::Stdout),
}

impl Page {
    /// A page in the file `path`, or on standard output.
    pub(super) fn create(path: Option<&Path>) -> Result<Self, ExportError> {
        let out = match path {
            Some(path) => Out::File(OutputFile::create(path)?),
            None => Out::Stdout(io::stdout()),
        };
        Ok(Self { out, text: String::new(), histograms: 0, stale: 0, odd_nans: 0, not_utf8: 0 })
    }

    fn write(&mut self) -> io::Result<()> {
        match &mut self.out {
            Out::File(file) => file.write_all(self.text.as_bytes())?,
            Out::Stdout(out) => out.write_all(self.text.as_bytes())?,
        }
        self.text.clear();
        Ok(())
    }
}

impl Sink for Page {
    fn families(&self, metrics: Vec<String>, metadata: &BTreeMap<String, Metadata>) -> Vec<Family> {
        families(&metrics, metadata)
    }

    fn family(&mut self, family: &Family) -> Result<(), ExportError> {
        let mut writer = OpenMetricsWriter::new(&mut self.text);
        writer.metric_type(&family.name, family.metric_type);
        if let Some((_, known)) = &family.described {
            // The format wants the unit at the end of the name; info and stateset have none.
            let fits = family.name.strip_suffix(&*known.unit).is_some_and(|stem| stem.ends_with('_'));
            let none = matches!(family.metric_type, MetricType::Info | MetricType::StateSet);
            if !known.unit.is_empty() && fits && !none {
                writer.unit(&family.name, &known.unit);
            }
            if !known.help.is_empty() {
                writer.help(&family.name, &known.help);
            }
        }
        Ok(())
    }

    fn push(&mut self, labels: &Labels, samples: &ChunkSamples) -> Result<(), ExportError> {
        self.histograms += samples.histograms.len() as u64;
        let text = |bytes| str::from_utf8(bytes).ok();
        let pairs = labels.iter().map(|label| Some((text(label.name)?, text(label.value)?)));
        let Some(pairs) = pairs.collect::<Option<Vec<_>>>() else {
            self.not_utf8 += samples.ts.len() as u64;
            return Ok(());
        };
        let name = pairs.iter().find(|(name, _)| *name == "__name__").map_or("", |(_, value)| *value);
        let others = pairs.iter().copied().filter(|(name, _)| *name != "__name__");
        let (mut stale, mut odd_nans) = (0, 0);
        let rows = samples.ts.iter().copied().zip(samples.values.iter().copied()).filter(|(_, value)| {
            let is_marker = is_stale(*value);
            stale += u64::from(is_marker);
            odd_nans += u64::from(value.is_nan() && !is_marker && value.to_bits() != PLAIN_NAN_BITS);
            !is_marker
        });
        OpenMetricsWriter::new(&mut self.text).samples(name, others, rows);
        self.stale += stale;
        self.odd_nans += odd_nans;
        if self.text.len() >= WRITE_BYTES {
            self.write()?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Ending, ExportError> {
        OpenMetricsWriter::new(&mut self.text).eof();
        self.write()?;
        let Self { out, histograms, stale, odd_nans, not_utf8, .. } = *self;
        match out {
            Out::File(file) => file.finish()?,
            Out::Stdout(mut out) => out.flush()?,
        }
        let lines = [
            (histograms, "native histograms left out: OpenMetrics has none"),
            (
                stale,
                "stale markers left out: OpenMetrics has none, so that series seem to go on for some minutes",
            ),
            (odd_nans, "NaN values written as plain NaN: OpenMetrics does not tell them apart"),
            (not_utf8, "samples of series whose labels are no UTF-8 left out"),
        ];
        let said = lines.into_iter().filter(|(count, _)| *count > 0);
        let warnings = said.map(|(count, text)| format!("{count} {text}")).collect();
        Ok(Ending { warnings, refused: 0 })
    }
}
