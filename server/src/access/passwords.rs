//! Verification of passwords, which takes time on purpose: so it is done once for each user, on few threads.

use std::{collections::BTreeMap, str::FromStr as _, time::Duration};

use bcrypt::HashParts;
use parking_lot::Mutex;
use ring::rand::{SecureRandom as _, SystemRandom};

use super::{TokenHash, sha256};
use crate::http::Gate;

/// Verifications at once, and waiting: who guesses passwords must not take all processors.
const AT_ONCE: u32 = 2;
const WAITING_MAX: usize = 64;
const PATIENCE: Duration = Duration::from_secs(10);

/// A higher cost than this takes minutes.
const COST_MAX: u32 = 16;

/// Hashes of the users' passwords.
#[derive(Debug)]
pub(super) struct Passwords {
    hashes: BTreeMap<String, Hash>,
    /// Digests of passwords that were right, by user.
    right: Mutex<BTreeMap<String, TokenHash>>,
    /// Makes these digests useless to others.
    salt: [u8; 32],
    gate: Gate,
}

struct Hash(String);

impl std::fmt::Debug for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<secret>")
    }
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checked {
    Right,
    Wrong,
    /// Too many wait.
    Busy,
}

/// Whether a hash can be used.
///
/// # Errors
/// Why it cannot.
pub(super) fn check_hash(hash: &str) -> Result<(), String> {
    let parts = HashParts::from_str(hash).map_err(|_| "is no bcrypt hash".to_owned())?;
    if parts.get_cost() > COST_MAX {
        return Err(format!("has a cost above {COST_MAX}"));
    }
    Ok(())
}

impl Passwords {
    pub(super) fn new(hashes: BTreeMap<String, String>) -> Self {
        let mut salt = [0; 32];
        // Without it the digests are still digests, which nobody gets to see.
        SystemRandom::new().fill(&mut salt).unwrap_or_default();
        let hashes = hashes.into_iter().map(|(name, hash)| (name, Hash(hash))).collect();
        Self { hashes, right: Mutex::default(), salt, gate: Gate::new(AT_ONCE, WAITING_MAX) }
    }

    /// Whether this is the password of the user `name`. To learn that there is no such user takes as long.
    pub(super) async fn check(&self, name: &str, password: &str) -> Checked {
        let digest = sha256(&[&self.salt, name.as_bytes(), b":", password.as_bytes()]);
        if self.right.lock().get(name) == Some(&digest) {
            return Checked::Right;
        }
        let hash = self.hashes.get(name);
        let Some(compared) = hash.or_else(|| self.hashes.values().next()) else { return Checked::Wrong };
        let compared = compared.0.clone();
        let Ok(admission) = self.gate.enter(1, PATIENCE).await else { return Checked::Busy };
        let password = password.to_owned();
        let verified = tokio::task::spawn_blocking(move || {
            let _admission = admission;
            bcrypt::verify(password, &compared).unwrap_or(false)
        });
        if verified.await.unwrap_or(false) && hash.is_some() {
            self.right.lock().insert(name.to_owned(), digest);
            return Checked::Right;
        }
        Checked::Wrong
    }
}
