//! The conformance suite of [`Fs`], run on every implementation, and what crashes leave.

use std::{io::ErrorKind, path::Path, sync::Arc};

use super::*;

/// What every file system must do, in the directory `root`, which exists and is empty.
fn conformance(fs: &dyn Fs, root: &Path) {
    files(fs, &root.join("files"));
    names(fs, &root.join("names"));
    space(fs, &root.join("space"));
    locks(fs, &root.join("locks"));
}

fn kind<T: std::fmt::Debug>(result: std::io::Result<T>) -> ErrorKind {
    result.unwrap_err().kind()
}

fn files(fs: &dyn Fs, dir: &Path) {
    assert_eq!(kind(fs.list(dir)), ErrorKind::NotFound);
    fs.create_dir_all(dir).unwrap();
    fs.create_dir_all(dir).unwrap();
    let path = dir.join("a");
    assert_eq!(kind(fs.open(&path, OpenMode::Read)), ErrorKind::NotFound);
    assert_eq!(kind(fs.open(&path, OpenMode::ReadWrite)), ErrorKind::NotFound);
    let file = fs.open(&path, OpenMode::CreateNew).unwrap();
    assert_eq!(kind(fs.open(&path, OpenMode::CreateNew)), ErrorKind::AlreadyExists);
    assert!(file.is_empty().unwrap());
    assert_eq!(&*fs.map(&path).unwrap(), b"");

    file.write_at(b"world", 6).unwrap();
    file.write_at(b"hello", 0).unwrap();
    file.sync_data().unwrap();
    assert_eq!(fs.read(&path).unwrap(), b"hello\0world");
    let mapping = fs.map(&path).unwrap();
    assert_eq!(&*mapping.clone(), b"hello\0world");
    for range in [0..11, 3..5, 5..5, 2..99] {
        mapping.release(range);
        assert_eq!(&*mapping, b"hello\0world");
    }
    assert_eq!(fs.file_len(&path).unwrap(), 11);

    let mut buf = [0; 5];
    file.read_at(&mut buf, 6).unwrap();
    assert_eq!(&buf, b"world");
    assert_eq!(kind(file.read_at(&mut buf, 7)), ErrorKind::UnexpectedEof);
    assert_eq!(kind(file.read_at(&mut buf, 1 << 40)), ErrorKind::UnexpectedEof);

    let second = fs.open(&path, OpenMode::ReadWrite).unwrap();
    second.set_len(2).unwrap();
    second.set_len(4).unwrap();
    assert_eq!(fs.read(&path).unwrap(), b"he\0\0");
    assert_eq!(file.len().unwrap(), 4);
    let read_only = fs.open(&path, OpenMode::Read).unwrap();
    assert!(read_only.write_at(b"x", 0).is_err());
}

fn names(fs: &dyn Fs, dir: &Path) {
    fs.create_dir_all(&dir.join("sub")).unwrap();
    for name in ["b", "a", "c"] {
        fs.open(&dir.join(name), OpenMode::CreateNew).unwrap().write_at(name.as_bytes(), 0).unwrap();
    }
    let names = |fs: &dyn Fs| fs.list(dir).unwrap().into_iter().map(|entry| entry.name).collect::<Vec<_>>();
    assert_eq!(names(fs), ["a", "b", "c", "sub"]);
    assert_eq!(fs.list(dir).unwrap()[0], DirEntry { name: "a".to_owned(), len: 1, is_dir: false });
    assert_eq!(fs.list(dir).unwrap()[3], DirEntry { name: "sub".to_owned(), len: 0, is_dir: true });

    let (two, third) = (dir.join("two"), dir.join("sub").join("third"));
    fs.link(&dir.join("a"), &two).unwrap();
    assert_eq!(kind(fs.link(&dir.join("a"), &two)), ErrorKind::AlreadyExists);
    assert_eq!(kind(fs.link(&dir.join("none"), &third)), ErrorKind::NotFound);
    fs.link(&two, &third).unwrap();
    fs.open(&two, OpenMode::ReadWrite).unwrap().write_at(b"A", 0).unwrap();
    fs.remove(&two).unwrap();
    assert_eq!(fs.read(&dir.join("a")).unwrap(), b"A", "one file");
    assert_eq!(fs.read(&third).unwrap(), b"A", "that outlives a name");
    fs.open(&third, OpenMode::ReadWrite).unwrap().write_at(b"a", 0).unwrap();
    fs.remove(&third).unwrap();

    let replaced = fs.open(&dir.join("b"), OpenMode::Read).unwrap();
    let mapped = fs.map(&dir.join("b")).unwrap();
    fs.rename(&dir.join("a"), &dir.join("b")).unwrap();
    fs.rename(&dir.join("c"), &dir.join("sub").join("c")).unwrap();
    fs.sync_dir(dir).unwrap();
    assert_eq!(names(fs), ["b", "sub"]);
    assert_eq!(fs.read(&dir.join("b")).unwrap(), b"a");
    assert_eq!(fs.read(&dir.join("sub").join("c")).unwrap(), b"c");
    let mut buf = [0];
    replaced.read_at(&mut buf, 0).unwrap();
    assert_eq!((&buf, &*mapped), (b"b", &b"b"[..]), "open handles outlive the name");

    assert_eq!(kind(fs.rename(&dir.join("a"), &dir.join("z"))), ErrorKind::NotFound);
    assert_eq!(kind(fs.remove(&dir.join("a"))), ErrorKind::NotFound);
    fs.remove(&dir.join("b")).unwrap();
    assert!(!fs.exists(&dir.join("b")).unwrap());
    fs.remove_dir_all(&dir.join("sub")).unwrap();
    assert!(!fs.exists(&dir.join("sub").join("c")).unwrap());
    assert_eq!(kind(fs.remove_dir_all(&dir.join("sub"))), ErrorKind::NotFound);
    assert!(names(fs).is_empty());
}

