//! Reading the log of a table, and committing to it.

use std::sync::Arc;

use bytes::Bytes;
use kymo_formats::{
    checksum::crc32,
    delta::{
        Action, CommitInfo, Format, LAST_CHECKPOINT, LastCheckpoint, LogFile, Metadata, Protocol, Txn,
        checkpoint_name, commit_name, decode_checkpoint, decode_commit, encode_checkpoint, encode_commit,
        parse_name, rollup_schema,
    },
    rollup::table::LabelColumns,
};
use tracing::warn;

use super::{
    Partition, TableState,
    file::new_path,
    state::{LABELS_KEY, WIDTH_KEY},
};
use crate::{
    ErrorKind,
    env::{Env, ObjectError, ObjectErrorKind, ObjectStore, Rng},
    model::Millis,
    tier::TierError,
};

/// Commits from one checkpoint to the next.
const CHECKPOINT_COMMITS: u64 = 100;
/// Older commits than so many before the newest checkpoint are removed: who reads the log is not that far behind.
const KEPT_COMMITS: u64 = 2 * CHECKPOINT_COMMITS;
/// Files that were taken out longer ago than this are not mentioned any more, milliseconds.
const REMOVED_KEPT_MS: i64 = 7 * 86_400_000;
/// Other writers may come first so often.
const ATTEMPTS_MAX: u32 = 100;

/// A table on object storage.
#[derive(Debug)]
pub(crate) struct Table {
    store: Arc<dyn ObjectStore>,
    env: Env,
    /// The name, which is the first component of its keys.
    name: String,
    width_ms: i64,
    state: Arc<TableState>,
    /// Whether the log has been read.
    is_read: bool,
    rng: Rng,
}

/// What is to be committed.
#[derive(Debug, Clone)]
pub(crate) struct Commit {
    /// What is done, in Spark's words.
    pub(crate) operation: &'static str,
    /// The application and the number of the job, if it is one.
    pub(crate) job: Option<(String, i64)>,
}

/// How a commit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Committed {
    /// It made this version.
    Now(u64),
    /// The job had been committed before.
    Before,
    /// There was nothing to commit.
    Nothing,
}

impl Table {
    /// The table `name`, which is read when it is first needed.
    pub(crate) fn new(
        store: Arc<dyn ObjectStore>,
        env: &Env,
        name: &str,
        width_ms: i64,
        partition: Partition,
    ) -> Self {
        let rng = Rng::new(env.seed ^ env.clock.monotonic_nanos() ^ env.clock.now().0.cast_unsigned());
        let state = Arc::new(TableState::new(partition));
        Self { store, env: env.clone(), name: name.to_owned(), width_ms, state, is_read: false, rng }
    }

    /// The table as it was when it was last read.
    pub(crate) const fn state(&self) -> &Arc<TableState> {
        &self.state
    }

    /// Whether it has been read, and is there.
    pub(crate) const fn is_read(&self) -> bool {
        self.is_read
    }

    /// Where its objects are.
    pub(crate) const fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Width of its windows, milliseconds.
    pub(crate) const fn width_ms(&self) -> i64 {
        self.width_ms
    }

    /// How it is divided.
    pub(crate) fn partition(&self) -> Partition {
        self.state.partition
    }

    /// What time it is.
    pub(crate) fn now(&self) -> Millis {
        self.env.clock.now()
    }

    /// A path for a new data file of a partition, which nobody else chooses and no file of the table ever had.
    pub(crate) fn new_path(&mut self, partition: &str) -> String {
        loop {
            let path = new_path(self.partition(), partition, self.now(), &mut self.rng);
            if !self.state.knows(&path) {
                return path;
            }
        }
    }

    /// The key of the file `path` of the table.
    pub(crate) fn key(&self, path: &str) -> String {
        format!("{}/{path}", self.name)
    }

    fn log_key(&self, name: &str) -> String {
        format!("{}/_delta_log/{name}", self.name)
    }

