//! A block of Prometheus's, read only.

use std::path::Path;

use kymo_formats::{
    codec::ChunkSamples,
    wire::tsdb::{DeletedRange, decode_tombstones},
};

use super::{Import, ImportError, chunks::Chunks, index::Index};
use crate::transfer::files;

/// Most bytes of a file of tombstones: millions of deletions.
const TOMBSTONES_BYTES_MAX: u64 = 256 << 20;
/// Samples that are handed over at once.
const SAMPLES_AT_ONCE: usize = 10_000;

/// Reads all samples that were not deleted, series by series.
pub(super) fn read(dir: &Path, import: &mut Import) -> Result<(), ImportError> {
    let index_path = dir.join("index");
    let mut index = Index::open(&index_path)?;
    let mut chunks = Chunks::open(&dir.join("chunks"))?;
    let deleted = tombstones(&dir.join("tombstones"))?;
    let mut samples = ChunkSamples::default();
    while let Some(series) = index.next()? {
        let first = deleted.partition_point(|range| range.series < series.reference);
        let of_series = &deleted[first..];
        let count = of_series.partition_point(|range| range.series == series.reference);
        for place in &series.entry.chunks {
            chunks.read(place, &index_path, &mut samples)?;
            if samples.ts.len() + samples.histograms.len() >= SAMPLES_AT_ONCE {
                hand_over(&series.labels, &mut samples, &of_series[..count], import)?;
            }
        }
        hand_over(&series.labels, &mut samples, &of_series[..count], import)?;
        import.show(index.position());
    }
    Ok(())
}

fn tombstones(path: &Path) -> Result<Vec<DeletedRange>, ImportError> {
    let Some(bytes) = files::read_small(path, TOMBSTONES_BYTES_MAX)? else { return Ok(Vec::new()) };
    decode_tombstones(&bytes).map_err(|source| ImportError::Damaged {
        path: path.to_owned(),
        base: 0,
        source,
    })
}

/// Pushes what was not deleted of `samples`, and empties them.
fn hand_over(
    labels: &kymo_engine::Labels,
    samples: &mut ChunkSamples,
    deleted: &[DeletedRange],
    import: &mut Import,
) -> Result<(), ImportError> {
    let stays = |ts: i64| !deleted.iter().any(|range| (range.min_ts..=range.max_ts).contains(&ts));
    if !deleted.is_empty() {
        let floats = samples.ts.iter().zip(&samples.values).filter(|(ts, _)| stays(**ts));
        let (ts, values) = floats.unzip();
        (samples.ts, samples.values) = (ts, values);
        samples.histograms.retain(|sample| stays(sample.ts));
    }
    import.push(labels, samples)?;
    samples.clear();
    Ok(())
}
