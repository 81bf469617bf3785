//! Arithmetic and comparisons of two vectors.

use kymo_engine::{Labels, LabelsBuilder};

use super::{
    super::{
        Budget, Column, Evaluator, Note, Notes, Sample, SampleRef, Series, StepSet, context::execution,
        format::format_labels, hash::Map, series::is_metadata_label,
    },
    element::{changes_meaning, combine},
    matching::{Signatures, grouping},
};
use crate::{
    Error,
    lang::promql::{Binary, Cardinality, VectorMatching},
};

impl Evaluator<'_> {
    /// An operator that pairs each element of the "many" side with one of the "one" side.
    pub(super) fn vector_vector(
        &self,
        binary: &Binary,
        matching: &VectorMatching,
        lhs: &[Series],
        rhs: &[Series],
        notes: &mut Notes,
    ) -> Result<Vec<Series>, Error> {
        let signatures = Signatures::new(lhs, rhs, matching);
        let swapped = matching.cardinality == Cardinality::OneToMany;
        let (many, one) = if swapped { (rhs, lhs) } else { (lhs, rhs) };
        let (many_groups, one_groups) =
            if swapped { (signatures.rhs, signatures.lhs) } else { (signatures.lhs, signatures.rhs) };
        let steps = self.grid.steps;
        let mut join = Join {
            budget: &self.shared.budget,
            binary,
            matching,
            swapped,
            keep_names: self.options().delayed_name_removal,
            many,
            one,
            one_in_group: members(&one_groups, signatures.len),
            many_count: count(&many_groups, signatures.len),
            // Not swapped with the sides: with `group_right` upstream's `fill_left` stands in for series of
            // the right side, and its tests say so.
            fill_many: matching.fill.lhs,
            fill_one: matching.fill.rhs,
            steps,
            matched: vec![StepSet::default(); signatures.len],
            outputs: Outputs::default(),
            refusals: Vec::new(),
        };
        join.check_one_side()?;
        for (i, group) in many_groups.iter().enumerate() {
            join.join_series(i, *group)?;
        }
        join.fill_unmatched(&one_groups)?;
        let position = binary.span().start as usize;
        join.refusals.into_iter().flatten().for_each(|note| notes.add(position, note));
        Ok(join.outputs.series)
    }
}

/// The state of one operation.
struct Join<'j> {
    budget: &'j Budget,
    binary: &'j Binary,
    matching: &'j VectorMatching,
    /// Whether the "many" side is the right one.
    swapped: bool,
    /// Whether names stay until the end of the query.
    keep_names: bool,
    many: &'j [Series],
    one: &'j [Series],
    /// The series of the "one" side in each match group.
    one_in_group: Vec<Vec<usize>>,
    /// How many series of the "many" side each match group has.
    many_count: Vec<usize>,
    fill_many: Option<f64>,
    fill_one: Option<f64>,
    steps: usize,
    /// For each match group, the steps at which an element of the "many" side found a partner. Kept only
    /// where it matters.
    matched: Vec<StepSet>,
    outputs: Outputs,
    /// What the last element without a result says at each step. Upstream keeps one per step.
    refusals: Vec<Option<Note>>,
}

