//! The algebra of float histograms: sums, differences, multiples, and layouts brought together.
//!
//! As PromQL needs it, and as rollups do, which are made of the same sums.
//!
//! * `spans` - spans as bucket indices; every operation reads and writes layouts through it
//! * `cell`, `kahan` - what counts are kept in while they are added up
//! * `combine`, `zero`, `coarser`, `custom` - bringing two layouts together
//! * `add`, `sum`, `scale`, `compact` - operations
//! * `equal` - a question

mod add;
mod cell;
mod coarser;
mod combine;
mod compact;
mod custom;
mod equal;
mod kahan;
mod scale;
mod spans;
mod sum;
mod zero;

pub use {
    add::{add, sub},
    coarser::reduce_resolution,
    combine::{Combined, IncompatibleSchemas, combine_hints},
    compact::{compact, is_compact},
    equal::same_data,
    kahan::Kahan,
    scale::{divide, multiply},
    spans::{Indexed, IndexedBack, spans_of},
    sum::{HistogramMean, HistogramSum},
};

/// Upper bound of bucket `index` of an exponential schema. Indices wrap where only damaged histograms have them.
fn upper_bound(index: i32, schema: i32) -> f64 {
    super::bounds::exponential_bound(index.into(), schema)
}
