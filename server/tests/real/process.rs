//! Starts, watches and ends processes; waits.
#![expect(clippy::disallowed_methods, reason = "the operator's side of the tests, outside of the store")]

use std::{
    fs::File,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use kymo_engine::{Clock as _, Rng, SystemClock};
use parking_lot::Mutex;

/// Longest time for anything a test waits for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A running process; killed when it is dropped. A test that fails shows the end of its log.
pub(crate) struct Process {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = Arc::clone(&log);
        let reader = kymo_engine::spawn("log reader", move || {
            stderr.lines().map_while(Result::ok).for_each(|line| lines.lock().push(line));
        });
        drop(reader.unwrap());
        Self { child, log }
    }

    /// The first line of the log that contains `text`, once there is one.
    pub(crate) fn wait_for_line(&mut self, text: &str) -> String {
        wait_until(text, || {
            let line = self.log.lock().iter().find(|line| line.contains(text)).cloned();
            if line.is_none()
                && let Some(status) = self.child.try_wait().unwrap()
            {
                panic!("ended with {status} before it said {text:?}");
            }
            line
        })
    }

    /// A line of the process's status, in MB.
    pub(crate) fn memory_mb(&self, line: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let value = status.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(':')).unwrap();
        value.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1_000
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn signal(&self, signal: &str) {
        let status = Command::new("kill").arg(signal).arg(self.child.id().to_string()).status().unwrap();
        assert!(status.success());
    }

    /// How the process ended, once it has.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        wait_until("the process ends", || self.child.try_wait().unwrap())
    }

    /// All lines of the log so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            let log = self.log.lock();
            say(&format!("end of the log:\n{}", log[log.len().saturating_sub(30)..].join("\n")));
        }
    }
}

/// Asks again and again until there is an answer.
pub(crate) fn wait_until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begin.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain: {what}");
        pause(Duration::from_millis(20));
    }
}

/// Lets the processes run for a while.
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// The wall clock in milliseconds.
pub(crate) fn now() -> i64 {
    SystemClock::new().now().0
}

/// A port on loopback that was free just now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Writes to the terminal, also when the test passes: `eprintln!` would be kept from it.
pub(crate) fn say(text: &str) {
    std::io::stderr().write_all(format!("{text}\n").as_bytes()).unwrap();
}

/// The seed of a test, from the clock or from `KYMO_SEED`, and randomness that follows from it.
pub(crate) fn seeded(test: &str) -> (String, Rng) {
    seeded_unless_told(test, now().cast_unsigned())
}

/// `seed`, or the one in `KYMO_SEED`, and randomness that follows from it.
pub(crate) fn seeded_unless_told(test: &str, seed: u64) -> (String, Rng) {
    let seed = std::env::var("KYMO_SEED").map_or(seed, |seed| seed.parse().unwrap());
    let replay = format!("{test}: KYMO_SEED={seed}");
    say(&replay);
    (replay, Rng::new(seed))
}

pub(crate) fn write_file(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap();
}

pub(crate) fn open_file(path: &Path) -> File {
    File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn remove_file(path: &Path) {
    std::fs::remove_file(path).unwrap();
}
