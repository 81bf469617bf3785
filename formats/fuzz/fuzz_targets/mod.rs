//! The fuzz targets as modules, for the smoke run; cargo-fuzz builds each file as a program of its own.

pub mod block_footer;
pub mod block_header;
pub mod block_meta;
pub mod chunk;
pub mod float_histogram;
pub mod histogram;
pub mod index_chunk_directory;
pub mod index_dictionary;
pub mod index_fingerprints;
pub mod index_label_directory;
pub mod index_postings;
pub mod index_series;
pub mod index_stats;
pub mod manifest_edits;
pub mod manifest_log_header;
pub mod start_ts;
pub mod wal_checkpoint;
pub mod wal_frame;
pub mod wal_metadata;
pub mod wal_rows;
pub mod wal_segment_header;
pub mod wire_prom_text;
pub mod wire_remote_read;
pub mod wire_remote_write_v1;
pub mod wire_remote_write_v2;
pub mod xor;
