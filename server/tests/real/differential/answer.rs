//! Questions, and answers as far as they are compared.

use std::fmt;

use serde_json::Value;

use crate::kymo::post;

/// When an expression is asked for; times in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    Instant { at: i64 },
    Range { start: i64, end: i64, step: i64 },
}

/// What a server says.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Data(Data),
    Error { status: u16, kind: String, text: String },
}

/// A successful answer. A scalar is one series without labels.
#[derive(Debug, Clone)]
pub(crate) struct Data {
    pub(crate) result_type: String,
    pub(crate) series: Vec<Series>,
    /// Warnings and infos, sorted.
    pub(crate) notes: Vec<String>,
}

/// A series: its labels as text, and its points in order of time.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    pub(crate) labels: String,
    pub(crate) points: Vec<(i64, Point)>,
}

/// The value of a point.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Point {
    Float(f64),
    /// Count and sum, then rule of the bounds, bounds and count of each bucket.
    Histogram(Vec<f64>),
    Text(String),
}

impl Point {
    /// The number, unless it is something else.
    pub(crate) fn float(self) -> Option<f64> {
        if let Self::Float(value) = self { Some(value) } else { None }
    }
}

impl When {
    fn path(self) -> &'static str {
        match self {
            Self::Instant { .. } => "/api/v1/query",
            Self::Range { .. } => "/api/v1/query_range",
        }
    }

    fn parameters(self) -> Vec<(&'static str, String)> {
        match self {
            Self::Instant { at } => vec![("time", seconds(at))],
            Self::Range { start, end, step } => {
                vec![("start", seconds(start)), ("end", seconds(end)), ("step", seconds(step))]
            }
        }
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.path())?;
        self.parameters().iter().try_for_each(|(name, value)| write!(f, " {name}={value}"))
    }
}

/// Asks the server at `url`.
pub(crate) fn ask(agent: &ureq::Agent, url: &str, expr: &str, when: When) -> Answer {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("query", expr).extend_pairs(when.parameters());
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let answer = post(agent, &format!("{url}{}", when.path()), &headers, form.finish().as_bytes())
        .unwrap_or_else(|error| panic!("{url} {expr} {when}: {error}"));
    let json: Value = serde_json::from_slice(&answer.body)
        .unwrap_or_else(|error| panic!("{url} {expr} {when}: {error}: {}", answer.text()));
    if answer.status == 200 {
        return Answer::Data(data(&json));
    }
    let text = |key: &str| json[key].as_str().unwrap_or_default().to_owned();
    Answer::Error { status: answer.status, kind: text("errorType"), text: text("error") }
}

fn data(json: &Value) -> Data {
    let (result_type, result) = (json["data"]["resultType"].as_str().unwrap(), &json["data"]["result"]);
    let series = match result_type {
        "scalar" | "string" => {
            vec![Series { labels: String::new(), points: vec![plain_point(result, result_type)] }]
        }
        _ => result.as_array().unwrap().iter().map(series).collect(),
    };
    let notes =
        |key: &str| json[key].as_array().into_iter().flatten().map(|note| note.as_str().unwrap().to_owned());
    let mut notes: Vec<String> = notes("warnings").chain(notes("infos")).collect();
    notes.sort();
    Data { result_type: result_type.to_owned(), series, notes }
}

fn plain_point(json: &Value, result_type: &str) -> (i64, Point) {
    let value = json[1].as_str().unwrap();
    let point = if result_type == "scalar" { float(value) } else { Point::Text(value.to_owned()) };
    (millis(&json[0]), point)
}

fn series(json: &Value) -> Series {
    let mut points: Vec<(i64, Point)> = Vec::new();
    let of = |key: &str, many: &str| {
        let one = json.get(key).into_iter();
        one.chain(json[many].as_array().into_iter().flatten()).cloned().collect::<Vec<_>>()
    };
    points.extend(
        of("value", "values").iter().map(|pair| (millis(&pair[0]), float(pair[1].as_str().unwrap()))),
    );
    points.extend(of("histogram", "histograms").iter().map(|pair| (millis(&pair[0]), histogram(&pair[1]))));
    points.sort_by_key(|(ts, _)| *ts);
    // `serde_json` sorts objects by key.
    Series { labels: json["metric"].to_string(), points }
}

fn float(text: &str) -> Point {
    Point::Float(text.parse().unwrap())
}

fn histogram(json: &Value) -> Point {
    let number =
        |json: &Value| json.as_str().map_or_else(|| json.as_f64(), |text| text.parse().ok()).unwrap();
    let buckets = json["buckets"].as_array().into_iter().flatten();
    let buckets = buckets.flat_map(|bucket| bucket.as_array().unwrap());
    Point::Histogram([&json["count"], &json["sum"]].into_iter().chain(buckets).map(number).collect())
}

fn millis(json: &Value) -> i64 {
    let digits = format!("{:.3}", json.as_f64().unwrap());
    digits.replace('.', "").parse().unwrap()
}

/// Milliseconds as seconds with three places.
pub(crate) fn seconds(ms: i64) -> String {
    format!("{}{}.{:03}", if ms < 0 { "-" } else { "" }, ms.abs() / 1000, ms.abs() % 1000)
}
