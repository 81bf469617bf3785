//! How much memory there is.
#![expect(clippy::disallowed_methods, reason = "this is where the machine is asked")]

use std::fs;

/// Bytes of memory that the process may use: the machine's, or less where a control group says so. `None` when
/// the system does not tell.
#[must_use]
pub fn memory_bytes() -> Option<u64> {
    let machine = meminfo_bytes(&fs::read_to_string("/proc/meminfo").ok()?)?;
    let groups = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let group = groups.iter().find_map(|path| fs::read_to_string(path).ok()?.trim().parse().ok());
    Some(group.unwrap_or(machine).min(machine))
}

fn meminfo_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_read() {
        assert_eq!(meminfo_bytes("MemTotal:       24689744 kB\nMemFree: 1 kB\n"), Some(24_689_744 * 1_024));
        assert_eq!(meminfo_bytes("MemFree: 1 kB\n"), None);
    }
}
