//! A file system in memory that knows what a power loss would leave of it.
//!
//! Every file keeps its live bytes, the bytes that are durable, and the changes between the two; the names of
//! files likewise. [`MemFs::durable_image`] is what one of the allowed crashes leaves: see [`Fs`] for which
//! are allowed.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::Mutex;

use super::{
    fs::{DirEntry, File, Fs, LockGuard, Mapping, OpenMode},
    os_fs::held_elsewhere,
    rng::Rng,
};

/// What a disk writes whole or not at all.
const SECTOR_BYTES: usize = 512;

/// A file system in memory; clones share it.
#[derive(Debug, Clone, Default)]
pub struct MemFs {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    live: BTreeMap<PathBuf, Node>,
    durable: BTreeMap<PathBuf, Node>,
    /// Changes of names that no `sync_dir` has made durable, oldest first.
    pending: Vec<NameChange>,
    /// Never shrinks: a handle stays valid when its name is gone.
    inodes: Vec<Inode>,
    capacity: Option<u64>,
    locked: BTreeMap<PathBuf, Holders>,
}

#[derive(Debug, Clone, Copy)]
enum Node {
    Dir,
    File(usize),
}

impl Node {
    const fn file(self) -> Option<usize> {
        match self {
            Self::Dir => None,
            Self::File(inode) => Some(inode),
        }
    }
}

#[derive(Debug, Clone)]
enum NameChange {
    Add(PathBuf, Node),
    Remove(PathBuf),
    RemoveTree(PathBuf),
    Rename { from: PathBuf, to: PathBuf, node: Node },
}

#[derive(Debug, Default)]
struct Inode {
    live: Vec<u8>,
    durable: Vec<u8>,
    /// What leads from `durable` to `live`, oldest first.
    unsynced: Vec<Change>,
}

#[derive(Debug)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    SetLen(usize),
}

/// Which part of the changes that were not synced a crash keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    Nothing,
    Everything,
    /// Lengths but no bytes: files end in zeros.
    Lengths,
    /// Any sectors, any lengths, any prefix of the names of a directory.
    Some,
}

impl MemFs {
    /// An empty file system without a limit on its size.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on at most `bytes` can be held by files that have a name; `None` lifts the limit.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state.lock().capacity = bytes;
    }

    /// What is found after a power loss now. Which of the possible outcomes it is follows from `seed`; seed 0
    /// keeps nothing that was not synced.
    #[must_use]
    pub fn durable_image(&self, seed: u64) -> Self {
        let state = self.state.lock();
        let mut rng = Rng::new(seed);
        let kept = match seed {
            0 => Kept::Nothing,
            1 => Kept::Everything,
            2 => Kept::Lengths,
            _ => Kept::Some,
        };
        let mut names = state.durable.clone();
        let mut blocked = BTreeSet::new();
        for change in &state.pending {
            let dirs = change.dirs();
            let keep = match kept {
                Kept::Nothing => false,
                Kept::Everything | Kept::Lengths => true,
                // Names of one directory become durable in order, so the first one lost ends the rest.
                Kept::Some => dirs.iter().all(|dir| !blocked.contains(dir)) && rng.below(4) > 0,
            };
            if keep {
                change.apply(&mut names);
            } else {
                blocked.extend(dirs);
            }
        }
        let mut image = State { capacity: state.capacity, ..State::default() };
        let mut copied = BTreeMap::new();
        for (path, node) in &names {
            // Sorted by path: a directory comes before what is in it, and takes all of that away when it is lost.
            if !image.live.contains_key(parent(path)) && !is_root(parent(path)) {
                continue;
            }
            let node = match *node {
                Node::Dir => Node::Dir,
                // Once, whatever the number of its names.
                Node::File(inode) => *copied
                    .entry(inode)
                    .or_insert_with(|| image.new_file(state.inodes[inode].after_crash(kept, &mut rng))),
            };
            image.live.insert(path.clone(), node);
        }
        image.durable = image.live.clone();
        Self { state: Arc::new(Mutex::new(image)) }
    }

    pub(super) fn open_file(&self, path: &Path, mode: OpenMode) -> io::Result<MemFile> {
        let mut state = self.state.lock();
        let inode = if mode == OpenMode::CreateNew {
            if state.live.contains_key(path) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            state.check_parent(path)?;
            let node = state.new_file(Vec::new());
            state.change_name(NameChange::Add(path.to_owned(), node));
            state.file(path)?
        } else {
            state.file(path)?
        };
        Ok(MemFile { state: Arc::clone(&self.state), inode, writable: mode != OpenMode::Read })
    }
}

