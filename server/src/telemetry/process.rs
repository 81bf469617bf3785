//! What the operating system says about the process. Linux only; elsewhere the metrics are missing.
#![expect(
    clippy::disallowed_methods,
    reason = "/proc answers questions; it stores nothing that a test could lose"
)]

/// Ticks per second of the times in `/proc/self/stat`: fixed by the kernel's interface, whatever it runs at.
const TICKS_PER_SECOND: f64 = 100.0;
/// Size of the pages that `/proc/self/statm` counts on the machines that Kymo is built for.
const PAGE_BYTES: u64 = 4096;

/// What the process has used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) resident_bytes: u64,
    pub(crate) cpu_seconds: f64,
}

/// What the process has used so far.
pub(crate) fn usage() -> Option<Usage> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let resident_pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program comes second, in parentheses, and may itself contain spaces.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Usage {
        resident_bytes: resident_pages * PAGE_BYTES,
        cpu_seconds: (user + system) as f64 / TICKS_PER_SECOND,
    })
}

/// Name of the machine; empty when it has none.
pub(crate) fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn a_process_uses_memory() {
        let usage = super::usage().unwrap();
        assert!(usage.resident_bytes > 100_000 && usage.cpu_seconds >= 0.0, "{usage:?}");
    }
}
