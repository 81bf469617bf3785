//! A data file, series by series.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use kymo_formats::{
    checksum::crc32,
    rollup::table::{DataFile, Facts, FileSeries, RollupColumns, SeriesFile, TableError},
};

use super::{TierError, fetch::VerifiedObject, table::DataFileMeta};
use crate::{env::ObjectStore, model::Labels, parts::PartCache, read::ReadCost};

/// A series of a data file.
#[derive(Debug, Clone)]
pub(crate) struct RowsOf {
    pub(crate) labels: Labels,
    /// Its rows in the file.
    pub(crate) rows: Range<u64>,
    /// End of its first window.
    pub(crate) min_end: i64,
    /// End of its last window.
    pub(crate) max_end: i64,
}

/// A data file whose rows can be read.
#[derive(Debug)]
pub(crate) struct RowFile {
    object: Arc<VerifiedObject>,
    file: DataFile,
}

/// The file of series beside a data file, read group by group.
pub(crate) struct SeriesGroups {
    file: SeriesFile<Bytes>,
    key: String,
    /// Rows of the data file.
    rows: u64,
    next: usize,
}

impl SeriesGroups {
    /// The series of the next group, in the order of the table; none behind the last one.
    ///
    /// # Errors
    /// When the file is damaged.
    pub(crate) fn next_group(&mut self) -> Result<Option<Vec<RowsOf>>, TierError> {
        if self.next >= self.file.groups() {
            return Ok(None);
        }
        let group = self.file.read_group(self.next);
        self.next += 1;
        let rows =
            group.and_then(|group| group.into_iter().map(|series| rows_of(series, self.rows)).collect());
        rows.map(Some).map_err(|error| TierError::file(&self.key, error))
    }
}

/// Opens a data file and the file of series beside it: reads the latter, and of the former what tells where its columns
/// are.
///
/// # Errors
/// Errors of the place, and when one of them is damaged.
pub(crate) fn open_file(
    store: &Arc<dyn ObjectStore>,
    cache: &Arc<PartCache>,
    table: &str,
    meta: &DataFileMeta,
) -> Result<(RowFile, SeriesGroups), TierError> {
    let key = format!("{table}/{}", meta.series_path());
    let bytes = store.get(&key)?;
    cache.note_request(bytes.len() as u64);
    if bytes.len() as u64 != meta.series_bytes || crc32(&bytes) != meta.series_crc32 {
        let problem = format!(
            "{} bytes of checksum {:08x} are there of {} of {:08x}",
            bytes.len(),
            crc32(&bytes),
            meta.series_bytes,
            meta.series_crc32
        );
        return Err(TierError::Damaged { key, problem });
    }
    let failed = |error: TableError| TierError::file(&key, error);
    let file = SeriesFile::open(bytes).map_err(failed)?;
    let checksums = file.checksums().map_err(failed)?;
    let groups = SeriesGroups { file, key, rows: meta.rows, next: 0 };
    let key = format!("{table}/{}", meta.path);
    let object = Arc::new(VerifiedObject::new(Arc::clone(store), Arc::clone(cache), key, checksums));
    let file = DataFile::open(&*object).map_err(|error| read_error(object.key(), error))?;
    Ok((RowFile { object, file }, groups))
}

impl RowFile {
    /// Whether there are columns of native histograms, and rows are large.
    pub(crate) fn has_histograms(&self) -> bool {
        self.file.has_histograms()
    }

    /// Reads rows, which ascend and do not touch.
    ///
    /// # Errors
    /// Errors of the place, and when the file is damaged.
    pub(crate) fn read(
        &self,
        rows: &[Range<u64>],
        facts: Facts,
    ) -> Result<(RollupColumns, ReadCost), TierError> {
        let failed = |error| read_error(self.object.key(), error);
        let parts = self.file.parts(rows, facts).map_err(failed)?;
        let (requests, fetched_bytes) = self.object.prefetch(&parts)?;
        let cost = ReadCost {
            rows: rows.iter().map(|rows| rows.end - rows.start).sum(),
            bytes: parts.iter().map(|part| part.end - part.start).sum(),
            requests,
            fetched_bytes,
            ..ReadCost::default()
        };
        let columns = self.file.read(&self.object, rows, facts).map_err(failed)?;
        Ok((columns, cost))
    }
}

