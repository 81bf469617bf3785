//! Query results as JSON.

use kymo_query::{HistogramPoint, MatrixSeries, Point, Value, VectorSample};

use super::super::{
    json::{self, Html},
    number::{push_json_seconds, push_plain, push_seconds, push_value},
};

/// An answer takes more memory than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AnswerTooLarge {
    /// The limit.
    pub(crate) bytes_max: u64,
}

/// Appends `{"resultType":...,"result":...}` and, if asked for, statistics. The type comes first, because
/// clients that parse as they read want to know it.
///
/// What has been written of the value is freed at once: the text is larger than it.
pub(crate) fn push_result(
    out: &mut String,
    value: Value,
    stats: Option<&str>,
    bytes_max: u64,
) -> Result<(), AnswerTooLarge> {
    out.push_str(r#"{"resultType":""#);
    out.push_str(type_name(&value));
    out.push_str(r#"","result":"#);
    match value {
        Value::Scalar(point) => push_scalar(out, point),
        Value::String { ts, value } => push_text(out, ts, &value),
        Value::Vector(samples) => push_elements(out, samples, push_sample, bytes_max)?,
        Value::Matrix(series) => push_elements(out, series, push_series, bytes_max)?,
    }
    if let Some(stats) = stats {
        out.push_str(r#","stats":"#);
        out.push_str(stats);
    }
    out.push('}');
    Ok(())
}

/// Appends the elements of a value, as long as the text is not too large.
fn push_elements<T>(
    out: &mut String,
    items: Vec<T>,
    push_item: impl Fn(&mut String, &T),
    bytes_max: u64,
) -> Result<(), AnswerTooLarge> {
    out.push('[');
    for (i, item) in items.into_iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        push_item(out, &item);
        if out.len() as u64 > bytes_max {
            return Err(AnswerTooLarge { bytes_max });
        }
    }
    out.push(']');
    Ok(())
}

const fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Scalar(_) => "scalar",
        Value::String { .. } => "string",
        Value::Vector(_) => "vector",
        Value::Matrix(_) => "matrix",
    }
}

/// Scalars and strings go through another encoder upstream: their time is an ordinary number.
fn push_scalar(out: &mut String, point: Point) {
    out.push('[');
    push_json_seconds(out, point.ts);
    out.push_str(",\"");
    push_plain(out, point.value);
    out.push_str("\"]");
}

fn push_text(out: &mut String, ts: i64, text: &[u8]) {
    out.push('[');
    push_json_seconds(out, ts);
    out.push(',');
    json::push_string(out, text, Html::Escape);
    out.push(']');
}

fn push_sample(out: &mut String, sample: &VectorSample) {
    out.push_str(r#"{"metric":"#);
    json::push_labels(out, &sample.labels);
    if let Some(histogram) = &sample.histogram {
        out.push_str(r#","histogram":"#);
        push_histogram_point(out, &HistogramPoint { ts: sample.ts, value: std::sync::Arc::clone(histogram) });
    } else {
        out.push_str(r#","value":"#);
        push_point(out, &Point { ts: sample.ts, value: sample.value });
    }
    out.push('}');
}

fn push_series(out: &mut String, series: &MatrixSeries) {
    out.push_str(r#"{"metric":"#);
    json::push_labels(out, &series.labels);
    if !series.floats.is_empty() {
        out.push_str(r#","values":"#);
        push_array(out, &series.floats, push_point);
    }
    if !series.histograms.is_empty() {
        out.push_str(r#","histograms":"#);
        push_array(out, &series.histograms, push_histogram_point);
    }
    out.push('}');
}

fn push_point(out: &mut String, point: &Point) {
    out.push('[');
    push_seconds(out, point.ts);
    out.push_str(",\"");
    push_value(out, point.value);
    out.push_str("\"]");
}

fn push_histogram_point(out: &mut String, point: &HistogramPoint) {
    out.push('[');
    push_seconds(out, point.ts);
    out.push(',');
    super::histogram::push_histogram(out, &point.value);
    out.push(']');
}

fn push_array<T>(out: &mut String, items: &[T], mut push_item: impl FnMut(&mut String, &T)) {
    out.push('[');
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        push_item(out, item);
    }
    out.push(']');
}

#[cfg(test)]
mod tests {
    use super::*;
    use kymo_engine::Labels;

    fn print(value: Value) -> String {
        let mut out = String::new();
        push_result(&mut out, value, None, u64::MAX).unwrap();
        out
    }

    #[test]
    fn scalars_and_strings_have_ordinary_times() {
        let point = Point { ts: 1_435_781_451_780, value: 1e21 };
        assert_eq!(
            print(Value::Scalar(point)),
            r#"{"resultType":"scalar","result":[1435781451.78,"1000000000000000000000"]}"#
        );
        let text = Value::String { ts: 0, value: b"<a>".to_vec() };
        assert_eq!(print(text), r#"{"resultType":"string","result":[0,"\u003ca\u003e"]}"#);
    }

    #[test]
    fn vectors_and_matrices_have_times_of_three_digits() {
        let labels = Labels::from_pairs([("__name__", "up"), ("a", "<")]);
        let sample = VectorSample { labels: labels.clone(), ts: 1780, value: f64::INFINITY, histogram: None };
        assert_eq!(
            print(Value::Vector(vec![sample])),
            r#"{"resultType":"vector","result":[{"metric":{"__name__":"up","a":"<"},"value":[1.780,"+Inf"]}]}"#
        );
        let floats = vec![Point { ts: 1000, value: 1.0 }, Point { ts: 2000, value: -0.0 }];
        let series = MatrixSeries { labels: Labels::empty(), floats, histograms: vec![] };
        assert_eq!(
            print(Value::Matrix(vec![series])),
            r#"{"resultType":"matrix","result":[{"metric":{},"values":[[1,"1"],[2,"-0"]]}]}"#
        );
    }

    #[test]
    fn an_answer_ends_where_it_gets_too_large() {
        let floats = vec![Point { ts: 1000, value: 1.0 }; 100];
        let series = MatrixSeries { labels: Labels::empty(), floats, histograms: vec![] };
        let mut out = String::new();
        let written = push_result(&mut out, Value::Matrix(vec![series; 100]), None, 2_000);
        assert_eq!(written, Err(AnswerTooLarge { bytes_max: 2_000 }));
        assert!(out.len() < 4_000, "{} bytes were written all the same", out.len());
    }

    #[test]
    fn nothing_is_an_empty_list() {
        assert_eq!(print(Value::Vector(vec![])), r#"{"resultType":"vector","result":[]}"#);
        assert_eq!(print(Value::Matrix(vec![])), r#"{"resultType":"matrix","result":[]}"#);
    }
}
