//! Any series description ends in values or in an error.
#![cfg_attr(fuzzing, no_main)]

use kymo_query::promql::parse_series_description;

pub fn target(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    drop(parse_series_description(text, &mut |base, _, _| Ok(base.clone())));
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target(bytes));