impl Fs for MemFs {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        let mut dirs: Vec<&Path> = path.ancestors().filter(|dir| !is_root(dir)).collect();
        dirs.reverse();
        for dir in dirs {
            match state.live.get(dir) {
                Some(Node::Dir) => {}
                Some(Node::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
                None => state.change_name(NameChange::Add(dir.to_owned(), Node::Dir)),
            }
        }
        Ok(())
    }

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(self.open_file(path, mode)?))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        let state = self.state.lock();
        state.check_dir(dir)?;
        // Paths are in the order of their components, so that what is below a directory follows it.
        let first = if is_root(dir) { Path::new("") } else { dir };
        let below = state.live.range(first.to_owned()..).take_while(|(path, _)| path.starts_with(first));
        let children = below.filter(|(path, _)| !is_root(path) && parent(path) == dir);
        let entries = children.map(|(path, node)| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            match *node {
                Node::Dir => DirEntry { name, len: 0, is_dir: true },
                Node::File(inode) => {
                    DirEntry { name, len: state.inodes[inode].live.len() as u64, is_dir: false }
                }
            }
        });
        Ok(entries.collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        let node = Node::File(state.file(from)?);
        state.check_parent(to)?;
        if matches!(state.live.get(to), Some(Node::Dir)) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        state.change_name(NameChange::Rename { from: from.to_owned(), to: to.to_owned(), node });
        Ok(())
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        let node = Node::File(state.file(from)?);
        state.check_parent(to)?;
        if state.live.contains_key(to) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        state.change_name(NameChange::Add(to.to_owned(), node));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.file(path)?;
        state.change_name(NameChange::Remove(path.to_owned()));
        Ok(())
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.check_dir(path)?;
        // Nobody can sync these directories any more.
        state.pending.retain(|change| change.dirs().iter().all(|dir| !dir.starts_with(path)));
        state.change_name(NameChange::RemoveTree(path.to_owned()));
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.check_dir(dir)?;
        state.sync_names(dir);
        Ok(())
    }

    fn file_len(&self, path: &Path) -> io::Result<u64> {
        let state = self.state.lock();
        let inode = state.file(path)?;
        Ok(state.inodes[inode].live.len() as u64)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        Ok(is_root(path) || self.state.lock().live.contains_key(path))
    }

    fn map(&self, path: &Path) -> io::Result<Mapping> {
        self.read(path).map(Mapping::from)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = self.state.lock();
        let inode = state.file(path)?;
        Ok(state.inodes[inode].live.clone())
    }

    fn available_bytes(&self, path: &Path) -> io::Result<u64> {
        let state = self.state.lock();
        if !is_root(path) && !state.live.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(state.available())
    }

    fn lock(&self, path: &Path) -> io::Result<LockGuard> {
        let mut state = self.state.lock();
        state.check_parent(path)?;
        if state.locked.contains_key(path) {
            return Err(held_elsewhere(path));
        }
        state.locked.insert(path.to_owned(), Holders::One);
        if !state.live.contains_key(path) {
            let node = state.new_file(Vec::new());
            state.change_name(NameChange::Add(path.to_owned(), node));
        }
        let held = MemLock { state: Arc::clone(&self.state), path: path.to_owned() };
        Ok(LockGuard::new(path, Box::new(held)))
    }

    fn lock_shared(&self, path: &Path) -> io::Result<LockGuard> {
        let mut state = self.state.lock();
        if !state.live.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        match state.locked.entry(path.to_owned()).or_insert(Holders::Sharing(0)) {
            Holders::One => return Err(held_elsewhere(path)),
            Holders::Sharing(count) => *count += 1,
        }
        let held = MemLock { state: Arc::clone(&self.state), path: path.to_owned() };
        Ok(LockGuard::new(path, Box::new(held)))
    }
}

