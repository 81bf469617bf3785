//! The engine as a source of queries.

use std::{ops::Deref, sync::Arc};

use kymo_engine::{Engine, Labels, SampleColumns, SelectedSeries, SummaryRequest, Warnings};
use kymo_formats::histogram::algebra::is_compact;
use rayon::prelude::*;

use super::{PartSource, SelectRequest, SelectedPart, Selection, SeriesReader, Source, Summaries, tiers};
use crate::{Error, ErrorKind, histogram::compact};

/// Fewer series than this are not worth waking other threads for.
const PARALLEL_SERIES_MIN: usize = 16_384;

/// An engine that queries read from.
#[derive(Debug, Clone)]
pub struct EngineSource(pub Arc<Engine>);

impl Deref for EngineSource {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        &self.0
    }
}

impl Source for EngineSource {
    fn select(&self, request: &SelectRequest<'_>) -> Result<Selection, Error> {
        let sources = tiers::sources(&self.0, request);
        if !sources.is_samples() {
            return tiers::select(&self.0, request, &sources);
        }
        let SelectRequest { matchers, start, end, memory, .. } = *request;
        let mut found = self.0.select_within(matchers, start, end, memory).map_err(query_error)?;
        if request.limit > 0 {
            found.series.truncate(request.limit);
        }
        memory.take(found.series.len() * (size_of::<Reader>() + size_of::<Box<dyn SeriesReader>>()))?;
        let part = SelectedPart {
            source: PartSource::Samples,
            from: start.saturating_sub(1),
            to: end,
            series: found.series.len() as u64,
            meter: found.meter,
        };
        let reader = |series| Box::new(Reader(series)) as Box<dyn SeriesReader>;
        let series = if found.series.len() < PARALLEL_SERIES_MIN {
            found.series.into_iter().map(reader).collect()
        } else {
            found.series.into_par_iter().map(reader).collect()
        };
        Ok(Selection { series, warnings: found.warnings, parts: vec![part] })
    }
}

struct Reader(SelectedSeries);

impl SeriesReader for Reader {
    fn labels(&self) -> &Labels {
        self.0.labels()
    }

    fn samples_max(&self) -> usize {
        self.0.samples_max()
    }

    fn read(&self, columns: &mut SampleColumns) -> Result<Warnings, Error> {
        let warnings = self.0.read(columns).map_err(query_error)?;
        compact_all(columns);
        Ok(warnings)
    }

    fn read_summarised(
        &self,
        request: &SummaryRequest,
        columns: &mut SampleColumns,
        summaries: &mut Summaries,
    ) -> Result<Warnings, Error> {
        summaries.clear();
        let chunks = &mut summaries.chunks;
        let warnings = self.0.read_summarised(request, columns, chunks).map_err(query_error)?;
        compact_all(columns);
        Ok(warnings)
    }
}

/// All histograms of a chunk have the buckets that any of them has. Which ones are empty therefore depends on where
/// chunks were cut, and must not decide whether two histograms are equal or where a quantile lies.
pub(super) fn compact_all(columns: &mut SampleColumns) {
    let wide = columns.histograms.iter_mut().filter(|sample| !is_compact(&sample.value, 0));
    wide.for_each(|sample| compact(Arc::make_mut(&mut sample.value), 0));
}

pub(super) fn query_error(error: kymo_engine::Error) -> Error {
    use kymo_engine::ErrorKind as Kind;
    if let kymo_engine::Error::Memory(over) = error {
        return over.into();
    }
    let kind = match error.kind() {
        Kind::Invalid => ErrorKind::Invalid,
        Kind::Limit => ErrorKind::Limit,
        Kind::Unavailable => ErrorKind::Unavailable,
        Kind::Corrupt => ErrorKind::Corrupt,
        Kind::Execution => ErrorKind::Execution,
        Kind::Timeout => ErrorKind::Timeout,
        Kind::Canceled => ErrorKind::Canceled,
        Kind::NotFound | Kind::Internal => ErrorKind::Internal,
    };
    Error::new(kind, error.to_string())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use kymo_engine::{EngineConfig, Env, HistogramValue, MatchOp, Matcher, MemFs, MemoryBudget};
    use kymo_formats::histogram::{Histogram, Span};

    use super::*;
    use crate::{Need, histogram::same_data};

    fn histogram(buckets: &[i64]) -> HistogramValue {
        let length = u32::try_from(buckets.len()).unwrap();
        HistogramValue::Integer(Histogram {
            count: u64::try_from(buckets.len()).unwrap(),
            positive_spans: vec![Span { offset: 0, length }],
            positive_buckets: buckets.to_vec(),
            ..Histogram::default()
        })
    }

    #[test]
    fn equal_histograms_of_two_chunks_stay_equal() {
        let env = Env::simulated(Arc::new(MemFs::default()), 1);
        let engine = Engine::open_in(&env, Path::new("/data"), EngineConfig::keep_everything()).unwrap();
        let labels = Labels::from_pairs([("__name__", "h")]);
        let append = |ts, value| {
            let mut batch = engine.batch();
            let series = batch.series(&labels, None).unwrap();
            batch.histogram(series, ts, 0, value);
            assert_eq!(batch.commit().unwrap().refused_count, 0);
        };
        append(1, histogram(&[1]));
        engine.flush().unwrap();
        append(2, histogram(&[1]));
        // The chunk of the second gets a bucket more.
        append(3, histogram(&[1, 0]));
        let source = EngineSource(Arc::new(engine));
        for _ in 0..2 {
            let matchers = [Matcher::new(MatchOp::Equal, b"__name__", b"h").unwrap()];
            let memory = MemoryBudget::unlimited();
            let request = SelectRequest {
                matchers: &matchers,
                start: 0,
                end: 9,
                limit: 0,
                need: Need::Samples,
                memory: &memory,
            };
            let mut columns = SampleColumns::default();
            let warnings = source.select(&request).unwrap().series[0].read(&mut columns).unwrap();
            assert!(warnings.is_empty());
            let [first, second, third] = &columns.histograms[..] else { panic!("{columns:?}") };
            assert!(same_data(&first.value, &second.value), "{columns:?}");
            assert!(!same_data(&second.value, &third.value));
            source.flush().unwrap();
            source.compact().unwrap();
        }
    }
}
