//! `kymo export`: samples of a server, or of a data directory, to files and other stores.
//!
//! * `source` - where samples come from; `server` and `directory` are the two kinds
//! * `families` - metrics grouped as OpenMetrics wants them
//! * `open_metrics`, `table`, `store` - where they go
//!
//! One metric is read after the other, so that neither side holds more than one: its labels there, a frame of its
//! samples here.

mod directory;
mod families;
mod open_metrics;
mod server;
mod source;
mod store;
mod table;

use std::{io::Write as _, process::ExitCode};

use kymo_engine::{Labels, Matcher, Metadata};
use kymo_formats::codec::ChunkSamples;

use self::{
    families::{Family, describe},
    source::{Range, Source, SourceError},
};
use super::{INCOMPLETE, counts::Counts, failed, files::FileError, sender::SendError};
use crate::{
    cli::{ExportArgs, ExportFormat},
    client::CallError,
    http::parse_time,
    progress::Progress,
    promql::{self, Matchers},
    verify_command::finish,
};

/// Why an export ended early.
#[derive(Debug, thiserror::Error)]
enum ExportError {
    #[error("--{option}: {reason}")]
    Option { option: &'static str, reason: String },
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Table(#[from] kymo_formats::wire::sample_table::SampleTableError),
    #[error("write: {0}")]
    Write(#[from] std::io::Error),
    #[error(transparent)]
    Send(#[from] SendError),
    #[error(transparent)]
    Call(#[from] CallError),
}

/// Where samples go.
trait Sink {
    /// The families to come, in their order.
    fn families(
        &self,
        metrics: Vec<String>,
        metadata: &std::collections::BTreeMap<String, Metadata>,
    ) -> Vec<Family> {
        metrics.into_iter().map(|metric| Family::alone(&metric, describe(&metric, metadata))).collect()
    }

    /// Begins a family, when it is known to have samples.
    fn family(&mut self, family: &Family) -> Result<(), ExportError>;

    /// Takes samples of a series of the family; a series with many comes several times in a row.
    fn push(&mut self, labels: &Labels, samples: &ChunkSamples) -> Result<(), ExportError>;

    /// Ends it all.
    fn finish(self: Box<Self>) -> Result<Ending, ExportError>;
}

/// How an export ended.
#[derive(Debug, Default)]
struct Ending {
    /// What was not carried over, and why, a line each.
    warnings: Vec<String>,
    /// Rows that a receiver did not store. What a format has no place for is none of them: who asked for the format knows.
    refused: u64,
}

/// Exports, and says what.
pub(crate) fn run(args: &ExportArgs) -> ExitCode {
    match export(args) {
        Ok((counts, ending)) => {
            for warning in &ending.warnings {
                // Where this cannot be said, nothing can.
                drop(writeln!(std::io::stderr(), "warning: {warning}"));
            }
            // Data may go to standard output.
            let code = ExitCode::from(if ending.refused == 0 { 0 } else { INCOMPLETE });
            if args.writes_to_stdout() {
                drop(writeln!(std::io::stderr(), "exported {counts}"));
                return code;
            }
            finish(code, |out| writeln!(out, "exported {counts}"))
        }
        Err(ExportError::Write(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

/// What is wanted.
struct Wanted {
    sets: Vec<Matchers>,
    range: Range,
}

impl Wanted {
    fn of(args: &ExportArgs) -> Result<Self, ExportError> {
        let wrong = |option| move |reason| ExportError::Option { option, reason };
        let selectors = match &args.matches[..] {
            [] => &[r#"{__name__!=""}"#.to_owned()][..],
            selectors => selectors,
        };
        let parse = |selector: &String| {
            promql::parse_selector(selector).map_err(|error| wrong("match")(error.to_string()))
        };
        let time = |option, text: &Option<String>, default| {
            text.as_deref().map_or(Ok(default), |text| parse_time(text).map_err(wrong(option)))
        };
        let (start, end) =
            (time("start", &args.start, Range::ALL.start)?, time("end", &args.end, Range::ALL.end)?);
        Ok(Self { sets: selectors.iter().map(parse).collect::<Result<_, _>>()?, range: Range { start, end } })
    }
}

fn export(args: &ExportArgs) -> Result<(Counts, Ending), ExportError> {
    let wanted = Wanted::of(args)?;
    let source: Box<dyn Source> = match &args.data_dir {
        Some(dir) => Box::new(directory::Directory::open(dir)?),
        None => Box::new(server::Server::new(&args.server)?),
    };
    let metrics = source.metrics(&wanted.sets, wanted.range)?;
    let metadata = source.metadata()?;
    let mut sink = sink(args)?;
    let families = sink.families(metrics, &metadata);
    let progress = Progress::new(Some(families.len() as u64), "metrics", "samples");
    let mut counts = Counts::default();
    for (done, family) in (0..).zip(&families) {
        let mut begun = false;
        for metric in &family.metrics {
            each_series(&*source, &wanted, metric, &mut |labels, samples| {
                if !begun {
                    sink.family(family)?;
                    begun = true;
                }
                counts.add(labels, samples);
                progress.show(done, counts.samples);
                sink.push(labels, samples)
            })?;
        }
    }
    drop(progress);
    Ok((counts, sink.finish()?))
}

/// Reads each series of a metric once, whichever of the selectors it satisfies: in the order of selectors, then of
/// labels.
fn each_series(
    source: &dyn Source,
    wanted: &Wanted,
    metric: &str,
    visit: &mut dyn FnMut(&Labels, &ChunkSamples) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    for (number, set) in wanted.sets.iter().enumerate() {
        let (name, others): (Vec<_>, Vec<_>) = set.iter().partition(|matcher| matcher.name() == b"__name__");
        if !name.iter().all(|matcher| matcher.matches(metric.as_bytes())) {
            continue;
        }
        let equal = Matcher::new(kymo_engine::MatchOp::Equal, b"__name__", metric.as_bytes());
        let equal =
            equal.map_err(|error| ExportError::Option { option: "match", reason: error.to_string() })?;
        let matchers: Matchers = std::iter::once(equal).chain(others.into_iter().cloned()).collect();
        source.read(&matchers, wanted.range, &mut |labels, samples| {
            let seen = |set: &Matchers| set.iter().all(|matcher| matcher.matches(labels.get(matcher.name())));
            if samples.ts.is_empty() && samples.histograms.is_empty()
                || wanted.sets[..number].iter().any(seen)
            {
                return Ok(());
            }
            visit(labels, samples)
        })?;
    }
    Ok(())
}

fn sink(args: &ExportArgs) -> Result<Box<dyn Sink>, ExportError> {
    if args.to.remote_write.is_some() {
        return Ok(Box::new(store::Store::open(&args.to)?));
    }
    Ok(match (args.format, &args.output) {
        (Some(ExportFormat::Parquet), Some(path)) if !args.writes_to_stdout() => {
            Box::new(table::Table::create(path)?)
        }
        (Some(ExportFormat::Openmetrics), output) => {
            let path = output.as_deref().filter(|_| !args.writes_to_stdout());
            Box::new(open_metrics::Page::create(path)?)
        }
        (Some(ExportFormat::Parquet), _) => {
            return Err(ExportError::Option { option: "output", reason: "Parquet needs a file".to_owned() });
        }
        (None, _) => {
            let reason = "say --format parquet, --format openmetrics or --remote-write URL".to_owned();
            return Err(ExportError::Option { option: "format", reason });
        }
    })
}
