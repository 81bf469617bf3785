//! Parquet files.

use std::path::Path;

use kymo_engine::Labels;
use kymo_formats::wire::sample_table::{SampleTableError, SampleTableReader};

use super::{Import, ImportError};
use crate::transfer::files::InputFile;

/// A failure of the file, or of what is done with its rows.
enum Failure {
    Table(SampleTableError),
    Import(ImportError),
}

impl From<SampleTableError> for Failure {
    fn from(error: SampleTableError) -> Self {
        Self::Table(error)
    }
}

/// Reads the file, a batch of rows in memory.
pub(super) fn read(path: &Path, import: &mut Import) -> Result<(), ImportError> {
    let file = InputFile::open(path)?.into_inner();
    let failed = |source| ImportError::Table { path: path.to_owned(), source };
    let reader = SampleTableReader::open(file).map_err(failed)?;
    let mut rows = 0;
    let read = reader.each::<Failure>(&mut |labels, samples| {
        rows += (samples.ts.len() + samples.histograms.len()) as u64;
        import.show(rows);
        let labels = Labels::from_pairs(labels.iter().map(|(name, value)| (&name[..], &value[..])));
        import.push(&labels, samples).map_err(Failure::Import)
    });
    read.map_err(|failure| match failure {
        Failure::Table(source) => failed(source),
        Failure::Import(error) => error,
    })
}
