//! One block: its checksums, every chunk decoded, and its sums.

use std::path::Path;

use kymo_formats::{
    codec::ChunkSamples,
    index::chunk_directory::{ChunkEntry, ChunkMeta},
};

use super::{CheckedFile, FileKind, Unreadable, index, readable, summaries::SummaryCheck};
use crate::{
    block::{BlockError, BlockReader},
    env::Fs,
    error::Error,
    manifest::BlockMeta,
};

/// Checks the block `id` at `path`, against what the manifest says of it if that is known.
///
/// # Errors
/// When the file may not be read.
pub(super) fn check(
    fs: &dyn Fs,
    path: &Path,
    id: u64,
    expected: Option<&BlockMeta>,
) -> Result<CheckedFile, Error> {
    let mut file = CheckedFile::new(FileKind::Block, path.to_owned(), 0);
    if !readable(fs, &mut file)? {
        file.unreadable.samples = expected.map_or(0, |meta| meta.samples);
        return Ok(file);
    }
    match BlockReader::open(fs, path, id) {
        Ok(reader) => {
            reader.each_damage(&mut |damage| file.block_damage(&damage));
            let sound = file.damages.is_empty();
            check_summary(&reader, expected, &mut file);
            check_chunks(&reader, &mut file);
            // Damaged sections have been named; that they contradict each other is no news.
            if sound && let Err(error) = index::check(&reader, &mut file) {
                file.block_damage(&error);
            }
        }
        Err(error) => {
            file.block_damage(&error);
            file.unreadable.samples = expected.map_or(0, |meta| meta.samples);
        }
    }
    Ok(file)
}

fn check_summary(reader: &BlockReader, expected: Option<&BlockMeta>, file: &mut CheckedFile) {
    let (info, summary) = (reader.info(), &reader.info().summary);
    let Some(meta) = expected else { return };
    let facts = [
        ("level", i128::from(summary.level), i128::from(meta.level)),
        ("sequence", summary.sequence.into(), meta.sequence.into()),
        ("space", info.space.into(), meta.space.into()),
        ("start", summary.min_ts.into(), meta.range.start.into()),
        ("end", summary.end_ts.into(), meta.range.end.into()),
        ("number of series", summary.series.into(), meta.series.into()),
        ("number of samples", summary.samples.into(), meta.samples.into()),
        ("length", info.file_bytes.into(), meta.bytes.into()),
    ];
    expect(file, "the manifest", facts);
}

/// Notes each fact that is not as `source` has it.
pub(super) fn expect<const N: usize>(file: &mut CheckedFile, source: &str, facts: [(&str, i128, i128); N]) {
    for (what, found, expected) in facts {
        if found != expected {
            file.damage(None, format!("{what} is {found}, {source} says {expected}"));
        }
    }
}

/// Decodes every chunk, and compares it with what the directory says.
fn check_chunks(reader: &BlockReader, file: &mut CheckedFile) {
    if let Err(error) = each_chunk(reader, file) {
        // A wrong checksum has been named before.
        if !matches!(error, BlockError::Checksum { .. }) {
            file.block_damage(&error);
        }
        let summary = &reader.info().summary;
        file.unreadable = Unreadable { chunks: summary.chunks, samples: summary.samples };
    }
}

fn each_chunk(reader: &BlockReader, file: &mut CheckedFile) -> Result<(), BlockError> {
    let directory = reader.chunk_directory()?;
    let mut cursor = directory.cursor();
    let (mut chunks, mut samples) = (Vec::new(), ChunkSamples::default());
    let mut end = 0;
    let mut range: Option<(i64, i64)> = None;
    let mut summaries = SummaryCheck::new(reader, directory.len(), file);
    for rank in 0..directory.len() {
        chunks.clear();
        summaries.start_series(rank, file);
        cursor.get(rank, &mut chunks).map_err(BlockError::corrupt(&reader.info().path))?;
        for chunk in &chunks {
            let ChunkMeta { count, min_ts, max_ts, .. } = chunk.meta;
            file.entries += 1;
            file.samples += u64::from(count);
            end = chunk.offset + u64::from(chunk.len);
            range =
                range.map_or(Some((min_ts, max_ts)), |(min, max)| Some((min.min(min_ts), max.max(max_ts))));
            samples.clear();
            let decoded = reader.decode(chunk, &mut samples);
            summaries.chunk(chunk, decoded.is_ok().then_some(&samples), file);
            match decoded {
                Ok(()) => check_samples(chunk, &samples, reader, file),
                Err(error) => unreadable_chunk(chunk, &error, reader, file),
            }
        }
        summaries.end_series(file);
    }
    let summary = &reader.info().summary;
    let (min_ts, max_ts) = range.unwrap_or((i64::MAX, i64::MIN));
    let facts = [
        ("number of chunks", i128::from(file.entries), i128::from(summary.chunks)),
        ("number of samples", file.samples.into(), summary.samples.into()),
        ("length of the chunks", end.into(), summary.chunk_bytes.into()),
        ("earliest timestamp", min_ts.into(), summary.min_ts.into()),
        ("latest timestamp", max_ts.into(), i128::from(summary.end_ts) - 1),
    ];
    expect(file, "the summary", facts);
    Ok(())
}

fn unreadable_chunk(chunk: &ChunkEntry, error: &BlockError, reader: &BlockReader, file: &mut CheckedFile) {
    file.unreadable.chunks += 1;
    file.unreadable.samples += u64::from(chunk.meta.count);
    if !matches!(error, BlockError::Checksum { .. }) {
        file.damage(Some(reader.offset_in_file(chunk.offset)), format!("chunk does not decode: {error}"));
    }
}

fn check_samples(chunk: &ChunkEntry, samples: &ChunkSamples, reader: &BlockReader, file: &mut CheckedFile) {
    let mut times: Vec<i64> = samples.ts.clone();
    times.extend(samples.histograms.iter().map(|sample| sample.ts));
    let meta = chunk.meta;
    let problem = if times.len() != meta.count as usize {
        format!("{} samples instead of {}", times.len(), meta.count)
    } else if !times.is_sorted_by(|a, b| a < b) {
        "timestamps do not ascend".to_owned()
    } else if times.first() != Some(&meta.min_ts) || times.last() != Some(&meta.max_ts) {
        format!("timestamps are not from {} to {}", meta.min_ts, meta.max_ts)
    } else {
        return;
    };
    file.damage(Some(reader.offset_in_file(chunk.offset)), format!("chunk: {problem}"));
}
