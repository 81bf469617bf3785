//! A table as of one version.

use std::collections::BTreeMap;

use kymo_formats::{
    delta::{Action, Metadata, Protocol, Remove, Txn},
    rollup::table::LabelColumns,
};

use super::{DataFileMeta, Partition};

/// Setting of a table that names the labels that have columns, in their order.
pub(super) const LABELS_KEY: &str = "kymo.labels";
/// Setting of a table that tells the width of its windows, milliseconds.
pub(super) const WIDTH_KEY: &str = "kymo.width_ms";

/// A table as of one version.
#[derive(Debug, Clone)]
pub struct TableState {
    pub(super) version: u64,
    pub(super) partition: Partition,
    pub(super) metadata: Option<Metadata>,
    pub(super) files: BTreeMap<String, DataFileMeta>,
    /// Files that were taken out, until they have been removed.
    pub(super) removed: BTreeMap<String, Remove>,
    pub(super) txns: BTreeMap<String, Txn>,
}

/// How large a table is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TableSize {
    /// Number of series of the partition that has most, at least: files of the same metrics may have others.
    pub series: u64,
    /// Number of rows.
    pub rows: u64,
    /// Bytes of data files and of the files of series beside them.
    pub bytes: u64,
    /// Number of these files.
    pub objects: u64,
}

/// The application in whose name the table keeps how far rows of a policy have been dropped.
fn drop_app_id(policy: &str) -> String {
    format!("kymo-dropped-{policy}")
}

/// Series of files that may have some in common: of those whose metrics overlap the most that one has.
fn series_of(mut files: Vec<&DataFileMeta>) -> u64 {
    files.sort_by(|a, b| a.min_metric.cmp(&b.min_metric));
    let (mut total, mut most) = (0, 0);
    let mut last: Option<&[u8]> = None;
    for file in files {
        if last.is_some_and(|last| last < &*file.min_metric) {
            total += std::mem::take(&mut most);
        }
        most = most.max(file.series);
        last = last.max(Some(&file.max_metric));
    }
    total + most
}

impl TableState {
    pub(super) const fn new(partition: Partition) -> Self {
        Self {
            version: 0,
            partition,
            metadata: None,
            files: BTreeMap::new(),
            removed: BTreeMap::new(),
            txns: BTreeMap::new(),
        }
    }

    /// The version.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Whether it has been read, and is there.
    #[must_use]
    pub const fn is_read(&self) -> bool {
        self.metadata.is_some()
    }

    /// The files that belong to it, by path.
    pub fn files(&self) -> impl Iterator<Item = &DataFileMeta> {
        self.files.values()
    }

    /// The end of the first window that has rows, milliseconds.
    #[must_use]
    pub fn first_end(&self) -> Option<i64> {
        // Paths begin with the partition, whose names are in the order of time.
        let first = &self.files.first_key_value()?.1.partition;
        let of_first = self.files().take_while(|file| file.partition == *first);
        of_first.map(|file| file.min_end).min()
    }

