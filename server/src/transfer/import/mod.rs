//! `kymo import`: samples of files to a running server.
//!
//! * `kind` - what a path is
//! * `text` - OpenMetrics and Prometheus's text
//! * `block` - Prometheus's blocks; `index` and `chunks` are its two files
//! * `table` - Parquet
//!
//! Samples go by remote write, as any sender's. One that is there already is accepted and changes nothing, so that an
//! import that was cut short is done again from the start.

mod block;
mod chunks;
mod index;
mod kind;
mod table;
mod text;

use std::{io::Write as _, path::PathBuf, process::ExitCode, sync::Arc};

use kymo_engine::{Labels, Metadata};
use kymo_formats::{DecodeError, codec::ChunkSamples, wire::sample_table::SampleTableError};

use self::kind::Kind;
use super::{
    INCOMPLETE,
    counts::Counts,
    failed,
    files::FileError,
    sender::{OnRefusal, SendError, Senders, Sent, Target},
};
use crate::{
    cli::ImportArgs,
    client::{self, CallError, Caller},
    progress::Progress,
    verify_command::finish,
};

/// Why an import ended early.
#[derive(Debug, thiserror::Error)]
enum ImportError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{path}: {source} (bytes count from {base})", path = path.display())]
    Damaged { path: PathBuf, base: u64, source: DecodeError },
    #[error("{path}: {what}", path = path.display())]
    Foreign { path: PathBuf, what: String },
    #[error("{path}:{line}: {reason}", path = path.display())]
    Line { path: PathBuf, line: u64, reason: String },
    #[error("read {path}: {source}", path = path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path}", path = path.display())]
    Table { path: PathBuf, source: SampleTableError },
    #[error(transparent)]
    Send(#[from] SendError),
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("start a thread: {0}")]
    Thread(std::io::Error),
}

/// Where what was read goes.
struct Import {
    senders: Senders,
    counts: Counts,
    progress: Progress,
    /// What is worth saying at the end, and is no error.
    notes: Vec<String>,
}

impl Import {
    fn push(&mut self, labels: &Labels, samples: &ChunkSamples) -> Result<(), ImportError> {
        if samples.ts.is_empty() && samples.histograms.is_empty() {
            return Ok(());
        }
        self.counts.add(labels, samples);
        Ok(self.senders.push(labels, samples)?)
    }

    fn exemplar(
        &mut self,
        labels: &Labels,
        exemplar: &Labels,
        value: f64,
        ts: i64,
    ) -> Result<(), ImportError> {
        Ok(self.senders.exemplar(labels, exemplar, value, ts)?)
    }

    fn metadata(&mut self, family: &str, metadata: &Metadata) -> Result<(), ImportError> {
        Ok(self.senders.metadata(family, metadata)?)
    }

    /// `done` of what is read are done.
    fn show(&self, done: u64) {
        self.progress.show(done, self.counts.samples);
    }
}

/// Imports, and says what.
pub(crate) fn run(args: &ImportArgs) -> ExitCode {
    let begun = match begin(args) {
        Ok(begun) => begun,
        Err(error) => return failed(&error),
    };
    let (mut import, inputs) = begun;
    let read = inputs.iter().try_for_each(|input| read(input, &mut import));
    let Import { senders, counts, progress, notes } = import;
    // What was read before an error is sent: it is as good as the rest.
    let sent = senders.finish().map_err(ImportError::from);
    drop(progress);
    match read.and(sent) {
        Ok(sent) => report(&counts, &sent, &notes),
        Err(error) => {
            drop(writeln!(
                std::io::stderr(),
                "{counts} were read until then; it can be done again from the start"
            ));
            failed(&error)
        }
    }
}

fn begin(args: &ImportArgs) -> Result<(Import, Vec<Kind>), ImportError> {
    let mut notes = Vec::new();
    let mut inputs = Vec::new();
    for path in &args.paths {
        kind::find(path, args.format, &mut inputs, &mut notes)?;
    }
    let target = Target {
        url: client::api_url(&args.server, "write"),
        caller: Caller::new(&args.server)?,
        headers: Vec::new(),
        on_refusal: OnRefusal::Count,
    };
    let senders =
        Senders::start(&Arc::new(target), usize::from(args.connections)).map_err(ImportError::Thread)?;
    let progress = Progress::new(None, "read", "samples");
    Ok((Import { senders, counts: Counts::default(), progress, notes }, inputs))
}

fn read(input: &Kind, import: &mut Import) -> Result<(), ImportError> {
    match input {
        Kind::OpenMetrics(path) => text::read(path, text::Format::OpenMetrics, import),
        Kind::Prometheus(path) => text::read(path, text::Format::Prometheus, import),
        Kind::Block(dir) => block::read(dir, import),
        Kind::Table(path) => table::read(path, import),
    }
}

fn report(counts: &Counts, sent: &Sent, notes: &[String]) -> ExitCode {
    for note in notes {
        // Where this cannot be said, nothing can.
        drop(writeln!(std::io::stderr(), "note: {note}"));
    }
    let code = ExitCode::from(if sent.refused == 0 { 0 } else { INCOMPLETE });
    finish(code, |out| {
        writeln!(out, "read {counts}, each counted once in each file or block")?;
        writeln!(out, "stored {}, refused {}", sent.stored, sent.refused)?;
        if sent.refused > 0 {
            writeln!(out, "why, from the first refusals:")?;
            sent.reasons.iter().try_for_each(|reason| writeln!(out, "  {reason}"))?;
        }
        Ok(())
    })
}
