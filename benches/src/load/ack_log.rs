//! What was acknowledged, written down as it happens.
//!
//! The first line is the [`Setup`] as JSON. Each further line is one acknowledged request: connection,
//! number of the request on its connection (counted with refused ones), samples acknowledged on the
//! connection so far, and the time of the request's scrape. With the recording this says exactly which
//! samples a store has promised to keep.

use std::{
    fs::File,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use crate::{
    dataset::Setup,
    error::{Error, Result},
};

/// An open log.
#[derive(Debug)]
pub(crate) struct AckLog {
    path: PathBuf,
    file: Mutex<File>,
}

/// A log that was read.
#[derive(Debug)]
pub(crate) struct Acknowledged {
    /// What the traffic followed from.
    pub(crate) setup: Setup,
    /// For each connection whether the request with a number was acknowledged.
    pub(crate) requests: Vec<Vec<bool>>,
}

impl AckLog {
    /// Starts a log.
    pub(crate) fn create(path: &Path, setup: &Setup) -> Result<Self> {
        let mut file = File::create(path).map_err(Error::file("create", path))?;
        let header = serde_json::json!(setup);
        writeln!(file, "{header}").map_err(Error::file("write", path))?;
        Ok(Self { path: path.to_owned(), file: Mutex::new(file) })
    }

    /// Adds a request. The line has left the process when this returns.
    pub(crate) fn add(&self, connection: usize, number: u64, samples: u64, ts: i64) -> Result<()> {
        let line = format!("{connection} {number} {samples} {ts}\n");
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(line.as_bytes()).map_err(Error::file("write", &self.path))
    }
}

impl Acknowledged {
    /// Reads a log. A last line that was cut off does not count.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::file("open", path))?;
        let mut lines = BufReader::new(file).lines().map_while(std::result::Result::ok);
        let error = || Error::Content { path: path.to_owned(), expected: "a log of acknowledgements" };
        let header = lines.next().ok_or_else(error)?;
        let setup: Setup = serde_json::from_str(&header).map_err(|_| error())?;
        let mut requests = vec![Vec::new(); setup.connections];
        for line in lines {
            let mut numbers = line.split(' ').map(str::parse::<usize>);
            let (Some(Ok(connection)), Some(Ok(number)), Some(Ok(_)), Some(Ok(_))) =
                (numbers.next(), numbers.next(), numbers.next(), numbers.next())
            else {
                continue;
            };
            let requests: &mut Vec<bool> = requests.get_mut(connection).ok_or_else(error)?;
            requests.resize(requests.len().max(number + 1), false);
            requests[number] = true;
        }
        Ok(Self { setup, requests })
    }

    /// Whether that request was acknowledged.
    pub(crate) fn contains(&self, connection: usize, number: usize) -> bool {
        self.requests.get(connection).and_then(|requests| requests.get(number)).is_some_and(|acked| *acked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Protocol;

    #[test]
    fn a_log_comes_back_without_a_line_that_was_cut_off() {
        let setup = Setup {
            instances: 1,
            series_max: usize::MAX,
            connections: 2,
            batch: 10,
            interval_ms: 1_000,
            start_ms: 5,
            scrapes: 3,
            jitter_ms: 0,
            seed: 1,
            protocol: Protocol::V2,
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("acks");
        let log = AckLog::create(&path, &setup).unwrap();
        log.add(1, 0, 10, 5).unwrap();
        log.add(1, 2, 20, 2005).unwrap();
        log.file.lock().unwrap().write_all(b"0 7 1").unwrap();
        let read = Acknowledged::read(&path).unwrap();
        assert_eq!(read.setup, setup);
        assert_eq!(read.requests, [vec![], vec![true, false, true]]);
        assert!(read.contains(1, 2) && !read.contains(1, 1) && !read.contains(0, 7) && !read.contains(9, 0));
    }
}
