//! Any pattern compiles or does not; fast paths and captures agree on what matches.
#![no_main]

use kymo_engine::Regex;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], &[u8])| {
    let (pattern, subject) = input;
    let Ok(regex) = Regex::new(pattern) else { return };
    let captures = regex.captures(subject);
    assert_eq!(regex.is_match(subject), captures.is_some());
    if let Some(captures) = captures {
        assert!(subject.starts_with(regex.prefix()) || std::str::from_utf8(subject).is_err());
        captures.expand(b"$0 ${1} $name $$", &mut Vec::new());
    }
});