fn space(fs: &dyn Fs, dir: &Path) {
    fs.create_dir_all(dir).unwrap();
    let path = dir.join("a");
    let file = fs.open(&path, OpenMode::CreateNew).unwrap();
    file.write_at(b"ab", 0).unwrap();
    file.allocate(4096).unwrap();
    assert_eq!(file.len().unwrap(), 4096);
    file.allocate(100).unwrap();
    assert_eq!(file.len().unwrap(), 4096, "allocating never shortens");
    let bytes = fs.read(&path).unwrap();
    assert_eq!(&bytes[..3], b"ab\0");
    assert!(bytes[2..].iter().all(|byte| *byte == 0));
    assert!(fs.available_bytes(dir).unwrap() > 0);
}

fn locks(fs: &dyn Fs, dir: &Path) {
    fs.create_dir_all(dir).unwrap();
    let path = dir.join("LOCK");
    let guard = fs.lock(&path).unwrap();
    let refused = fs.lock(&path).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::WouldBlock);
    assert!(refused.to_string().contains("LOCK is locked"), "{refused}");
    assert_eq!(fs.lock_shared(&path).unwrap_err().kind(), ErrorKind::WouldBlock);
    drop(guard);
    fs.lock(&path).unwrap();
    let shares = [fs.lock_shared(&path).unwrap(), fs.lock_shared(&path).unwrap()];
    for share in shares {
        assert_eq!(fs.lock(&path).unwrap_err().kind(), ErrorKind::WouldBlock);
        drop(share);
    }
    fs.lock(&path).unwrap();
    assert_eq!(fs.lock_shared(&dir.join("none")).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn os_fs_conforms() {
    let dir = tempfile::tempdir().unwrap();
    conformance(&OsFs, dir.path());
}

#[test]
fn mem_fs_conforms() {
    conformance(&MemFs::new(), Path::new("/"));
}

#[test]
fn fault_fs_without_faults_conforms() {
    conformance(&FaultFs::new(), Path::new(""));
}

/// `/d` durable, holding the file `a` with 4 durable sectors of `1`.
fn synced() -> FaultFs {
    let fs = FaultFs::new();
    fs.create_dir_all(Path::new("/d")).unwrap();
    fs.sync_dir(Path::new("/")).unwrap();
    let file = fs.open(Path::new("/d/a"), OpenMode::CreateNew).unwrap();
    file.write_at(&[1; 2048], 0).unwrap();
    file.sync_data().unwrap();
    fs.sync_dir(Path::new("/d")).unwrap();
    fs
}

#[test]
fn a_crash_keeps_what_was_synced_and_any_part_of_the_rest() {
    let fs = synced();
    let file = fs.open(Path::new("/d/a"), OpenMode::ReadWrite).unwrap();
    file.write_at(&[2; 2048], 1024).unwrap();
    let mut outcomes = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let bytes = fs.durable_image(seed).read(Path::new("/d/a")).unwrap();
        assert_eq!(bytes[..1024], [1; 1024], "nothing before the write changes");
        for (index, sector) in bytes.chunks(512).enumerate() {
            let first = sector[0];
            assert!(sector.iter().all(|byte| *byte == first), "sectors are whole");
            assert!(first == 2 || first == if index < 4 { 1 } else { 0 });
        }
        outcomes.insert(bytes);
    }
    let mut everything = vec![1; 1024];
    everything.extend([2; 2048]);
    assert!(outcomes.contains(&vec![1; 2048]) && outcomes.contains(&everything), "both extremes occur");
    assert!(outcomes.len() > 10, "and many between: {}", outcomes.len());
    let again = fs.durable_image(7).read(Path::new("/d/a")).unwrap();
    assert_eq!(again, fs.durable_image(7).read(Path::new("/d/a")).unwrap(), "a seed gives one outcome");
}

