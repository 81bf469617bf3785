//! Bounds that depend on the machine.

use crate::env::memory_bytes;

/// The head's memory budget when none is set: half of what the machine, or the process's control group, has.
#[must_use]
pub(crate) fn default_budget_bytes() -> u64 {
    /// Used when the system does not tell: small enough for any machine that runs a server.
    const FALLBACK_BYTES: u64 = 1 << 30;
    memory_bytes().map_or(FALLBACK_BYTES, |bytes| bytes / 2)
}
