//! Tests of the parser and the writer of pages.

use std::borrow::Cow;

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{DecodeError, wire::MetricType};

fn one(line: &str) -> Result<TextSample<'_>, DecodeError> {
    match TextParser::new(line.as_bytes()).next().unwrap()? {
        Line::Sample(sample) => Ok(sample),
        other => panic!("not a sample: {other:?}"),
    }
}

fn labels(sample: &TextSample<'_>) -> Vec<(String, String)> {
    let text = |bytes: Cow<'_, [u8]>| String::from_utf8(bytes.into_owned()).unwrap();
    sample.labels.map(|(name, value)| (text(name), text(value))).collect()
}

fn pairs(labels: &[(&str, &str)]) -> Vec<(String, String)> {
    labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn the_page_of_the_specification_is_read() {
    let page = r#"# HELP http_requests_total The total number of HTTP requests.
# TYPE http_requests_total counter
http_requests_total{method="post",code="200"} 1027 1395066363000

# Escaping in label values:
msdos_file_access_time_seconds{path="C:\\DIR\\FILE.TXT",error="Cannot find file:\n\"FILE.TXT\""} 1.458255915e9
metric_without_timestamp_and_labels 12.47
something_weird{problem="division by zero"} +Inf -3982045
rpc_duration_seconds { quantile = "0.01" , } 3102
"#;
    let lines: Vec<_> = TextParser::new(page.as_bytes()).map(Result::unwrap).collect();
    assert_eq!(lines.len(), 7);
    assert_eq!(
        lines[0],
        Line::Help {
            family: Cow::Borrowed(b"http_requests_total"),
            help: Cow::Borrowed(b"The total number of HTTP requests.")
        }
    );
    let family = Cow::Borrowed(&b"http_requests_total"[..]);
    assert_eq!(lines[1], Line::Type { family, metric_type: MetricType::Counter });
    let samples: Vec<_> = lines
        .iter()
        .filter_map(|line| if let Line::Sample(sample) = line { Some(sample) } else { None })
        .collect();
    assert_eq!((samples[0].value, samples[0].ts), (1027.0, Some(1_395_066_363_000)));
    assert_eq!(labels(samples[0]), pairs(&[("method", "post"), ("code", "200")]));
    let escaped = pairs(&[("path", "C:\\DIR\\FILE.TXT"), ("error", "Cannot find file:\n\"FILE.TXT\"")]);
    assert_eq!(labels(samples[1]), escaped);
    assert_eq!(samples[1].value, 1_458_255_915.0);
    assert_eq!((&*samples[2].name, samples[2].ts), (&b"metric_without_timestamp_and_labels"[..], None));
    assert_eq!((samples[3].value, samples[3].ts), (f64::INFINITY, Some(-3_982_045)));
    assert_eq!(labels(samples[4]), pairs(&[("quantile", "0.01")]));
}

#[test]
fn quoted_names_and_exemplars_are_read() {
    let sample = one(r#"{"http.requests","my.label"="a"} 5 7 # {trace_id="x"} 0.5 1.25"#).unwrap();
    assert_eq!(&*sample.name, b"http.requests");
    assert_eq!(labels(&sample), pairs(&[("my.label", "a")]));
    let exemplar = sample.exemplar.unwrap();
    assert_eq!((exemplar.value, exemplar.ts_seconds, sample.ts), (0.5, Some(1.25), Some(7)));
    let Some(Ok(Line::Unit { family, unit })) = TextParser::new(b"# UNIT \"a.b\" seconds\n# EOF").next()
    else {
        panic!("a unit was given");
    };
    assert_eq!((&*family, unit), (&b"a.b"[..], &b"seconds"[..]));
}

#[test]
fn a_wrong_line_is_an_error_at_its_place_and_the_rest_is_read() {
    let cases = [
        ("a{b=\"c\" 1", "label", 8),
        ("a{b=c} 1", "label", 2),
        ("a{b=\"c} 1", "label", 2),
        ("a{\"b\"} 1", "metric name", 0),
        ("{b=\"c\"} 1", "metric name", 0),
        ("9a 1", "metric name", 0),
        ("a", "sample value", 1),
        ("a x", "sample value", 2),
        ("a 1 x", "sample timestamp", 4),
        ("a 1 2 3", "end of line", 6),
        ("a 1 # x", "exemplar", 6),
        ("# TYPE a elephant", "metric type", 0),
    ];
    for (line, what, offset) in cases {
        let page = format!("ok 1\n{line}\nok 2");
        let lines: Vec<_> = TextParser::new(page.as_bytes()).collect();
        assert_eq!(lines.len(), 3, "{line}");
        assert_eq!(lines[1], Err(DecodeError::new(what, 5 + offset)), "{line}");
        assert!(lines[2].is_ok(), "{line}");
    }
}

#[test]
fn comments_and_carriage_returns_are_passed_over() {
    let page = b"# a comment\n#\n# HELP\n\r\n  \nup 1\r\n# TYPE\n";
    let lines: Vec<_> = TextParser::new(page).map(Result::unwrap).collect();
    assert_eq!(lines.len(), 1);
}

#[test]
fn what_is_written_is_as_a_scraper_expects_it() {
    let mut page = String::new();
    TextWriter::new(&mut page)
        .help("a_total", "With \\ and\nnewline, \"quotes\" stay.")
        .metric_type("a_total", MetricType::Counter)
        .sample("a_total", [("b", "x\"y\\z\n"), ("c.d", "")], f64::NAN, None)
        .sample("a.b", [], 1e21, Some(-5))
        .metric_type("i", MetricType::Unknown);
    let expected = "# HELP a_total With \\\\ and\\nnewline, \"quotes\" stay.\n# TYPE a_total counter\n\
                    a_total{b=\"x\\\"y\\\\z\\n\",\"c.d\"=\"\"} NaN\n{\"a.b\"} 1e+21 -5\n# TYPE i untyped\n";
    assert_eq!(page, expected);
}

#[test]
fn numbers_are_short_and_exact() {
    let cases = [
        (0.0, "0"),
        (-0.0, "-0"),
        (1.0, "1"),
        (1e6, "1000000"),
        (0.1, "0.1"),
        (1e-5, "1e-05"),
        (1.5e300, "1.5e+300"),
        (f64::INFINITY, "+Inf"),
        (f64::NEG_INFINITY, "-Inf"),
        (5e-324, "5e-324"),
    ];
    for (value, text) in cases {
        let mut page = String::new();
        format_float(&mut page, value);
        assert_eq!(page, text);
    }
}

type Sample = (String, Vec<(String, String)>, f64, Option<i64>);

fn any_sample() -> impl Strategy<Value = Sample> {
    let label = ("[a-zA-Z_][a-zA-Z0-9_]{0,8}|\\PC{1,6}", "(?s).{0,10}");
    ("[a-zA-Z_:][a-zA-Z0-9_:]{0,8}|\\PC{1,6}", vec(label, 0..4), any::<u64>(), any::<Option<i64>>())
        .prop_map(|(name, labels, bits, ts)| (name, labels, f64::from_bits(bits), ts))
}

proptest! {
    #![proptest_config(crate::test_config::config(concat!(env!("CARGO_MANIFEST_DIR"), "/../proptest-regressions/formats/wire-prom-text.txt")))]

    #[test]
    fn samples_come_back(samples in vec(any_sample(), 0..5), help in "(?s)[^ \t\r].{0,20}") {
        let mut page = String::new();
        let mut writer = TextWriter::new(&mut page);
        writer.help("family", &help);
        for (name, labels, value, ts) in &samples {
            writer.sample(name, labels.iter().map(|(name, value)| (&name[..], &value[..])), *value, *ts);
        }
        let mut lines = TextParser::new(page.as_bytes()).map(Result::unwrap);
        let Some(Line::Help { help: found, .. }) = lines.next() else { panic!("help was written") };
        // A carriage return at the end of a line cannot be told from a line ending of two bytes.
        prop_assert_eq!(&*found, help.strip_suffix('\r').unwrap_or(&help).as_bytes());
        for (name, expected, value, ts) in &samples {
            let Some(Line::Sample(sample)) = lines.next() else { panic!("a sample was written") };
            prop_assert_eq!(&*sample.name, name.as_bytes());
            prop_assert_eq!(&labels(&sample), expected);
            prop_assert_eq!(sample.ts, *ts);
            prop_assert!(sample.value.to_bits() == value.to_bits() || sample.value.is_nan() && value.is_nan());
        }
        prop_assert_eq!(lines.next(), None);
    }

    #[test]
    fn any_page_ends_in_lines_or_errors(page in "([a-c{}=\"\\\\,# \n0-9]|HELP|TYPE|UNIT|\\PC){0,60}") {
        for line in TextParser::new(page.as_bytes()) {
            match line {
                Ok(Line::Sample(sample)) => prop_assert!(sample.labels.count() <= page.len()),
                Ok(_) => {}
                Err(error) => prop_assert!(error.offset <= page.len()),
            }
        }
    }
}
