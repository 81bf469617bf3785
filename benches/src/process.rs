//! Runs a store, and measures it from outside through /proc.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    error::{Error, Result},
    http::Client,
    stores::Store,
};

const START_TIMEOUT: Duration = Duration::from_secs(300);
const SETTLE_TIMEOUT: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(20);
/// How often memory is looked at.
const SAMPLE_EVERY: Duration = Duration::from_millis(200);
/// Ticks per second of the times in /proc/PID/stat, the same on all Linux systems.
const TICKS_PER_SECOND: f64 = 100.0;

/// A running store. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    url: String,
    store: String,
    memory: Arc<Mutex<Memory>>,
    ended: Arc<AtomicBool>,
    sampler: Option<JoinHandle<()>>,
}

/// What a process has used so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    /// User and system time.
    pub(crate) cpu_seconds: f64,
    /// Anonymous resident memory, bytes.
    pub(crate) anon_mean: u64,
    /// Its peak.
    pub(crate) anon_max: u64,
    /// All resident memory, bytes: with mapped files, as far as they are cached.
    pub(crate) rss_mean: u64,
    /// Its peak.
    pub(crate) rss_max: u64,
}

#[derive(Debug, Default)]
struct Memory {
    looks: u64,
    anon_sum: u64,
    anon_max: u64,
    rss_sum: u64,
    rss_max: u64,
}

impl Process {
    /// Starts `store` on a free port with its data in `data`, and waits until it takes requests.
    pub(crate) fn start(store: &Store, data: &Path) -> Result<Self> {
        let failed = |what: String| Error::Store { store: store.name.to_owned(), what };
        // The port is free until the store takes it, unless another process is quicker.
        let listener =
            TcpListener::bind("127.0.0.1:0").map_err(|error| failed(format!("found no port: {error}")))?;
        let address =
            listener.local_addr().map_err(|error| failed(format!("found no port: {error}")))?.to_string();
        drop(listener);
        let log = data.with_file_name("log");
        let log =
            fs::File::options().create(true).append(true).open(&log).map_err(Error::file("open", &log))?;
        let child = Command::new(&store.program)
            .args(store.arguments(&address, data)?)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(Error::file("start", &store.program))?;
        let memory = Arc::new(Mutex::new(Memory::default()));
        let ended = Arc::new(AtomicBool::new(false));
        let sampler = thread::spawn({
            let (pid, memory, ended) = (child.id(), Arc::clone(&memory), Arc::clone(&ended));
            move || sample_memory(pid, &memory, &ended)
        });
        let url = format!("http://{address}");
        let store_name = store.name.to_owned();
        let mut process = Self { child, url, store: store_name, memory, ended, sampler: Some(sampler) };
        process.wait_until_ready(store.ready_path)?;
        Ok(process)
    }

    fn wait_until_ready(&mut self, path: &str) -> Result<()> {
        let client = Client::new(&self.url);
        let started = Instant::now();
        while started.elapsed() < START_TIMEOUT {
            if matches!(client.get(path), Ok((200, _))) {
                return Ok(());
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(Error::Store {
                    store: self.store.clone(),
                    what: format!("ended by itself: {status}"),
                });
            }
            thread::sleep(POLL);
        }
        Err(Error::Store { store: self.store.clone(), what: "did not get ready".to_owned() })
    }

    /// Address of the store.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// User and system time of the process since it was started, milliseconds, in steps of 10.
    pub(crate) fn cpu_ms(&self) -> f64 {
        cpu_seconds(self.child.id()).unwrap_or_default() * 1e3
    }

    /// Anonymous resident memory now, bytes.
    pub(crate) fn anon_now(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        kilobytes(&status, "RssAnon:")
    }

    /// What the process has used since it was started.
    pub(crate) fn usage(&self) -> Usage {
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let looks = memory.looks.max(1);
        Usage {
            cpu_seconds: cpu_seconds(self.child.id()).unwrap_or_default(),
            anon_mean: memory.anon_sum / looks,
            anon_max: memory.anon_max,
            rss_mean: memory.rss_sum / looks,
            rss_max: memory.rss_max,
        }
    }

