//! Panics that decoders expect of a library and turn into errors.

use std::{
    panic::{set_hook, take_hook},
    sync::Once,
};

/// Passes over panics within the parquet crate, which the decoders catch: the smoke run would print each of them, and
/// libFuzzer's hook end the process. What is not caught is a find all the same.
pub fn expect_panics_of_parquet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let hook = take_hook();
        set_hook(Box::new(move |panic| {
            let is_expected = panic.location().is_some_and(|at| at.file().contains("/parquet-"));
            if !is_expected {
                hook(panic);
            }
        }));
    });
}
