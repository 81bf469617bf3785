//! The `kymo` binary.

fn main() {}
