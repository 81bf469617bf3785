//! Series, label names and label values.

use std::{collections::BTreeSet, sync::Arc};

use axum::extract::{Path, State, rejection::PathRejection};
use kymo_engine::{Error, Found, Labels};

use super::super::{
    answer::{Answer, TRUNCATED},
    error::ApiError,
    json,
    middleware::Ready,
    params::{Params, TimeRange},
    work,
};
use crate::{
    app::App,
    promql::{self, Matchers},
};

/// `/series`
pub(crate) async fn series(
    State(app): State<Arc<App>>,
    Ready(engine): Ready,
    params: Params,
) -> Result<Answer, ApiError> {
    if params.all("match[]").next().is_none() {
        return Err(ApiError::bad_data("no match[] parameter provided"));
    }
    let limit = params.limit()?;
    let range = params.range()?;
    let sets = matcher_sets(&params).map_err(|error| ApiError::parameter("match[]", error))?;
    work::reading(&app, move || {
        let mut series = union(sets.iter().map(|set| engine.series(set, range.start, range.end)))?;
        let warning = truncate(&mut series.items, limit);
        let answer = Answer::new(|out| push_series(out, &series.items));
        Ok(answer.left_out(series.warnings).warn(warning))
    })
    .await
}

/// `/labels`
pub(crate) async fn names(
    State(app): State<Arc<App>>,
    Ready(engine): Ready,
    params: Params,
) -> Result<Answer, ApiError> {
    list(&app, &params, move |matchers, range| engine.label_names(matchers, range.start, range.end)).await
}

/// `/label/{name}/values`
pub(crate) async fn values(
    State(app): State<Arc<App>>,
    Ready(engine): Ready,
    name: Result<Path<String>, PathRejection>,
    params: Params,
) -> Result<Answer, ApiError> {
    let Path(name) = name.map_err(|_| ApiError::bad_data("invalid label name: not UTF-8"))?;
    let name = unescape(&name);
    if name.is_empty() {
        return Err(ApiError::bad_data(format!("invalid label name: {name:?}")));
    }
    list(&app, &params, move |matchers, range| {
        engine.label_values(name.as_bytes(), matchers, range.start, range.end)
    })
    .await
}

/// The sorted union of what `look_up` finds for each set of matchers.
async fn list(
    app: &App,
    params: &Params,
    look_up: impl Fn(&Matchers, TimeRange) -> Result<Found<Vec<u8>>, Error> + Send + 'static,
) -> Result<Answer, ApiError> {
    let limit = params.limit()?;
    let range = params.range()?;
    let mut sets = matcher_sets(params).map_err(ApiError::bad_data)?;
    if sets.is_empty() {
        sets.push(Matchers::new());
    }
    work::reading(app, move || {
        let mut found = union(sets.iter().map(|set| look_up(set, range)))?;
        let warning = truncate(&mut found.items, limit);
        let answer = Answer::new(|out| json::push_string_array(out, &found.items));
        Ok(answer.left_out(found.warnings).warn(warning))
    })
    .await
}

/// The sets of matchers in `match[]`, each of which must exclude something.
fn matcher_sets(params: &Params) -> Result<Vec<Matchers>, String> {
    let mut sets = Vec::new();
    for selector in params.all("match[]") {
        let matchers = promql::parse_selector(selector).map_err(|error| error.to_string())?;
        if matchers.iter().all(kymo_engine::Matcher::matches_empty) {
            return Err("match[] must contain at least one non-empty matcher".to_owned());
        }
        sets.push(matchers);
    }
    Ok(sets)
}

fn truncate<T>(items: &mut Vec<T>, limit: Option<usize>) -> Option<&'static str> {
    let limit = limit.filter(|limit| items.len() > *limit)?;
    items.truncate(limit);
    Some(TRUNCATED)
}

/// Merges sorted lists into one without repeats.
fn union<T: Ord>(lists: impl Iterator<Item = Result<Found<T>, Error>>) -> Result<Found<T>, Error> {
    let mut lists = lists.collect::<Result<Vec<_>, _>>()?;
    let mut union = lists.pop().unwrap_or_default();
    if lists.is_empty() {
        return Ok(union);
    }
    let mut items: BTreeSet<T> = union.items.into_iter().collect();
    for list in lists {
        items.extend(list.items);
        union.warnings.extend(list.warnings);
    }
    Ok(Found { items: items.into_iter().collect(), warnings: union.warnings })
}

fn push_series(out: &mut String, series: &[Labels]) {
    out.push('[');
    for (i, labels) in series.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        json::push_labels(out, labels);
    }
    out.push(']');
}

/// A name escaped for a URL: `U__` and then `_HEX_` for each character that is none of a plain name, `__` for
/// an underscore. What is not of this form stays as it is.
fn unescape(escaped: &str) -> String {
    let Some(body) = escaped.strip_prefix("U__") else { return escaped.to_owned() };
    let mut name = String::new();
    let mut parts = body.split('_');
    name.push_str(parts.next().unwrap_or(""));
    while let Some(code) = parts.next() {
        let Some(after) = parts.next() else { return escaped.to_owned() };
        if code.is_empty() {
            name.push('_');
        } else {
            match u32::from_str_radix(code, 16).ok().filter(|_| code.len() <= 6).and_then(char::from_u32) {
                Some(c) => name.push(c),
                None => return escaped.to_owned(),
            }
        }
        name.push_str(after);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_names_are_unescaped() {
        let cases = [
            ("U__http_2e_status", "http.status"),
            ("U__a__b", "a_b"),
            ("U__a_1F600_", "a\u{1f600}"),
            ("U__", ""),
            ("U__a_zz_", "U__a_zz_"),
            ("U__a_2e", "U__a_2e"),
        ];
        for (escaped, name) in cases {
            assert_eq!(unescape(escaped), name, "{escaped}");
        }
    }

    #[test]
    fn lists_are_merged_and_cut() {
        let list = |items| Ok(Found { items, ..Found::default() });
        let mut all = union([list(vec![1, 3]), list(vec![2, 3])].into_iter()).unwrap().items;
        assert_eq!(all, [1, 2, 3]);
        assert_eq!(truncate(&mut all, Some(3)), None);
        assert_eq!(truncate(&mut all, Some(2)), Some(TRUNCATED));
        assert_eq!(all, [1, 2]);
    }
}