    /// Reads what was committed since it was last read.
    ///
    /// # Errors
    /// When the place cannot be read, or the log is damaged or foreign.
    pub(crate) fn refresh(&mut self) -> Result<(), TierError> {
        let was_read = self.is_read;
        let refreshed = self.read_log();
        if refreshed.is_err() && !was_read {
            // A part of it would be taken for all there is.
            self.forget();
        }
        refreshed
    }

    fn forget(&mut self) {
        self.state = Arc::new(TableState::new(self.state.partition));
        self.is_read = false;
    }

    fn read_log(&mut self) -> Result<(), TierError> {
        if !self.is_read {
            self.read_checkpoint()?;
        }
        let prefix = self.log_key("");
        let next = |table: &Self| if table.is_read { table.state.version + 1 } else { 0 };
        let after = self.is_read.then(|| self.log_key(&commit_name(self.state.version)));
        let mut skipped = false;
        for object in self.store.list(&prefix, after.as_deref())? {
            let Some(LogFile::Commit(version)) = parse_name(&object.key[prefix.len()..]) else { continue };
            if version < next(self) {
                continue;
            }
            if version > next(self) {
                if skipped {
                    return Err(TierError::Gap { table: self.name.clone(), version: next(self) });
                }
                // Whoever is far behind finds that the commits were replaced by a checkpoint.
                skipped = true;
                self.read_checkpoint()?;
                if version < next(self) {
                    continue;
                }
                if version > next(self) {
                    return Err(TierError::Gap { table: self.name.clone(), version: next(self) });
                }
            }
            let actions = self
                .read_commit(version)?
                .ok_or_else(|| TierError::Gap { table: self.name.clone(), version })?;
            self.apply(version, actions)?;
        }
        Ok(())
    }

    fn apply(&mut self, version: u64, actions: Vec<Action>) -> Result<(), TierError> {
        let foreign = |problem| TierError::Foreign { table: self.name.clone(), problem };
        let mut next = TableState::clone(&self.state);
        next.apply(version, actions).map_err(foreign)?;
        if let Some(metadata) = &next.metadata
            && metadata.configuration.get(WIDTH_KEY) != Some(&self.width_ms.to_string())
        {
            let problem = format!("its windows are {:?} milliseconds", metadata.configuration.get(WIDTH_KEY));
            return Err(TierError::Foreign { table: self.name.clone(), problem });
        }
        self.state = Arc::new(next);
        self.is_read = true;
        Ok(())
    }

    /// Reads the newest checkpoint that is whole, if there is one.
    fn read_checkpoint(&mut self) -> Result<(), TierError> {
        let key = self.log_key(LAST_CHECKPOINT);
        let Some(pointer) = found(self.store.get(&key))? else { return Ok(()) };
        // A hint: without it, or if it is damaged, the log is read from its beginning.
        let pointed: Option<LastCheckpoint> = serde_json::from_slice(&pointer).ok();
        if pointed.is_none() {
            warn!(key, "the pointer to the newest checkpoint does not parse, and is passed over");
        }
        let Some(newest) = pointed else { return Ok(()) };
        if self.is_read && newest.version <= self.state.version {
            return Ok(());
        }
        let Err(error) = self.take_checkpoint(newest) else { return Ok(()) };
        if !matches!(error.kind(), ErrorKind::Corrupt) {
            return Err(error);
        }
        // Commits since the one before are still there.
        let is_needed = |version: &u64| *version > 0 && (!self.is_read || *version > self.state.version);
        let Some(version) = newest.version.checked_sub(CHECKPOINT_COMMITS).filter(is_needed) else {
            return Err(error);
        };
        warn!(table = self.name, %error, "the newest checkpoint is passed over");
        self.take_checkpoint(LastCheckpoint { version, size: 0, crc32: None }).map_err(|_| error)
    }