    /// The file of this path.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<&DataFileMeta> {
        self.files.get(path)
    }

    /// The files that may have rows of windows that end in `(from, to]`.
    pub fn files_in(&self, from: i64, to: i64) -> impl Iterator<Item = &DataFileMeta> {
        self.files().filter(move |file| file.overlaps(from, to))
    }

    /// How large the table is.
    #[must_use]
    pub fn size(&self) -> TableSize {
        let mut size = TableSize::default();
        let mut of_partition: BTreeMap<(&str, &str), Vec<&DataFileMeta>> = BTreeMap::new();
        for file in self.files() {
            size.rows += file.rows;
            size.bytes += file.bytes + file.series_bytes;
            size.objects += 2;
            of_partition.entry((&file.partition, &file.policy)).or_default().push(file);
        }
        let mut series: BTreeMap<&str, u64> = BTreeMap::new();
        for ((partition, _), files) in of_partition {
            *series.entry(partition).or_default() += series_of(files);
        }
        size.series = series.into_values().max().unwrap_or(0);
        size
    }

    /// The number of the last job that the application `app_id` has committed.
    #[must_use]
    pub fn job(&self, app_id: &str) -> Option<i64> {
        self.txns.get(app_id).map(|txn| txn.version)
    }

    /// Rows of the policy that end here or before may have been dropped for their age; `i64::MIN` if none have. The table
    /// tells it, not the clock: that is put back now and then, and the rows of all who write here go together.
    #[must_use]
    pub fn dropped_to(&self, policy: &str) -> i64 {
        self.job(&drop_app_id(policy)).unwrap_or(i64::MIN)
    }

    /// The action that says that rows of the policy that end at `end` or before have been dropped.
    pub(crate) fn drop_action(&self, policy: &str, end: i64, now_ms: i64) -> Action {
        let version = end.max(self.dropped_to(policy));
        Action::Txn(Txn { app_id: drop_app_id(policy), version, last_updated: Some(now_ms) })
    }

    /// The labels that have columns.
    #[must_use]
    pub fn labels(&self) -> LabelColumns {
        let setting = self.metadata.as_ref().and_then(|metadata| metadata.configuration.get(LABELS_KEY));
        LabelColumns::new(setting.map_or("", String::as_str).split(',').filter(|name| !name.is_empty()))
    }

    /// Whether a file of this path belongs to the table, or did until a while ago.
    pub(super) fn knows(&self, path: &str) -> bool {
        self.files.contains_key(path) || self.removed.contains_key(path)
    }

    /// The files that were taken out, by path.
    pub(crate) const fn removed(&self) -> &BTreeMap<String, Remove> {
        &self.removed
    }

    /// What the table is; none before its first commit.
    pub(crate) const fn metadata(&self) -> Option<&Metadata> {
        self.metadata.as_ref()
    }

    /// Takes the actions of the commit that makes `version`. Files that are not of this table's kind are an error that
    /// names them: leaving them out would leave out rows.
    pub(super) fn apply(&mut self, version: u64, actions: Vec<Action>) -> Result<(), String> {
        for action in actions {
            match action {
                Action::CommitInfo(_) | Action::Protocol(_) => {}
                Action::Metadata(metadata) => self.take_metadata(metadata)?,
                Action::Add(add) => {
                    let file = DataFileMeta::from_add(&add, self.partition);
                    let file = file.ok_or_else(|| format!("{} was not written by Kymo", add.path))?;
                    self.removed.remove(&add.path);
                    self.files.insert(add.path, file);
                }
                Action::Remove(remove) => {
                    self.files.remove(&remove.path);
                    self.removed.insert(remove.path.clone(), remove);
                }
                Action::Txn(txn) => drop(self.txns.insert(txn.app_id.clone(), txn)),
            }
        }
        self.version = version;
        Ok(())
    }

    fn take_metadata(&mut self, metadata: Metadata) -> Result<(), String> {
        if metadata.partition_columns != [self.partition.column()] {
            return Err(format!("it is partitioned by {:?}", metadata.partition_columns));
        }
        if metadata.format.provider != "parquet" || !metadata.configuration.contains_key(WIDTH_KEY) {
            return Err("its settings do not tell the width of windows".to_owned());
        }
        self.metadata = Some(metadata);
        Ok(())
    }

    /// Actions that lead to this state, without the files that were taken out before `removed_after_ms`.
    pub(super) fn to_actions(&self, removed_after_ms: i64) -> Vec<Action> {
        let removed = self.removed.values();
        let removed =
            removed.filter(|remove| remove.deletion_timestamp.is_none_or(|at| at > removed_after_ms));
        std::iter::once(Action::Protocol(Protocol::OURS))
            .chain(self.metadata.clone().map(Action::Metadata))
            .chain(self.txns.values().cloned().map(Action::Txn))
            .chain(removed.cloned().map(Action::Remove))
            .chain(self.files.values().map(|file| Action::Add(file.to_add(self.partition, false))))
            .collect()
    }
}
