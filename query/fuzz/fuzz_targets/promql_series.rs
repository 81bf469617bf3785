//! Any series description ends in values or in an error.
#![no_main]

use kymo_query::promql::parse_series_description;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    drop(parse_series_description(text, &mut |base, _, _| Ok(base.clone())));
});
