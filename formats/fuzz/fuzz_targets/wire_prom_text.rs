//! The text format: every line is read or refused at a place inside the page.
#![no_main]

use kymo_formats::wire::prom_text::{Line, TextParser};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for line in TextParser::new(bytes) {
        match line {
            Ok(Line::Sample(sample)) => assert!(sample.labels.count() <= bytes.len()),
            Ok(_) => {}
            Err(error) => assert!(error.offset <= bytes.len()),
        }
    }
});
