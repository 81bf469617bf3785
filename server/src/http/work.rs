//! Blocking work for a request: bounded in number and time, and ended when the caller leaves.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::{
    caller,
    error::{ApiError, ErrorType},
    gate::Refused,
};
use crate::app::App;

/// Runs `work` on a thread that may block, without a bound of its own.
pub(crate) async fn blocking<T, E>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, ApiError>
where
    T: Send + 'static,
    E: Into<ApiError> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(Into::into),
        Err(_) => {
            Err(ApiError::internal("the request failed by a bug in the server; its log has the details"))
        }
    }
}

/// Runs something that reads, beside at most so many others, queries among them.
pub(crate) async fn reading<T: Send + 'static>(
    app: &App,
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    query(app, app.config().query.timeout(), |_| work()).await
}

/// Runs a query, beside at most so many others. It sees that it should end in the flag that it is given.
pub(crate) async fn query<T: Send + 'static>(
    app: &App,
    timeout: Duration,
    work: impl FnOnce(Arc<AtomicBool>) -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let admission = app.queries.enter(caller::current(), timeout).await.map_err(|refused| match refused {
        Refused::QueueFull => ApiError::new(ErrorType::Timeout, "too many queries are waiting"),
        Refused::TimedOut => ApiError::new(ErrorType::Timeout, "query timed out in query queue"),
    })?;
    let canceled = Arc::new(AtomicBool::new(false));
    let _guard = CancelOnDrop(Arc::clone(&canceled));
    blocking(move || {
        let _admission = admission;
        work(canceled)
    })
    .await
}

/// Tells the work that nobody waits for it any more: the server drops a handler whose client has left.
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
