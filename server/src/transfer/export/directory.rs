//! A data directory that no server has open, as a source.

use std::{collections::BTreeMap, path::Path};

use kymo_engine::{
    Engine, EngineConfig, Env, Error, Found, Fs as _, Matcher, Metadata, OsFs, SampleColumns, Warnings,
};
use kymo_formats::codec::{ChunkHistogram, ChunkSamples};

use super::{
    ExportError,
    source::{Range, Source, SourceError, Visit},
};
use crate::promql::Matchers;

/// An engine that does nothing by itself: no flush, no compaction, no retention.
#[derive(Debug)]
pub(super) struct Directory {
    engine: Engine,
}

impl Directory {
    /// Opens the directory as a server would, which replays its log.
    ///
    /// # Errors
    /// When it is no data directory, or a server has it open.
    pub(super) fn open(dir: &Path) -> Result<Self, SourceError> {
        let failed = |source| SourceError::Open { dir: dir.display().to_string(), source };
        // What is not there would be created.
        if !OsFs.exists(&dir.join("manifest")).unwrap_or_default() {
            return Err(failed(Error::NoStore { path: dir.to_owned() }));
        }
        let engine = Engine::open_in(&Env::system(), dir, EngineConfig::keep_everything()).map_err(failed)?;
        Ok(Self { engine })
    }
}

fn whole<T>(found: Found<T>) -> Result<Vec<T>, SourceError> {
    refuse_partial(found.warnings).map(|()| found.items)
}

/// A part that looks like the whole is worse than nothing.
fn refuse_partial(warnings: Warnings) -> Result<(), SourceError> {
    if warnings.is_empty() {
        return Ok(());
    }
    Err(SourceError::Damaged { warnings: warnings.into_texts().join("; ") })
}

impl Source for Directory {
    fn metrics(&self, sets: &[Matchers], range: Range) -> Result<Vec<String>, SourceError> {
        let mut metrics = Vec::new();
        for set in sets {
            let found = self.engine.label_values(b"__name__", set, range.start, range.end);
            let found = whole(found.map_err(|source| SourceError::Read { source })?)?;
            metrics.extend(found.iter().map(|name| String::from_utf8_lossy(name).into_owned()));
        }
        metrics.sort();
        metrics.dedup();
        Ok(metrics)
    }

    fn metadata(&self) -> Result<BTreeMap<String, Metadata>, SourceError> {
        Ok(self.engine.metadata().into_iter().collect())
    }

    fn read(&self, matchers: &[Matcher], range: Range, visit: &mut Visit<'_>) -> Result<(), ExportError> {
        let failed = |source| SourceError::Read { source };
        let selection = self.engine.select(matchers, range.start, range.end).map_err(failed)?;
        refuse_partial(selection.warnings)?;
        let mut columns = SampleColumns::default();
        for series in &selection.series {
            refuse_partial(series.read_as_sent(&mut columns).map_err(failed)?)?;
            let histograms = columns.histograms.drain(..).map(|sample| ChunkHistogram {
                ts: sample.ts,
                start_ts: sample.start_ts,
                value: sample.value,
            });
            let samples = ChunkSamples {
                histograms: histograms.collect(),
                ts: std::mem::take(&mut columns.ts),
                values: std::mem::take(&mut columns.values),
                start_ts: Vec::new(),
            };
            visit(series.labels(), &samples)?;
        }
        Ok(())
    }
}
