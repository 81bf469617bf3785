//! The change of a histogram over a range, before extrapolation.

use kymo_engine::HistogramSample;
use kymo_formats::histogram::{FloatHistogram, ResetHint};

use super::{
    noted::Subject,
    start_time::{Times, is_reset, overlaps},
};
use crate::{
    exec::Notes,
    histogram::{compact, is_custom, reduce_resolution},
};

/// The last histogram minus the first, plus what resets took away. `None` when layouts do not fit together.
///
/// `samples` has at least two elements.
pub(super) fn histogram_change(
    samples: &[HistogramSample],
    of_counter: bool,
    subject: Subject<'_>,
    notes: &mut Notes,
) -> Option<FloatHistogram> {
    // A mix of layouts replaces what was noted before.
    let mut noted = Notes::default();
    let change = change(samples, of_counter, subject, &mut noted);
    match change {
        Ok(change) => {
            notes.merge(noted);
            Some(change)
        }
        Err(Mix { keep_notes }) => {
            if keep_notes {
                notes.merge(noted);
            }
            subject.mixed_exponential_custom(notes);
            None
        }
    }
}

/// Exponential and custom buckets in one range.
struct Mix {
    /// Whether what was noted before still counts.
    keep_notes: bool,
}

fn change(
    samples: &[HistogramSample],
    of_counter: bool,
    subject: Subject<'_>,
    notes: &mut Notes,
) -> Result<FloatHistogram, Mix> {
    let [first, inner @ .., last] = samples else { return Err(Mix { keep_notes: true }) };
    let is_gauge = |sample: &HistogramSample| sample.value.reset_hint == ResetHint::Gauge;
    if of_counter && (is_gauge(first) || is_gauge(last)) {
        subject.not_counter(notes);
    }
    let base = base_of(samples, of_counter);
    let custom = is_custom(base.schema);
    if is_custom(last.value.schema) != custom {
        return Err(Mix { keep_notes: true });
    }
    let mut schema = last.value.schema.min(base.schema);
    for sample in inner.iter().filter(|_| of_counter) {
        if is_gauge(sample) {
            subject.not_counter(notes);
        }
        schema = schema.min(sample.value.schema);
        if is_custom(sample.value.schema) != custom {
            return Err(Mix { keep_notes: false });
        }
    }

    let mut result = (*last.value).clone();
    reduce_resolution(&mut result, schema);
    subject.sub(&mut result, &base, notes).ok_or(Mix { keep_notes: false })?;
    if of_counter {
        add_resets(&mut result, &base, samples, subject, notes)?;
    } else if !is_gauge(first) || !is_gauge(last) {
        subject.not_gauge(notes);
    }
    result.reset_hint = ResetHint::Gauge;
    compact(&mut result, 0);
    Ok(result)
}

/// What the last histogram is compared with: the first one, or nothing if a counter reset follows it, so that
/// its layout cannot be in the way.
fn base_of(samples: &[HistogramSample], of_counter: bool) -> std::borrow::Cow<'_, FloatHistogram> {
    let (first, second) = (&samples[0], &samples[1]);
    if of_counter && (is_reset(times(first), times(second)) || second.value.detect_reset(&first.value)) {
        let (schema, custom_values) = (second.value.schema, second.value.custom_values.clone());
        return std::borrow::Cow::Owned(FloatHistogram {
            schema,
            custom_values,
            ..FloatHistogram::default()
        });
    }
    std::borrow::Cow::Borrowed(&first.value)
}

/// Adds the histogram before each reset.
fn add_resets(
    result: &mut FloatHistogram,
    base: &FloatHistogram,
    samples: &[HistogramSample],
    subject: Subject<'_>,
    notes: &mut Notes,
) -> Result<(), Mix> {
    let pairs = || samples.windows(2).map(|pair| (times(&pair[0]), times(&pair[1])));
    if pairs().any(|(previous, current)| overlaps(previous, current)) {
        subject.start_time_overlap(notes);
    }
    let mut previous = base;
    for (sample, (before, now)) in samples[1..].iter().zip(pairs()) {
        if is_reset(before, now) || sample.value.detect_reset(previous) {
            subject.add(result, previous, notes).ok_or(Mix { keep_notes: false })?;
        }
        previous = &sample.value;
    }
    Ok(())
}

fn times(sample: &HistogramSample) -> Times {
    Times { ts: sample.ts, start_ts: sample.start_ts }
}
