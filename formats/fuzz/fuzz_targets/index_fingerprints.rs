//! Fingerprints: look-ups in any bytes end; each of a written set leads to its series.
#![cfg_attr(fuzzing, no_main)]

use kymo_formats::index::fingerprints::{Fingerprints, encode, upper};

pub fn target(bytes: &[u8]) {
    let fingerprints: Vec<u128> =
        bytes.as_chunks().0.iter().map(|chunk| u128::from_le_bytes(*chunk)).collect();
    if let Ok(section) = Fingerprints::parse(bytes) {
        for fingerprint in &fingerprints {
            assert!(section.candidates(*fingerprint).count() <= section.len());
        }
    }
    let mut section = Vec::new();
    let uppers: Vec<u64> = fingerprints.iter().copied().map(upper).collect();
    encode(&uppers, &mut section);
    let section = Fingerprints::parse(&section).expect("our own section");
    for (rank, fingerprint) in (0..).zip(&fingerprints) {
        assert!(section.candidates(*fingerprint).any(|candidate| candidate == rank));
    }
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target(bytes));