impl Join<'_> {
    /// Fails when two elements of the "one" side have the same match group at a step.
    fn check_one_side(&self) -> Result<(), Error> {
        if self.one_in_group.iter().all(|members| members.len() < 2) {
            return Ok(());
        }
        let fills = self.fill_many.is_some() || self.fill_one.is_some();
        let mut has_many = vec![fills; self.steps];
        for (step, _) in self.many.iter().flat_map(|series| series.column.iter()) {
            has_many[step] = true;
        }
        for members in self.one_in_group.iter().filter(|members| members.len() > 1) {
            let mut holder: Vec<Option<usize>> = vec![None; self.steps];
            for &member in members {
                for (step, _) in self.one[member].column.iter().filter(|(step, _)| has_many[*step]) {
                    if let Some(other) = holder[step].replace(member) {
                        return Err(self.duplicate_error(&self.one[member].labels, &self.one[other].labels));
                    }
                }
            }
        }
        Ok(())
    }

    fn duplicate_error(&self, first: &Labels, second: &Labels) -> Error {
        let side = if self.swapped { "left" } else { "right" };
        let group = grouping(self.matching).labels(first);
        let (mut a, mut b) = (format_labels(first), format_labels(second));
        if a > b {
            std::mem::swap(&mut a, &mut b);
        }
        execution(format!(
            "found duplicate series for the match group {} on the {side} hand-side of the operation: [{a}, {b}]\
             ;many-to-many matching not allowed: matching labels must be unique on one side",
            format_labels(&group),
        ))
    }

    /// Pairs one series of the "many" side with its partners.
    fn join_series(&mut self, many: usize, group: usize) -> Result<(), Error> {
        let (many_side, one_side) = (self.many, self.one);
        let series = &many_side[many];
        let members = self.one_in_group[group].clone();
        for &partner in &members {
            let partner = &one_side[partner];
            let labels = self.result_labels(&series.labels, &partner.labels);
            let output = self.outputs.place(group, labels, self.binary.return_bool, self.budget)?;
            for (step, sample) in series.column.iter() {
                if let Some(other) = partner.column.get(step) {
                    self.pair(group, output, step, sample, other)?;
                }
            }
        }
        if let Some(fill) = self.fill_one {
            let labels = self.result_labels(&series.labels, &grouping(self.matching).labels(&series.labels));
            let output = self.outputs.place(group, labels, self.binary.return_bool, self.budget)?;
            for (step, sample) in series.column.iter() {
                if !members.iter().any(|&member| one_side[member].column.get(step).is_some()) {
                    self.pair(group, output, step, sample, SampleRef::Float(fill))?;
                }
            }
        }
        Ok(())
    }

    /// Pairs elements of the "one" side that found no partner with the fill value.
    fn fill_unmatched(&mut self, one_groups: &[usize]) -> Result<(), Error> {
        let Some(fill) = self.fill_many else {
            return Ok(());
        };
        let one_side = self.one;
        for (series, &group) in one_side.iter().zip(one_groups) {
            let labels = self.result_labels(&grouping(self.matching).labels(&series.labels), &series.labels);
            let output = self.outputs.place(group, labels, self.binary.return_bool, self.budget)?;
            for (step, sample) in series.column.iter() {
                let matched = self.matched[group].contains(step);
                if !matched {
                    self.pair(group, output, step, SampleRef::Float(fill), sample)?;
                }
            }
        }
        Ok(())
    }

    /// One pair of elements at one step.
    fn pair(
        &mut self,
        group: usize,
        output: usize,
        step: usize,
        many: SampleRef<'_>,
        one: SampleRef<'_>,
    ) -> Result<(), Error> {
        let (lhs, rhs) = if self.swapped { (one, many) } else { (many, one) };
        let element = match combine(self.binary.op, lhs, rhs) {
            Ok(element) => element,
            Err(note) => {
                self.refuse(step, note);
                return Ok(());
            }
        };
        if let Some(info) = element.info {
            self.refuse(step, info);
        }
        self.note_match(group, output, step)?;
        if self.binary.return_bool {
            self.outputs.push(output, step, Sample::Float(f64::from(u8::from(element.keep))));
        } else if element.keep {
            self.outputs.push(output, step, element.value);
        }
        Ok(())
    }

    /// Fails when the match group, or the result's labels, had a result at this step before.
    fn note_match(&mut self, group: usize, output: usize, step: usize) -> Result<(), Error> {
        let one_to_one = self.matching.cardinality == Cardinality::OneToOne;
        if self.fill_many.is_some() || (one_to_one && self.many_count[group] > 1) {
            let is_new = self.matched[group].insert(step);
            if one_to_one && !is_new {
                return Err(execution(
                    "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)",
                ));
            }
        }
        if !one_to_one && !self.outputs.mark(output, step) {
            return Err(execution("multiple matches for labels: grouping labels must ensure unique matches"));
        }
        Ok(())
    }

    fn refuse(&mut self, step: usize, note: Note) {
        if self.refusals.is_empty() {
            self.refusals = vec![None; self.steps];
        }
        self.refusals[step] = Some(note);
    }

    /// The labels of the result for two series.
    fn result_labels(&self, many: &Labels, one: &Labels) -> Labels {
        let mut labels = LabelsBuilder::from_labels(many);
        if changes_meaning(self.binary.op) || (self.binary.return_bool && !self.keep_names) {
            labels.retain(|name| !is_metadata_label(name));
        }
        if self.matching.cardinality == Cardinality::OneToOne {
            let named = |name: &[u8]| self.matching.labels.iter().any(|label| label.as_bytes() == name);
            labels.retain(|name| named(name) == self.matching.on);
        }
        for name in &self.matching.include {
            labels.set(name.as_bytes(), one.get(name.as_bytes()));
        }
        labels.build()
    }
}

/// The series of the result.
#[derive(Default)]
struct Outputs {
    series: Vec<Series>,
    /// Steps at which each series of the result had a match.
    seen: Vec<StepSet>,
    places: Map<(usize, Labels), usize>,
}

impl Outputs {
    /// The place of the series with these labels in a match group.
    fn place(
        &mut self,
        group: usize,
        labels: Labels,
        drop_name: bool,
        budget: &Budget,
    ) -> Result<usize, Error> {
        let next = self.series.len();
        let place = *self.places.entry((group, labels.clone())).or_insert(next);
        if place == next {
            // With labels of the other side in the result there may be as many as there are pairs of series.
            let series = Series { labels, drop_name, column: Column::default() };
            budget.take_bytes(series.held_bytes())?;
            self.series.push(series);
            self.seen.push(StepSet::default());
        }
        Ok(place)
    }

    /// Marks a match; returns whether it is the first at this step.
    fn mark(&mut self, output: usize, step: usize) -> bool {
        self.seen[output].insert(step)
    }

    fn push(&mut self, output: usize, step: usize, sample: Sample) {
        self.series[output].column.insert(step, sample);
    }
}

fn members(groups: &[usize], len: usize) -> Vec<Vec<usize>> {
    let mut members = vec![Vec::new(); len];
    groups.iter().enumerate().for_each(|(i, group)| members[*group].push(i));
    members
}

fn count(groups: &[usize], len: usize) -> Vec<usize> {
    let mut counts = vec![0; len];
    groups.iter().for_each(|group| counts[*group] += 1);
    counts
}
