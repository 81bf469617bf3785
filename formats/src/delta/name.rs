//! Names of the files of a log.

/// The file that names the newest checkpoint.
pub const LAST_CHECKPOINT: &str = "_last_checkpoint";

/// What a file of the log is, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFile {
    /// The commit that made this version.
    Commit(u64),
    /// The state as of this version.
    Checkpoint(u64),
}

/// The name of the commit that makes `version`.
#[must_use]
pub fn commit_name(version: u64) -> String {
    format!("{version:020}.json")
}

/// The name of the checkpoint of `version`.
#[must_use]
pub fn checkpoint_name(version: u64) -> String {
    format!("{version:020}.checkpoint.parquet")
}

/// What the file `name` is; `None` if it is nothing that is read here.
#[must_use]
pub fn parse_name(name: &str) -> Option<LogFile> {
    let (version, rest) = name.split_at_checked(20)?;
    let is_number = version.bytes().all(|byte| byte.is_ascii_digit());
    let version = version.parse().ok().filter(|_| is_number)?;
    match rest {
        ".json" => Some(LogFile::Commit(version)),
        ".checkpoint.parquet" => Some(LogFile::Checkpoint(version)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_again() {
        for version in [0, 7, 10_000_000_000, u64::MAX] {
            assert_eq!(parse_name(&commit_name(version)), Some(LogFile::Commit(version)));
            assert_eq!(parse_name(&checkpoint_name(version)), Some(LogFile::Checkpoint(version)));
        }
        for name in
            ["", "00000000000000000001.crc", "_last_checkpoint", "+0000000000000000001.json", "1.json"]
        {
            assert_eq!(parse_name(name), None, "{name}");
        }
    }

    #[test]
    fn names_sort_as_versions_do() {
        assert!(commit_name(9) < commit_name(10) && commit_name(99) < commit_name(1_000));
    }
}
