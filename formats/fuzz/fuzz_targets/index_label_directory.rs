//! A label directory: the entries that decode survive being written again.
#![cfg_attr(fuzzing, no_main)]

use kymo_formats::index::label_directory::LabelDirectory;

pub fn target(bytes: &[u8]) {
    let directory = LabelDirectory::new(bytes);
    let entries: Vec<_> = (0..).map_while(|id| directory.get(id).ok()).collect();
    let mut again = Vec::new();
    entries.iter().for_each(|entry| entry.encode(&mut again));
    assert!(bytes.starts_with(&again));
    assert!(entries.iter().all(|entry| entry.values.start <= entry.values.end));
    assert!(directory.get(u32::MAX).is_err());
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target(bytes));
