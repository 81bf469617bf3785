//! Remote read: raw samples for other Prometheus servers, as one message or as a stream of chunks.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_core::Stream;
use kymo_engine::{
    Engine, HistogramValue, Labels, LabelsBuilder, MatchOp, Matcher, MemoryBudget, SampleColumns,
};
use kymo_formats::wire::{
    remote_read::{
        Chunk, ChunkedFrameEncoder, MatchType, Query, ReadRequest, ReadResponseEncoder, ResponseType,
    },
    remote_write::{HistogramSample, Sample},
};
use tokio::sync::mpsc;
use tracing::warn;

use super::{
    body, caller, chunks,
    error::{PlainError, refuse_partial},
    middleware::Ready,
};
use crate::{app::App, ingest};

/// Frames that may wait for a slow reader.
const FRAMES_WAITING_MAX: usize = 4;

/// `/api/v1/read`
pub(crate) async fn read(
    State(app): State<Arc<App>>,
    Ready(engine): Ready,
    request: Request,
) -> Result<Response, PlainError> {
    let config = app.config();
    let admission = app
        .reads
        .enter(caller::current(), config.query.timeout())
        .await
        .map_err(|_| PlainError::unavailable("too many remote reads are running"))?;
    let body =
        body::read(request.into_body(), ingest::BODY_BYTES_MAX, config.server.request_timeout()).await?;
    let (response_type, queries) = ingest::snappy(&body, |message| parse(message, &config.external_labels))??;
    let external: Vec<(Vec<u8>, Vec<u8>)> = config
        .external_labels
        .iter()
        .map(|(name, value)| (name.clone().into_bytes(), value.clone().into_bytes()))
        .collect();
    let read = Read { queries, external, memory_bytes_max: config.query.memory_bytes_max };
    match response_type {
        ResponseType::Samples => {
            let samples_max = config.remote_read.samples_max;
            let work = move || {
                let _admission = admission;
                read.samples(&engine, samples_max)
            };
            let body = tokio::task::spawn_blocking(work).await.map_err(|_| by_a_bug())??;
            let headers =
                [(header::CONTENT_TYPE, "application/x-protobuf"), (header::CONTENT_ENCODING, "snappy")];
            Ok((headers, body).into_response())
        }
        ResponseType::StreamedXorChunks => {
            let frame_bytes_max = config.remote_read.frame_bytes_max;
            let (sender, receiver) = mpsc::channel(FRAMES_WAITING_MAX);
            let work = move || {
                let _admission = admission;
                if let Err(error) = read.stream(&engine, frame_bytes_max, &sender) {
                    warn!(error = %error, "remote read ended early");
                    // The status is long sent: breaking the body off is all that is left to say.
                    drop(sender.blocking_send(Err(io::Error::other(error.message))));
                }
            };
            drop(tokio::task::spawn_blocking(work));
            let content_type = "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse";
            Ok(([(header::CONTENT_TYPE, content_type)], Body::from_stream(Frames(receiver))).into_response())
        }
    }
}

/// One query, detached from the bytes of the request.
struct Selector {
    start: i64,
    end: i64,
    matchers: Vec<Matcher>,
}

struct Read {
    queries: Vec<Selector>,
    /// Labels that this server adds to all series, ascending by name.
    external: Vec<(Vec<u8>, Vec<u8>)>,
    /// Bound on what one query selects.
    memory_bytes_max: u64,
}

