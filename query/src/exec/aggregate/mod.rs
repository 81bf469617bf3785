//! Aggregations.
//!
//! * `fold` - groups that are added to sample by sample, and what all such aggregations share
//! * `sums` - `sum`, `avg`
//! * `simple` - `count`, `group`, `min`, `max`, `stddev`, `stdvar`
//! * `quantile` - `quantile`
//! * `count_values` - `count_values`
//! * `select` - `topk`, `bottomk`, `limitk`, `limit_ratio`: those that pick elements
//! * `heap` - the heap of `topk`, with Go's behaviour on equal elements
//! * `param` - the parameter of those that have one

mod count_values;
mod fold;
mod heap;
mod param;
mod quantile;
mod select;
mod simple;
mod sums;

use super::{Evaluator, Notes, Series, grouping::Grouping};
use crate::{
    Error,
    lang::promql::{Aggregate, AggregateOp},
};

impl Evaluator<'_> {
    /// The value of an aggregation.
    pub(super) fn eval_aggregate(
        &self,
        aggregate: &Aggregate,
        notes: &mut Notes,
    ) -> Result<Vec<Series>, Error> {
        let grouping = Grouping::new(&aggregate.grouping, aggregate.without);
        match aggregate.op {
            AggregateOp::Sum => self.fold(aggregate, &grouping, &sums::Sum, notes),
            AggregateOp::Avg => self.fold(aggregate, &grouping, &sums::Avg, notes),
            AggregateOp::Count => self.fold(aggregate, &grouping, &simple::Count, notes),
            AggregateOp::Group => self.fold(aggregate, &grouping, &simple::Group, notes),
            AggregateOp::Min => self.fold(aggregate, &grouping, &simple::Min, notes),
            AggregateOp::Max => self.fold(aggregate, &grouping, &simple::Max, notes),
            AggregateOp::Stddev => self.fold(aggregate, &grouping, &simple::Stddev, notes),
            AggregateOp::Stdvar => self.fold(aggregate, &grouping, &simple::Stdvar, notes),
            AggregateOp::Quantile => self.aggregate_quantile(aggregate, &grouping, notes),
            AggregateOp::CountValues => self.aggregate_count_values(aggregate, notes),
            AggregateOp::TopK | AggregateOp::BottomK | AggregateOp::LimitK | AggregateOp::LimitRatio => {
                self.aggregate_select(aggregate, &grouping, notes)
            }
        }
    }
}
