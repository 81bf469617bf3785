//! `histogram_quantile`, `histogram_quantiles`, `histogram_fraction`: estimates from the buckets of native
//! histograms and of classic ones, which are one series per bucket.

use std::collections::{BTreeMap, btree_map::Entry};

use kymo_engine::{Labels, LabelsBuilder};
use kymo_formats::histogram::FloatHistogram;

use crate::{
    Error,
    exec::{
        Column, Note, Notes, Series,
        format::format_g,
        kernel::{Argument, Call},
    },
    histogram::{ClassicBucket, NanEffect, classic_fraction, classic_quantile, fraction, quantile},
};

/// Label that holds the upper bound of a classic bucket.
const BUCKET_LABEL: &[u8] = b"le";

/// `histogram_quantile(q, v)`
pub(super) fn histogram_quantile(
    args: Vec<Argument>,
    call: &Call<'_>,
    notes: &mut Notes,
) -> Result<Vec<Series>, Error> {
    let mut args = args.into_iter();
    let (Some(Argument::Scalar(qs)), Some(Argument::Vector(vector))) = (args.next(), args.next()) else {
        return Ok(Vec::new());
    };
    note_invalid_quantiles(&qs, call.arg_position(0), notes);
    let groups = group(&vector, call, call.arg_position(1), notes);
    Ok(groups.estimates(call, call.arg_position(1), notes, |step, value, context| {
        qs.get(step).map_or(f64::NAN, |q| context.quantile(*q, value))
    }))
}

/// `histogram_quantiles(v, label, q...)`: one series per quantile, told apart by the label.
pub(super) fn histogram_quantiles(
    args: Vec<Argument>,
    call: &Call<'_>,
    notes: &mut Notes,
) -> Result<Vec<Series>, Error> {
    let mut args = args.into_iter();
    let (Some(Argument::Vector(vector)), Some(Argument::String(label))) = (args.next(), args.next()) else {
        return Ok(Vec::new());
    };
    let quantiles: Vec<Vec<f64>> = args
        .filter_map(|argument| if let Argument::Scalar(qs) = argument { Some(qs) } else { None })
        .collect();
    for (i, qs) in quantiles.iter().enumerate() {
        note_invalid_quantiles(qs, call.arg_position(2 + i), notes);
    }
    let groups = group(&vector, call, call.arg_position(0), notes);
    let mut result = Vec::new();
    for qs in &quantiles {
        let estimates = groups.estimates(call, call.arg_position(0), notes, |step, value, context| {
            qs.get(step).map_or(f64::NAN, |q| context.quantile(*q, value))
        });
        result.extend(estimates.into_iter().flat_map(|series| label_by_quantile(&series, &label, qs)));
    }
    Ok(result)
}

/// `histogram_fraction(lower, upper, v)`
pub(super) fn histogram_fraction(
    args: Vec<Argument>,
    call: &Call<'_>,
    notes: &mut Notes,
) -> Result<Vec<Series>, Error> {
    let mut args = args.into_iter();
    let (Some(Argument::Scalar(lowers)), Some(Argument::Scalar(uppers)), Some(Argument::Vector(vector))) =
        (args.next(), args.next(), args.next())
    else {
        return Ok(Vec::new());
    };
    let groups = group(&vector, call, call.arg_position(2), notes);
    Ok(groups.estimates(call, call.arg_position(2), notes, |step, value, context| {
        let bounds = lowers.get(step).zip(uppers.get(step));
        bounds.map_or(f64::NAN, |(lower, upper)| context.fraction(*lower, *upper, value))
    }))
}

fn note_invalid_quantiles(qs: &[f64], position: usize, notes: &mut Notes) {
    let mut noted = None;
    for q in qs.iter().filter(|q| !(0.0..=1.0).contains(*q)) {
        // Mostly the same number at every step.
        if noted.replace(q.to_bits()) != Some(q.to_bits()) {
            notes.add(position, Note::InvalidQuantile { quantile: *q });
        }
    }
}

/// Splits a series by the quantile of each step, which becomes a label.
fn label_by_quantile(series: &Series, label: &[u8], qs: &[f64]) -> Vec<Series> {
    let mut by_quantile: Vec<(u64, Series)> = Vec::new();
    for (step, value) in series.column.floats() {
        let q = qs.get(step).copied().unwrap_or(f64::NAN);
        let idx = by_quantile.iter().position(|(bits, _)| *bits == q.to_bits()).unwrap_or_else(|| {
            let labels =
                LabelsBuilder::from_labels(&series.labels).set(label, open_metrics(q).as_bytes()).build();
            by_quantile.push((q.to_bits(), Series { labels, drop_name: true, column: Column::default() }));
            by_quantile.len() - 1
        });
        by_quantile[idx].1.column.push_float(step, value);
    }
    by_quantile.into_iter().map(|(_, series)| series).collect()
}

/// A number as OpenMetrics writes it: never without a decimal point or an exponent.
fn open_metrics(value: f64) -> String {
    if value == 0.0 {
        return "0.0".to_owned();
    }
    let text = format_g(value);
    if value.is_finite() && !text.contains(['e', '.']) { text + ".0" } else { text }
}

/// The histograms of a vector, by labels without the bucket's bound.
struct Groups<'a>(Vec<Group<'a>>);

struct Group<'a> {
    labels: Labels,
    /// Series with native histograms of these labels; at most one has a histogram at a step.
    native: Vec<&'a Column>,
    /// Series with counts of classic buckets, and the bounds.
    classic: Vec<(f64, &'a Column)>,
}

