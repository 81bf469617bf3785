//! How many file handles there may be.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::debug;

/// Allows as many file handles as the system lets a process allow itself, and says how many that are; none when there is no
/// limit.
///
/// Shells and service managers set a low limit by default, for programs that use `select`, and a higher one up to
/// which any program may go.
pub(super) fn raise() -> Option<usize> {
    let before = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: before.maximum, maximum: before.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, wanted) {
        debug!(%error, "the limit of file handles stays as it is");
    }
    let current = getrlimit(Resource::Nofile).current?;
    Some(usize::try_from(current).unwrap_or(usize::MAX))
}
