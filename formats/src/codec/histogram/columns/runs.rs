//! Histograms to runs that share a layout, cut where a chunk of its own would be.

use std::borrow::Cow;

use super::super::form::{Form, Side};
use super::super::layout::{Layout, assert_consistent, words};
use super::super::spans::move_counts;
use super::super::verdict::{Tail, Verdict, first_header};
use super::{ResetHeader, WORDS_MAX};
use crate::histogram::{STALE_NAN_BITS, Span};

/// Histograms of one layout, and what is known of the first one.
#[derive(Debug)]
pub(super) struct Run<'a, H: Form> {
    pub(super) header: ResetHeader,
    pub(super) layout: Layout,
    /// In the layout.
    pub(super) histograms: Vec<Cow<'a, H>>,
    /// Stale markers behind them.
    pub(super) stale: usize,
}

/// The runs of `histograms`, in their order.
pub(super) fn cut<'a, H: Form>(histograms: &[&'a H]) -> Vec<Run<'a, H>> {
    let mut runs: Vec<Run<'a, H>> = Vec::new();
    for &histogram in histograms {
        let header = match runs.last_mut() {
            None => Some(first_header(histogram.parts().reset_hint)),
            Some(run) => run.push(histogram).err(),
        };
        runs.extend(header.map(|header| Run::begin(header, histogram)));
    }
    runs.iter_mut().for_each(Run::settle);
    runs
}

impl<'a, H: Form> Run<'a, H> {
    fn begin(header: ResetHeader, histogram: &'a H) -> Self {
        if histogram.is_stale() {
            // A stale marker has no layout.
            return Self { header, layout: Layout::of(&H::default()), histograms: Vec::new(), stale: 1 };
        }
        assert_consistent(histogram);
        let histograms = vec![Cow::Borrowed(histogram)];
        Self { header, layout: Layout::of(histogram), histograms, stale: 0 }
    }

    /// Takes `histogram`, or says how the run begins that it is the first of.
    fn push(&mut self, histogram: &'a H) -> Result<(), ResetHeader> {
        let Verdict { fits, header } = self.with_tail(|tail| tail.verdict(histogram));
        let fits = fits.ok_or(header)?;
        if histogram.is_stale() {
            self.stale += 1;
            return Ok(());
        }
        assert_consistent(histogram);
        let fitting = if fits.grow_histogram() {
            Cow::Owned(self.with_tail(|tail| tail.widened(histogram, fits)))
        } else {
            Cow::Borrowed(histogram)
        };
        let words = if fits.grow_run() { words(&*fitting) } else { self.layout.words() };
        if words.saturating_mul(self.histograms.len() + 1) > WORDS_MAX {
            return Err(self.with_tail(|tail| tail.header_after(histogram)));
        }
        if fits.grow_run() {
            let parts = fitting.parts();
            self.layout.positive_spans = parts.positive_spans.to_vec();
            self.layout.negative_spans = parts.negative_spans.to_vec();
        }
        self.histograms.push(fitting);
        Ok(())
    }

    /// The end of the run: its last histogram, unless a stale marker is behind it.
    fn with_tail<T>(&self, ask: impl FnOnce(Tail<'_, H>) -> T) -> T {
        let (header, layout) = (self.header, &self.layout);
        match self.histograms.last().filter(|_| self.stale == 0) {
            Some(last) => ask(Tail { header, layout, last: &**last }),
            None => ask(Tail { header, layout, last: &H::stale(f64::from_bits(STALE_NAN_BITS)) }),
        }
    }

    /// Brings the histograms that came before the layout grew into the layout.
    fn settle(&mut self) {
        for histogram in &mut self.histograms {
            let parts = histogram.parts();
            let positive =
                moved::<H>(parts.positive_spans, parts.positive_buckets, &self.layout.positive_spans);
            let negative =
                moved::<H>(parts.negative_spans, parts.negative_buckets, &self.layout.negative_spans);
            for (side, spans, buckets) in [
                (Side::Positive, &self.layout.positive_spans, positive),
                (Side::Negative, &self.layout.negative_spans, negative),
            ] {
                if let Some(buckets) = buckets {
                    histogram.to_mut().set_buckets(side, spans.clone(), buckets);
                }
            }
        }
    }
}

/// The buckets moved to those of `to`; `None` if they are there.
fn moved<H: Form>(from: &[Span], buckets: &[H::Bucket], to: &[Span]) -> Option<Vec<H::Bucket>> {
    (from != to).then(|| H::buckets(move_counts(from, H::counts(buckets), to)))
}
