//! The matcher planner: from matchers to the ids of the series that satisfy all of them.
//!
//! Each matcher becomes a set to intersect with (it asks for a value) or a set to take away (a series
//! without the label satisfies it, so it can only exclude). Sets known from postings alone come first,
//! smallest first; then those that need every value of a label to be looked at, unless by then so few
//! candidates are left that their own values are looked at instead. What excludes comes last.

use std::sync::Arc;

use roaring::RoaringBitmap;

use super::{
    LabelIndex,
    hints::{Values, compared_values},
};
use crate::model::{MatchOp, Matcher};

/// Testing one candidate costs about as much as looking at this many values of a dictionary: its labels are
/// looked up one by one, the dictionary is read in order.
pub(super) const CANDIDATE_COST: u64 = 8;

/// Series that satisfy all `matchers`. Without matchers: all series.
///
/// # Errors
/// When the index cannot be read.
pub fn select<I: LabelIndex>(index: &I, matchers: &[Matcher]) -> Result<RoaringBitmap, I::Error> {
    let mut steps = matchers
        .iter()
        .filter_map(|matcher| Step::new(index, matcher).transpose())
        .collect::<Result<Vec<_>, _>>()?;
    steps.sort_by_key(|step| (step.excludes, step.scans(), step.cost));

    let mut candidates: Option<RoaringBitmap> = None;
    for step in &steps {
        candidates = Some(match candidates {
            Some(ids) if ids.is_empty() => return Ok(ids),
            Some(ids) => step.narrow(index, ids)?,
            None if step.excludes => step.narrow(index, index.all()?)?,
            None => step.ids(index)?.as_ref().clone(),
        });
    }
    candidates.map_or_else(|| index.all(), Ok)
}

/// Label names of the series that satisfy all `matchers`, sorted.
///
/// # Errors
/// When the index cannot be read.
pub fn label_names<I: LabelIndex>(index: &I, matchers: &[Matcher]) -> Result<Vec<Vec<u8>>, I::Error> {
    if matchers.is_empty() {
        return index.names(None);
    }
    index.names(Some(&select(index, matchers)?))
}

/// Values of the label `name` in the series that satisfy all `matchers`, sorted.
///
/// # Errors
/// When the index cannot be read.
pub fn label_values<I: LabelIndex>(
    index: &I,
    name: &[u8],
    matchers: &[Matcher],
) -> Result<Vec<Vec<u8>>, I::Error> {
    if matchers.is_empty() {
        return index.values(name, None);
    }
    index.values(name, Some(&select(index, matchers)?))
}

/// One matcher, as a set of series that is kept or taken away.
struct Step<'a> {
    matcher: &'a Matcher,
    /// Whether the set is taken away: series without the label satisfy the matcher.
    excludes: bool,
    source: Source,
    /// Series, or for a scan values to look at, that finding the set costs. Only compared within its kind.
    cost: u64,
}

/// Where the set of a step comes from.
enum Source {
    /// The postings of these values.
    Postings(Vec<Vec<u8>>),
    /// All series that have the label.
    Label,
    /// The values with this prefix, each evaluated.
    Scan(Vec<u8>),
}

impl<'a> Step<'a> {
    /// The step for `matcher`; none when every series satisfies it.
    fn new<I: LabelIndex>(index: &I, matcher: &'a Matcher) -> Result<Option<Self>, I::Error> {
        let excludes = matcher.matches_empty();
        let negated = matches!(matcher.op(), MatchOp::NotEqual | MatchOp::NotRegex);
        let name = matcher.name();
        // A matcher that keeps is about the values that satisfy it, one that excludes about those that do
        // not. The hints are about the comparison itself, so they apply when the two are the same.
        let source = match (compared_values(matcher), excludes == negated) {
            (Values::Set(values), true) => Source::Postings(values),
            (Values::Set(values), false) if values.is_empty() => Source::Label,
            (Values::Any, true) => Source::Label,
            (Values::Any, false) => Source::Postings(Vec::new()),
            (Values::Prefixed(prefix), true) => Source::Scan(prefix),
            (Values::Set(_) | Values::Prefixed(_), false) => Source::Scan(Vec::new()),
        };
        let cost = match &source {
            Source::Postings(values) if values.is_empty() && excludes => return Ok(None),
            Source::Postings(values) => {
                let mut sum = 0;
                for value in values {
                    sum += index.cardinality(name, value)?;
                }
                sum
            }
            // Nearly every series has the label that somebody asks for.
            Source::Label => u64::MAX,
            Source::Scan(_) => index.value_count(name)?,
        };
        Ok(Some(Self { matcher, excludes, source, cost }))
    }

    const fn scans(&self) -> bool {
        matches!(self.source, Source::Scan(_))
    }

    /// What of `candidates` is left after this step.
    fn narrow<I: LabelIndex>(&self, index: &I, candidates: RoaringBitmap) -> Result<RoaringBitmap, I::Error> {
        if self.scans()
            && candidates.len().saturating_mul(CANDIDATE_COST) < self.cost
            && index.remembered(self.matcher).is_none()
        {
            let matcher = self.matcher;
            return index.filter(&candidates, matcher.name(), &mut |value| matcher.matches(value));
        }
        let ids = self.ids(index)?;
        Ok(if self.excludes { candidates - &*ids } else { candidates & &*ids })
    }

    /// The set of this step, regardless of candidates.
    fn ids<I: LabelIndex>(&self, index: &I) -> Result<Arc<RoaringBitmap>, I::Error> {
        let name = self.matcher.name();
        match &self.source {
            Source::Label => index.with_label(name).map(Arc::new),
            Source::Postings(values) => {
                let mut ids = RoaringBitmap::new();
                for value in values {
                    ids |= index.postings(name, value)?;
                }
                Ok(Arc::new(ids))
            }
            Source::Scan(prefix) => {
                if let Some(ids) = index.remembered(self.matcher) {
                    return Ok(ids);
                }
                let wanted = !self.excludes;
                let ids = index
                    .union_where(name, prefix, &mut |value| self.matcher.matches(value) == wanted)
                    .map(Arc::new)?;
                index.remember(self.matcher, &ids);
                Ok(ids)
            }
        }
    }
}
