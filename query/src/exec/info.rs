//! `info()`: labels of info metrics added to the series that they describe.

use std::collections::{BTreeMap, BTreeSet};

use kymo_engine::{Labels, LabelsBuilder, MatchOp, Matcher, SampleColumns};

use super::{
    Column, Evaluator, Notes, Series,
    call::argument,
    context::{Evaluated, execution, internal},
    finish::merge_distinct,
    format::format_labels,
    grouping::Grouping,
    hash::Map,
    scan::{Found, Outcome, Timing},
};
use crate::{
    Error, Need, SelectRequest,
    lang::promql::{self, Expr},
};

const METRIC_NAME: &[u8] = b"__name__";
/// Labels that say which target a series belongs to; upstream has them fixed.
const IDENTIFYING: [&[u8]; 2] = [b"instance", b"job"];

impl Evaluator<'_> {
    /// Adds labels of info metrics to the first argument's series.
    pub(super) fn eval_info(&self, call: &promql::Call, notes: &mut Notes) -> Result<Evaluated, Error> {
        let base_expr = argument(call, 0)?;
        let timing = first_selector_timing(base_expr, 0).unwrap_or(Timing { offset: 0, at: None });
        let base = self.eval_vector(base_expr, notes)?;
        let filter = InfoFilter::new(call)?;
        let described: Vec<bool> = base.iter().map(|series| !filter.is_info_series(&series.labels)).collect();
        let infos = self.info_series(&base, &described, &filter, timing, notes)?;
        let join = InfoJoin::new(&infos, &filter, self.grid.steps)?;
        let mut out = Vec::new();
        for (series, described) in base.into_iter().zip(described) {
            if described {
                join.enrich(&series, &mut out)?;
            } else {
                out.push(series);
            }
        }
        out.retain(|series| !series.column.is_empty());
        merge_distinct(out).map(Evaluated::Vector)
    }

    /// The info series of the targets of all described series; the value at a step is the time of the sample.
    fn info_series(
        &self,
        base: &[Series],
        described: &[bool],
        filter: &InfoFilter,
        timing: Timing,
        notes: &mut Notes,
    ) -> Result<Vec<Series>, Error> {
        let mut targets: BTreeMap<&[u8], BTreeSet<&[u8]>> = BTreeMap::new();
        for (series, _) in base.iter().zip(described).filter(|(_, described)| **described) {
            for name in IDENTIFYING {
                let value = series.labels.get(name);
                if !value.is_empty() {
                    targets.entry(name).or_default().insert(value);
                }
            }
        }
        if targets.is_empty() {
            return Ok(Vec::new());
        }
        let mut matchers: Vec<Matcher> =
            targets.iter().map(|(name, values)| one_of(name, values)).collect::<Result<_, _>>()?;
        matchers.extend(filter.data.values().flatten().cloned());
        matchers.extend(filter.names.iter().cloned());
        let request = SelectRequest {
            memory: self.shared.budget.memory(),
            matchers: &matchers,
            start: timing.reference(self.grid.start).saturating_sub(self.shared.lookback).saturating_add(1),
            end: timing.reference(self.grid.end()),
            limit: 0,
            need: Need::Samples,
        };
        let readers = self.select_request(&request, notes)?;
        let evaluate = |labels: &Labels, columns: &mut SampleColumns| {
            let mut column = Column::default();
            let mut is_float = true;
            let mut tally = self.counters.tally(self.grid);
            self.for_each_instant(columns, timing, |step, found| match found {
                Found::Float(idx) => {
                    tally.add(step, 1, 1);
                    column.push_float(step, columns.ts[idx] as f64);
                }
                Found::Histogram(_) => is_float = false,
            });
            if !is_float {
                return Err(execution(format!(
                    "this should be an info metric, with float samples: {labels}"
                )));
            }
            self.shared.budget.charge(column.weight())?;
            let series =
                (!column.is_empty()).then(|| Series { labels: labels.clone(), drop_name: false, column });
            Ok(Outcome { series, notes: Notes::default(), tally })
        };
        let mut all = Vec::new();
        self.for_each_series(readers, &evaluate, notes, &mut |mut part, _| {
            all.append(&mut part);
            Ok(())
        })?;
        Ok(all)
    }
}

