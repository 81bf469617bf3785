//! Any pattern compiles or does not; fast paths and captures agree on what matches.
#![cfg_attr(fuzzing, no_main)]

use kymo_engine::Regex;

pub fn target(bytes: &[u8]) {
    // The first line is the pattern.
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return };
    let (pattern, subject) = (&bytes[..end], &bytes[end + 1..]);
    let Ok(regex) = Regex::new(pattern) else { return };
    let captures = regex.captures(subject);
    assert_eq!(regex.is_match(subject), captures.is_some());
    if let Some(captures) = captures {
        assert!(subject.starts_with(regex.prefix()) || std::str::from_utf8(subject).is_err());
        captures.expand(b"$0 ${1} $name $$", &mut Vec::new());
    }
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target(bytes));
