//! A Parquet file as a sink.

use std::path::Path;

use kymo_engine::Labels;
use kymo_formats::{codec::ChunkSamples, wire::sample_table::SampleTableWriter};

use super::{Ending, ExportError, Sink, families::Family};
use crate::transfer::files::OutputFile;

/// A file under way.
pub(super) struct Table {
    writer: SampleTableWriter<OutputFile>,
}

impl Table {
    pub(super) fn create(path: &Path) -> Result<Self, ExportError> {
        Ok(Self { writer: SampleTableWriter::new(OutputFile::create(path)?)? })
    }
}

impl Sink for Table {
    fn family(&mut self, _family: &Family) -> Result<(), ExportError> {
        // The file has no place for what is known of families.
        Ok(())
    }

    fn push(&mut self, labels: &Labels, samples: &ChunkSamples) -> Result<(), ExportError> {
        let pairs: Vec<(&[u8], &[u8])> = labels.iter().map(|label| (label.name, label.value)).collect();
        Ok(self.writer.push(&pairs, samples)?)
    }

    fn finish(self: Box<Self>) -> Result<Ending, ExportError> {
        let (file, _) = self.writer.finish()?;
        file.finish()?;
        Ok(Ending::default())
    }
}
