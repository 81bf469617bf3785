//! Property-test settings shared by this crate's tests: finds are kept at the top level of the repository.

use proptest::test_runner::{Config, FileFailurePersistence};

/// The default configuration, with failures saved to `path`.
pub(crate) fn config(path: &'static str) -> Config {
    Config { failure_persistence: Some(Box::new(FileFailurePersistence::Direct(path))), ..Config::default() }
}
