//! Every fuzz target of kymo-formats for a few seconds; see `docs/testing.md`.

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
    let targets = targets! {
        bitpack block_footer block_header block_meta chunk decimal delta_checkpoint delta_commit
        float_histogram histogram histogram_columns index_chunk_directory index_dictionary index_fingerprints index_label_directory index_postings
        index_series index_stats index_summaries integers manifest_edits manifest_log_header pco raw_bits rollup_data
        rollup_series start_ts summary
        values wal_checkpoint wal_frame wal_metadata wal_rows wal_segment_header wire_prom_text wire_remote_read
        wire_remote_write_v1 wire_remote_write_v2 wire_tsdb xor xor_column
    };
    kymo_formats_fuzz::main(env!("CARGO_MANIFEST_DIR"), &targets)
}
