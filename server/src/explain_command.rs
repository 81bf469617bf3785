//! `kymo explain`: has a running server evaluate a query, and prints what it has read and where.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use serde::Deserialize;

use crate::{
    cli::QueryArgs,
    client::{self, Envelope},
    query_command,
    table::Table,
    tiers_command::time,
    verify_command::finish,
};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Explanation {
    seconds: f64,
    samples_read: u64,
    peak_bytes: u64,
    selectors: Vec<Selector>,
}

#[derive(Debug, Deserialize)]
struct Selector {
    selector: String,
    parts: Vec<Part>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    source: String,
    exact: bool,
    from: f64,
    to: f64,
    series: u64,
    files: u64,
    chunks: u64,
    summaries: u64,
    rows: u64,
    bytes: u64,
    requests: u64,
    fetched_bytes: u64,
}

/// Asks and prints.
pub(crate) fn run(args: &QueryArgs) -> ExitCode {
    let asked = query_command::request(args).map_err(|error| error.to_string()).and_then(|(_, form)| {
        client::call::<Explanation>(&args.server, "explain", form).map_err(|error| error.to_string())
    });
    match asked {
        Ok(envelope) => finish(ExitCode::SUCCESS, |out| print(&envelope, out)),
        Err(error) => {
            // Where this cannot be said, nothing can.
            drop(writeln!(io::stderr(), "error: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn print(envelope: &Envelope<Explanation>, mut out: impl Write) -> io::Result<()> {
    let Explanation { seconds, samples_read, peak_bytes, selectors } = &envelope.data;
    for Selector { selector, parts } in selectors {
        writeln!(out, "{selector}")?;
        let columns = [
            "source",
            "from",
            "to",
            "answer",
            "series",
            "files",
            "chunks",
            "summaries",
            "rows",
            "bytes",
            "requests",
            "fetched",
        ];
        let mut table = Table::new("", columns);
        for part in parts {
            table.row([
                part.source.as_str().into(),
                time(Some(part.from)).into(),
                time(Some(part.to)).into(),
                if part.exact { "exact" } else { "approximate" }.into(),
                part.series.into(),
                part.files.into(),
                part.chunks.into(),
                part.summaries.into(),
                part.rows.into(),
                part.bytes.into(),
                part.requests.into(),
                part.fetched_bytes.into(),
            ]);
        }
        table.print(&mut out)?;
    }
    writeln!(out, "{samples_read} samples, {peak_bytes} bytes of memory, {:.1} ms", seconds * 1000.0)?;
    envelope.warnings.iter().chain(&envelope.infos).try_for_each(|note| writeln!(out, "{note}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_a_line() {
        let body = r#"{"data":{"seconds":0.0125,"samplesRead":40,"peakBytes":1000,"selectors":[
            {"selector":"{__name__=\"up\"}","parts":[
              {"source":"5m","exact":false,"from":0,"to":86400,"series":2,"files":1,"chunks":0,"summaries":0,
               "rows":576,"bytes":4000,"requests":3,"fetchedBytes":65536},
              {"source":"samples","exact":true,"from":86400,"to":90000,"series":2,"files":1,"chunks":4,
               "summaries":1,"rows":0,"bytes":900,"requests":0,"fetchedBytes":0}]}]},
            "warnings":["approximate"]}"#;
        let mut out = Vec::new();
        print(&serde_json::from_str(body).unwrap(), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<String> =
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(lines[0], "{__name__=\"up\"}");
        assert_eq!(lines[3], "5m 1970-01-01 00:00 1970-01-02 00:00 approximate 2 1 0 0 576 4000 3 65536");
        assert_eq!(lines[4], "samples 1970-01-02 00:00 1970-01-02 01:00 exact 2 1 4 1 0 900 0 0");
        assert_eq!(lines[6..], ["40 samples, 1000 bytes of memory, 12.5 ms", "approximate"]);
    }
}
