//! `kymo query`: asks a running server and prints the answer as a table.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use kymo_engine::{Clock as _, SystemClock};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    cli::QueryArgs,
    client::{self, CallError, Envelope, Form},
    http::{parse_duration, parse_time, push_seconds},
};

/// Why there is nothing to print.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QueryError {
    #[error("--{option}: {reason}")]
    Option { option: &'static str, reason: String },
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("print")]
    Print { source: io::Error },
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Data {
    #[serde(default)]
    result_type: String,
    #[serde(default)]
    result: Value,
}

/// Asks and prints.
pub(crate) fn run(args: &QueryArgs) -> ExitCode {
    let printed = ask(args).and_then(|envelope| {
        print(&envelope, &mut io::stdout().lock(), &mut io::stderr().lock())
            .map_err(|source| QueryError::Print { source })
    });
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads us has seen enough: `kymo query ... | head`.
        Err(QueryError::Print { source }) if source.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            // Where this cannot be said, nothing can.
            drop(writeln!(io::stderr(), "error: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn ask(args: &QueryArgs) -> Result<Envelope<Data>, QueryError> {
    let (path, form) = request(args)?;
    Ok(client::call(&args.server, path, form)?)
}

/// Path and parameters of the call.
pub(crate) fn request(args: &QueryArgs) -> Result<(&'static str, Form), QueryError> {
    let wrong = |option| move |reason| QueryError::Option { option, reason };
    let end = args.time.as_deref().map(parse_time).transpose().map_err(wrong("time"))?;
    let mut form = vec![("query", args.expr.clone())];
    let Some(range) = &args.range else {
        form.extend(end.map(|end| ("time", seconds(end))));
        return Ok(("query", form));
    };
    let range_ms = parse_duration(range).map_err(wrong("range"))? / 1_000_000;
    let step_ms = match &args.step {
        Some(step) => parse_duration(step).map_err(wrong("step"))? / 1_000_000,
        None => (range_ms / 10).max(1),
    };
    let end = end.unwrap_or_else(|| SystemClock::new().now().0);
    form.push(("start", seconds(end.saturating_sub(range_ms))));
    form.push(("end", seconds(end)));
    form.push(("step", seconds(step_ms)));
    Ok(("query_range", form))
}

fn seconds(ms: i64) -> String {
    let mut out = String::new();
    push_seconds(&mut out, ms);
    out
}

fn print(envelope: &Envelope<Data>, out: &mut impl Write, notes: &mut impl Write) -> io::Result<()> {
    let rows = rows(&envelope.data);
    let width =
        |column: fn(&Row) -> &str| rows.iter().map(|row| column(row).chars().count()).max().unwrap_or(0);
    let (time, value) = (width(|row| &row.time), width(|row| &row.value));
    for row in &rows {
        let line = format!("{:<time$}  {:>value$}  {}", row.time, row.value, row.series);
        writeln!(out, "{}", line.trim_end())?;
    }
    if rows.is_empty() {
        writeln!(notes, "no data")?;
    }
    for note in envelope.warnings.iter().chain(&envelope.infos) {
        writeln!(notes, "{note}")?;
    }
    Ok(())
}

/// One line of the table.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    time: String,
    value: String,
    series: String,
}

fn rows(data: &Data) -> Vec<Row> {
    if matches!(data.result_type.as_str(), "scalar" | "string") {
        return vec![row(&data.result, String::new())];
    }
    let mut rows = Vec::new();
    for element in data.result.as_array().into_iter().flatten() {
        let series = series(&element["metric"]);
        let single = [&element["value"], &element["histogram"]];
        rows.extend(single.into_iter().filter(|pair| pair.is_array()).map(|pair| row(pair, series.clone())));
        for list in ["values", "histograms"] {
            let pairs = element[list].as_array().into_iter().flatten();
            rows.extend(pairs.map(|pair| row(pair, series.clone())));
        }
    }
    rows
}

fn row(pair: &Value, series: String) -> Row {
    let time = pair[0].as_f64().and_then(|seconds| {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "what a server sends as a time; out of range is refused"
        )]
        let ms = (seconds * 1000.0).round() as i64;
        jiff::Timestamp::from_millisecond(ms).ok()
    });
    let value = match &pair[1] {
        Value::String(text) => text.clone(),
        histogram => format!(
            "count={} sum={}",
            histogram["count"].as_str().unwrap_or("?"),
            histogram["sum"].as_str().unwrap_or("?")
        ),
    };
    Row { time: time.map_or_else(|| pair[0].to_string(), |time| format!("{time:.3}")), value, series }
}

/// Labels as PromQL writes them, the metric name in front.
fn series(metric: &Value) -> String {
    let Some(labels) = metric.as_object() else { return String::new() };
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    let name = labels.get("__name__").map(text).unwrap_or_default();
    let pairs: Vec<_> = labels
        .iter()
        .filter(|(label, _)| *label != "__name__")
        .map(|(label, value)| format!("{label}={:?}", text(value)))
        .collect();
    if pairs.is_empty() && !name.is_empty() { name } else { format!("{name}{{{}}}", pairs.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(body: &str) -> (String, String) {
        let envelope: Envelope<Data> = serde_json::from_str(body).unwrap();
        let (mut out, mut notes) = (Vec::new(), Vec::new());
        print(&envelope, &mut out, &mut notes).unwrap();
        (String::from_utf8(out).unwrap(), String::from_utf8(notes).unwrap())
    }

    #[test]
    fn a_vector_is_a_line_per_series() {
        let (out, notes) = printed(
            r#"{"status":"success","data":{"resultType":"vector","result":[
                {"metric":{"__name__":"up","job":"a"},"value":[1.5,"1"]},
                {"metric":{"__name__":"up"},"value":[1.5,"0.25"]}]},"warnings":["careful"]}"#,
        );
        assert_eq!(
            out,
            "1970-01-01T00:00:01.500Z     1  up{job=\"a\"}\n1970-01-01T00:00:01.500Z  0.25  up\n"
        );
        assert_eq!(notes, "careful\n");
    }

    #[test]
    fn nothing_and_scalars_are_printed_too() {
        let (out, notes) = printed(r#"{"data":{"resultType":"vector","result":[]}}"#);
        assert_eq!((out.as_str(), notes.as_str()), ("", "no data\n"));
        let (out, _) = printed(r#"{"data":{"resultType":"scalar","result":[0,"2"]}}"#);
        assert_eq!(out, "1970-01-01T00:00:00.000Z  2\n");
    }
}
