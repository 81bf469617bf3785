//! What the runs did, counted.

use std::{collections::BTreeMap, fmt, ops::AddAssign, path::Path};

/// Counts over one or many runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) runs: u64,
    pub(crate) operations: u64,
    pub(crate) lives: u64,
    pub(crate) closes: u64,
    pub(crate) kills: u64,
    pub(crate) full_disks: u64,
    /// Syncs during which the clock went on.
    pub(crate) slow_syncs: u64,
    /// Back, or by more than an hour.
    pub(crate) clock_jumps: u64,
    pub(crate) exemplars: u64,
    pub(crate) snapshots: u64,
    /// Operations that failed because of a fault, and were reported as failed.
    pub(crate) failed_operations: u64,
    pub(crate) failed_logs: u64,
    pub(crate) flipped_bits: u64,
    /// Of these: how many were noticed.
    pub(crate) noticed_flips: u64,
    pub(crate) acknowledged: u64,
    pub(crate) flushes: u64,
    pub(crate) compactions: u64,
    pub(crate) expired_blocks: u64,
    pub(crate) checks: u64,
    pub(crate) checked_samples: u64,
    /// Times that rolling up, or tending to tiers, succeeded and failed.
    pub(crate) roll_ups: u64,
    pub(crate) failed_roll_ups: u64,
    pub(crate) rollup_jobs: u64,
    pub(crate) checked_rows: u64,
    /// Of windows whose samples are gone.
    pub(crate) checked_old_rows: u64,
    pub(crate) slow_objects: u64,
    /// Calls of the bucket that failed, by how.
    pub(crate) object_faults: BTreeMap<String, u64>,
    /// Power failures by the kind of file in whose sync they were.
    pub(crate) crashes: BTreeMap<String, u64>,
}

impl Counts {
    /// A power failure, in the sync of this file if in any.
    pub(crate) fn crash(&mut self, within: Option<&Path>) {
        let kind = match within {
            None => "between operations".to_owned(),
            Some(path) => {
                let text = path.to_string_lossy();
                let words = text.split(|byte: char| byte.is_ascii_digit()).filter(|word| !word.is_empty());
                format!("sync of {}", words.collect::<Vec<_>>().join("N"))
            }
        };
        *self.crashes.entry(kind).or_default() += 1;
    }

    fn all(&mut self) -> [(&'static str, &mut u64); 26] {
        [
            ("runs", &mut self.runs),
            ("operations", &mut self.operations),
            ("lives", &mut self.lives),
            ("closed", &mut self.closes),
            ("killed", &mut self.kills),
            ("full disks", &mut self.full_disks),
            ("slow syncs", &mut self.slow_syncs),
            ("jumps of the clock", &mut self.clock_jumps),
            ("operations that failed and said so", &mut self.failed_operations),
            ("logs that failed and took no more writes", &mut self.failed_logs),
            ("bits flipped", &mut self.flipped_bits),
            ("bits flipped, noticed", &mut self.noticed_flips),
            ("samples acknowledged", &mut self.acknowledged),
            ("exemplars acknowledged", &mut self.exemplars),
            ("snapshots opened and compared", &mut self.snapshots),
            ("flushes", &mut self.flushes),
            ("compactions", &mut self.compactions),
            ("blocks expired", &mut self.expired_blocks),
            ("checks", &mut self.checks),
            ("samples checked", &mut self.checked_samples),
            ("times rolled up or tended to tiers", &mut self.roll_ups),
            ("times that failed and said so", &mut self.failed_roll_ups),
            ("jobs that rolled up", &mut self.rollup_jobs),
            ("rows compared with samples", &mut self.checked_rows),
            ("rows compared when their samples were gone", &mut self.checked_old_rows),
            ("slow calls of the bucket", &mut self.slow_objects),
        ]
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, mut other: Self) {
        for ((_, sum), (_, more)) in self.all().into_iter().zip(other.all()) {
            *sum += *more;
        }
        for (kind, crashes) in other.crashes {
            *self.crashes.entry(kind).or_default() += crashes;
        }
        for (kind, faults) in other.object_faults {
            *self.object_faults.entry(kind).or_default() += faults;
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, count) in self.clone().all() {
            writeln!(f, "{count:>12} {name}")?;
        }
        for (kind, crashes) in &self.crashes {
            writeln!(f, "{crashes:>12} power failures: {kind}")?;
        }
        for (kind, faults) in &self.object_faults {
            writeln!(f, "{faults:>12} faults of the bucket: {kind}")?;
        }
        Ok(())
    }
}
