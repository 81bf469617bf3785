//! Every fuzz target of kymo-query for a few seconds; see `docs/testing.md`.

#[path = "../../fuzz_targets/mod.rs"]
mod fuzz_targets;
mod seeds;

use std::process::ExitCode;

use kymo_formats_fuzz::Target;

/// Pairs each target with the function of the same name in `seeds`.
macro_rules! targets {
    ($($name:ident)*) => {
        [$(Target { name: stringify!($name), run: fuzz_targets::$name::target, seeds: seeds::$name }),*]
    };
}

fn main() -> ExitCode {
    let targets = targets! { data_directory promql_lexer promql_parse promql_round_trip promql_series regex };
    kymo_formats_fuzz::main(env!("CARGO_MANIFEST_DIR"), &targets)
}