    fn take_checkpoint(&mut self, pointer: LastCheckpoint) -> Result<(), TierError> {
        let key = self.log_key(&checkpoint_name(pointer.version));
        let file = self.store.get(&key)?;
        let found = crc32(&file);
        if let Some(expected) = pointer.crc32.filter(|expected| *expected != found) {
            let problem = format!("its checksum is {found:08x}, not {expected:08x}");
            return Err(TierError::Damaged { key, problem });
        }
        let actions = decode_checkpoint(file).map_err(|source| TierError::Log { key, source })?;
        self.state = Arc::new(TableState::new(self.state.partition));
        self.apply(pointer.version, actions)
    }

    /// The actions of the commit that makes `version`; `None` if there is none.
    fn read_commit(&self, version: u64) -> Result<Option<Vec<Action>>, TierError> {
        let key = self.log_key(&commit_name(version));
        let Some(bytes) = found(self.store.get(&key))? else { return Ok(None) };
        decode_commit(&bytes).map(Some).map_err(|source| TierError::Log { key, source })
    }

    /// Commits the actions that `build` makes of the newest state. It is called anew when others came first; then it
    /// has to look whether what it does still makes sense.
    ///
    /// # Errors
    /// When the place does not do what it should, or the error of `build`. Whether the commit was made may be unknown
    /// then: a job is found to be committed when it is committed again.
    pub(crate) fn commit(
        &mut self,
        commit: &Commit,
        mut build: impl FnMut(&TableState) -> Result<Vec<Action>, TierError>,
    ) -> Result<Committed, TierError> {
        let nonce = format!("{:016x}{:016x}", self.rng.next_u64(), self.rng.next_u64());
        for _ in 0..ATTEMPTS_MAX {
            self.refresh()?;
            if let Some((app_id, job)) = &commit.job
                && self.state.job(app_id).is_some_and(|done| done >= *job)
            {
                return Ok(Committed::Before);
            }
            let actions = build(&self.state)?;
            if actions.is_empty() {
                return Ok(Committed::Nothing);
            }
            if let Some(version) = self.try_commit(commit, &nonce, actions)? {
                self.checkpoint_now_and_then();
                return Ok(Committed::Now(version));
            }
        }
        Err(TierError::Contended { table: self.name.clone(), attempts: ATTEMPTS_MAX })
    }

    /// Tries to make the next version; `None` if somebody else has made it.
    fn try_commit(
        &mut self,
        commit: &Commit,
        nonce: &str,
        actions: Vec<Action>,
    ) -> Result<Option<u64>, TierError> {
        let now = self.env.clock.now().0;
        let version = if self.is_read { self.state.version + 1 } else { 0 };
        let info = CommitInfo {
            timestamp: now,
            operation: commit.operation.to_owned(),
            engine_info: concat!("Kymo/", env!("CARGO_PKG_VERSION")).to_owned(),
            nonce: nonce.to_owned(),
            crc32: None,
        };
        let mut all = Vec::new();
        if let Some((app_id, job)) = &commit.job {
            all.push(Action::Txn(Txn { app_id: app_id.clone(), version: *job, last_updated: Some(now) }));
        }
        all.extend(actions);
        let key = self.log_key(&commit_name(version));
        let created = self.store.create(&key, Bytes::from(encode_commit(info, all.clone())));
        let Err(error) = created else {
            self.apply(version, all)?;
            return Ok(Some(version));
        };
        if !matches!(error.kind, ObjectErrorKind::AlreadyExists | ObjectErrorKind::Unavailable) {
            return Err(error.into());
        }
        // The commit may be there all the same: an answer that was lost, or one to a second attempt that the store's
        // client made by itself.
        let Some(found) = self.read_commit(version)? else { return Err(error.into()) };
        let is_ours = |action: &Action| matches!(action, Action::CommitInfo(info) if info.nonce == nonce);
        if found.iter().any(is_ours) {
            self.apply(version, found)?;
            return Ok(Some(version));
        }
        Ok(None)
    }

