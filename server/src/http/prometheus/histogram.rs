//! Native histograms as JSON.

use kymo_formats::histogram::FloatHistogram;
use kymo_query::histogram::{Bucket, Order, buckets};

use super::super::number::push_value;

/// Appends `{"count":"","sum":"","buckets":[[boundaries,"lower","upper","count"],...]}`; empty buckets are left
/// out, and so is the list when it is empty.
pub(super) fn push_histogram(out: &mut String, histogram: &FloatHistogram) {
    out.push_str(r#"{"count":""#);
    push_value(out, histogram.count);
    out.push_str(r#"","sum":""#);
    push_value(out, histogram.sum);
    out.push('"');
    let mut open = false;
    for bucket in buckets(histogram, Order::Ascending).filter(|bucket| bucket.count != 0.0) {
        out.push_str(if open { "," } else { r#","buckets":["# });
        open = true;
        push_bucket(out, &bucket);
    }
    out.push_str(if open { "]}" } else { "}" });
}

fn push_bucket(out: &mut String, bucket: &Bucket) {
    // Which bounds belong to the bucket: 0 the upper one, 1 the lower one, 2 none, 3 both.
    let boundaries = match (bucket.lower_inclusive, bucket.upper_inclusive) {
        (false, true) => '0',
        (true, false) => '1',
        (false, false) => '2',
        (true, true) => '3',
    };
    out.push('[');
    out.push(boundaries);
    for value in [bucket.lower, bucket.upper, bucket.count] {
        out.push_str(",\"");
        push_value(out, value);
        out.push('"');
    }
    out.push(']');
}

#[cfg(test)]
mod tests {
    use kymo_formats::histogram::Span;

    use super::*;

    #[test]
    fn buckets_say_which_bounds_they_include() {
        let histogram = FloatHistogram {
            schema: 0,
            count: 6.0,
            sum: 1.5,
            zero_threshold: 0.25,
            zero_count: 3.0,
            positive_spans: vec![Span { offset: 0, length: 3 }],
            positive_buckets: vec![1.0, 0.0, 1.0],
            negative_spans: vec![Span { offset: 1, length: 1 }],
            negative_buckets: vec![1.0],
            ..FloatHistogram::default()
        };
        let mut out = String::new();
        push_histogram(&mut out, &histogram);
        assert_eq!(
            out,
            r#"{"count":"6","sum":"1.5","buckets":[[1,"-2","-1","1"],[3,"-0.25","0.25","3"],[0,"0.5","1","1"],[0,"2","4","1"]]}"#
        );
    }

    #[test]
    fn a_histogram_without_buckets_has_no_list() {
        let mut out = String::new();
        push_histogram(&mut out, &FloatHistogram::default());
        assert_eq!(out, r#"{"count":"0","sum":"0"}"#);
    }
}
