//! What is known about metric families.

use std::{collections::BTreeMap, sync::Arc};

use axum::extract::State;
use serde_json::json;

use super::super::{
    answer::Answer,
    error::ApiError,
    middleware::Ready,
    params::{Params, atoi},
    work,
};
use crate::app::App;

/// `/metadata`
pub(crate) async fn metadata(
    State(app): State<Arc<App>>,
    Ready(engine): Ready,
    params: Params,
) -> Result<Answer, ApiError> {
    let limit = number(&params, "limit")?;
    number(&params, "limit_per_metric")?;
    let metric = params.get("metric").to_owned();
    work::reading(&app, move || {
        let families: BTreeMap<_, _> = engine
            .metadata()
            .into_iter()
            .filter(|(family, _)| metric.is_empty() || *family == metric)
            .take(limit.unwrap_or(usize::MAX))
            // We know one entry per family, so that `limit_per_metric` has nothing to cut.
            .map(|(family, known)| {
                (family, json!([{ "type": known.kind, "help": known.help, "unit": known.unit }]))
            })
            .collect();
        Answer::of(&families)
    })
    .await
}

/// A number that may be left out; a negative one means the same.
fn number(params: &Params, name: &str) -> Result<Option<usize>, ApiError> {
    match params.get(name) {
        "" => Ok(None),
        text => {
            let number = atoi(text).map_err(|_| ApiError::bad_data(format!("{name} must be a number")))?;
            Ok(usize::try_from(number).ok())
        }
    }
}
