//! Hash maps whose order never varies between runs.

use std::hash::{BuildHasherDefault, Hasher};

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A map with a fixed hash function.
pub(crate) type Map<K, V> = hashbrown::HashMap<K, V, BuildHasherDefault<Xxh3>>;
/// A set with a fixed hash function.
pub(crate) type Set<K> = hashbrown::HashSet<K, BuildHasherDefault<Xxh3>>;

/// XXH3, each write seeded by the one before.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Xxh3(u64);

impl Hasher for Xxh3 {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    fn write_usize(&mut self, value: usize) {
        // Lengths before strings: mixed in without hashing, the string's own hash follows.
        self.0 = self.0.rotate_left(5) ^ value as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