/// A data file of which all series are known: for queries, which look for some of them again and again.
#[derive(Debug)]
pub(crate) struct OpenFile {
    rows: RowFile,
    series: Vec<RowsOf>,
    /// Requests that opening it took, and bytes that they brought.
    opened: (u64, u64),
}

impl OpenFile {
    /// Opens a file, and reads all of its series.
    ///
    /// # Errors
    /// As [`open_file`].
    pub(crate) fn open(
        store: &Arc<dyn ObjectStore>,
        cache: &Arc<PartCache>,
        table: &str,
        meta: &DataFileMeta,
    ) -> Result<Self, TierError> {
        let (rows, mut groups) = open_file(store, cache, table, meta)?;
        let mut series = Vec::new();
        while let Some(group) = groups.next_group()? {
            series.extend(group);
        }
        let (requests, bytes) = rows.object.fetched();
        Ok(Self { rows, series, opened: (requests + 1, bytes + meta.series_bytes) })
    }

    /// Its series, in the order of the table.
    pub(crate) fn series(&self) -> &[RowsOf] {
        &self.series
    }

    /// As [`RowFile::has_histograms`].
    pub(crate) fn has_histograms(&self) -> bool {
        self.rows.has_histograms()
    }

    /// Memory that it takes.
    pub(crate) fn held_bytes(&self) -> usize {
        let series = |series: &RowsOf| size_of::<RowsOf>() + series.labels.held_bytes();
        self.rows.file.held_bytes() + self.series.iter().map(series).sum::<usize>()
    }

    /// As [`RowFile::read`].
    ///
    /// # Errors
    /// As there.
    pub(crate) fn read(
        &self,
        rows: &[Range<u64>],
        facts: Facts,
    ) -> Result<(RollupColumns, ReadCost), TierError> {
        self.rows.read(rows, facts)
    }

    /// What opening it took.
    pub(crate) fn open_cost(&self) -> ReadCost {
        let (requests, fetched_bytes) = self.opened;
        ReadCost { requests, fetched_bytes, ..ReadCost::default() }
    }
}

/// Files that have been opened, least recently used first out.
#[derive(Debug)]
pub(crate) struct FileCache(quick_cache::sync::Cache<String, Arc<OpenFile>, FileWeight>);

#[derive(Debug, Clone)]
struct FileWeight;

impl quick_cache::Weighter<String, Arc<OpenFile>> for FileWeight {
    fn weight(&self, key: &String, file: &Arc<OpenFile>) -> u64 {
        (key.len() + file.held_bytes()) as u64
    }
}

impl FileCache {
    /// A cache of at most `bytes_max` bytes.
    pub(crate) fn new(bytes_max: u64) -> Self {
        // What a file takes is not known beforehand; this many are of a usual size.
        let files = usize::try_from(bytes_max / (256 << 10)).unwrap_or(usize::MAX).max(16);
        Self(quick_cache::sync::Cache::with_weighter(files, bytes_max, FileWeight))
    }

    /// The file of this key, opened by one of those who ask for it.
    ///
    /// # Errors
    /// The error of `open`.
    pub(crate) fn get_or_insert_with(
        &self,
        key: &str,
        open: impl FnOnce() -> Result<Arc<OpenFile>, TierError>,
    ) -> Result<Arc<OpenFile>, TierError> {
        self.0.get_or_insert_with(key, open)
    }
}

fn rows_of(found: FileSeries, rows: u64) -> Result<RowsOf, TableError> {
    if found.rows.end > rows {
        return Err(TableError::Foreign { what: "the rows that its series have" });
    }
    let labels = Labels::from_pairs(found.labels.iter().map(|(name, value)| (&**name, &**value)));
    Ok(RowsOf { labels, rows: found.rows, min_end: found.min_end, max_end: found.max_end })
}

/// The error of reading bytes if that is what it was, not the decoder's.
fn read_error(key: &str, error: TableError) -> TierError {
    match error {
        TableError::Parquet(parquet::errors::ParquetError::External(error)) => {
            match error.downcast::<TierError>() {
                Ok(error) => *error,
                Err(error) => TierError::Damaged { key: key.to_owned(), problem: error.to_string() },
            }
        }
        error => TierError::file(key, error),
    }
}
