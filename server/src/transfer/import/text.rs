//! OpenMetrics and Prometheus's text, line by line.

use std::{
    collections::BTreeMap,
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

use kymo_engine::{Labels, Metadata};
use kymo_formats::{
    codec::ChunkSamples,
    wire::{
        MetricType,
        prom_text::{Line, TextExemplar, TextParser, TextSample},
    },
};

use super::{Import, ImportError};
use crate::transfer::files::InputFile;

/// Most bytes of a line. One holds a series and a sample of it.
const LINE_BYTES_MAX: u64 = 1 << 20;
/// Samples of a series that are handed over at once.
const SAMPLES_AT_ONCE: usize = 1_000;
/// Families that are described but not yet handed over.
const FAMILIES_MAX: usize = 100_000;
/// What Prometheus makes of `NaN`: other bits might be taken for a stale marker, or for another value.
const PLAIN_NAN_BITS: u64 = 0x7ff8_0000_0000_0001;
const END: &[u8] = b"# EOF";

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    OpenMetrics,
    Prometheus,
}

/// Reads the file, or standard input for `-`.
pub(super) fn read(path: &Path, format: Format, import: &mut Import) -> Result<(), ImportError> {
    let input: Box<dyn Read> = match path == Path::new("-") {
        true => Box::new(io::stdin()),
        false => Box::new(InputFile::open(path)?.into_inner()),
    };
    let mut page =
        Page { path, format, line: 0, read: 0, ended: false, pending: None, families: BTreeMap::new() };
    let mut lines = BufReader::with_capacity(256 << 10, input);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = lines.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
        let read = read.map_err(|source| ImportError::Read { path: path.to_owned(), source })?;
        if read == 0 {
            break;
        }
        page.line += 1;
        page.read += read as u64;
        if read as u64 == LINE_BYTES_MAX && !line.ends_with(b"\n") {
            return Err(page.wrong(format!("a line of more than {LINE_BYTES_MAX} bytes")));
        }
        page.take(&line, import)?;
    }
    page.finish(import)
}

/// A text that is being read.
struct Page<'p> {
    path: &'p Path,
    format: Format,
    /// Number of the line, from 1.
    line: u64,
    read: u64,
    /// Whether the line that ends OpenMetrics came.
    ended: bool,
    /// Samples of one series that follow each other.
    pending: Option<(Labels, ChunkSamples)>,
    families: BTreeMap<String, (MetricType, Metadata)>,
}

impl Page<'_> {
    fn take(&mut self, bytes: &[u8], import: &mut Import) -> Result<(), ImportError> {
        let content = bytes.trim_ascii();
        if self.ended && !content.is_empty() {
            return Err(self.wrong("something behind # EOF".to_owned()));
        }
        if self.format == Format::OpenMetrics && content == END {
            self.ended = true;
            return Ok(());
        }
        let mut parser = match self.format {
            Format::OpenMetrics => TextParser::open_metrics(bytes),
            Format::Prometheus => TextParser::new(bytes),
        };
        match parser.next() {
            None => Ok(()),
            Some(Err(error)) => Err(self.wrong(error.to_string())),
            Some(Ok(Line::Sample(sample))) => self.sample(&sample, import),
            Some(Ok(Line::Type { family, metric_type })) => {
                let described = self.describe(&family, import)?;
                described.0 = metric_type;
                described.1.kind = metric_type.as_str().to_owned();
                Ok(())
            }
            Some(Ok(Line::Help { family, help })) => {
                self.describe(&family, import)?.1.help = String::from_utf8_lossy(&help).into_owned();
                Ok(())
            }
            Some(Ok(Line::Unit { family, unit })) => {
                self.describe(&family, import)?.1.unit = String::from_utf8_lossy(unit).into_owned();
                Ok(())
            }
        }
    }

    fn describe(
        &mut self,
        family: &[u8],
        import: &mut Import,
    ) -> Result<&mut (MetricType, Metadata), ImportError> {
        if self.families.len() >= FAMILIES_MAX {
            self.tell_families(import)?;
        }
        let unknown =
            || (MetricType::Unknown, Metadata { kind: "unknown".to_owned(), ..Metadata::default() });
        Ok(self.families.entry(String::from_utf8_lossy(family).into_owned()).or_insert_with(unknown))
    }

    fn sample(&mut self, sample: &TextSample<'_>, import: &mut Import) -> Result<(), ImportError> {
        let Some(ts) = sample.ts else {
            return Err(self.wrong("a sample without a time: only an exporter's page has that".to_owned()));
        };
        let pairs = sample.labels.chain([(b"__name__".into(), sample.name.clone())]);
        let labels = Labels::from_pairs(pairs);
        let value = if sample.value.is_nan() { f64::from_bits(PLAIN_NAN_BITS) } else { sample.value };
        let full = |samples: &ChunkSamples| samples.ts.len() >= SAMPLES_AT_ONCE;
        if self.pending.as_ref().is_some_and(|(last, samples)| *last != labels || full(samples)) {
            self.hand_over(import)?;
        }
        let (_, samples) = self.pending.get_or_insert_with(|| (labels.clone(), ChunkSamples::default()));
        samples.ts.push(ts);
        samples.values.push(value);
        match &sample.exemplar {
            Some(exemplar) => self.exemplar(&labels, exemplar, ts, import),
            None => Ok(()),
        }
    }

    fn exemplar(
        &mut self,
        labels: &Labels,
        exemplar: &TextExemplar<'_>,
        sample_ts: i64,
        import: &mut Import,
    ) -> Result<(), ImportError> {
        // A receiver takes an exemplar of a series that it knows.
        self.hand_over(import)?;
        #[expect(clippy::cast_possible_truncation, reason = "a time that is out of bounds is refused there")]
        let ts = exemplar.ts_seconds.map_or(sample_ts, |seconds| (seconds * 1_000.0).round() as i64);
        import.exemplar(labels, &Labels::from_pairs(exemplar.labels), exemplar.value, ts)
    }

    fn hand_over(&mut self, import: &mut Import) -> Result<(), ImportError> {
        let Some((labels, samples)) = self.pending.take() else { return Ok(()) };
        import.push(&labels, &samples)?;
        import.show(self.read);
        Ok(())
    }

    /// Families of counters have a shorter name in OpenMetrics than the metric; Kymo, as Prometheus does for the older
    /// format, keeps what is known under the metric's.
    fn tell_families(&mut self, import: &mut Import) -> Result<(), ImportError> {
        for (family, (metric_type, metadata)) in std::mem::take(&mut self.families) {
            let suffix = match (self.format, metric_type) {
                (Format::OpenMetrics, MetricType::Counter) => "_total",
                (Format::OpenMetrics, MetricType::Info) => "_info",
                _ => "",
            };
            let says_nothing =
                metric_type == MetricType::Unknown && metadata.help.is_empty() && metadata.unit.is_empty();
            if !says_nothing {
                import.metadata(&format!("{family}{suffix}"), &metadata)?;
            }
        }
        Ok(())
    }

    fn finish(mut self, import: &mut Import) -> Result<(), ImportError> {
        self.hand_over(import)?;
        self.tell_families(import)?;
        if self.format == Format::OpenMetrics && !self.ended {
            return Err(self.wrong("the last line is not # EOF: the text is cut off".to_owned()));
        }
        Ok(())
    }

    fn wrong(&self, reason: String) -> ImportError {
        ImportError::Line { path: self.path.to_owned(), line: self.line, reason }
    }
}
