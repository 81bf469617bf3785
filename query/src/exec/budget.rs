//! What a query may hold in memory.

use std::sync::atomic::{AtomicUsize, Ordering};

use kymo_engine::{MemoryBudget, OverBudget};

use super::context::TOO_MANY_SAMPLES;
use crate::{Error, ErrorKind};

/// Memory of a sample in a result: a time and a float.
const SAMPLE_BYTES: usize = 16;

/// Counts what a query holds against its limits: samples, and bytes.
///
/// Of samples only results of operators are counted, and the widest window that each looks at: sums that do not
/// depend on how work is spread over threads, so that a query always or never exceeds that limit. Bytes are those
/// of the samples and of everything else that grows with the data: labels, what was selected, decoded chunks,
/// groups. They depend on how many series are decoded at once.
#[derive(Debug)]
pub(crate) struct Budget {
    held: AtomicUsize,
    peak: AtomicUsize,
    max: usize,
    memory: MemoryBudget,
}

impl Budget {
    /// A budget of `max` samples and `memory_max` bytes, nothing held.
    pub(crate) const fn new(max: usize, memory_max: u64) -> Self {
        Self {
            held: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            max,
            memory: MemoryBudget::new(memory_max),
        }
    }

    /// The bytes beside those of the samples held.
    pub(crate) const fn memory(&self) -> &MemoryBudget {
        &self.memory
    }

    /// Takes `bytes` beside those of samples.
    pub(crate) fn take_bytes(&self, bytes: usize) -> Result<(), Error> {
        self.memory.take(bytes)?;
        self.probe_bytes(self.held())
    }

    fn probe_bytes(&self, samples: usize) -> Result<(), Error> {
        self.memory.probe(samples.saturating_mul(SAMPLE_BYTES)).map_err(Error::from)
    }

    /// Samples held now.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Most samples held so far.
    pub(crate) fn peak(&self) -> usize {
        self.peak.load(Ordering::Relaxed)
    }

    /// Takes `samples` more.
    pub(crate) fn charge(&self, samples: usize) -> Result<(), Error> {
        let held = self.held.fetch_add(samples, Ordering::Relaxed).saturating_add(samples);
        self.check(held)
    }

    /// Replaces what an operator and its inputs hold by `samples` on top of `before`, its result.
    pub(crate) fn settle(&self, before: usize, samples: usize) -> Result<(), Error> {
        let held = before.saturating_add(samples);
        self.held.store(held, Ordering::Relaxed);
        self.check(held)
    }

    /// Fails if `samples` on top of `before` are too many, without taking them.
    pub(crate) fn probe(&self, before: usize, samples: usize) -> Result<(), Error> {
        self.check(before.saturating_add(samples))
    }

    fn check(&self, held: usize) -> Result<(), Error> {
        self.peak.fetch_max(held, Ordering::Relaxed);
        if held > self.max {
            return Err(Error::new(ErrorKind::Limit, TOO_MANY_SAMPLES));
        }
        self.probe_bytes(held)
    }
}

impl From<OverBudget> for Error {
    fn from(over: OverBudget) -> Self {
        let max = over.max_bytes;
        let message = format!("query would take more than {max} bytes of memory (query.memory_bytes_max)");
        Self::new(ErrorKind::Limit, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_itself_is_allowed() {
        let budget = Budget::new(10, u64::MAX);
        assert!(budget.charge(10).is_ok());
        assert_eq!(budget.charge(1).map_err(|error| error.kind()), Err(ErrorKind::Limit));
        assert!(budget.settle(0, 3).is_ok());
        assert_eq!((budget.held(), budget.peak()), (3, 11));
    }

    #[test]
    fn samples_and_other_bytes_share_the_memory() {
        let budget = Budget::new(usize::MAX, 1_000);
        assert!(budget.charge(30).is_ok());
        assert!(budget.take_bytes(520).is_ok());
        let error = budget.take_bytes(1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limit);
        assert!(error.to_string().contains("1000 bytes"), "{error}");
        let budget = Budget::new(usize::MAX, 1_000);
        assert!(budget.take_bytes(520).is_ok());
        assert!(budget.charge(30).is_ok());
        assert_eq!(budget.charge(1).map_err(|error| error.kind()), Err(ErrorKind::Limit));
    }
}
