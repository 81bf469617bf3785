//! Expressions made from the input's bytes parse, and print in either form as what parses to the same.
#![cfg_attr(fuzzing, no_main)]

use kymo_query::promql::{
    ParserOptions,
    generate::{ByteChoices, expression},
    parse, pretty, to_json,
};

pub fn target(bytes: &[u8]) {
    let text = expression(&mut ByteChoices(bytes), 6);
    let expr = parse(&text, &ParserOptions::ALL).expect("generated expressions are valid");
    for printed in [expr.to_string(), pretty(&expr)] {
        let again = parse(&printed, &ParserOptions::ALL).expect("what is printed is valid");
        assert_eq!(again.to_string(), expr.to_string());
        assert_eq!(to_json(&again), to_json(&expr));
    }
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target(bytes));
