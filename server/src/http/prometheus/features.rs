//! What this server can do, in upstream's categories.

use std::{collections::BTreeMap, sync::Arc};

use axum::extract::State;
use kymo_query::{EngineOptions, promql::FUNCTIONS};

use super::super::{answer::Answer, error::ApiError, json, middleware::Ready};
use crate::app::App;

type Features = BTreeMap<&'static str, BTreeMap<&'static str, bool>>;

/// Operators of matchers, of arithmetic and sets, and aggregations, that are no experiments.
const OPERATORS: [&str; 32] = [
    "!=",
    "!~",
    "%",
    "*",
    "+",
    "-",
    "/",
    "<",
    "<=",
    "==",
    "=~",
    ">",
    ">=",
    "@",
    "^",
    "and",
    "atan2",
    "avg",
    "bottomk",
    "count",
    "count_values",
    "group",
    "max",
    "min",
    "or",
    "quantile",
    "stddev",
    "stdvar",
    "sum",
    "topk",
    "unless",
    "=",
];

/// `/features`
pub(crate) async fn features(State(app): State<Arc<App>>, _: Ready) -> Result<Answer, ApiError> {
    let features = all(&app.config().query.engine_options());
    // Upstream leaves `<` and the like alone here, because operators are among the names.
    Ok(Answer::new(|out| {
        out.push('{');
        for (i, (category, switches)) in features.iter().enumerate() {
            out.push_str(if i > 0 { "," } else { "" });
            json::push_string(out, category.as_bytes(), json::Html::Keep);
            out.push_str(":{");
            for (i, (name, on)) in switches.iter().enumerate() {
                out.push_str(if i > 0 { "," } else { "" });
                json::push_string(out, name.as_bytes(), json::Html::Keep);
                out.push_str(if *on { ":true" } else { ":false" });
            }
            out.push('}');
        }
        out.push('}');
    }))
}

fn all(options: &EngineOptions) -> Features {
    let (parser, eval) = (options.parser, options.eval);
    let mut features = Features::new();
    let mut set = |category, switches: &[(&'static str, bool)]| {
        features.entry(category).or_default().extend(switches.iter().copied());
    };
    set(
        "api",
        &[
            ("admin", true),
            ("label_values_match", true),
            ("lifecycle", true),
            ("otlp_write_receiver", false),
            ("query_stats", true),
            ("query_warnings", true),
            ("remote_write_receiver", true),
            ("search", false),
            ("time_range_labels", true),
            ("time_range_series", true),
        ],
    );
    set(
        "promql",
        &[
            ("anchored", parser.extended_range_selectors),
            ("at_modifier", true),
            ("bool", true),
            ("by", true),
            ("delayed_name_removal", eval.delayed_name_removal),
            ("duration_expr", parser.duration_expressions),
            ("fill", parser.binop_fill_modifiers),
            ("group_left", true),
            ("group_right", true),
            ("ignoring", true),
            ("negative_offset", true),
            ("offset", true),
            ("on", true),
            ("per_query_lookback_delta", true),
            ("per_step_stats", eval.per_step_stats),
            ("smoothed", parser.extended_range_selectors),
            ("subqueries", true),
            ("type_and_unit_labels", eval.type_and_unit_labels),
            ("without", true),
        ],
    );
    set("tsdb", &[("exemplar_storage", true), ("native_histograms", true), ("st_storage", true)]);
    set("prometheus", &[("agent_mode", false), ("server_mode", true)]);
    for function in &FUNCTIONS {
        set("promql_functions", &[(function.name, !function.experimental || parser.experimental_functions)]);
    }
    for op in OPERATORS {
        set("promql_operators", &[(op, true)]);
    }
    for op in ["limitk", "limit_ratio"] {
        set("promql_operators", &[(op, parser.experimental_functions)]);
    }
    features
}
