//! Expressions made from the input's bytes parse, and print as what parses to the same.
#![cfg_attr(fuzzing, no_main)]

use kymo_query::promql::{
    ParserOptions,
    generate::{ByteChoices, expression},
    parse,
};

pub fn target(bytes: &[u8]) {
    let text = expression(&mut ByteChoices(bytes), 6);
    let printed = parse(&text, &ParserOptions::ALL).expect("generated expressions are valid").to_string();
    let again = parse(&printed, &ParserOptions::ALL).expect("what is printed is valid").to_string();
    assert_eq!(printed, again);
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target(bytes));
