//! A dictionary: every look-up ends; the strings that were read make one in which each is found.
#![cfg_attr(fuzzing, no_main)]

use std::collections::BTreeSet;

use kymo_formats::index::dictionary::{Dictionary, DictionaryBuilder};

pub fn target(bytes: &[u8]) {
    let Ok(dictionary) = Dictionary::parse(bytes) else { return };
    let (mut strings, mut cursor) = (BTreeSet::new(), dictionary.cursor());
    while let Ok(Some(id)) = cursor.advance() {
        let _ = (dictionary.get(id), dictionary.find(cursor.value()), dictionary.lower_bound(cursor.value()));
        strings.insert(cursor.value().to_vec());
    }
    assert!(dictionary.get(dictionary.len()).is_err());
    let _ = (dictionary.find(bytes), dictionary.lower_bound(bytes));

    let mut builder = DictionaryBuilder::default();
    strings.iter().for_each(|string| builder.push(string).expect("it is small"));
    let mut again = Vec::new();
    builder.finish(&mut again);
    let again = Dictionary::parse(&again).expect("our own dictionary");
    assert_eq!(again.len() as usize, strings.len());
    for (id, string) in (0..).zip(&strings) {
        assert_eq!(again.get(id).as_ref(), Ok(string));
        assert_eq!(again.find(string), Ok(Some(id)));
        assert_eq!(again.lower_bound(string), Ok(id));
    }
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target(bytes));
