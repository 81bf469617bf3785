//! `kymo-bench`: drives running stores with the same load.

fn main() {}
