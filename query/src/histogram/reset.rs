//! Detecting that the counts of a histogram started anew.

use kymo_formats::histogram::{FloatHistogram, ResetHint};

use super::{
    bounds::{exponential_bound, is_custom},
    custom,
    iter::{Side, indexed},
    resolution::at_schema,
    spans::merge_join,
    zero::zero_count_up_to,
};

/// Whether a counter reset lies between `previous` and `current`.
///
/// A hint decides. Without one it is a reset when any count, but not the sum, has become smaller, or the
/// layout has changed in a way that only happens with a restart: finer buckets, a narrower zero bucket, or a
/// zero bucket that now ends inside what was a populated bucket. Gauges are treated like counters.
#[must_use]
pub fn detect_reset(current: &FloatHistogram, previous: &FloatHistogram) -> bool {
    match current.reset_hint {
        ResetHint::Reset => return true,
        ResetHint::NotReset => return false,
        ResetHint::Unknown | ResetHint::Gauge => {}
    }
    if current.count < previous.count || is_custom(current.schema) != is_custom(previous.schema) {
        return true;
    }
    if is_custom(current.schema) && current.custom_values != previous.custom_values {
        return common_bucket_decreased(current, previous);
    }
    if current.schema > previous.schema || current.zero_threshold < previous.zero_threshold {
        return true;
    }
    zero_bucket_reset(current, previous)
        || side_decreased(current, previous, Side::Positive)
        || side_decreased(current, previous, Side::Negative)
}

fn zero_bucket_reset(current: &FloatHistogram, previous: &FloatHistogram) -> bool {
    let threshold = current.zero_threshold;
    if threshold == previous.zero_threshold || threshold.is_nan() {
        return current.zero_count < previous.zero_count;
    }
    let (positive, negative) = (indexed(previous, Side::Positive), indexed(previous, Side::Negative));
    let (zero_count, reached) =
        zero_count_up_to(threshold, previous.zero_count, previous.schema, &positive, &negative);
    reached != threshold || current.zero_count < zero_count
}

/// Whether a bucket outside of the zero bucket has become smaller or vanished.
fn side_decreased(current: &FloatHistogram, previous: &FloatHistogram, side: Side) -> bool {
    let (schema, threshold) = (current.schema, current.zero_threshold);
    let inside_zero =
        |index: i32| threshold != 0.0 && !is_custom(schema) && exponential_bound(index, schema) <= threshold;
    let now = indexed(current, side).skip_while(|(index, _)| inside_zero(*index));
    let before = at_schema(indexed(previous, side), previous.schema, schema)
        .skip_while(|(index, _)| inside_zero(*index));
    merge_join(now, before).any(|(_, now, before)| match (now, before) {
        (Some(now), Some(before)) => now < before,
        (None, Some(before)) => before != 0.0,
        (_, None) => false,
    })
}

/// Custom buckets of different bounds: whether a bucket between common bounds has become smaller.
fn common_bucket_decreased(current: &FloatHistogram, previous: &FloatHistogram) -> bool {
    let bounds = custom::intersection(&current.custom_values, &previous.custom_values);
    let counts = |histogram: &FloatHistogram| {
        let mut counts = vec![0.0; bounds.len() + 1];
        custom::map_onto(indexed(histogram, Side::Positive), &histogram.custom_values, &bounds, &mut counts);
        counts
    };
    counts(current).into_iter().zip(counts(previous)).any(|(now, before)| now < before)
}