impl Read {
    /// The snappy-compressed answer with all samples.
    fn samples(&self, engine: &Engine, samples_max: usize) -> Result<Vec<u8>, PlainError> {
        let mut message = Vec::new();
        let mut failure = None;
        let mut encoder = ReadResponseEncoder::new(&mut message);
        for query in &self.queries {
            let mut count = 0;
            encoder.result(|result| {
                let read = self.each_series(engine, query, |labels, columns| {
                    count += columns.len();
                    if count > samples_max {
                        return Err(PlainError::bad_request(format!(
                            "exceeded sample limit ({samples_max})"
                        )));
                    }
                    result.series(|series| {
                        for label in labels {
                            series.label(label.name, label.value);
                        }
                        for (ts, value) in columns.ts.iter().zip(&columns.values) {
                            series.sample(&Sample { ts: *ts, value: *value, start_ts: 0 });
                        }
                        for sample in &columns.histograms {
                            series.histogram(&HistogramSample {
                                ts: sample.ts,
                                start_ts: 0,
                                value: sample.value.clone(),
                            });
                        }
                    });
                    Ok(())
                });
                failure = read.err();
            });
            if let Some(failure) = failure {
                return Err(failure);
            }
        }
        snap::raw::Encoder::new()
            .compress_vec(&message)
            .map_err(|error| PlainError::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
    }

    /// Sends frames of chunks until all series are sent, or nobody reads on.
    fn stream(
        &self,
        engine: &Engine,
        frame_bytes_max: usize,
        sender: &mpsc::Sender<io::Result<Bytes>>,
    ) -> Result<(), PlainError> {
        let mut encoder = ChunkedFrameEncoder::new();
        for (i, query) in self.queries.iter().enumerate() {
            let query_index = i64::try_from(i).unwrap_or(i64::MAX);
            self.each_series(engine, query, |labels, columns| {
                let send = |encoder: &mut ChunkedFrameEncoder| {
                    let mut frame = Vec::new();
                    encoder.finish(
                        &mut frame,
                        query_index,
                        labels.iter().map(|label| (label.name, label.value)),
                    );
                    sender
                        .blocking_send(Ok(frame.into()))
                        .map_err(|_| PlainError::unavailable("the reader left"))
                };
                for chunk in chunks::encode(columns) {
                    let encoding = chunk.encoding;
                    encoder.chunk(&Chunk {
                        min_time_ms: chunk.min_ts,
                        max_time_ms: chunk.max_ts,
                        encoding,
                        data: &chunk.bytes,
                    });
                    if encoder.len() >= frame_bytes_max {
                        send(&mut encoder)?;
                    }
                }
                if encoder.is_empty() { Ok(()) } else { send(&mut encoder) }
            })?;
        }
        Ok(())
    }

    /// Calls `visit` with each series that has samples in the range, and with these samples.
    fn each_series(
        &self,
        engine: &Engine,
        query: &Selector,
        mut visit: impl FnMut(&Labels, &SampleColumns<HistogramValue>) -> Result<(), PlainError>,
    ) -> Result<(), PlainError> {
        let memory = MemoryBudget::new(self.memory_bytes_max);
        let selection = engine.select_within(&query.matchers, query.start, query.end, &memory)?;
        refuse_partial(selection.warnings)?;
        let mut columns = SampleColumns::default();
        for series in &selection.series {
            refuse_partial(series.read_as_sent(&mut columns)?)?;
            if !columns.is_empty() {
                visit(&self.with_external(series.labels()), &columns)?;
            }
        }
        Ok(())
    }

    /// The series' own label wins over an external one of the same name.
    fn with_external(&self, labels: &Labels) -> Labels {
        if self.external.is_empty() {
            return labels.clone();
        }
        let mut builder = LabelsBuilder::from_labels(labels);
        for (name, value) in &self.external {
            if builder.get(name).is_empty() {
                builder.set(name, value);
            }
        }
        builder.build()
    }
}

/// The kind of answer that the request prefers, and its queries.
fn parse(
    message: &[u8],
    external: &std::collections::BTreeMap<String, String>,
) -> Result<(ResponseType, Vec<Selector>), PlainError> {
    let request = ReadRequest::parse(message).map_err(|error| PlainError::bad_request(error.to_string()))?;
    // The decoder leaves out types that it does not know; without a list, samples are meant.
    let response_type = request.accepted_response_types.first().copied().unwrap_or(ResponseType::Samples);
    let queries = request
        .queries
        .iter()
        .map(|query| selector(query, external))
        .collect::<Result<_, _>>()
        .map_err(|error| PlainError::bad_request(error.to_string()))?;
    Ok((response_type, queries))
}

/// A condition that an external label satisfies becomes one that the label is missing, for it is not stored.
fn selector(
    query: &Query<'_>,
    external: &std::collections::BTreeMap<String, String>,
) -> Result<Selector, kymo_engine::MatcherError> {
    let matchers = query
        .matchers
        .iter()
        .map(|matcher| {
            let op = match matcher.match_type {
                MatchType::Equal => MatchOp::Equal,
                MatchType::NotEqual => MatchOp::NotEqual,
                MatchType::Regex => MatchOp::Regex,
                MatchType::NotRegex => MatchOp::NotRegex,
            };
            let value = std::str::from_utf8(matcher.name).ok().and_then(|name| external.get(name));
            let is_external =
                op == MatchOp::Equal && value.is_some_and(|value| value.as_bytes() == matcher.value);
            Matcher::new(op, matcher.name, if is_external { b"" } else { matcher.value })
        })
        .collect::<Result<_, _>>()?;
    Ok(Selector { start: query.start_ms, end: query.end_ms, matchers })
}

/// The receiving end of a channel, as the body of an answer.
struct Frames(mpsc::Receiver<io::Result<Bytes>>);

impl Stream for Frames {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        self.0.poll_recv(context)
    }
}

fn by_a_bug() -> PlainError {
    PlainError::new(StatusCode::INTERNAL_SERVER_ERROR, "the request failed by a bug in the server")
}