/// What the second argument asks for.
struct InfoFilter {
    /// Conditions on the metric name.
    names: Vec<Matcher>,
    /// Conditions on other labels, by label. If there are any, only these labels are added.
    data: BTreeMap<Vec<u8>, Vec<Matcher>>,
}

impl InfoFilter {
    fn new(call: &promql::Call) -> Result<Self, Error> {
        let mut names = Vec::new();
        let mut data: BTreeMap<Vec<u8>, Vec<Matcher>> = BTreeMap::new();
        if call.args.len() > 1 {
            let Expr::Vector(selector) = argument(call, 1)?.unparenthesized() else {
                return Err(internal("info() with something else than a selector"));
            };
            for matcher in &selector.matchers {
                if matcher.name() == METRIC_NAME {
                    names.push(matcher.clone());
                } else {
                    data.entry(matcher.name().to_vec()).or_default().push(matcher.clone());
                }
            }
        }
        if names.is_empty() {
            names.push(matcher(MatchOp::Equal, METRIC_NAME, b"target_info")?);
        } else if !names.iter().any(|name| matches!(name.op(), MatchOp::Equal | MatchOp::Regex)) {
            names.insert(0, matcher(MatchOp::Regex, METRIC_NAME, b".+_info")?);
        }
        Ok(Self { names, data })
    }

    fn is_info_series(&self, labels: &Labels) -> bool {
        self.names.iter().all(|matcher| matcher.matches(labels.metric_name()))
    }

    /// Whether a series without info series is wanted.
    fn allows_missing(&self) -> bool {
        self.data.values().flatten().all(Matcher::matches_empty)
    }

    fn adds(&self, name: &[u8]) -> bool {
        name != METRIC_NAME && (self.data.is_empty() || self.data.contains_key(name))
    }
}

/// For each info metric, in order of its name, the info series in force at each step.
type InForce<'i> = BTreeMap<&'i [u8], Vec<Option<usize>>>;

/// The info series by target.
struct InfoJoin<'i> {
    infos: &'i [Series],
    filter: &'i InfoFilter,
    target: Grouping,
    by_target: Map<Vec<u8>, InForce<'i>>,
}

impl<'i> InfoJoin<'i> {
    fn new(infos: &'i [Series], filter: &'i InfoFilter, steps: usize) -> Result<Self, Error> {
        let target = Grouping::new(&IDENTIFYING, false);
        let mut by_target: Map<Vec<u8>, InForce<'_>> = Map::default();
        let mut key = Vec::new();
        for (i, info) in infos.iter().enumerate() {
            let metrics = by_target.entry(target.key(&info.labels, &mut key).to_vec()).or_default();
            let in_force = metrics.entry(info.labels.metric_name()).or_insert_with(|| vec![None; steps]);
            for (step, time) in info.column.floats() {
                let other = in_force[step].and_then(|other| Some((other, infos[other].column.float(step)?)));
                match other {
                    Some((_, other_time)) if other_time > time => {}
                    Some((other, other_time)) if other_time == time => {
                        return Err(execution(format!(
                            "found duplicate series for info metric: existing {} @ {time}, new {} @ {time}",
                            format_labels(&infos[other].labels),
                            format_labels(&info.labels),
                        )));
                    }
                    _ => in_force[step] = Some(i),
                }
            }
        }
        Ok(Self { infos, filter, target, by_target })
    }

