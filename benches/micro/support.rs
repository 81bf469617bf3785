//! What all micro-benchmarks share.

/// Whether this is a measurement: `cargo bench` says so to the program. Everything else, `cargo test` above all, only
/// wants to know whether it works.
pub(crate) fn measured() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}
