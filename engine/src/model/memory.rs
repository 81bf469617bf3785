//! A bound on the memory that one read, or a whole query, takes.

use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes that a piece of work holds, against a limit.
///
/// What is counted are estimates of what is allocated, taken by the code that allocates. They are taken before or
/// right after the allocation, so that work over its limit ends early; nothing is freed by counting.
#[derive(Debug)]
pub struct MemoryBudget {
    held: AtomicU64,
    peak: AtomicU64,
    max: u64,
}

/// A [`MemoryBudget`] is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than the allowed {max_bytes} bytes of memory would be needed")]
pub struct OverBudget {
    /// The limit.
    pub max_bytes: u64,
}

impl MemoryBudget {
    /// A budget of `max` bytes, nothing held.
    #[must_use]
    pub const fn new(max: u64) -> Self {
        Self { held: AtomicU64::new(0), peak: AtomicU64::new(0), max }
    }

    /// A budget without a limit.
    #[must_use]
    pub const fn unlimited() -> Self {
        Self::new(u64::MAX)
    }

    /// Bytes held now.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    /// Most bytes held so far.
    #[must_use]
    pub fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }

    /// Takes `bytes` more.
    ///
    /// # Errors
    /// When they are too many; they count as taken all the same, since the work ends.
    pub fn take(&self, bytes: usize) -> Result<(), OverBudget> {
        let bytes = bytes as u64;
        self.check(self.held.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes))
    }

    /// Gives back `bytes` that were taken.
    pub fn release(&self, bytes: usize) {
        self.held.fetch_sub(bytes as u64, Ordering::Relaxed);
    }

    /// Makes `bytes` on top of `before` all that is held: the result in place of what led to it.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn settle(&self, before: u64, bytes: usize) -> Result<(), OverBudget> {
        let held = before.saturating_add(bytes as u64);
        self.held.store(held, Ordering::Relaxed);
        self.check(held)
    }

    /// Fails if `bytes` more are too many, without taking them.
    ///
    /// # Errors
    /// See above.
    pub fn probe(&self, bytes: usize) -> Result<(), OverBudget> {
        self.check(self.held().saturating_add(bytes as u64))
    }

    fn check(&self, held: u64) -> Result<(), OverBudget> {
        if held > self.max {
            return Err(OverBudget { max_bytes: self.max });
        }
        self.peak.fetch_max(held, Ordering::Relaxed);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_itself_is_allowed() {
        let budget = MemoryBudget::new(10);
        assert_eq!(budget.take(4), Ok(()));
        assert_eq!(budget.probe(6), Ok(()));
        assert_eq!(budget.probe(7), Err(OverBudget { max_bytes: 10 }));
        assert_eq!(budget.take(6), Ok(()));
        budget.release(3);
        assert_eq!(budget.held(), 7);
        assert_eq!(budget.settle(4, 2), Ok(()));
        assert_eq!((budget.held(), budget.peak()), (6, 10));
        assert_eq!(budget.take(5), Err(OverBudget { max_bytes: 10 }));
        assert_eq!(budget.peak(), 10);
    }

    #[test]
    fn sums_do_not_wrap() {
        let budget = MemoryBudget::new(10);
        assert_eq!(budget.settle(u64::MAX, 1), Err(OverBudget { max_bytes: 10 }));
        assert!(MemoryBudget::unlimited().take(usize::MAX).is_ok());
    }
}
