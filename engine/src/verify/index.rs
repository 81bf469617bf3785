//! The label index of a block against the labels of its series: the index is built anew and compared by what it
//! answers, not by its bytes, which a later release may write differently.

use kymo_formats::index::stats::MetricStats;

use super::CheckedFile;
use crate::{
    block::{BlockError, BlockReader},
    index::{IndexBuilder, IndexBytes, IndexReader, LabelIndex, MatcherCache, series_order},
    model::{Labels, quote},
};

/// Checks order, label index, fingerprints and statistics. Memory is bounded by the index.
///
/// # Errors
/// The first thing that does not decode.
pub(super) fn check(reader: &BlockReader, file: &mut CheckedFile) -> Result<(), BlockError> {
    let mut series = reader.series()?;
    let mut builder = IndexBuilder::default();
    let mut metrics: Vec<MetricStats> = Vec::new();
    let mut last: Option<Labels> = None;
    let mut chunks = Vec::new();
    for rank in 0..series.len() {
        let labels = series.labels(rank)?;
        if last.as_ref().is_some_and(|last| series_order(last, &labels).is_ge()) {
            file.damage(None, format!("series {rank}, {labels}, is not in order"));
        }
        if reader.rank(&labels)? != Some(rank) {
            file.damage(None, format!("the fingerprint of series {rank}, {labels}, does not find it"));
        }
        chunks.clear();
        series.chunks(rank, i64::MIN..i64::MAX, &mut chunks)?;
        if metrics.last().is_none_or(|metric| metric.name != labels.metric_name()) {
            metrics.push(MetricStats { name: labels.metric_name().to_vec(), ..MetricStats::default() });
        }
        if let Some(metric) = metrics.last_mut() {
            metric.series += 1;
            metric.chunks += chunks.len() as u64;
            metric.samples += chunks.iter().map(|chunk| u64::from(chunk.meta.count)).sum::<u64>();
            metric.chunk_bytes += chunks.iter().map(|chunk| u64::from(chunk.len)).sum::<u64>();
        }
        builder.push(&labels);
        last = Some(labels);
    }
    if reader.stats()? != metrics {
        file.damage(None, "metric statistics are not those of the series");
    }
    let built =
        builder.finish().map_err(|source| BlockError::TooLarge { path: file.path.clone(), source })?;
    let bytes = IndexBytes {
        names: &built.names,
        directory: &built.directory,
        values: &built.values,
        postings: &built.postings,
        series: &built.series,
    };
    let cache = MatcherCache::default();
    let corrupt = || BlockError::corrupt(reader.info().path.clone());
    let expected = IndexReader::new(bytes, &cache).map_err(corrupt())?;
    if let Some(problem) = difference(&reader.index()?, &expected).map_err(corrupt())? {
        file.damage(None, problem);
    }
    Ok(())
}

/// The first answer in which two indexes differ.
fn difference<I: LabelIndex>(found: &I, expected: &I) -> Result<Option<String>, I::Error> {
    let names = expected.names(None)?;
    if found.names(None)? != names {
        return Ok(Some("label names are not those of the series".to_owned()));
    }
    for name in names {
        let values = expected.values(&name, None)?;
        if found.values(&name, None)? != values {
            return Ok(Some(format!("values of label {} are not those of the series", quote(&name))));
        }
        let mut same = found.with_label(&name)? == expected.with_label(&name)?;
        for value in &values {
            same &= found.postings(&name, value)? == expected.postings(&name, value)?;
        }
        if !same {
            return Ok(Some(format!("postings of label {} are not those of the series", quote(&name))));
        }
    }
    Ok(None)
}
