//! How much memory there is.
#![expect(clippy::disallowed_methods, reason = "this is where the machine is asked")]

use std::fs;

/// Where control groups are mounted: version 2, and the memory controller of version 1.
const CGROUP2: &str = "/sys/fs/cgroup";
const CGROUP1: &str = "/sys/fs/cgroup/memory";

/// Bytes of memory that the process may use: the machine's, or less where a control group says so, the process's own or
/// one above it. `None` when the system does not tell.
#[must_use]
pub fn memory_bytes() -> Option<u64> {
    let read = |path: &str| fs::read_to_string(path).ok();
    let machine = meminfo_bytes(&read("/proc/meminfo")?)?;
    Some(group_bytes(read).map_or(machine, |group| group.min(machine)))
}

fn meminfo_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1_024)
}

/// The least limit of the process's control groups and those above them. A container often sees its own group as the
/// root, whatever the path says; so the root is looked at as well.
fn group_bytes(read: impl Fn(&str) -> Option<String>) -> Option<u64> {
    let groups = read("/proc/self/cgroup").unwrap_or_default();
    let mut limits = Vec::new();
    for line in groups.lines().chain(["0::/", "0:memory:/"]) {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        let (root, file) = match controllers {
            "" => (CGROUP2, "memory.max"),
            _ if controllers.split(',').any(|name| name == "memory") => (CGROUP1, "memory.limit_in_bytes"),
            _ => continue,
        };
        let mut path = path.trim_end_matches('/');
        loop {
            // "max" is no number and no limit.
            limits.extend(
                read(&format!("{root}{path}/{file}")).and_then(|text| text.trim().parse::<u64>().ok()),
            );
            let Some((above, _)) = path.rsplit_once('/') else { break };
            path = above;
        }
    }
    limits.into_iter().min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_read() {
        assert_eq!(meminfo_bytes("MemTotal:       24689744 kB\nMemFree: 1 kB\n"), Some(24_689_744 * 1_024));
        assert_eq!(meminfo_bytes("MemFree: 1 kB\n"), None);
    }

    fn limit(files: &[(&str, &str)]) -> Option<u64> {
        group_bytes(|path| files.iter().find(|(name, _)| *name == path).map(|(_, text)| (*text).to_owned()))
    }

    #[test]
    fn the_least_limit_of_all_groups_above_counts() {
        let own = ("/proc/self/cgroup", "0::/system.slice/kymo.service\n");
        let max = ("/sys/fs/cgroup/system.slice/kymo.service/memory.max", "max\n");
        let slice = ("/sys/fs/cgroup/system.slice/memory.max", "1000\n");
        assert_eq!(limit(&[own, max, slice]), Some(1_000));
        let tighter = ("/sys/fs/cgroup/system.slice/kymo.service/memory.max", "500\n");
        assert_eq!(limit(&[own, tighter, slice]), Some(500));
        assert_eq!(limit(&[own, max]), None);
    }

    #[test]
    fn groups_of_version_1_and_containers_are_known() {
        let own = ("/proc/self/cgroup", "5:cpu,cpuacct:/a\n4:memory:/docker/abc\n0::/\n");
        let group = ("/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "2000\n");
        let root = ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(limit(&[own, group, root]), Some(2_000));
        // The group's own files are mounted as the root, under a path that does not show.
        let inside = ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "3000\n");
        assert_eq!(limit(&[own, inside]), Some(3_000));
        assert_eq!(limit(&[("/sys/fs/cgroup/memory.max", "4000\n")]), Some(4_000));
        assert_eq!(limit(&[]), None);
    }
}
