//! `count_values`.

use kymo_engine::{Labels, LabelsBuilder, quote};

use super::super::{
    Budget, Evaluator, Notes, Sample, SampleRef, Series,
    context::{execution, internal},
    format::format_f,
    grouping::Grouping,
    hash::Map,
    labels::is_label_name,
};
use crate::{
    Error,
    histogram::HistogramText,
    lang::promql::{Aggregate, Expr},
};

impl Evaluator<'_> {
    /// How many elements of a group have each value; the value becomes a label.
    pub(super) fn aggregate_count_values(
        &self,
        aggregate: &Aggregate,
        notes: &mut Notes,
    ) -> Result<Vec<Series>, Error> {
        let Some(Expr::String(label)) = aggregate.param.as_ref().map(Expr::unparenthesized) else {
            return Err(internal("count_values without a label name"));
        };
        let label = &*label.value;
        if !is_label_name(label) {
            return Err(execution(format!("invalid label name {}", quote(label))));
        }
        let mut names: Vec<&[u8]> = aggregate.grouping.iter().map(String::as_bytes).collect();
        if !aggregate.without {
            names.push(label);
        }
        let mut counts = Counts {
            label,
            grouping: Grouping::new(&names, aggregate.without),
            places: Map::default(),
            groups: Vec::new(),
            budget: &self.shared.budget,
        };
        let series = self.eval_vector(&aggregate.expr, notes)?;
        for series in &series {
            counts.add(series)?;
        }
        Ok(counts.groups)
    }
}

/// Counts per group, value and step.
struct Counts<'l> {
    label: &'l [u8],
    grouping: Grouping,
    places: Map<Labels, usize>,
    groups: Vec<Series>,
    budget: &'l Budget,
}

impl Counts<'_> {
    fn add(&mut self, series: &Series) -> Result<(), Error> {
        let mut last: Option<(u64, usize)> = None;
        for (step, sample) in series.column.iter() {
            // Values often stay the same from step to step.
            let bits = match sample {
                SampleRef::Float(value) => Some(value.to_bits()),
                SampleRef::Histogram(_) => None,
            };
            let place = match (last, bits) {
                (Some((last, place)), Some(bits)) if last == bits => place,
                _ => self.place(&series.labels, sample)?,
            };
            last = bits.map(|bits| (bits, place));
            let column = &mut self.groups[place].column;
            let held = column.weight();
            let count = column.float(step).unwrap_or(0.0);
            column.insert(step, Sample::Float(count + 1.0));
            self.budget.charge(column.weight() - held)?;
        }
        Ok(())
    }

    fn place(&mut self, labels: &Labels, sample: SampleRef<'_>) -> Result<usize, Error> {
        let text = match sample {
            SampleRef::Float(value) => format_f(value),
            SampleRef::Histogram(histogram) => HistogramText(histogram).to_string(),
        };
        let labels = LabelsBuilder::from_labels(labels).set(self.label, text.as_bytes()).build();
        let labels = self.grouping.labels(&labels);
        let next = self.groups.len();
        let place = *self.places.entry(labels.clone()).or_insert(next);
        if place == next {
            let group = Series { labels, ..Series::default() };
            self.budget.take_bytes(group.held_bytes())?;
            self.groups.push(group);
        }
        Ok(place)
    }
}
