//! The label index of a block, section by section.
//!
//! * `restarts` - the table that makes a sequence of entries of varying length searchable
//! * `dictionary` - front-coded sorted strings
//! * `postings` - ids of the series behind each value
//! * `series` - the labels of each series
//! * `fingerprints` - from a series' identity to its rank
//! * `chunk_directory` - where the chunks of each series lie, and their time ranges
//! * `label_directory` - where the dictionary and the postings of each label lie
//! * `summaries` - what each chunk amounts to
//! * `stats` - series, chunks, samples and bytes of each metric
//!
//! A reader of a section borrows the section's bytes and is cheap to make. The section's checksum has been
//! verified before, so structural damage is unlikely; it is an error all the same, never a panic.

pub mod chunk_directory;
pub mod dictionary;
pub mod fingerprints;
pub mod label_directory;
pub mod postings;
mod restarts;
pub mod series;
pub mod stats;
pub mod summaries;

/// Entries from one restart to the next: what a look-up decodes at most.
pub const RESTART_INTERVAL: u32 = 16;

/// A section that would outgrow the offsets of its format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} would exceed 4 GiB")]
pub struct TooLarge {
    /// The section, in the words of the format.
    pub what: &'static str,
}
