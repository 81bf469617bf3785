//! What is known about metric families.

use std::collections::BTreeMap;

use super::super::{
    answer::Answer,
    error::ApiError,
    middleware::Ready,
    params::{Params, atoi},
    work,
};

/// `/metadata`
pub(crate) async fn metadata(
    Ready(store): Ready,
    params: Params,
) -> Result<Answer, ApiError> {
    let limit = number(&params, "limit")?;
    let per_metric = number(&params, "limit_per_metric")?.filter(|limit| *limit > 0);
    let metric = params.get("metric").to_owned();
    work::blocking(move || {
        let families: BTreeMap<_, _> = store
            .metadata()
            .into_iter()
            .filter(|(family, _)| metric.is_empty() || *family == metric)
            .take(limit.unwrap_or(usize::MAX))
            .map(|(family, mut entries)| {
                entries.truncate(per_metric.unwrap_or(usize::MAX));
                (family, entries)
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