    /// Appends `series` with the labels of its info series, which may change from step to step.
    fn enrich(&self, series: &Series, out: &mut Vec<Series>) -> Result<(), Error> {
        let mut key = Vec::new();
        let metrics = self.by_target.get(self.target.key(&series.labels, &mut key));
        let mut variants: Vec<(Vec<usize>, Option<Series>)> = Vec::new();
        for (step, sample) in series.column.iter() {
            let in_force: Vec<usize> =
                metrics.into_iter().flat_map(BTreeMap::values).filter_map(|steps| steps[step]).collect();
            let place = match variants.iter().position(|(infos, _)| *infos == in_force) {
                Some(place) => place,
                None => {
                    let variant = self.variant(series, &in_force)?;
                    variants.push((in_force, variant));
                    variants.len() - 1
                }
            };
            if let Some(variant) = &mut variants[place].1 {
                variant.column.push(step, sample.to_owned());
            }
        }
        out.extend(variants.into_iter().filter_map(|(_, variant)| variant));
        Ok(())
    }

    /// `series`, without samples, with the labels of these info series; `None` if it is not wanted so.
    fn variant(&self, series: &Series, infos: &[usize]) -> Result<Option<Series>, Error> {
        if infos.is_empty() && !self.filter.allows_missing() {
            return Ok(None);
        }
        let mut added = LabelsBuilder::default();
        for label in infos.iter().flat_map(|info| self.infos[*info].labels.iter()) {
            if !self.filter.adds(label.name) {
                continue;
            }
            let other = added.get(label.name);
            if !other.is_empty() && other != label.value {
                let name = String::from_utf8_lossy(label.name);
                return Err(execution(format!("conflicting label: {name}")));
            }
            if series.labels.get(label.name).is_empty() {
                added.set(label.name, label.value);
            }
        }
        let mut labels = LabelsBuilder::from_labels(&series.labels);
        for label in &added.build() {
            labels.set(label.name, label.value);
        }
        Ok(Some(Series { labels: labels.build(), drop_name: series.drop_name, column: Column::default() }))
    }
}

/// When the first selector in `expr` looks; subqueries around it add their offsets until an `@`.
fn first_selector_timing(expr: &Expr, depth_offset: i64) -> Option<Timing> {
    let own = |selector: &promql::VectorSelector| {
        let timing = Timing::new(&selector.offset, selector.at);
        if timing.at.is_some() { timing } else { Timing { offset: timing.offset + depth_offset, at: None } }
    };
    match expr {
        Expr::Vector(selector) => Some(own(selector)),
        Expr::Matrix(matrix) => Some(own(&matrix.selector)),
        Expr::Subquery(subquery) => {
            let timing = Timing::new(&subquery.offset, subquery.at);
            let inner = first_selector_timing(&subquery.expr, 0)?;
            if inner.at.is_some() {
                return Some(inner);
            }
            let offset = inner.offset + timing.offset;
            let outer = if timing.at.is_some() { 0 } else { depth_offset };
            Some(Timing { offset: offset + outer, at: timing.at })
        }
        _ => {
            let mut found = None;
            expr.for_each_child(|child| {
                if found.is_none() {
                    found = first_selector_timing(child, depth_offset);
                }
            });
            found
        }
    }
}

fn matcher(op: MatchOp, name: &[u8], value: &[u8]) -> Result<Matcher, Error> {
    Matcher::new(op, name, value).map_err(|error| internal(error.to_string()))
}

/// A matcher for a label that has one of these values.
fn one_of(name: &[u8], values: &BTreeSet<&[u8]>) -> Result<Matcher, Error> {
    if let (1, Some(value)) = (values.len(), values.first()) {
        return matcher(MatchOp::Equal, name, value);
    }
    let mut pattern = Vec::new();
    for value in values {
        if !pattern.is_empty() {
            pattern.push(b'|');
        }
        for byte in *value {
            if br"\.+*?()|[]{}^$".contains(byte) {
                pattern.push(b'\\');
            }
            pattern.push(*byte);
        }
    }
    matcher(MatchOp::Regex, name, &pattern)
}
