//! The engine as a source of queries.

use std::{ops::Deref, sync::Arc};

use kymo_engine::{Engine, Labels, SampleColumns, SelectedSeries};

use super::{SelectRequest, Selection, SeriesReader, Source};
use crate::{Error, ErrorKind};

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
        let SelectRequest { matchers, start, end, memory, .. } = *request;
        let mut found = self.0.select_within(matchers, start, end, memory).map_err(query_error)?;
        if request.limit > 0 {
            found.series.truncate(request.limit);
        }
        memory.take(found.series.len() * (size_of::<Reader>() + size_of::<Box<dyn SeriesReader>>()))?;
        let reader = |series| Box::new(Reader(series)) as Box<dyn SeriesReader>;
        Ok(Selection { series: found.series.into_iter().map(reader).collect(), warnings: found.warnings })
    }
}

struct Reader(SelectedSeries);

impl SeriesReader for Reader {
    fn labels(&self) -> &Labels {
        self.0.labels()
    }

    fn read(&self, columns: &mut SampleColumns) -> Result<(), Error> {
        self.0.read(columns).map_err(query_error)
    }
}

fn query_error(error: kymo_engine::Error) -> Error {
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
