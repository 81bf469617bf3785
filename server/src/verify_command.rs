//! `kymo verify`: checks a data directory and says what is damaged.

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
    sync::Arc,
};

use kymo_engine::{CheckedFile, Error, Fs, OsFs, VerifyReport, verify};
use serde_json::{Value, json};

use crate::{cli::VerifyArgs, table::Table};

/// Something is damaged.
const DAMAGED: u8 = 1;
/// The directory could not be checked.
const UNCHECKED: u8 = 2;

/// Checks and prints.
pub(crate) fn run(args: &VerifyArgs) -> ExitCode {
    let fs: Arc<dyn Fs> = Arc::new(OsFs);
    let report = match verify(&fs, &args.data_dir) {
        Ok(report) => report,
        Err(error) => return cannot("check", &args.data_dir, &error),
    };
    let code = ExitCode::from(if report.is_clean() { 0 } else { DAMAGED });
    finish(code, |out| if args.json { writeln!(out, "{}", to_json(&report)) } else { print(&report, out) })
}

/// Says why a directory cannot be looked at.
pub(crate) fn cannot(action: &str, dir: &Path, error: &Error) -> ExitCode {
    let hint = match error {
        Error::Locked { .. } => ". Stop the server first, or look at a snapshot of the directory",
        _ => "",
    };
    let mut message = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if !message.contains(&cause.to_string()) {
            message = format!("{message}: {cause}");
        }
        source = cause.source();
    }
    // Where this cannot be said, nothing can.
    drop(writeln!(io::stderr(), "error: cannot {action} {}: {message}{hint}", dir.display()));
    ExitCode::from(UNCHECKED)
}

/// Prints, and ends with `code`.
pub(crate) fn finish(
    code: ExitCode,
    print: impl FnOnce(&mut io::BufWriter<io::StdoutLock<'_>>) -> io::Result<()>,
) -> ExitCode {
    let mut out = io::BufWriter::new(io::stdout().lock());
    match print(&mut out).and_then(|()| out.flush()) {
        Ok(()) => code,
        // Whoever reads us has seen enough: `kymo verify | head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => code,
        Err(error) => {
            drop(writeln!(io::stderr(), "error: print: {error}"));
            ExitCode::from(UNCHECKED)
        }
    }
}

fn print(report: &VerifyReport, out: &mut impl Write) -> io::Result<()> {
    let mut files = Table::new("files", ["kind", "file", "bytes", "entries", "samples", "state"]);
    let mut damages = Table::new("damage", ["file", "offset", "problem"]);
    for file in &report.files {
        let path = file.path.display().to_string();
        files.row([
            file.kind.name().into(),
            path.clone().into(),
            file.bytes.into(),
            file.entries.into(),
            file.samples.into(),
            state(file).into(),
        ]);
        for damage in &file.damages {
            let offset = damage.offset.map_or_else(String::new, |offset| offset.to_string());
            damages.row([path.as_str().into(), offset.into(), damage.problem.as_str().into()]);
        }
        if file.damages_omitted > 0 {
            damages.row([path.into(), "".into(), format!("and {} more", file.damages_omitted).into()]);
        }
    }
    files.print(out)?;
    damages.print(out)?;
    for note in &report.notes {
        writeln!(out, "{note}")?;
    }
    let damaged = report.files.iter().filter(|file| !file.damages.is_empty()).count();
    match damaged {
        0 => writeln!(out, "{} files checked, nothing is damaged", report.files.len()),
        _ => writeln!(out, "{} files checked, {damaged} damaged", report.files.len()),
    }
}

fn state(file: &CheckedFile) -> String {
    match (file.damages.is_empty(), file.unreadable.samples) {
        (true, _) => "ok".to_owned(),
        (false, 0) => "damaged".to_owned(),
        (false, samples) => format!("damaged, {samples} samples unreadable"),
    }
}

fn to_json(report: &VerifyReport) -> Value {
    let file = |file: &CheckedFile| {
        let damages: Vec<_> = file
            .damages
            .iter()
            .map(|damage| json!({"offset": damage.offset, "problem": damage.problem}))
            .collect();
        json!({
            "kind": file.kind.name(),
            "path": file.path.display().to_string(),
            "bytes": file.bytes,
            "entries": file.entries,
            "samples": file.samples,
            "unreadableChunks": file.unreadable.chunks,
            "unreadableSamples": file.unreadable.samples,
            "damages": damages,
            "damagesOmitted": file.damages_omitted,
        })
    };
    json!({
        "clean": report.is_clean(),
        "files": report.files.iter().map(file).collect::<Vec<_>>(),
        "notes": report.notes,
    })
}