    /// Waits until the process is idle: what it does in the background belongs to what it was given.
    pub(crate) fn settle(&self) {
        let started = Instant::now();
        while started.elapsed() < SETTLE_TIMEOUT {
            let before = self.usage().cpu_seconds;
            thread::sleep(Duration::from_secs(1));
            if self.usage().cpu_seconds - before < 0.03 {
                break;
            }
        }
    }

    /// Kills the process as a crash would.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.child.kill().map_err(Error::file("kill", &self.store))?;
        self.child.wait().map_err(Error::file("wait for", &self.store))?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // Nothing is left to be done about a process that cannot be killed.
        drop(self.child.kill());
        drop(self.child.wait());
        if let Some(sampler) = self.sampler.take() {
            drop(sampler.join());
        }
    }
}

impl Usage {
    /// What was used after `before`. Memory counts from the start: peaks cannot be subtracted.
    pub(crate) fn since(&self, before: &Self) -> Self {
        Self { cpu_seconds: self.cpu_seconds - before.cpu_seconds, ..*self }
    }

    /// The figures for programs.
    pub(crate) fn json(&self) -> Value {
        json!({
            "cpu_seconds": self.cpu_seconds,
            "anon_mean_bytes": self.anon_mean,
            "anon_max_bytes": self.anon_max,
            "rss_mean_bytes": self.rss_mean,
            "rss_max_bytes": self.rss_max,
        })
    }
}

fn sample_memory(pid: u32, memory: &Mutex<Memory>, ended: &AtomicBool) {
    while !ended.load(Ordering::Relaxed) {
        if let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) {
            let (anon, rss) = (kilobytes(&status, "RssAnon:"), kilobytes(&status, "VmRSS:"));
            let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
            memory.looks += 1;
            memory.anon_sum += anon;
            memory.anon_max = memory.anon_max.max(anon);
            memory.rss_sum += rss;
            memory.rss_max = memory.rss_max.max(rss);
        }
        thread::sleep(SAMPLE_EVERY);
    }
}

/// Bytes that a line of /proc/PID/status gives in kilobytes.
fn kilobytes(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// User and system time from /proc/PID/stat.
fn cpu_seconds(pid: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    cpu_ticks(&stat).map(|ticks| ticks / TICKS_PER_SECOND)
}

fn cpu_ticks(stat: &str) -> Option<f64> {
    // The name of the program is in parentheses and may hold spaces; times are fields 14 and 15.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    Some(fields.next()?.parse::<f64>().ok()? + fields.next()?.parse::<f64>().ok()?)
}

/// Bytes that the files in `folder` take on disk, which for preallocated files is not their length.
pub(crate) fn folder_bytes(folder: &Path) -> Result<u64> {
    use std::os::unix::fs::MetadataExt as _;
    let mut bytes = 0;
    for entry in fs::read_dir(folder).map_err(Error::file("list", folder))? {
        let entry = entry.map_err(Error::file("list", folder))?;
        // Stores remove files all the time; one that is gone takes nothing.
        match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => bytes += folder_bytes(&entry.path())?,
            Ok(metadata) => bytes += metadata.blocks() * 512,
            Err(_) => {}
        }
    }
    Ok(bytes)
}

/// A folder that is removed with everything in it when this is dropped; in `parent`, or where temporary files go.
pub(crate) fn scratch_folder(parent: Option<&Path>) -> Result<TempDir> {
    let folder = parent.map_or_else(tempfile::tempdir, tempfile::tempdir_in);
    folder.map_err(Error::file("create a folder in", parent.unwrap_or(Path::new("."))))
}

/// The machine in one line: figures of different machines do not compare.
pub(crate) fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let cpu = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let cpu = cpu.trim_start_matches([' ', '\t', ':']);
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    let gibibytes = kilobytes(&read("/proc/meminfo"), "MemTotal:") >> 30;
    format!("{cores} cores ({cpu}), {gibibytes} GiB of memory, Linux {}", kernel.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_a_name_with_spaces_and_parentheses() {
        let stat = "42 (a (b) c) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 1 0 100 0 0";
        assert_eq!(cpu_ticks(stat), Some(300.0));
        assert_eq!(cpu_ticks("42 (a"), None);
    }

    #[test]
    fn memory_is_read_in_bytes() {
        assert_eq!(kilobytes("VmRSS:\t     12 kB\nRssAnon:\t 5 kB\n", "RssAnon:"), 5 * 1024);
    }
}
