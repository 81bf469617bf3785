//! Writing a data file and the file of series beside it.

use kymo_formats::rollup::{
    Rollup,
    table::{FileSpec, LabelColumns, SeriesRows, TableWriter},
};

use super::{
    TierError,
    table::{DataFileMeta, Table, Writer},
};
use crate::{
    env::{ObjectError, ObjectErrorKind, UploadWriter},
    model::{Fingerprint, Labels, Millis},
};

/// The rows of one series, on their way from one file to another.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SeriesRollups {
    pub(crate) labels: Labels,
    /// Ascending.
    pub(crate) rollups: Vec<Rollup>,
}

/// Identifies a series in the table: 64 bits of its fingerprint.
pub(crate) fn series_id(labels: &Labels) -> i64 {
    let [low @ .., _, _, _, _, _, _, _, _] = Fingerprint::of(labels).0.to_le_bytes();
    i64::from_le_bytes(low)
}

/// A data file that is being written. Dropped before it is finished it leaves nothing that a table names.
pub(crate) struct FileWriter {
    writer: TableWriter<UploadWriter, UploadWriter>,
    path: String,
    partition: String,
    by: Writer,
    created: Millis,
}

impl FileWriter {
    /// Begins the file `path` in a partition of `table`, with room for native histograms if it is known that there are
    /// some.
    ///
    /// # Errors
    /// Errors of the place.
    pub(crate) fn create(
        table: &Table,
        path: String,
        partition: String,
        by: Writer,
        labels: LabelColumns,
        histograms: bool,
    ) -> Result<Self, TierError> {
        let spec = FileSpec { labels, width_ms: table.width_ms(), src: by.src, histograms };
        let upload = |path: &str| table.store().upload(&table.key(path)).map(UploadWriter::new);
        let data = upload(&path)?;
        let series = upload(&super::table::series_path(&path))?;
        let writer = TableWriter::new(spec, data, series);
        let writer = writer.map_err(|error| TierError::write(&table.key(&path), error.into()))?;
        Ok(Self { writer, path, partition, by, created: table.now() })
    }

    /// Whether there is room for the native histograms of the series; else it belongs into another file.
    pub(crate) fn takes(&self, series: &SeriesRollups) -> bool {
        self.writer.takes(&series.rollups)
    }

    /// Adds the rows of a series that it takes. Series come in the order of the table, each once.
    ///
    /// # Errors
    /// Errors of the place.
    pub(crate) fn push(&mut self, table: &Table, series: &SeriesRollups) -> Result<(), TierError> {
        let labels: Vec<(&[u8], &[u8])> =
            series.labels.iter().map(|label| (label.name, label.value)).collect();
        let rows =
            SeriesRows { labels: &labels, series_id: series_id(&series.labels), rollups: &series.rollups };
        self.writer.push(&rows).map_err(|error| TierError::write(&table.key(&self.path), error.into()))
    }

    /// Makes both objects and looks whether they are as long as they should be: what a table names has to be there.
    ///
    /// # Errors
    /// Errors of the place.
    pub(crate) fn finish(self, table: &Table) -> Result<DataFileMeta, TierError> {
        let failed = |error| TierError::write(&table.key(&self.path), error);
        let (data, series, stats) = self.writer.finish().map_err(|error| failed(error.into()))?;
        data.finish()?;
        series.finish()?;
        let series_path = super::table::series_path(&self.path);
        for (path, len) in [(&self.path, stats.data_bytes), (&series_path, stats.series_bytes)] {
            let key = table.key(path);
            let found = table.store().size(&key)?;
            if found != len {
                let problem = format!("{found} bytes are there of {len} that were written");
                return Err(ObjectError::new(ObjectErrorKind::Damaged, "write", &key, problem).into());
            }
        }
        Ok(DataFileMeta::of(self.path, self.partition, self.created, &stats, &self.by))
    }
}
