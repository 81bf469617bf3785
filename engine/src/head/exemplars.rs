//! Exemplars: the newest ones of all series, in a ring of bounded length.

use std::collections::{BTreeMap, VecDeque};

use super::refusal::Refusal;
use crate::model::{Fingerprint, Labels};

/// Most characters of all label names and values of an exemplar together (`OpenMetrics` 1.0).
const LABEL_CHARS_MAX: usize = 128;

/// Bytes of labels, of series and exemplar, that an exemplar may have on average: fewer are kept when they are longer.
const BYTES_MAX_EACH: usize = 1_024;

/// One exemplar.
#[derive(Debug, Clone, PartialEq)]
pub struct Exemplar {
    /// Labels of the exemplar itself, such as a trace id.
    pub labels: Labels,
    /// The observed value.
    pub value: f64,
    /// Milliseconds since the Unix epoch.
    pub ts: i64,
}

/// An exemplar with its series.
#[derive(Debug, Clone)]
pub(crate) struct SeriesExemplar {
    pub(crate) series: Labels,
    pub(crate) exemplar: Exemplar,
}

impl SeriesExemplar {
    fn label_bytes(&self) -> usize {
        self.series.canonical().len() + self.exemplar.labels.canonical().len()
    }
}

/// The ring. When it is full the oldest exemplar to have arrived goes.
#[derive(Debug)]
pub(super) struct Exemplars {
    ring: VecDeque<(Fingerprint, SeriesExemplar)>,
    /// Exemplars of each series in the ring, and the newest of them.
    newest: BTreeMap<Fingerprint, (usize, Exemplar)>,
    /// Bytes of the labels in the ring.
    bytes: usize,
    len_max: usize,
    bytes_max: usize,
}

/// What became of an exemplar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Added {
    Stored,
    /// It equals the newest one of its series.
    Repeated,
}

impl Exemplars {
    /// At most `len_max` exemplars, with at most `bytes_max` bytes of labels, and no more than
    /// [`BYTES_MAX_EACH`] on average.
    pub(super) fn new(len_max: usize, bytes_max: usize) -> Self {
        let bytes_max = bytes_max.min(len_max.saturating_mul(BYTES_MAX_EACH));
        Self { ring: VecDeque::new(), newest: BTreeMap::new(), bytes: 0, len_max, bytes_max }
    }

    /// Adds an exemplar.
    ///
    /// Those of one time come in the order of values, then of labels, as Prometheus sends the exemplars of a
    /// native histogram. So a repeat is found by a look at the newest one alone, whichever of them is repeated:
    /// by a sender that tries again, or by the log after a checkpoint.
    ///
    /// # Errors
    /// When it comes before the newest one of its series, or is too long.
    pub(super) fn add(
        &mut self,
        fingerprint: Fingerprint,
        series: impl FnOnce() -> Labels,
        exemplar: Exemplar,
    ) -> Result<Added, Refusal> {
        if self.len_max == 0 {
            return Ok(Added::Repeated);
        }
        let chars = |bytes: &[u8]| String::from_utf8_lossy(bytes).chars().count();
        if exemplar.labels.iter().map(|label| chars(label.name) + chars(label.value)).sum::<usize>()
            > LABEL_CHARS_MAX
        {
            return Err(Refusal::ExemplarLabelLength);
        }
        let known = self.newest.get_mut(&fingerprint);
        if let Some((_, newest)) = &known {
            if same(newest, &exemplar) {
                return Ok(Added::Repeated);
            }
            if !in_order(newest, &exemplar) {
                return Err(Refusal::OutOfOrderExemplar);
            }
        }
        match known {
            Some((count, newest)) => {
                *count += 1;
                *newest = exemplar.clone();
            }
            None => {
                self.newest.insert(fingerprint, (1, exemplar.clone()));
            }
        }
        let added = SeriesExemplar { series: series(), exemplar };
        self.bytes += added.label_bytes();
        self.ring.push_back((fingerprint, added));
        while self.ring.len() > self.len_max || self.bytes > self.bytes_max {
            self.drop_oldest();
        }
        Ok(Added::Stored)
    }

    fn drop_oldest(&mut self) {
        let Some((fingerprint, dropped)) = self.ring.pop_front() else { return };
        self.bytes -= dropped.label_bytes();
        if let Some((count, _)) = self.newest.get_mut(&fingerprint) {
            *count -= 1;
            if *count == 0 {
                self.newest.remove(&fingerprint);
            }
        }
    }

