//! Remote read: how Prometheus, Thanos and others fetch samples.
//!
//! - [`ReadRequest`] says which series and times are wanted, and in which form
//! - [`ReadResponseEncoder`] answers with samples, all in one message
//! - [`ChunkedFrameEncoder`] answers with encoded chunks, in a stream of frames
//!
//! Both answers can be decoded too, by [`ReadResponse`] and [`ChunkedFrames`]: tests and tools read them.

mod chunked;
mod request;
mod response;
#[cfg(test)]
mod tests;

pub use chunked::{Chunk, ChunkEncoding, ChunkedFrame, ChunkedFrameEncoder, ChunkedFrames, ChunkedSeries};
pub use request::{Hints, MatchType, Matcher, Query, ReadRequest, ResponseType};
pub use response::{ReadResponse, ReadResponseEncoder, ResultEncoder};
