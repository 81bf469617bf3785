//! Exemplars of the series that an expression selects.

use std::sync::Arc;

use axum::extract::State;
use kymo_engine::{Exemplar, Labels};

use super::super::{
    answer::Answer, error::ApiError, json, middleware::Ready, number::push_seconds, number::push_value,
    params::Params, work,
};
use crate::{app::App, promql};

/// `/query_exemplars`
pub(crate) async fn query(
    State(app): State<Arc<App>>,
    Ready(engine): Ready,
    params: Params,
) -> Result<Answer, ApiError> {
    let range = params.range()?;
    if range.end < range.start {
        return Err(ApiError::bad_data("end timestamp must not be before start timestamp"));
    }
    let options = app.config().query.engine_options();
    let expr = promql::parse(params.get("query"), &options)
        .map_err(|error| ApiError::bad_data(error.to_string()))?;
    let selectors: Vec<_> = expr.selectors().iter().map(|selector| selector.matchers.clone()).collect();
    if selectors.is_empty() {
        return Ok(Answer::none());
    }
    work::reading(&app, move || {
        let found = engine.exemplars(&selectors, range.start, range.end);
        Ok(Answer::new(|out| push_series(out, &found)))
    })
    .await
}

fn push_series(out: &mut String, series: &[(Labels, Vec<Exemplar>)]) {
    out.push('[');
    let mut separator = "";
    for (labels, exemplars) in series.iter().filter(|(_, exemplars)| !exemplars.is_empty()) {
        out.push_str(separator);
        separator = ",";
        out.push_str(r#"{"seriesLabels":"#);
        json::push_labels(out, labels);
        out.push_str(r#","exemplars":["#);
        for (i, exemplar) in exemplars.iter().enumerate() {
            if i > 0 {
                out.push(',');
            }
            push_exemplar(out, exemplar);
        }
        out.push_str("]}");
    }
    out.push(']');
}

fn push_exemplar(out: &mut String, exemplar: &Exemplar) {
    out.push_str(r#"{"labels":"#);
    json::push_labels(out, &exemplar.labels);
    out.push_str(r#","value":""#);
    push_value(out, exemplar.value);
    out.push_str(r#"","timestamp":"#);
    push_seconds(out, exemplar.ts);
    out.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exemplars_look_like_upstreams() {
        let labels = Labels::from_pairs([("__name__", "a")]);
        let exemplar = Exemplar { labels: Labels::from_pairs([("trace_id", "1")]), value: 0.5, ts: 1500 };
        let mut out = String::new();
        push_series(&mut out, &[(labels.clone(), vec![exemplar]), (labels, vec![])]);
        assert_eq!(
            out,
            r#"[{"seriesLabels":{"__name__":"a"},"exemplars":[{"labels":{"trace_id":"1"},"value":"0.5","timestamp":1.500}]}]"#
        );
    }
}
