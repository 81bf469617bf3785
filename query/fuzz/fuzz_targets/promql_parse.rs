//! Any text ends in a tree or in an error inside of it; a tree can be walked in every way there is.
#![cfg_attr(fuzzing, no_main)]

use kymo_query::promql::{ParserOptions, QueryRange, lower, parse, pretty, to_json};

pub fn target(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match parse(text, &ParserOptions::ALL) {
        Ok(expr) => {
            assert!(!pretty(&expr).is_empty() && !to_json(&expr).is_empty());
            drop(lower(expr, &QueryRange { start: 0, end: 3_600_000, step: 60_000 }));
        }
        Err(errors) => assert!(errors.errors().iter().all(|error| error.span.start as usize <= text.len())),
    }
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target(bytes));