    /// All exemplars in the order of their arrival.
    pub(super) fn iter(&self) -> impl Iterator<Item = &SeriesExemplar> {
        self.ring.iter().map(|(_, exemplar)| exemplar)
    }

    pub(super) fn len(&self) -> usize {
        self.ring.len()
    }

    /// Bytes of memory held.
    pub(super) fn heap_bytes(&self) -> usize {
        // The newest of each series is there twice. What its labels have is not worth a walk: the average will do.
        let of_labels = self.bytes / self.ring.len().max(1);
        let newest = self.newest.len() * (size_of::<(Fingerprint, (usize, Exemplar))>() + of_labels);
        self.ring.capacity() * size_of::<(Fingerprint, SeriesExemplar)>() + self.bytes + newest
    }
}

fn same(a: &Exemplar, b: &Exemplar) -> bool {
    a.ts == b.ts && a.value.to_bits() == b.value.to_bits() && a.labels == b.labels
}

/// Whether `next` may follow `newest`. A NaN follows everything, and is followed by everything, as upstream.
fn in_order(newest: &Exemplar, next: &Exemplar) -> bool {
    if next.ts != newest.ts {
        return next.ts > newest.ts;
    }
    let goes_back = next.value < newest.value
        || (next.value == newest.value && next.labels.canonical() < newest.labels.canonical());
    !goes_back
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exemplar(ts: i64) -> Exemplar {
        Exemplar { labels: Labels::from_pairs([("trace_id", "abc")]), value: 1.5, ts }
    }

    #[test]
    fn the_oldest_go_first() {
        let mut exemplars = Exemplars::new(2, usize::MAX);
        let labels = |n: u8| Labels::from_pairs([(b"a", [b'0' + n])]);
        for n in 0..3 {
            let series = labels(n);
            let added = exemplars.add(Fingerprint::of(&series), || series.clone(), exemplar(5));
            assert_eq!(added, Ok(Added::Stored));
        }
        let left: Vec<_> = exemplars.iter().map(|exemplar| exemplar.series.clone()).collect();
        assert_eq!(left, [labels(1), labels(2)]);
        // The first series is forgotten, so an older exemplar of it is welcome again.
        assert_eq!(exemplars.add(Fingerprint::of(&labels(0)), || labels(0), exemplar(1)), Ok(Added::Stored));
    }

    #[test]
    fn repeats_are_no_news_and_older_ones_refused() {
        let mut exemplars = Exemplars::new(10, usize::MAX);
        let series = Labels::from_pairs([("a", "1")]);
        let mut add = |exemplar| exemplars.add(Fingerprint::of(&series), || series.clone(), exemplar);
        assert_eq!(add(exemplar(5)), Ok(Added::Stored));
        assert_eq!(add(exemplar(5)), Ok(Added::Repeated));
        assert_eq!(add(exemplar(4)), Err(Refusal::OutOfOrderExemplar));
        let long = Exemplar { labels: Labels::from_pairs([("a", "x".repeat(128))]), ..exemplar(9) };
        assert_eq!(add(long), Err(Refusal::ExemplarLabelLength));
    }

    #[test]
    fn exemplars_of_one_time_come_in_order() {
        let mut exemplars = Exemplars::new(10, usize::MAX);
        let series = Labels::from_pairs([("a", "1")]);
        let mut add = |value, id: &str| {
            let exemplar = Exemplar { labels: Labels::from_pairs([("trace_id", id)]), value, ts: 5 };
            exemplars.add(Fingerprint::of(&series), || series.clone(), exemplar)
        };
        assert_eq!(add(1.0, "b"), Ok(Added::Stored));
        assert_eq!(add(1.0, "c"), Ok(Added::Stored));
        assert_eq!(add(2.0, "a"), Ok(Added::Stored));
        // A sender tries again, or the log repeats what the checkpoint had.
        assert_eq!(add(1.0, "b"), Err(Refusal::OutOfOrderExemplar));
        assert_eq!(add(1.0, "c"), Err(Refusal::OutOfOrderExemplar));
        assert_eq!(add(2.0, "a"), Ok(Added::Repeated));
        assert_eq!(add(2.0, "B"), Err(Refusal::OutOfOrderExemplar));
        assert_eq!(exemplars.len(), 3);
    }
}