/// Who holds a lock.
#[derive(Debug)]
enum Holders {
    /// Somebody alone.
    One,
    /// So many together.
    Sharing(usize),
}

struct MemLock {
    state: Arc<Mutex<State>>,
    path: PathBuf,
}

impl Drop for MemLock {
    fn drop(&mut self) {
        let mut state = self.state.lock();
        match state.locked.get_mut(&self.path) {
            Some(Holders::Sharing(count)) if *count > 1 => *count -= 1,
            _ => {
                state.locked.remove(&self.path);
            }
        }
    }
}

/// An open file of a [`MemFs`].
#[derive(Debug)]
pub(super) struct MemFile {
    state: Arc<Mutex<State>>,
    inode: usize,
    writable: bool,
}

impl MemFile {
    /// What a failed sync does: nothing that was written since the last one will ever be durable, though it
    /// still reads back.
    pub(super) fn lose_unsynced(&self) {
        self.state.lock().inodes[self.inode].unsynced.clear();
    }

    fn change(&self, change: Change) -> io::Result<()> {
        if !self.writable {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let mut state = self.state.lock();
        let len = state.inodes[self.inode].live.len();
        let growth = change.len_after(len).saturating_sub(len) as u64;
        if growth > 0 && growth > state.available() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let inode = &mut state.inodes[self.inode];
        change.apply(&mut inode.live);
        inode.unsynced.push(change);
        Ok(())
    }
}

impl File for MemFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let state = self.state.lock();
        let start = to_usize(offset)?;
        let end = start.checked_add(buf.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        let bytes = state.inodes[self.inode].live.get(start..end).ok_or(io::ErrorKind::UnexpectedEof)?;
        buf.copy_from_slice(bytes);
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.change(Change::Write { offset: to_usize(offset)?, bytes: bytes.to_vec() })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.state.lock().inodes[self.inode].sync();
        Ok(())
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        if len <= self.len()? {
            return Ok(());
        }
        self.change(Change::SetLen(to_usize(len)?))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(Change::SetLen(to_usize(len)?))
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.state.lock().inodes[self.inode].live.len() as u64)
    }
}

impl State {
    fn new_file(&mut self, bytes: Vec<u8>) -> Node {
        self.inodes.push(Inode { durable: bytes.clone(), live: bytes, unsynced: Vec::new() });
        Node::File(self.inodes.len() - 1)
    }

