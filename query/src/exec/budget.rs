//! What a query may hold in memory.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::context::TOO_MANY_SAMPLES;
use crate::{Error, ErrorKind};

/// Counts the samples that a query holds against its limit.
///
/// Only results of operators are counted, and the widest window that each looks at: sums that do not depend
/// on how work is spread over threads, so that a query always or never exceeds its limit.
#[derive(Debug)]
pub(crate) struct Budget {
    held: AtomicUsize,
    peak: AtomicUsize,
    max: usize,
}

impl Budget {
    /// A budget of `max` samples, nothing held.
    pub(crate) const fn new(max: usize) -> Self {
        Self { held: AtomicUsize::new(0), peak: AtomicUsize::new(0), max }
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
        if held > self.max { Err(Error::new(ErrorKind::Limit, TOO_MANY_SAMPLES)) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_itself_is_allowed() {
        let budget = Budget::new(10);
        assert!(budget.charge(10).is_ok());
        assert_eq!(budget.charge(1).map_err(|error| error.kind()), Err(ErrorKind::Limit));
        assert!(budget.settle(0, 3).is_ok());
        assert_eq!((budget.held(), budget.peak()), (3, 11));
    }
}
