//! Instant and range queries.

use std::{sync::Arc, time::Duration};

use axum::extract::State;
use kymo_engine::Engine;
use kymo_query::{EngineOptions, EngineSource, QueryResult, Value};

use super::{
    super::{
        answer::{Answer, TRUNCATED},
        error::{ApiError, ErrorType},
        middleware::Ready,
        params::Params,
        time, work,
    },
    encode::{AnswerTooLarge, push_result},
    stats::{Timings, selectors, stats, stats_warning},
};
use crate::{
    app::App,
    promql::{Evaluation, Interruption, Times},
};

/// Most steps of a range query, less one.
const RANGE_STEPS_MAX: i128 = 11_000;

/// `/query`
pub(crate) async fn instant(
    State(app): State<Arc<App>>,
    Ready(engine): Ready,
    params: Params,
) -> Result<Answer, ApiError> {
    let limit = params.limit()?;
    let ts = params.time_or("time", app.now_ms())?;
    let common = Common::of(&app, &params, limit, Times::Instant(ts))?;
    evaluate(&app, engine, common).await
}

/// `/query_range`
pub(crate) async fn range(
    State(app): State<Arc<App>>,
    Ready(engine): Ready,
    params: Params,
) -> Result<Answer, ApiError> {
    let limit = params.limit()?;
    let times = range_times(&params)?;
    let common = Common::of(&app, &params, limit, times)?;
    evaluate(&app, engine, common).await
}

/// `/explain`: evaluates a query, at one time or over a range, and tells what it has read and where instead of its answer.
pub(crate) async fn explain(
    State(app): State<Arc<App>>,
    Ready(engine): Ready,
    params: Params,
) -> Result<Answer, ApiError> {
    let times = match params.get("step") {
        "" => Times::Instant(params.time_or("time", app.now_ms())?),
        _ => range_times(&params)?,
    };
    let common = Common { explains: true, ..Common::of(&app, &params, None, times)? };
    evaluate(&app, engine, common).await
}

fn range_times(params: &Params) -> Result<Times, ApiError> {
    let start = params.time("start")?;
    let end = params.time("end")?;
    if end < start {
        return Err(ApiError::parameter("end", "end timestamp must not be before start time"));
    }
    let step_nanos =
        time::parse_duration(params.get("step")).map_err(|reason| ApiError::parameter("step", reason))?;
    let not_positive = || {
        let reason = "zero or negative query resolution step widths are not accepted. Try a positive integer";
        ApiError::parameter("step", reason)
    };
    if step_nanos <= 0 {
        return Err(not_positive());
    }
    let range_nanos = (i128::from(end) - i128::from(start)) * 1_000_000;
    if range_nanos / i128::from(step_nanos) > RANGE_STEPS_MAX {
        return Err(ApiError::bad_data(
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
        ));
    }
    // Evaluation counts in milliseconds: what is less than one of them would never advance.
    let step = step_nanos / 1_000_000;
    if step == 0 {
        return Err(not_positive());
    }
    Ok(Times::Range { start, end, step })
}

/// What both kinds of queries are asked with.
struct Common {
    expr: String,
    times: Times,
    timeout: Duration,
    lookback_ms: i64,
    options: EngineOptions,
    limit: Option<usize>,
    stats: String,
    /// Whether the cost is the answer.
    explains: bool,
}

impl Common {
    fn of(app: &App, params: &Params, limit: Option<usize>, times: Times) -> Result<Self, ApiError> {
        let config = app.config();
        let timeout = match params.get("timeout") {
            "" => config.query.timeout(),
            text => {
                let nanos =
                    time::parse_duration(text).map_err(|reason| ApiError::parameter("timeout", reason))?;
                Duration::from_nanos(u64::try_from(nanos).unwrap_or(0)).min(config.query.timeout())
            }
        };
        let lookback_ms = match params.get("lookback_delta") {
            "" => 0,
            text => time::parse_duration(text).map(|nanos| nanos / 1_000_000).map_err(|reason| {
                ApiError::bad_data(format!("error parsing lookback delta duration: {reason}"))
            })?,
        };
        let lookback_default = i64::try_from(config.query.lookback_ms).unwrap_or(i64::MAX);
        Ok(Self {
            expr: params.get("query").to_owned(),
            times,
            timeout,
            // As upstream: zero and less mean the default.
            lookback_ms: if lookback_ms > 0 { lookback_ms } else { lookback_default },
            options: config.query.engine_options(),
            limit,
            stats: params.get("stats").to_owned(),
            explains: false,
        })
    }
}

