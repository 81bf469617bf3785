//! The matcher planner: from matchers to the ids of the series that satisfy all of them.
//!
//! Each matcher becomes a set to intersect with (it asks for a value) or a set to take away (a series
//! without the label satisfies it, so it can only exclude). Sets known from postings alone come first,
//! smallest first; then those that need a walk over the values of a label, unless by then so few candidates are
//! left that their own values are looked at instead. What excludes comes last, in the same order.

use std::sync::Arc;

use roaring::RoaringBitmap;

use super::{
    LabelIndex,
    hints::{Values, compared_values},
};
use crate::model::{MatchOp, Matcher, Regex};

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
    /// Whether the set is made of the others that have the label, not of those from the source.
    others: bool,
    source: Source<'a>,
    /// Series, or for a scan values to look at, that finding the set costs. Only compared within its kind.
    cost: u64,
}

/// Where the set of a step comes from.
enum Source<'a> {
    /// The postings of these values.
    Postings(Vec<Vec<u8>>),
    /// All series that have the label.
    Label,
    /// The values that match, which a walk over all values finds.
    Scan(&'a Regex),
}

impl<'a> Step<'a> {
    /// The step for `matcher`; none when every series satisfies it.
    fn new<I: LabelIndex>(index: &I, matcher: &'a Matcher) -> Result<Option<Self>, I::Error> {
        let excludes = matcher.matches_empty();
        let negated = matches!(matcher.op(), MatchOp::NotEqual | MatchOp::NotRegex);
        let source = match (compared_values(matcher), matcher.regex()) {
            (Values::Set(values), _) => Source::Postings(values),
            (Values::Tested, Some(regex)) => Source::Scan(regex),
            (Values::Any | Values::Tested, _) => Source::Label,
        };
        // The source is what satisfies the comparison. A matcher that keeps is about the values that satisfy it,
        // one that excludes about those that do not.
        let (source, others) = match (source, excludes != negated) {
            (Source::Postings(values), true) if values.is_empty() => (Source::Label, false),
            (Source::Label, true) => (Source::Postings(Vec::new()), false),
            (source, others) => (source, others),
        };
        if excludes && matches!(&source, Source::Postings(values) if values.is_empty()) {
            return Ok(None);
        }
        let cost = source.cost(index, matcher, others)?;
        Ok(Some(Self { matcher, excludes, others, source, cost }))
    }

    const fn scans(&self) -> bool {
        matches!(self.source, Source::Scan(_))
    }

    /// What of `candidates` is left after this step.
    fn narrow<I: LabelIndex>(&self, index: &I, candidates: RoaringBitmap) -> Result<RoaringBitmap, I::Error> {
        let (matcher, name) = (self.matcher, self.matcher.name());
        if let Source::Scan(regex) = self.source
            && candidates.len().saturating_mul(CANDIDATE_COST) < self.cost
            && index.remembered(name, regex).is_none()
        {
            return index.filter(&candidates, name, &mut |value| matcher.matches(value));
        }
        let ids = self.ids(index)?;
        Ok(if self.excludes { candidates - &*ids } else { candidates & &*ids })
    }

    /// The set of this step, regardless of candidates.
    fn ids<I: LabelIndex>(&self, index: &I) -> Result<Arc<RoaringBitmap>, I::Error> {
        let name = self.matcher.name();
        let ids = self.source.ids(index, name)?;
        if self.others { index.with_label(name).map(|all| Arc::new(all - &*ids)) } else { Ok(ids) }
    }
}

impl Source<'_> {
    fn cost<I: LabelIndex>(&self, index: &I, matcher: &Matcher, others: bool) -> Result<u64, I::Error> {
        let name = matcher.name();
        match self {
            Self::Scan(regex) => index.value_count(name, regex.prefix()),
            // Nearly every series has the label that somebody asks for.
            Self::Label => Ok(u64::MAX),
            Self::Postings(_) if others => Ok(u64::MAX),
            Self::Postings(values) => values.iter().try_fold(0_u64, |sum, value| {
                index.cardinality(name, value).map(|series| sum.saturating_add(series))
            }),
        }
    }

    /// Series whose value of the label `name` satisfies the comparison.
    fn ids<I: LabelIndex>(&self, index: &I, name: &[u8]) -> Result<Arc<RoaringBitmap>, I::Error> {
        match self {
            Self::Label => index.with_label(name).map(Arc::new),
            Self::Postings(values) => {
                let mut ids = RoaringBitmap::new();
                for value in values {
                    ids |= index.postings(name, value)?;
                }
                Ok(Arc::new(ids))
            }
            Self::Scan(regex) => {
                if let Some(ids) = index.remembered(name, regex) {
                    return Ok(ids);
                }
                let mut ids = index.matching(name, regex)?;
                // Kept answers are many, and runs take next to nothing.
                ids.optimize();
                let ids = Arc::new(ids);
                index.remember(name, regex, &ids);
                Ok(ids)
            }
        }
    }
}
