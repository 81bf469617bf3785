//! The frame of a block file: what stands where, and how a reader finds it.
//!
//! * `header` - the first 64 bytes: what the file is
//! * `section` - kinds of sections, and the table that finds them
//! * `footer` - the table at the end of the file
//! * `meta` - the section that describes the block as a whole
//! * `timestamps` - the section with the timestamps that chunks share
//!
//! A reader takes from the table the sections it knows and ignores the others, so a new kind of section needs
//! no new version of the file. `docs/formats.md` has the byte tables.

pub mod footer;
pub mod header;
pub mod meta;
pub mod section;
pub mod timestamps;

/// Sections start at multiples of this many bytes: a cache line.
pub const SECTION_ALIGNMENT: usize = 64;

// The chunk data follows the header without padding.
const _: () = assert!(header::HEADER_BYTES.is_multiple_of(SECTION_ALIGNMENT));

/// Chunk data is checksummed in pages of this many bytes, so that damage costs a page and not the block.
pub const PAGE_BYTES: usize = 64 * 1024;
