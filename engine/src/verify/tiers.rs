//! The tables of rollups in a data directory: their logs, and every row of the files that these name.

use std::{io, path::Path, sync::Arc};

use super::report::{CheckedFile, FileKind, VerifyReport};
use crate::{
    env::{Env, FolderStore, Fs, ObjectStore},
    error::Error,
    parts::PartCache,
    rollup::{LOCAL_DIR, partition_of, table_width},
    tier::{DataFileMeta, FileStream, RollupStream as _, Table, TierError, Wanted, open_file},
};

/// Parts of files that are in memory.
const CACHE_BYTES: u64 = 16 << 20;

/// Checks all tables in the data directory `dir`.
///
/// # Errors
/// When a directory cannot be read.
pub(super) fn check(fs: &Arc<dyn Fs>, dir: &Path, report: &mut VerifyReport) -> Result<(), Error> {
    let root = dir.join(LOCAL_DIR);
    let entries = match fs.list(&root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(Error::io("list", &root))?,
    };
    let store: Arc<dyn ObjectStore> = Arc::new(FolderStore::read_only(Arc::clone(fs), &root));
    let env = Env { fs: Arc::clone(fs), ..Env::system() };
    for entry in entries.iter().filter(|entry| entry.is_dir) {
        let Some(width_ms) = table_width(&entry.name) else { continue };
        let mut table = Table::new(Arc::clone(&store), &env, &entry.name, width_ms, partition_of(width_ms));
        check_table(&mut table, &root, report)?;
    }
    Ok(())
}

fn check_table(table: &mut Table, root: &Path, report: &mut VerifyReport) -> Result<(), Error> {
    let prefix = table.key("_delta_log/");
    let log = table.store().list(&prefix, None).map_err(TierError::from)?;
    let bytes = log.iter().map(|object| object.size).sum();
    let mut checked = CheckedFile::new(FileKind::RollupLog, root.join(&prefix), bytes);
    checked.entries = log.len() as u64;
    let read = table.refresh();
    if let Err(error) = &read {
        checked.damage(None, error.to_string());
    }
    report.files.push(checked);
    if read.is_err() {
        return Ok(());
    }
    let cache = Arc::new(PartCache::new(CACHE_BYTES));
    for file in table.state().files() {
        let path = root.join(table.key(&file.path));
        let mut checked = CheckedFile::new(FileKind::Rollups, path, file.bytes);
        match rows_of(table, file, &cache) {
            Ok(rows) if rows == file.rows => {}
            Ok(rows) => checked.damage(None, format!("it has {rows} rows instead of {}", file.rows)),
            Err(error) => checked.damage(None, error.to_string()),
        }
        checked.entries = file.rows;
        report.files.push(checked);
    }
    Ok(())
}

/// Reads all rows, and returns how many there are.
fn rows_of(table: &Table, file: &DataFileMeta, cache: &Arc<PartCache>) -> Result<u64, TierError> {
    let opened = open_file(table.store(), cache, table.name(), file)?;
    let mut stream = FileStream::new(opened, Wanted::AllBut(Default::default()));
    let mut rows = 0;
    while let Some(series) = stream.next_series()? {
        rows += series.rollups.len() as u64;
    }
    Ok(rows)
}
