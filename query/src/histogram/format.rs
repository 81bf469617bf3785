//! Histograms as text.

use std::fmt;

use kymo_formats::histogram::FloatHistogram;

use super::iter::{negative_buckets, positive_buckets, zero_bucket};
use crate::exec::format::format_g;

/// A histogram as PromQL prints it: `{count:3, sum:1.5, [-0.1,0.1]:1, (0.5,1]:2}`, empty buckets left out.
#[derive(Debug, Clone, Copy)]
pub struct HistogramText<'a>(pub &'a FloatHistogram);

impl fmt::Display for HistogramText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{count:{}, sum:{}", format_g(self.0.count), format_g(self.0.sum))?;
        let mut negative: Vec<_> = negative_buckets(self.0).collect();
        negative.reverse();
        // Buckets keep their own bounds here, even where the zero bucket reaches into them.
        let all = negative.into_iter().chain([zero_bucket(self.0)]).chain(positive_buckets(self.0));
        for bucket in all.filter(|bucket| bucket.count != 0.0) {
            write!(f, ", {bucket}")?;
        }
        f.write_str("}")
    }
}

#[cfg(test)]
mod tests {
    use kymo_formats::histogram::Span;

    use super::*;

    #[test]
    fn histogram_lists_populated_buckets_in_order() {
        let histogram = FloatHistogram {
            count: 1_000_000.0,
            sum: -0.5,
            zero_count: 1.0,
            zero_threshold: 0.001,
            positive_spans: vec![Span { offset: 0, length: 3 }],
            positive_buckets: vec![1.0, 0.0, 2.5],
            negative_spans: vec![Span { offset: 0, length: 2 }],
            negative_buckets: vec![3.0, 4.0],
            ..FloatHistogram::default()
        };
        assert_eq!(
            HistogramText(&histogram).to_string(),
            "{count:1e+06, sum:-0.5, [-2,-1):4, [-1,-0.5):3, [-0.001,0.001]:1, (0.5,1]:1, (2,4]:2.5}"
        );
    }
}
