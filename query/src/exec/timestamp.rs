//! `timestamp()` and `start_timestamp()`.

use kymo_engine::{Labels, SampleColumns};

use super::{
    Column, Evaluator, Notes, Series,
    call::argument,
    context::Evaluated,
    scan::{Found, Outcome, Reach, Timing},
};
use crate::{
    Error,
    lang::promql::{self, Expr, VectorSelector},
};

impl Evaluator<'_> {
    /// The time of each element: of the sample itself when the argument is a selector, else of the step.
    ///
    /// Start timestamps are known for selectors only, and when they are switched on.
    pub(crate) fn eval_timestamp(&self, call: &promql::Call, notes: &mut Notes) -> Result<Evaluated, Error> {
        let of_start = call.function.name == "start_timestamp";
        let series = match argument(call, 0)? {
            Expr::Vector(selector) => self.timestamps(selector, of_start, notes)?,
            _ if of_start => {
                self.eval_vector(argument(call, 0)?, notes)?;
                Vec::new()
            }
            arg => self.step_times(self.eval_vector(arg, notes)?),
        };
        self.finish(series).map(Evaluated::Vector)
    }

    fn step_times(&self, mut series: Vec<Series>) -> Vec<Series> {
        for series in &mut series {
            let mut column = Column::default();
            for (step, _) in series.column.iter() {
                column.push_float(step, seconds(self.grid.ts(step)));
            }
            series.column = column;
            series.drop_name = true;
        }
        series
    }

    fn timestamps(
        &self,
        selector: &VectorSelector,
        of_start: bool,
        notes: &mut Notes,
    ) -> Result<Vec<Series>, Error> {
        let mut timing = Timing::new(&selector.offset, selector.at);
        if timing.at.is_some() {
            // Upstream forgets the offset here; so must we.
            timing.offset = 0;
        }
        let reach = Reach { before: self.shared.lookback, after: 0 };
        let readers = self.select(selector, timing, reach, self.instant_need(timing), notes)?;
        let hidden = of_start && !self.options().use_start_timestamps;
        let evaluate = |labels: &Labels, columns: &mut SampleColumns| {
            let mut column = Column::default();
            let mut tally = self.counters.tally(self.grid);
            self.for_each_instant(columns, timing, |step, found| {
                tally.add(step, 1, 1);
                if !hidden {
                    column.push_float(step, seconds(time_of(columns, found, of_start)));
                }
            });
            self.shared.budget.charge(column.weight())?;
            let series =
                (!column.is_empty()).then(|| Series { labels: labels.clone(), drop_name: true, column });
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

fn time_of(columns: &SampleColumns, found: Found<'_>, of_start: bool) -> i64 {
    match (found, of_start) {
        (Found::Float(idx), false) => columns.ts[idx],
        (Found::Float(idx), true) => columns.start_ts.get(idx).copied().unwrap_or(0),
        (Found::Histogram(sample), false) => sample.ts,
        (Found::Histogram(sample), true) => sample.start_ts,
    }
}

fn seconds(millis: i64) -> f64 {
    millis as f64 / 1000.0
}
