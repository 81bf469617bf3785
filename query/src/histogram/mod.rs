//! The algebra of float histograms, as PromQL needs it.
//!
//! * `bounds`, `bucket`, `iter` - buckets with their bounds, in either order
//! * `spans` - spans as bucket indices; every operation reads and writes layouts through it
//! * `cell`, `kahan` - what counts are kept in while they are added up
//! * `combine`, `zero`, `resolution`, `custom` - bringing two layouts together
//! * `add`, `sum`, `scale`, `trim`, `compact` - operations
//! * `reset`, `equal`, `validate` - questions
//! * `quantile`, `fraction`, `classic` - estimates, the last for histograms of one series per bucket
//! * `format` - text

mod add;
mod bounds;
mod bucket;
mod cell;
mod classic;
mod combine;
mod compact;
mod custom;
mod equal;
mod format;
mod fraction;
mod iter;
mod kahan;
mod quantile;
mod reset;
mod resolution;
mod scale;
mod spans;
mod sum;
#[cfg(test)]
mod tests;
mod trim;
mod validate;
mod zero;

pub use {
    add::{add, sub},
    bounds::is_custom,
    bucket::Bucket,
    classic::{ClassicBucket, ForcedMonotonicity, classic_fraction, classic_quantile},
    combine::{Combined, IncompatibleSchemas, combine_hints},
    compact::compact,
    equal::same_data,
    format::HistogramText,
    fraction::fraction,
    iter::{Order, buckets, negative_buckets, positive_buckets},
    kahan::Kahan,
    quantile::{NanEffect, quantile},
    reset::detect_reset,
    resolution::reduce_resolution,
    scale::{divide, multiply},
    sum::{HistogramMean, HistogramSum},
    trim::{Keep, trim},
    validate::{InvalidHistogram, validate},
};