async fn evaluate(app: &Arc<App>, engine: Arc<Engine>, common: Common) -> Result<Answer, ApiError> {
    let begin = app.monotonic_nanos();
    let deadline = begin.saturating_add(u64::try_from(common.timeout.as_nanos()).unwrap_or(u64::MAX));
    let shared = Arc::clone(app);
    let answered = work::query(app, common.timeout, move |canceled| {
        let queued = seconds_since(&shared, begin);
        let interruption = Interruption::new(canceled, deadline, shared.clock());
        let evaluation = Evaluation {
            expr: &common.expr,
            times: common.times,
            lookback_ms: common.lookback_ms,
            options: common.options,
            per_step_stats: common.stats == "all",
        };
        let result = evaluation.run(&EngineSource(engine), &interruption).inspect_err(|error| {
            if error.kind() == kymo_query::ErrorKind::Limit {
                shared.telemetry.query_over_limit();
            }
        });
        let result = result.map_err(api_error)?;
        shared.telemetry.query_took_memory(result.stats.peak_bytes);
        answer(&shared, result, &common, begin, queued)
    })
    .await;
    app.telemetry
        .query_evaluated(answered.is_ok(), Duration::from_nanos(app.monotonic_nanos().saturating_sub(begin)));
    answered
}

/// An expression that is wrong in itself is a wrong parameter.
fn api_error(error: kymo_query::Error) -> ApiError {
    match error.kind() {
        kymo_query::ErrorKind::Invalid => ApiError::parameter("query", error),
        _ => error.into(),
    }
}

fn answer(
    app: &App,
    mut result: QueryResult,
    common: &Common,
    begin: u64,
    queued: f64,
) -> Result<Answer, ApiError> {
    let truncated = truncate(&mut result.value, common.limit).then_some(TRUNCATED);
    let total = seconds_since(app, begin);
    if common.explains {
        return explanation(result, total);
    }
    let timings = Timings { queued, total };
    let stats = (!common.stats.is_empty()).then(|| stats(&result.stats, common.times, timings));
    let mut written = Ok(());
    let mut answer = Answer::new(|out| {
        written = push_result(out, result.value, stats.as_deref(), common.options.memory_bytes_max);
    });
    written.map_err(|AnswerTooLarge { bytes_max }| {
        app.telemetry.query_over_limit();
        ApiError::new(
            ErrorType::Execution,
            format!("the answer would take more than {bytes_max} bytes of memory (query.memory_bytes_max)"),
        )
    })?;
    answer.warnings = result.warnings;
    answer.infos = result.infos;
    Ok(answer.warn(truncated).warn(stats_warning(&common.stats)))
}

fn explanation(result: QueryResult, seconds: f64) -> Result<Answer, ApiError> {
    let mut answer = Answer::of(&serde_json::json!({
        "seconds": seconds,
        "samplesRead": result.stats.samples.read,
        "peakBytes": result.stats.peak_bytes,
        "selectors": selectors(&result.stats.selectors),
    }))?;
    answer.warnings = result.warnings;
    answer.infos = result.infos;
    Ok(answer)
}

fn truncate(value: &mut Value, limit: Option<usize>) -> bool {
    let Some(limit) = limit else { return false };
    let len = match value {
        Value::Vector(samples) => {
            let len = samples.len();
            samples.truncate(limit);
            len
        }
        Value::Matrix(series) => {
            let len = series.len();
            series.truncate(limit);
            len
        }
        Value::Scalar(_) | Value::String { .. } => 0,
    };
    len > limit
}

fn seconds_since(app: &App, begin: u64) -> f64 {
    app.monotonic_nanos().saturating_sub(begin) as f64 / 1e9
}