    /// Makes the table if it is not there, and gives columns to these labels if they have none and can have one.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub(crate) fn prepare<'a>(
        &mut self,
        labels: impl Iterator<Item = &'a str> + Clone,
    ) -> Result<(), TierError> {
        let id = uuid(&mut self.rng);
        let (name, width_ms, now) = (self.name.clone(), self.width_ms, self.env.clock.now().0);
        let commit = Commit { operation: "SET TBLPROPERTIES", job: None };
        let prepared = self.commit(&commit, |state| {
            let mut columns = state.labels();
            for label in labels.clone() {
                columns.add(label);
            }
            let metadata = new_metadata(&name, width_ms, state, &columns, &id, now);
            Ok(match state.metadata() {
                None => vec![Action::Protocol(Protocol::OURS), Action::Metadata(metadata)],
                Some(old) if old.schema_string == metadata.schema_string => Vec::new(),
                Some(old) => vec![Action::Metadata(Metadata {
                    id: old.id.clone(),
                    created_time: old.created_time,
                    ..metadata
                })],
            })
        });
        prepared.map(drop)
    }

    /// Writes a checkpoint if one is due. It only saves work, so that an error is not the caller's.
    fn checkpoint_now_and_then(&mut self) {
        let version = self.state.version;
        if version == 0 || !version.is_multiple_of(CHECKPOINT_COMMITS) {
            return;
        }
        if let Err(error) = self.checkpoint() {
            let error = &error as &dyn std::error::Error;
            warn!(error, table = self.name, version, "no checkpoint was written");
        }
    }

    /// Writes a checkpoint of the state, and removes what it has made superfluous long ago.
    fn checkpoint(&mut self) -> Result<(), TierError> {
        let version = self.state.version;
        let actions = self.state.to_actions(self.env.clock.now().0.saturating_sub(REMOVED_KEPT_MS));
        let size = i64::try_from(actions.len()).unwrap_or(i64::MAX);
        let key = self.log_key(&checkpoint_name(version));
        let file =
            encode_checkpoint(&actions).map_err(|source| TierError::Log { key: key.clone(), source })?;
        let (len, crc32) = (file.len() as u64, Some(crc32(&file)));
        self.store.put(&key, file.into())?;
        let found = self.store.size(&key)?;
        if found != len {
            let problem = format!("{found} bytes are there of {len} that were written");
            return Err(TierError::Damaged { key, problem });
        }
        let pointer = serde_json::json!(LastCheckpoint { version, size, crc32 }).to_string();
        self.store.put(&self.log_key(LAST_CHECKPOINT), pointer.into())?;
        let prefix = self.log_key("");
        for object in self.store.list(&prefix, None)? {
            let old = match parse_name(&object.key[prefix.len()..]) {
                Some(LogFile::Commit(old) | LogFile::Checkpoint(old)) => old,
                None => continue,
            };
            if old < version.saturating_sub(KEPT_COMMITS) {
                self.store.delete(&object.key)?;
            }
        }
        Ok(())
    }
}

/// What a table of these columns is.
fn new_metadata(
    name: &str,
    width_ms: i64,
    state: &TableState,
    columns: &LabelColumns,
    id: &str,
    now_ms: i64,
) -> Metadata {
    let partition = state.partition.column();
    let settings = [(LABELS_KEY, columns.names().join(",")), (WIDTH_KEY, width_ms.to_string())];
    Metadata {
        id: id.to_owned(),
        name: Some(name.to_owned()),
        format: Format { provider: "parquet".to_owned(), options: Default::default() },
        schema_string: rollup_schema(columns, partition),
        partition_columns: vec![partition.to_owned()],
        configuration: settings.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        created_time: Some(now_ms),
    }
}

/// A random UUID (version 4).
fn uuid(rng: &mut Rng) -> String {
    let (a, b) = (rng.next_u64(), rng.next_u64());
    let (a, b) = (a & !0xf000 | 0x4000, b & !(0b11 << 62) | 0b10 << 62);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        a >> 32,
        a >> 16 & 0xffff,
        a & 0xffff,
        b >> 48,
        b & 0xffff_ffff_ffff
    )
}

/// The object, unless there is none.
fn found<T>(result: Result<T, ObjectError>) -> Result<Option<T>, ObjectError> {
    match result {
        Err(error) if error.kind == ObjectErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}