    fn file(&self, path: &Path) -> io::Result<usize> {
        match self.live.get(path) {
            Some(Node::File(inode)) => Ok(*inode),
            Some(Node::Dir) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn check_dir(&self, path: &Path) -> io::Result<()> {
        match self.live.get(path) {
            Some(Node::Dir) => Ok(()),
            Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None if is_root(path) => Ok(()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn check_parent(&self, path: &Path) -> io::Result<()> {
        self.check_dir(parent(path))
    }

    fn change_name(&mut self, change: NameChange) {
        change.apply(&mut self.live);
        self.pending.push(change);
    }

    /// Makes the pending changes of `dir` durable, and those of other directories that they follow from
    /// through a rename.
    fn sync_names(&mut self, dir: &Path) {
        let mut dirs = BTreeSet::from([dir.to_owned()]);
        let mut synced = vec![false; self.pending.len()];
        for (change, synced) in self.pending.iter().zip(&mut synced).rev() {
            let touched = change.dirs();
            if touched.iter().any(|touched| dirs.contains(touched)) {
                dirs.extend(touched);
                *synced = true;
            }
        }
        let mut synced = synced.into_iter();
        let durable = &mut self.durable;
        self.pending.retain(|change| {
            let apply = synced.next().unwrap_or(false);
            if apply {
                change.apply(durable);
            }
            !apply
        });
    }

    fn available(&self) -> u64 {
        let Some(capacity) = self.capacity else { return u64::MAX };
        // A file may have several names.
        let files: BTreeSet<usize> = self.live.values().filter_map(|node| node.file()).collect();
        let used: u64 = files.iter().map(|inode| self.inodes[*inode].live.len() as u64).sum();
        capacity.saturating_sub(used)
    }
}

impl NameChange {
    /// The directories whose sync makes the change durable.
    fn dirs(&self) -> Vec<PathBuf> {
        match self {
            Self::Add(path, _) | Self::Remove(path) | Self::RemoveTree(path) => vec![parent(path).to_owned()],
            Self::Rename { from, to, .. } => vec![parent(from).to_owned(), parent(to).to_owned()],
        }
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, Node>) {
        match self {
            Self::Add(path, node) => {
                names.insert(path.clone(), *node);
            }
            Self::Remove(path) => {
                names.remove(path);
            }
            Self::RemoveTree(tree) => names.retain(|path, _| !path.starts_with(tree)),
            Self::Rename { from, to, node } => {
                names.remove(from);
                names.insert(to.clone(), *node);
            }
        }
    }
}

impl Inode {
    fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            change.apply(&mut self.durable);
        }
    }

    fn after_crash(&self, kept: Kept, rng: &mut Rng) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        match kept {
            Kept::Nothing => {}
            Kept::Everything => self.unsynced.iter().for_each(|change| change.apply(&mut bytes)),
            Kept::Lengths => bytes.resize(self.live.len(), 0),
            Kept::Some => self.keep_some(&mut bytes, rng),
        }
        bytes
    }

    /// Each sector, and the length, as it was after some number of the changes.
    fn keep_some(&self, bytes: &mut Vec<u8>, rng: &mut Rng) {
        let outcomes = self.unsynced.len() as u64 + 1;
        let changes_of_len = rng.below(outcomes);
        let mut len = bytes.len();
        let mut changes_of_sector = BTreeMap::new();
        for (change, index) in self.unsynced.iter().zip(0_u64..) {
            if index < changes_of_len {
                len = change.len_after(len);
            }
            match change {
                Change::SetLen(to) if index < changes_of_len => bytes.truncate(*to),
                Change::SetLen(_) => {}
                Change::Write { offset, bytes: written } => {
                    for (start, part) in sectors(*offset, written) {
                        let kept = changes_of_sector
                            .entry(start / SECTOR_BYTES)
                            .or_insert_with(|| rng.below(outcomes));
                        if index < *kept {
                            write_into(bytes, start, part);
                        }
                    }
                }
            }
        }
        bytes.resize(len, 0);
    }
}

impl Change {
    fn len_after(&self, len: usize) -> usize {
        match self {
            Self::Write { offset, bytes } => len.max(offset + bytes.len()),
            Self::SetLen(len) => *len,
        }
    }

    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => write_into(to, *offset, bytes),
            Self::SetLen(len) if *len <= to.len() => to.truncate(*len),
            Self::SetLen(len) => grow(to, *len),
        }
    }
}

/// Appends zeros. Segments of the log are allocated in full, and `resize` goes byte by byte without optimisation.
fn grow(to: &mut Vec<u8>, len: usize) {
    to.extend_from_slice(&vec![0; len - to.len()]);
}

fn write_into(to: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if to.len() < end {
        grow(to, end);
    }
    to[offset..end].copy_from_slice(bytes);
}

/// `bytes` at `offset`, cut where sectors begin: (offset, part).
fn sectors(offset: usize, bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut rest = bytes;
    let mut start = offset;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (part, behind) = rest.split_at(rest.len().min(SECTOR_BYTES - start % SECTOR_BYTES));
        let item = (start, part);
        start += part.len();
        rest = behind;
        Some(item)
    })
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

/// Roots exist without being created.
fn is_root(path: &Path) -> bool {
    path.parent().is_none() || path == Path::new(".")
}

fn to_usize(offset: u64) -> io::Result<usize> {
    usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge.into())
}
