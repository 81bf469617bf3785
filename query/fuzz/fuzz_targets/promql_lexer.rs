//! Any text is cut into tokens that follow each other, and the lexer always gets on.
#![cfg_attr(fuzzing, no_main)]

use kymo_query::promql::token_spans;

pub fn target(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for is_series in [false, true] {
        let spans = token_spans(text, is_series);
        let mut end = 0;
        for (at, span) in spans.iter().enumerate() {
            let (start, next) = (span.start as usize, span.end as usize);
            assert!(end <= start && text.get(start..next).is_some(), "{span:?} behind {end}");
            assert!(start < next || at + 1 == spans.len(), "an empty token in {spans:?}");
            end = next;
        }
        assert_eq!(end, text.len());
    }
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target(bytes));
