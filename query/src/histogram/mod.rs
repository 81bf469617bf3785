//! Native histograms as PromQL looks at them: buckets with their bounds, estimates, text. What is computed with them is
//! in `kymo_formats::histogram::algebra`.
//!
//! * `bounds`, `bucket`, `iter` - buckets with their bounds, in either order
//! * `trim` - an operation
//! * `validate` - a question
//! * `quantile`, `fraction`, `classic` - estimates, the last for histograms of one series per bucket
//! * `format` - text

mod bounds;
mod bucket;
mod classic;
mod format;
mod fraction;
mod iter;
mod quantile;
#[cfg(test)]
mod tests;
mod trim;
mod validate;

pub use kymo_formats::histogram::{
    algebra::{
        Combined, HistogramMean, HistogramSum, IncompatibleSchemas, Kahan, add, combine_hints, compact,
        divide, multiply, reduce_resolution, same_data, sub,
    },
    is_custom_schema as is_custom,
};

pub use {
    bucket::Bucket,
    classic::{ClassicBucket, ForcedMonotonicity, classic_fraction, classic_quantile},
    format::HistogramText,
    fraction::fraction,
    iter::{Order, buckets, negative_buckets, positive_buckets},
    quantile::{NanEffect, quantile},
    trim::{Keep, trim},
    validate::{InvalidHistogram, validate},
};