#[test]
fn a_crash_without_any_luck_keeps_names_only_of_synced_directories() {
    let fs = synced();
    let dir = Path::new("/d");
    fs.rename(&dir.join("a"), &dir.join("b")).unwrap();
    let new = fs.open(&dir.join("c"), OpenMode::CreateNew).unwrap();
    new.write_at(b"x", 0).unwrap();
    new.sync_data().unwrap();
    let names =
        |fs: MemFs| fs.list(dir).unwrap().into_iter().map(|entry| entry.name).collect::<Vec<_>>().join(" ");
    assert_eq!(names(fs.durable_image(0)), "a", "syncing a file does not sync its name");
    let outcomes: std::collections::BTreeSet<_> = (0..50).map(|seed| names(fs.durable_image(seed))).collect();
    assert_eq!(outcomes.into_iter().collect::<Vec<_>>(), ["a", "b", "b c"], "in order, and never both names");
    fs.sync_dir(dir).unwrap();
    assert!((0..50).all(|seed| names(fs.durable_image(seed)) == "b c"));
    fs.remove(&dir.join("b")).unwrap();
    assert_eq!(names(fs.durable_image(0)), "b c", "a removal needs a sync as well");
}

#[test]
fn what_a_crash_leaves_of_a_file_is_the_same_by_all_its_names() {
    let fs = synced();
    let (a, b) = (Path::new("/d/a"), Path::new("/d/b"));
    fs.link(a, b).unwrap();
    fs.open(a, OpenMode::ReadWrite).unwrap().write_at(&[7; 2048], 0).unwrap();
    assert!(!fs.durable_image(0).exists(b).unwrap(), "the name is not synced");
    fs.sync_dir(Path::new("/d")).unwrap();
    for seed in 0..20 {
        let image = fs.durable_image(seed);
        assert_eq!(image.read(a).unwrap(), image.read(b).unwrap());
        image.open(a, OpenMode::ReadWrite).unwrap().write_at(&[9], 0).unwrap();
        assert_eq!(image.read(b).unwrap()[0], 9, "one file");
    }
    fs.set_capacity(Some(3000));
    assert_eq!(fs.available_bytes(a).unwrap(), 952, "which takes its room once");
}

#[test]
fn the_power_fails_at_the_chosen_sync() {
    let fs = synced();
    assert_eq!(fs.sync_points(), 3);
    fs.crash_at(4);
    let file = fs.open(Path::new("/d/a"), OpenMode::ReadWrite).unwrap();
    file.write_at(&[3; 512], 0).unwrap();
    file.sync_data().unwrap();
    file.write_at(&[4; 512], 0).unwrap();
    assert!(file.sync_data().is_err());
    assert!(fs.crashed());
    assert!(file.write_at(&[5; 512], 0).is_err());
    assert!(fs.read(Path::new("/d/a")).is_err());
    assert_eq!(fs.durable_image(0).read(Path::new("/d/a")).unwrap()[0], 3);
    assert_eq!(fs.durable_image(1).read(Path::new("/d/a")).unwrap()[0], 4);
}

#[test]
fn faults_on_demand() {
    let fs = synced();
    let path = Path::new("/d/a");
    let file = fs.open(path, OpenMode::ReadWrite).unwrap();
    fs.fail_operation(fs.operations());
    assert!(file.write_at(b"x", 0).is_err());
    file.write_at(&[6; 512], 0).unwrap();
    fs.fail_sync(fs.sync_points());
    assert!(file.sync_data().is_err());
    file.sync_data().unwrap();
    assert_eq!(fs.read(path).unwrap()[0], 6, "it reads back");
    assert_eq!(fs.durable_image(1).read(path).unwrap()[0], 1, "but is lost whatever follows");

    fs.set_capacity(Some(3000));
    assert_eq!(fs.available_bytes(path).unwrap(), 952);
    assert_eq!(kind(file.allocate(4096)), ErrorKind::StorageFull);
    file.allocate(3000).unwrap();
    assert_eq!(kind(file.write_at(b"x", 3000)), ErrorKind::StorageFull);
    file.write_at(b"x", 2999).unwrap();
    fs.set_capacity(None);
    file.allocate(4096).unwrap();
}

#[test]
fn generators_repeat_and_differ_by_purpose() {
    let env = Env::simulated(Arc::new(MemFs::new()), 1);
    assert_eq!(env.rng("a").next_u64(), env.rng("a").next_u64());
    assert_ne!(env.rng("a").next_u64(), env.rng("b").next_u64());
    let mut rng = env.rng("a");
    assert!((0..1000).all(|_| rng.below(10) < 10));
    assert_eq!(rng.below(0), 0);
}

#[test]
fn threads_have_names_and_answers() {
    let handle = spawn("kymo-test", || std::thread::current().name().map(str::to_owned)).unwrap();
    assert_eq!(handle.join().unwrap().as_deref(), Some("kymo-test"));
}
