//! The language as a whole: facts about upstream, round trips, and hostile texts.

use std::fmt::Write as _;

use kymo_engine::Matcher;
use proptest::prelude::*;

use super::*;

const PRINTED: &str = include_str!("../../../tests/scripts/promql_parse/printed.txt");
const ERRORS: &str = include_str!("../../../tests/scripts/promql_parse/errors.txt");
const FLAGS: &str = include_str!("../../../tests/scripts/promql_parse/flags.txt");
const PRETTY: &str = include_str!("../../../tests/scripts/promql_parse/pretty.txt");
const LOWERED: &str = include_str!("../../../tests/scripts/promql_parse/lowered.txt");

/// Runs a table: for each `>` line the lines up to the next blank one must be what `answer` gives.
fn check_table(table: &str, answer: impl Fn(&str, &ParserOptions) -> String) {
    let mut options = ParserOptions::ALL;
    let (mut cases, mut failures) = (0, String::new());
    let mut lines = table.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("options ") {
            options = named_options(name);
        }
        let Some(input) = line.strip_prefix("> ") else { continue };
        let mut expected = Vec::new();
        while let Some(line) = lines.next_if(|line| line.starts_with(['=', '!', '|'])) {
            expected.push(line);
        }
        let (expected, got) = (expected.join("\n"), answer(&unescape(input), &options));
        cases += 1;
        if got != expected {
            writeln!(failures, "> {input}\nexpected\n{expected}\ngot\n{got}\n").unwrap();
        }
    }
    assert!(cases >= 20, "the table was read");
    assert!(failures.is_empty(), "{failures}");
}

fn named_options(name: &str) -> ParserOptions {
    match name {
        "all" => ParserOptions::ALL,
        "default" => ParserOptions::default(),
        _ => ParserOptions { duration_expressions: false, ..ParserOptions::default() },
    }
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n").replace('\t', "\\t").replace('\r', "\\r")
}

fn unescape(text: &str) -> String {
    let (mut out, mut chars) = (String::new(), text.chars());
    while let Some(c) = chars.next() {
        match (c, if c == '\\' { chars.next() } else { None }) {
            (_, Some('n')) => out.push('\n'),
            (_, Some('t')) => out.push('\t'),
            (_, Some('r')) => out.push('\r'),
            (_, Some(other)) => out.push(other),
            (c, None) => out.push(c),
        }
    }
    out
}

fn printed(text: &str, options: &ParserOptions) -> String {
    match parse(text, options) {
        Ok(expr) => format!("= {}", escape(&expr.to_string())),
        Err(errors) => format!("! {}", escape(&errors.to_string())),
    }
}

#[test]
fn expressions_print_as_upstream_prints_them() {
    check_table(PRINTED, printed);
}

#[test]
fn errors_have_the_text_and_position_of_upstream() {
    check_table(ERRORS, printed);
}

#[test]
fn options_switch_parts_of_the_language() {
    check_table(FLAGS, printed);
}

#[test]
fn long_expressions_are_split_as_upstream_splits_them() {
    check_table(PRETTY, |text, options| {
        let lines = pretty(&parse(text, options).unwrap());
        lines.lines().map(|line| format!("|{line}")).collect::<Vec<_>>().join("\n")
    });
}

#[test]
fn expressions_are_lowered_as_upstream_prepares_them() {
    let range = QueryRange { start: 10_000, end: 3_610_000, step: 60_000 };
    check_table(LOWERED, |text, options| {
        let lowered = parse(text, options).map_err(Into::into).and_then(|expr| lower(expr, &range));
        match lowered {
            Ok(expr) => format!("= {}", tree(&expr)),
            Err(error) => format!("! {error}"),
        }
    });
}

/// A tree in one line.
fn tree(expr: &Expr) -> String {
    let ts = |at: Option<AtModifier>| {
        at.and_then(AtModifier::timestamp).map_or("nil".to_owned(), |ts| ts.to_string())
    };
    let series = |node: &VectorSelector| {
        let skip = node.skip_histogram_buckets;
        format!("vector off={} ts={} skip={skip}", node.offset.millis(), ts(node.at))
    };
    let name = match expr {
        Expr::Aggregate(_) => "aggregate".to_owned(),
        Expr::Binary(_) => "binary".to_owned(),
        Expr::Call(_) => "call".to_owned(),
        Expr::Matrix(node) => {
            return format!("matrix range={}({})", node.range.millis(), series(&node.selector));
        }
        Expr::Number(node) => format!("number {}", number::format_float_general(node.value)),
        Expr::Paren(_) => "paren".to_owned(),
        Expr::StepInvariant(_) => "once".to_owned(),
        Expr::String(_) => "string".to_owned(),
        Expr::Subquery(node) => format!(
            "subquery range={} step={} off={} ts={}",
            node.range.millis(),
            node.step.millis(),
            node.offset.millis(),
            ts(node.at)
        ),
        Expr::Unary(_) => "unary".to_owned(),
        Expr::Vector(node) => series(node),
    };
    let mut children = Vec::new();
    expr.for_each_child(|child| children.push(tree(child)));
    if children.is_empty() { name } else { format!("{name}({})", children.join(", ")) }
}

