//! Whether a histogram goes on where a run of others ends, and what it needs for that: the rules by which Prometheus
//! cuts its chunks.

use super::ResetHeader;
use super::form::{Form, Last, Side};
use super::layout::Layout;
use super::spans::{Fit, compare_counters, compare_gauges, move_counts, union};
use crate::histogram::{CUSTOM_BUCKETS_SCHEMA, ResetHint, STALE_NAN_BITS};

/// Whether a histogram goes on a run, and what the header of a new one would say if not.
#[derive(Debug, Clone, Copy)]
pub(super) struct Verdict {
    pub(super) fits: Option<Fits>,
    pub(super) header: ResetHeader,
}

impl Verdict {
    const fn cut(header: ResetHeader) -> Self {
        Self { fits: None, header }
    }
}

/// How the buckets of a histogram relate to those of the run, on both sides.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Fits {
    positive: Fit,
    negative: Fit,
}

impl Fits {
    /// The histogram has buckets that the run lacks.
    pub(super) const fn grow_run(self) -> bool {
        self.positive.grows_chunk || self.negative.grows_chunk
    }

    /// The run has buckets that the histogram lacks.
    pub(super) const fn grow_histogram(self) -> bool {
        self.positive.grows_histogram || self.negative.grows_histogram
    }
}

/// The header of a run that begins with a histogram of `hint`, when nothing is known of one before it.
pub(super) const fn first_header(hint: ResetHint) -> ResetHeader {
    match hint {
        ResetHint::Gauge => ResetHeader::Gauge,
        ResetHint::Reset => ResetHeader::Reset,
        ResetHint::Unknown | ResetHint::NotReset => ResetHeader::Unknown,
    }
}

/// Where a run ends: what was said of its first histogram, what all of it share, and its last one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tail<'a, L> {
    pub(super) header: ResetHeader,
    pub(super) layout: &'a Layout,
    pub(super) last: &'a L,
}

impl<L> Tail<'_, L> {
    /// Whether `histogram` goes on the run.
    pub(super) fn verdict<H: Form>(&self, histogram: &H) -> Verdict
    where
        L: Last<H>,
    {
        if histogram.parts().reset_hint == ResetHint::Gauge {
            self.verdict_on_gauge(histogram)
        } else {
            self.verdict_on_counter(histogram)
        }
    }

    /// The header of a run that goes on where this one was cut for its size or age.
    pub(super) fn header_after<H: Form>(&self, histogram: &H) -> ResetHeader
    where
        L: Last<H>,
    {
        match histogram.parts().reset_hint {
            ResetHint::Gauge => ResetHeader::Gauge,
            ResetHint::Reset => ResetHeader::Reset,
            ResetHint::Unknown | ResetHint::NotReset => {
                let header = self.verdict_on_counter(histogram).header;
                if !H::CUT_KEEPS_NOT_RESET && header != ResetHeader::Reset {
                    ResetHeader::NotReset
                } else {
                    header
                }
            }
        }
    }

    /// `histogram` with the empty buckets that only the run has.
    pub(super) fn widened<H: Form>(&self, histogram: &H, fits: Fits) -> H {
        let mut wide = histogram.clone();
        for (side, fit) in [(Side::Positive, fits.positive), (Side::Negative, fits.negative)] {
            self.widen(&mut wide, side, fit, fits.grow_run());
        }
        wide
    }

    fn widen<H: Form>(&self, histogram: &mut H, side: Side, fit: Fit, run_grows: bool) {
        let parts = histogram.parts();
        let (run, spans, buckets) = match side {
            Side::Positive => (&self.layout.positive_spans, parts.positive_spans, parts.positive_buckets),
            Side::Negative => (&self.layout.negative_spans, parts.negative_spans, parts.negative_buckets),
        };
        let gauge = parts.reset_hint == ResetHint::Gauge;
        // Where upstream takes the run's own spans, so do we: the same buckets can be cut into spans differently.
        let wide = match (gauge, run_grows, fit.grows_histogram) {
            (true, ..) | (false, true, true) => union(run, spans),
            (false, true, false) => return,
            (false, false, _) => run.clone(),
        };
        let counts = move_counts(spans, H::counts(buckets), &wide);
        let buckets = H::buckets(counts);
        histogram.set_buckets(side, wide, buckets);
    }

    fn verdict_on_counter<H: Form>(&self, histogram: &H) -> Verdict
    where
        L: Last<H>,
    {
        let not_reset = if H::CUT_KEEPS_NOT_RESET { ResetHeader::NotReset } else { ResetHeader::Unknown };
        if self.header == ResetHeader::Gauge {
            return Verdict::cut(not_reset);
        }
        let parts = histogram.parts();
        if parts.reset_hint == ResetHint::Reset {
            return Verdict::cut(ResetHeader::Reset);
        }
        if histogram.is_stale() {
            return Verdict { fits: Some(Fits::default()), header: ResetHeader::NotReset };
        }
        if self.last.sum_bits() == STALE_NAN_BITS {
            return Verdict::cut(ResetHeader::Unknown);
        }
        if self.last.count_declines(histogram) {
            return Verdict::cut(ResetHeader::Reset);
        }
        if !self.same_grid(histogram) {
            return Verdict::cut(ResetHeader::Unknown);
        }
        if !self.same_bounds(histogram) || self.last.zero_count_declines(histogram) {
            return Verdict::cut(ResetHeader::Reset);
        }
        let positive = compare_counters(
            (&self.layout.positive_spans, self.last.bucket_counts(Side::Positive)),
            (parts.positive_spans, H::counts(parts.positive_buckets)),
        );
        let negative = compare_counters(
            (&self.layout.negative_spans, self.last.bucket_counts(Side::Negative)),
            (parts.negative_spans, H::counts(parts.negative_buckets)),
        );
        match positive.zip(negative) {
            Some((positive, negative)) => {
                Verdict { fits: Some(Fits { positive, negative }), header: ResetHeader::NotReset }
            }
            None => Verdict::cut(ResetHeader::Reset),
        }
    }

    fn verdict_on_gauge<H: Form>(&self, histogram: &H) -> Verdict
    where
        L: Last<H>,
    {
        let header = ResetHeader::Gauge;
        if self.header != ResetHeader::Gauge {
            return Verdict::cut(header);
        }
        if histogram.is_stale() {
            return Verdict { fits: Some(Fits::default()), header };
        }
        let after_stale = self.last.sum_bits() == STALE_NAN_BITS;
        if after_stale || !self.same_grid(histogram) || !self.same_bounds(histogram) {
            return Verdict::cut(header);
        }
        let parts = histogram.parts();
        let positive = compare_gauges(&self.layout.positive_spans, parts.positive_spans);
        let negative = compare_gauges(&self.layout.negative_spans, parts.negative_spans);
        Verdict { fits: Some(Fits { positive, negative }), header }
    }

    #[expect(clippy::float_cmp, reason = "another zero threshold is another grid, however close")]
    fn same_grid<H: Form>(&self, histogram: &H) -> bool {
        let parts = histogram.parts();
        parts.schema == self.layout.schema && parts.zero_threshold == self.layout.zero_threshold
    }

    fn same_bounds<H: Form>(&self, histogram: &H) -> bool {
        let parts = histogram.parts();
        parts.schema != CUSTOM_BUCKETS_SCHEMA || parts.custom_values == self.layout.custom_values
    }
}
