//! Rows in memory: the simplest store that keeps the trait's promises but durability.

use std::collections::{BTreeMap, BTreeSet};

use kymo_engine::{HistogramSample, Labels, Matcher, SampleColumns};
use kymo_query::{Error, SelectRequest, Selection, SeriesReader, Source};
use parking_lot::RwLock;

use super::{
    Batch, CardinalityStats, Exemplar, Matchers, Metadata, Outcome, Refusal, Store, StoreError, StoreStats,
};
use crate::http::TimeRange;

/// See the module documentation.
#[derive(Debug, Default)]
pub(crate) struct MemoryStore {
    rows: RwLock<Rows>,
}

#[derive(Debug, Default, Clone)]
struct Rows {
    series: BTreeMap<Labels, SampleColumns>,
    exemplars: BTreeMap<Labels, Vec<Exemplar>>,
    metadata: BTreeMap<String, BTreeSet<Metadata>>,
}

impl Rows {
    fn selected(&self, matchers: &[Matcher], range: TimeRange) -> impl Iterator<Item = (&Labels, &SampleColumns)> {
        self.series.iter().filter(move |(labels, columns)| {
            matchers.iter().all(|matcher| matcher.matches(labels.get(matcher.name())))
                && columns.ts.iter().any(|ts| (range.start..=range.end).contains(ts))
        })
    }

    fn push(&mut self, labels: &Labels, ts: i64, value: f64) -> Result<(), &'static str> {
        let columns = self.series.entry(labels.clone()).or_default();
        match columns.ts.last() {
            Some(last) if *last > ts => return Err("out of order sample"),
            Some(last) if *last == ts => {
                let same = columns.values.last().is_some_and(|last| last.to_bits() == value.to_bits());
                return if same { Ok(()) } else { Err("duplicate sample for timestamp") };
            }
            _ => {}
        }
        columns.ts.push(ts);
        columns.values.push(value);
        Ok(())
    }
}

impl Store for MemoryStore {
    fn append(&self, batch: &mut Batch) -> Result<Outcome, StoreError> {
        let mut rows = self.rows.write();
        let mut outcome = Outcome::default();
        for row in &batch.samples {
            let labels = &batch.series[row.series];
            match rows.push(labels, row.ts, row.value) {
                Ok(()) => outcome.samples += 1,
                Err(reason) => {
                    outcome.refusals.push(Refusal { message: format!("{reason} for series {labels}") });
                }
            }
        }
        for row in &batch.histograms {
            let columns = rows.series.entry(batch.series[row.series].clone()).or_default();
            let value = row.value.to_float().into();
            columns.histograms.push(HistogramSample { ts: row.ts, start_ts: row.start_ts, value });
            outcome.histograms += 1;
        }
        for row in &batch.exemplars {
            let exemplar = Exemplar { labels: row.labels.clone(), value: row.value, ts: row.ts };
            rows.exemplars.entry(batch.series[row.series].clone()).or_default().push(exemplar);
            outcome.exemplars += 1;
        }
        for (family, metadata) in &batch.metadata {
            rows.metadata.entry(family.clone()).or_default().insert(metadata.clone());
        }
        Ok(outcome)
    }

    fn source(&self) -> Result<Box<dyn Source>, StoreError> {
        Ok(Box::new(self.rows.read().clone()))
    }

    fn series(&self, matchers: &[Matcher], range: TimeRange, limit: usize) -> Result<Vec<Labels>, StoreError> {
        let limit = if limit == 0 { usize::MAX } else { limit };
        Ok(self.rows.read().selected(matchers, range).map(|(labels, _)| labels.clone()).take(limit).collect())
    }

    fn label_names(&self, matchers: &[Matcher], range: TimeRange) -> Result<Vec<Vec<u8>>, StoreError> {
        let rows = self.rows.read();
        let names: BTreeSet<Vec<u8>> = rows
            .selected(matchers, range)
            .flat_map(|(labels, _)| labels.iter().map(|label| label.name.to_vec()).collect::<Vec<_>>())
            .collect();
        Ok(names.into_iter().collect())
    }

    fn label_values(
        &self,
        name: &[u8],
        matchers: &[Matcher],
        range: TimeRange,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let rows = self.rows.read();
        let values: BTreeSet<Vec<u8>> = rows
            .selected(matchers, range)
            .map(|(labels, _)| labels.get(name).to_vec())
            .filter(|value| !value.is_empty())
            .collect();
        Ok(values.into_iter().collect())
    }

    fn metadata(&self) -> BTreeMap<String, Vec<Metadata>> {
        let rows = self.rows.read();
        rows.metadata.iter().map(|(family, set)| (family.clone(), set.iter().cloned().collect())).collect()
    }

    fn exemplars(
        &self,
        matcher_sets: &[Matchers],
        range: TimeRange,
    ) -> Result<Vec<(Labels, Vec<Exemplar>)>, StoreError> {
        let rows = self.rows.read();
        let matches = |labels: &Labels| {
            matcher_sets.iter().any(|set| set.iter().all(|matcher| matcher.matches(labels.get(matcher.name()))))
        };
        Ok(rows
            .exemplars
            .iter()
            .filter(|(labels, _)| matches(labels))
            .map(|(labels, all)| {
                let in_range = |exemplar: &&Exemplar| (range.start..=range.end).contains(&exemplar.ts);
                (labels.clone(), all.iter().filter(in_range).cloned().collect())
            })
            .collect())
    }

    fn delete_series(&self, matchers: &[Matcher], _range: TimeRange) -> Result<(), StoreError> {
        self.rows.write().series.retain(|labels, _| {
            !matchers.iter().all(|matcher| matcher.matches(labels.get(matcher.name())))
        });
        Ok(())
    }

    fn clean_tombstones(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn flush(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn compact(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn stats(&self) -> StoreStats {
        let series = self.rows.read().series.len() as u64;
        StoreStats { series, ..StoreStats::default() }
    }

    fn cardinality(&self, _limit: usize) -> CardinalityStats {
        CardinalityStats::default()
    }

    fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

impl Source for Rows {
    fn select(&self, request: &SelectRequest<'_>) -> Result<Selection, Error> {
        let range = TimeRange { start: request.start, end: request.end };
        let series = self
            .selected(request.matchers, range)
            .map(|(labels, columns)| {
                Box::new(MemorySeries { labels: labels.clone(), columns: columns.clone() }) as Box<dyn SeriesReader>
            })
            .collect();
        Ok(Selection { series, warnings: Vec::new() })
    }
}

struct MemorySeries {
    labels: Labels,
    columns: SampleColumns,
}

impl SeriesReader for MemorySeries {
    fn labels(&self) -> &Labels {
        &self.labels
    }

    fn read(&self, columns: &mut SampleColumns) -> Result<(), Error> {
        columns.clone_from(&self.columns);
        Ok(())
    }
}