#[test]
fn all_of_the_text_is_the_span_of_a_selector() {
    let expr = parse(" x{a='b'} offset 5m + y", &ParserOptions::ALL).unwrap();
    let Expr::Binary(sum) = &expr else { panic!("{expr:?}") };
    assert_eq!((sum.lhs.span().start, sum.lhs.span().end), (1, 19));
    assert_eq!((expr.span().start, expr.span().end), (1, 23));
}

#[test]
fn json_has_upstreams_keys() {
    let json = |text: &str| to_json(&parse(text, &ParserOptions::ALL).unwrap());
    assert_eq!(
        json("x{a!~'b'}[step() + 5m] @ 1.5 offset 1m"),
        r#"{"anchored":false,"matchers":[{"name":"a","type":"!~","value":"b"},{"name":"__name__","type":"=","value":"x"}],"name":"x","offset":60000,"offsetExpr":null,"range":0,"rangeExpr":{"lhs":{"lhs":null,"op":"step","rhs":null,"type":"durationExpr","wrapped":false},"op":"+","rhs":{"duration":true,"type":"numberLiteral","val":"300"},"type":"durationExpr","wrapped":false},"smoothed":false,"startOrEnd":null,"timestamp":1500,"type":"matrixSelector"}"#
    );
    assert_eq!(
        json("1 < bool -Inf"),
        r#"{"bool":true,"lhs":{"type":"numberLiteral","val":"1"},"matching":null,"op":"\u003c","rhs":{"type":"numberLiteral","val":"-Inf"},"type":"binaryExpr"}"#
    );
    assert_eq!(
        json(r#""<\b\xff\xc3\xe9é""#),
        r#"{"type":"stringLiteral","val":"\u003c\u0008\ufffd\ufffd\ufffdé"}"#
    );
    let filled = json("x + fill_left(1e6) fill_right(-1e-7) y");
    assert!(filled.contains(r#""fillValues":{"lhs":1000000,"rhs":-1e-7}"#), "{filled}");
}

#[test]
fn selectors_and_metrics_are_parsed_alone() {
    let matchers = parse_selector("{__name__=~'a.*', b=''}").unwrap();
    assert_eq!(matchers.iter().map(Matcher::name).collect::<Vec<_>>(), [&b"__name__"[..], b"b"]);
    assert_eq!(
        parse_metric("up{job='a', \"b.c\"=\"d\"}").unwrap().to_string(),
        r#"{__name__="up", "b.c"="d", job="a"}"#
    );
    assert!(parse_selector("x[5m]").is_err());
    assert!(parse_metric("x{a=~'b'}").is_err());
}

#[test]
fn series_descriptions_expand() {
    let values = |text: &str| {
        let add = &mut |_: &_, _, _: &_| Err("no arithmetic".to_owned());
        parse_series_description(text, add).map(|series| (series.labels.to_string(), series.values))
    };
    let floats = |floats: &[f64]| floats.iter().copied().map(SequenceValue::Float).collect::<Vec<_>>();
    assert_eq!(
        values("x 1+2x2 -3x1").unwrap(),
        (r#"{__name__="x"}"#.to_owned(), floats(&[1.0, 3.0, 5.0, -3.0, -3.0]))
    );
    assert_eq!(values("{a=\"b\"} _ _x2").unwrap().1, vec![SequenceValue::Omitted; 3]);
    assert!(
        matches!(values("x stale").unwrap().1[..], [SequenceValue::Float(value)] if kymo_engine::is_stale(value))
    );
    assert_eq!(values("x {{}}+{{}}x1").unwrap_err().to_string(), "1:13: parse error: no arithmetic");
    assert_eq!(
        values("x 1x999999999999").unwrap_err().to_string(),
        "1:5: parse error: series has more than 10000000 values"
    );
}

#[test]
fn histograms_have_all_their_fields() {
    let text = "x {{schema:-53 sum:-1 count:4 custom_values:[1 2] buckets:[1 2 1] offset:3 counter_reset_hint:gauge z_bucket:2 z_bucket_w:0.1 n_buckets:[1] n_offset:-2}}";
    let series =
        parse_series_description(text, &mut |_, _, _| unreachable!("there is no increment")).unwrap();
    let [SequenceValue::Histogram { histogram, has_reset_hint: true }] = &series.values[..] else {
        panic!("{series:?}");
    };
    let span = |offset, length| vec![kymo_formats::histogram::Span { offset, length }];
    assert_eq!((histogram.schema, histogram.sum, histogram.count), (-53, -1.0, 4.0));
    assert_eq!((&histogram.positive_spans, &histogram.negative_spans), (&span(3, 3), &span(-2, 1)));
    assert_eq!((histogram.zero_count, histogram.zero_threshold), (2.0, 0.1));
    assert_eq!(
        (&histogram.custom_values, &histogram.positive_buckets),
        (&vec![1.0, 2.0], &vec![1.0, 2.0, 1.0])
    );
}

/// Hostile texts end in an error, on the stack of a worker thread, in debug builds, too.
#[test]
fn deep_expressions_are_an_error() {
    let deep = |open: &str, inner: &str, close: &str| {
        let count = 1_000_000 / (open.len() + close.len());
        format!("{}{inner}{}", open.repeat(count), close.repeat(count))
    };
    let texts = [
        deep("(", "x", ")"),
        deep("-", "x", ""),
        deep("sum(", "x", ")"),
        deep("abs(", "x", ")"),
        deep("x+", "x", ""),
        deep("x^", "x", ""),
        deep("x or ", "x", ""),
        deep("(x + ", "x", ") * y"),
        format!("x[{}]", deep("(", "5m", ")")),
        format!("x[{}]", deep("-", "5m", "")),
        format!("x[{}]", deep("5m+", "5m", "")),
        format!("x offset {}", deep("-(", "5m", ")")),
        format!("x offset {}", deep("max_of(1,", "5m", ")")),
        deep("sum_over_time(", "x", "[5m:1m])"),
        format!("x{}", "[5m:]".repeat(100_000)),
    ];
    on_small_stack(move || {
        for text in texts {
            let message = parse(&text, &ParserOptions::ALL).unwrap_err().to_string();
            assert!(message.contains("nested more than"), "{} {message}", &text[..20]);
        }
    });
}

/// Every error is searched for its line, so hostile texts may not have as many errors as they have letters.
#[test]
fn few_errors_are_kept_and_the_first_one_is_told() {
    let count = 100_000;
    for (text, first) in [
        (format!("label_join(x{})", ", y".repeat(count)), "1:15: parse error: expected type string in call"),
        (
            format!("x{}", " offset 5m".repeat(count)),
            "1:1: parse error: offset may not be set multiple times",
        ),
        (
            format!("sum by ({}) (x)", "'', ".repeat(count)),
            "1:9: parse error: invalid label name for grouping",
        ),
        (format!("x{{{}}}", "a=~'(',".repeat(count)), "1:3: parse error: error parsing regexp"),
    ] {
        let errors = parse(&text, &ParserOptions::ALL).unwrap_err();
        assert!(errors.to_string().starts_with(first), "{errors}");
        assert_eq!(errors.errors().len(), 20);
    }
}

/// Texts of 1 MB that are not deep parse, and print as what they were.
#[test]
fn long_expressions_are_answered() {
    let list = |item: &str| vec![item; 1_000_000 / (item.len() + 2)].join(", ");
    for text in [
        format!("label_join(x, \"a\", {})", list("\"b\"")),
        format!("sum by ({}) (x)", list("job")),
        format!("x{{{}}}", list("a=\"b\"").replace(", ", ",")),
        format!("x{{a=~\"{}\"}}", list("v1").replace(", ", "|v")),
        format!("\"{}\"", "a\\n".repeat(300_000)),
        "x".repeat(1_000_000),
    ] {
        let expr =
            parse(&text, &ParserOptions::ALL).unwrap_or_else(|error| panic!("{}: {error}", &text[..30]));
        assert!(expr.to_string() == text, "{}", &text[..30]);
        assert!(!pretty(&expr).is_empty() && to_json(&expr).len() > text.len());
    }
    for (text, problem) in [
        ("9".repeat(1_000_000), "value out of range"),
        ("1s".repeat(500_000), "not a valid duration string"),
        ("#".repeat(1_000_000), "no expression found in input"),
        ("(".repeat(1_000_000), "nested more than"),
        (format!("{})", "\n".repeat(1_000_000)), "1000001:2"),
        (format!("x{{a=~\"{}\"}}", ".*".repeat(500_000)), "expression too large"),
    ] {
        let error = parse(&text, &ParserOptions::ALL).unwrap_err().to_string();
        assert!(error.contains(problem), "{} {}", &text[..20], &error[..60]);
    }
}

/// Everything that recurses over a tree gets along with the highest one.
#[test]
fn the_highest_expressions_can_be_walked() {
    let count = EXPR_DEPTH_MAX - 2;
    let texts = [
        format!("{}x{}", "(".repeat(count), ")".repeat(count)),
        format!("x{}", " + x".repeat(count)),
        format!("{}x", "x ^ ".repeat(count)),
        format!("{}-(x)", "-".repeat(count - 2)),
        format!("x[{}5m]", "5m+".repeat(count)),
    ];
    on_small_stack(move || {
        for text in texts {
            let expr = parse(&text, &ParserOptions::ALL).unwrap();
            assert_eq!(expr.to_string().is_empty(), pretty(&expr).is_empty());
            assert!(!to_json(&expr).is_empty() && !expr.selectors().is_empty());
            let copy = expr.clone();
            assert!(copy == expr);
            assert!(lower(copy, &QueryRange { start: 0, end: 0, step: 0 }).is_ok());
        }
    });
}

fn on_small_stack(run: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(run).unwrap();
    thread.join().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(prop::test_runner::FileFailurePersistence::Direct(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../proptest-regressions/query/promql.txt"
        )))),
        ..ProptestConfig::default()
    })]

    /// What is printed, in either form, parses to the same tree.
    #[test]
    fn printing_and_parsing_are_inverse(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let text = generate::expression(&mut generate::ByteChoices(&bytes), 4);
        let expr = parse(&text, &ParserOptions::ALL).map_err(|error| TestCaseError::fail(format!("{text}\n{error}")))?;
        for printed in [expr.to_string(), pretty(&expr)] {
            let again = parse(&printed, &ParserOptions::ALL)
                .map_err(|error| TestCaseError::fail(format!("{text}\n{printed}\n{error}")))?;
            prop_assert_eq!(again.to_string(), expr.to_string(), "{}", &text);
            prop_assert_eq!(to_json(&again), to_json(&expr), "{}", &text);
            prop_assert_eq!(again.value_type(), expr.value_type());
        }
    }

    /// Tokens follow each other, and none but the last is empty: the lexer always gets on.
    #[test]
    fn tokens_cover_any_text(text in r#"[a-z0-9.:_(){}\[\]"'`,@+*/%^=!<>~#\\ é\n-]{0,60}"#, is_series in any::<bool>()) {
        let spans = token_spans(&text, is_series);
        let (last, before) = spans.split_last().unwrap();
        prop_assert!(before.iter().all(|span| span.start < span.end), "{} {:?}", &text, &spans);
        prop_assert!(spans.windows(2).all(|pair| pair[0].end <= pair[1].start), "{} {:?}", &text, &spans);
        prop_assert_eq!(last.end as usize, text.len());
    }

    /// Any text gives a tree, or an error whose position lies in the text.
    #[test]
    fn no_text_panics(text in r#"[a-z0-9.:_(){}\[\]"'`,@+*/%^=!<>~#\\ é-]{0,60}"#) {
        if let Err(errors) = parse(&text, &ParserOptions::ALL) {
            for error in errors.errors() {
                prop_assert!(error.span.start as usize <= text.len(), "{} {:?}", &text, error);
            }
        }
    }

    /// Words of the language in any order, which come further than random letters.
    #[test]
    fn no_sequence_of_words_panics(words in prop::collection::vec(word(), 0..30)) {
        let text = words.join(" ");
        if let Ok(expr) = parse(&text, &ParserOptions::ALL) {
            prop_assert!(parse(&expr.to_string(), &ParserOptions::ALL).is_ok(), "{}", &text);
        }
        let series = parse_series_description(&text, &mut |a, _, _| Ok(a.clone()));
        prop_assert!(series.map_or(0, |series| series.values.len()) <= 10 * words.len());
    }
}

fn word() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "x",
        "sum",
        "by",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ",",
        "5m",
        "1",
        "-",
        "+",
        "^",
        "==",
        "bool",
        "on",
        "group_left",
        "offset",
        "@",
        "start",
        "step",
        "()",
        "max_of",
        "rate",
        "\"a\"",
        "a=\"b\"",
        ":",
        "fill",
        "anchored",
        "and",
        "{{",
        "}}",
        "x3",
        "_",
        "buckets:",
        "sum:1",
    ])
}