fn group<'a>(vector: &'a [Series], call: &Call<'_>, position: usize, notes: &mut Notes) -> Groups<'a> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    let mut by_labels: BTreeMap<Labels, usize> = BTreeMap::new();
    let mut find = |groups: &mut Vec<Group<'a>>, labels: Labels| match by_labels.entry(labels) {
        Entry::Occupied(entry) => *entry.get(),
        Entry::Vacant(entry) => {
            groups.push(Group { labels: entry.key().clone(), native: Vec::new(), classic: Vec::new() });
            *entry.insert(groups.len() - 1)
        }
    };
    for series in vector {
        if series.column.has_histograms() {
            let idx = find(&mut groups, series.labels.clone());
            groups[idx].native.push(&series.column);
        }
        if series.column.floats().next().is_none() {
            continue;
        }
        let label = series.labels.get(BUCKET_LABEL);
        if let Some(bound) = parse_bound(label) {
            let labels = LabelsBuilder::from_labels(&series.labels).remove(BUCKET_LABEL).build();
            let idx = find(&mut groups, labels);
            groups[idx].classic.push((bound, &series.column));
        } else {
            let metric = visible_name(&series.labels, call).to_vec();
            notes.add(position, Note::BadBucketLabel { metric, label: label.to_vec() });
        }
    }
    // Sorted once; an estimate at a step sorts what is in order already.
    groups.iter_mut().for_each(|group| group.classic.sort_by(|a, b| a.0.total_cmp(&b.0)));
    Groups(groups)
}

/// The metric name as far as it has not been dropped already.
fn visible_name<'a>(labels: &'a Labels, call: &Call<'_>) -> &'a [u8] {
    if call.options.delayed_name_removal { labels.metric_name() } else { b"" }
}

/// What an estimate is made from.
enum Buckets<'a> {
    Native(&'a FloatHistogram),
    Classic(&'a mut Vec<ClassicBucket>),
}

/// Where annotations of an estimate go.
struct Context<'a> {
    metric: &'a [u8],
    position: usize,
    time: i64,
    notes: &'a mut Notes,
}

impl Groups<'_> {
    fn estimates(
        &self,
        call: &Call<'_>,
        position: usize,
        notes: &mut Notes,
        mut estimate: impl FnMut(usize, Buckets<'_>, &mut Context<'_>) -> f64,
    ) -> Vec<Series> {
        let mut classic = Vec::new();
        self.0
            .iter()
            .map(|group| {
                let metric = visible_name(&group.labels, call);
                let mut column = Column::with_capacity(call.grid.steps);
                for (step, time) in call.grid.times().enumerate() {
                    group.classic_at(step, &mut classic);
                    let native = group.native.iter().find_map(|column| column.histogram(step));
                    let mut context = Context { metric, position, time, notes: &mut *notes };
                    let value = match (native, classic.is_empty()) {
                        (None, true) => continue,
                        (Some(_), false) => {
                            context.note(Note::MixedClassicNative { metric: metric.to_vec() });
                            continue;
                        }
                        (Some(native), true) => estimate(step, Buckets::Native(native), &mut context),
                        (None, false) => estimate(step, Buckets::Classic(&mut classic), &mut context),
                    };
                    column.push_float(step, value);
                }
                Series { labels: group.labels.clone(), drop_name: true, column }
            })
            .collect()
    }
}

impl Group<'_> {
    /// Replaces `buckets` by the classic buckets at `step`.
    fn classic_at(&self, step: usize, buckets: &mut Vec<ClassicBucket>) {
        buckets.clear();
        let present = |(bound, column): &(f64, &Column)| {
            column.float(step).map(|count| ClassicBucket { upper_bound: *bound, count })
        };
        buckets.extend(self.classic.iter().filter_map(present));
    }
}

impl Context<'_> {
    fn note(&mut self, note: Note) {
        self.notes.add(self.position, note);
    }

    fn quantile(&mut self, q: f64, buckets: Buckets<'_>) -> f64 {
        match buckets {
            Buckets::Native(histogram) => {
                let (value, effect) = quantile(q, histogram);
                let metric = || self.metric.to_vec();
                match effect {
                    Some(NanEffect::ResultIsNan) => self.note(Note::QuantileNanResult { metric: metric() }),
                    Some(NanEffect::SkewedHigher) => self.note(Note::QuantileNanSkew { metric: metric() }),
                    Some(NanEffect::Excluded) | None => {}
                }
                value
            }
            Buckets::Classic(buckets) => {
                let (value, forced) = classic_quantile(q, buckets);
                if let Some(forced) = forced {
                    let bounds = (forced.bound_min, forced.bound_max);
                    self.note(Note::forced_monotonicity(self.metric, self.time, bounds, forced.diff_max));
                }
                value
            }
        }
    }

    fn fraction(&mut self, lower: f64, upper: f64, buckets: Buckets<'_>) -> f64 {
        match buckets {
            Buckets::Native(histogram) => {
                let (value, effect) = fraction(lower, upper, histogram);
                if effect == Some(NanEffect::Excluded) {
                    self.note(Note::FractionNans { metric: self.metric.to_vec() });
                }
                value
            }
            Buckets::Classic(buckets) => classic_fraction(lower, upper, buckets),
        }
    }
}

/// The bound that a label value spells. Hexadecimal floats, which Go would read, are not bounds to us.
fn parse_bound(label: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(label).ok()?;
    let bound: f64 = text.parse().ok()?;
    // A number that is too large is an error in Go, and infinity in Rust.
    let spelled_out = bound.is_finite() || !text.bytes().any(|byte| byte.is_ascii_digit());
    spelled_out.then_some(bound)
}
