//! `kymo inspect`: shows what a data directory consists of.

use std::{
    cmp::Reverse,
    io::{self, Write},
    process::ExitCode,
    sync::Arc,
};

use kymo_engine::{Fs, InspectedBlock, Inspection, OsFs, inspect};
use serde_json::{Value, json};

use crate::{
    cli::InspectArgs,
    table::{Cell, Table},
    verify_command::{cannot, finish},
};

/// Looks and prints.
pub(crate) fn run(args: &InspectArgs) -> ExitCode {
    let fs: Arc<dyn Fs> = Arc::new(OsFs);
    let inspection = match inspect(&fs, &args.data_dir, args.block) {
        Ok(inspection) => inspection,
        Err(error) => return cannot("inspect", &args.data_dir, &error),
    };
    let damaged = inspection.blocks.iter().any(|block| block.damage.is_some());
    finish(ExitCode::from(u8::from(damaged)), |out| {
        if args.json {
            writeln!(out, "{}", to_json(&inspection, args.limit))
        } else {
            print(&inspection, args.limit, out)
        }
    })
}

fn print(inspection: &Inspection, limit: usize, out: &mut impl Write) -> io::Result<()> {
    print_blocks(&inspection.blocks, out)?;
    print_bytes(inspection, out)?;
    print_cardinalities(inspection, limit, out)?;
    let log = &inspection.log;
    let mut table = Table::new("beside the blocks", ["what", "files", "bytes", "used bytes"]);
    table.row(["WAL".into(), log.segments.into(), log.segment_bytes.into(), log.used_bytes.into()]);
    let checkpoints = u64::from(log.checkpoint_bytes > 0);
    table.row([
        "checkpoint".into(),
        checkpoints.into(),
        log.checkpoint_bytes.into(),
        log.checkpoint_bytes.into(),
    ]);
    table.row(["manifest".into(), 1.into(), log.manifest_bytes.into(), log.manifest_bytes.into()]);
    table.print(out)
}

fn print_blocks(blocks: &[InspectedBlock], out: &mut impl Write) -> io::Result<()> {
    let columns = [
        "id",
        "level",
        "from",
        "to",
        "series",
        "chunks",
        "samples",
        "bytes",
        "bytes/sample",
        "timestamp columns",
        "summary bytes/chunk",
    ];
    let mut table = Table::new("blocks", columns);
    for InspectedBlock { meta, chunks, timestamp_columns, summary_bytes, .. } in blocks {
        table.row([
            meta.id.into(),
            u64::from(meta.level).into(),
            time(meta.range.start).into(),
            time(meta.range.end).into(),
            meta.series.into(),
            (*chunks).into(),
            meta.samples.into(),
            meta.bytes.into(),
            Cell::per(meta.bytes, meta.samples),
            (*timestamp_columns).into(),
            Cell::per(*summary_bytes, *chunks),
        ]);
    }
    table.print(out)?;
    for block in blocks {
        if let Some(damage) = &block.damage {
            writeln!(out, "block {}: {damage}", block.meta.id)?;
        }
    }
    Ok(())
}

fn print_bytes(inspection: &Inspection, out: &mut impl Write) -> io::Result<()> {
    let samples = inspection.blocks.iter().map(|block| block.meta.samples).sum();
    let mut table = Table::new("sections of all blocks", ["section", "bytes", "bytes/sample"]);
    for section in &inspection.sections {
        table.row([section.name.into(), section.bytes.into(), Cell::per(section.bytes, samples)]);
    }
    table.print(out)?;
    let columns = ["encoding", "chunks", "samples", "bytes", "bytes/sample"];
    let mut table = Table::new("chunks by encoding", columns);
    for encoding in &inspection.encodings {
        table.row([
            encoding.name.as_str().into(),
            encoding.chunks.into(),
            encoding.samples.into(),
            encoding.bytes.into(),
            Cell::per(encoding.bytes, encoding.samples),
        ]);
    }
    table.print(out)
}

/// The largest of `items`, by `key`.
fn largest<T>(items: &[T], limit: usize, key: impl Fn(&T) -> u64) -> Vec<&T> {
    let mut items: Vec<&T> = items.iter().collect();
    items.sort_by_key(|item| Reverse(key(item)));
    items.truncate(limit);
    items
}

fn print_cardinalities(inspection: &Inspection, limit: usize, out: &mut impl Write) -> io::Result<()> {
    let metrics = &inspection.metrics;
    let by_series = largest(metrics, limit, |metric| metric.series);
    let by_bytes = largest(metrics, limit, |metric| metric.chunk_bytes);
    for (title, metrics) in [("metrics with most series", by_series), ("metrics with most bytes", by_bytes)] {
        let columns = ["metric", "series", "chunks", "samples", "chunk bytes", "bytes/sample"];
        let mut table = Table::new(title, columns);
        for metric in metrics {
            table.row([
                text(&metric.name).into(),
                metric.series.into(),
                metric.chunks.into(),
                metric.samples.into(),
                metric.chunk_bytes.into(),
                Cell::per(metric.chunk_bytes, metric.samples),
            ]);
        }
        table.print(out)?;
    }
    let mut table = Table::new("labels with most values in a block", ["label", "values", "series"]);
    for label in largest(&inspection.labels, limit, |label| label.values) {
        table.row([text(&label.name).into(), label.values.into(), label.series.into()]);
    }
    table.print(out)
}

fn to_json(inspection: &Inspection, limit: usize) -> Value {
    let metric = |metric: &kymo_formats::index::stats::MetricStats| {
        json!({
            "name": text(&metric.name), "series": metric.series, "chunks": metric.chunks,
            "samples": metric.samples, "chunkBytes": metric.chunk_bytes,
        })
    };
    let block = |block: &InspectedBlock| {
        let meta = &block.meta;
        json!({
            "id": meta.id, "level": meta.level, "start": meta.range.start, "end": meta.range.end,
            "series": meta.series, "chunks": block.chunks, "samples": meta.samples, "bytes": meta.bytes,
            "timestampColumns": block.timestamp_columns, "summaryBytes": block.summary_bytes, "sources": meta.sources, "damage": block.damage,
        })
    };
    let encodings = inspection.encodings.iter().map(|encoding| {
        json!({
            "name": encoding.name, "chunks": encoding.chunks, "samples": encoding.samples,
            "bytes": encoding.bytes,
        })
    });
    let labels = largest(&inspection.labels, limit, |label| label.values);
    let log = &inspection.log;
    let metrics = &inspection.metrics;
    let sections: serde_json::Map<String, Value> =
        inspection.sections.iter().map(|section| (section.name.to_owned(), section.bytes.into())).collect();
    json!({
        "blocks": inspection.blocks.iter().map(block).collect::<Vec<_>>(),
        "sections": sections,
        "encodings": encodings.collect::<Vec<_>>(),
        "metricsBySeries": largest(metrics, limit, |metric| metric.series).into_iter().map(metric).collect::<Vec<_>>(),
        "metricsByBytes":
            largest(metrics, limit, |metric| metric.chunk_bytes).into_iter().map(metric).collect::<Vec<_>>(),
        "labels": labels
            .into_iter()
            .map(|label| json!({"name": text(&label.name), "values": label.values, "series": label.series}))
            .collect::<Vec<_>>(),
        "wal": {"segments": log.segments, "bytes": log.segment_bytes, "usedBytes": log.used_bytes},
        "checkpointBytes": log.checkpoint_bytes,
        "manifestBytes": log.manifest_bytes,
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A time, milliseconds; as it is where a calendar has no date for it.
fn time(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |time| format!("{time:.0}"))
}
