//! The text format: every line is read or refused at a place inside the page.
#![cfg_attr(fuzzing, no_main)]

use kymo_formats::wire::prom_text::{Line, TextParser};

pub fn target(bytes: &[u8]) {
    for line in TextParser::new(bytes) {
        match line {
            Ok(Line::Sample(sample)) => assert!(sample.labels.count() <= bytes.len()),
            Ok(_) => {}
            Err(error) => assert!(error.offset <= bytes.len()),
        }
    }
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target(bytes));
