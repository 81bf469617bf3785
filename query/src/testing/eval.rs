//! The `eval` command: a query and what it should answer.

use kymo_engine::Labels;
use regex_automata::meta::Regex;

use super::{
    load::parse_series,
    script::{Pattern, compile, millis, word},
};
use crate::lang::promql::{ParserOptions, SequenceValue, parse};

static INSTANT: Pattern =
    Pattern::new(|| compile(r"^eval(?:_(fail|warn|ordered|info))?\s+instant\s+(?:at\s+(.+?))?\s+(.+)$"));
static RANGE: Pattern = Pattern::new(|| {
    compile(r"^eval(?:_(fail|warn|info))?\s+range\s+from\s+(.+)\s+to\s+(.+)\s+step\s+(.+?)\s+(.+)$")
});
static EXPECT: Pattern =
    Pattern::new(|| compile(r"^expect\s+(ordered|fail|warn|no_warn|info|no_info)(?:\s+(regex|msg):(.+))?$"));
static RANGE_VECTOR: Pattern =
    Pattern::new(|| compile(r"^expect range vector\s+from\s+(.+)\s+to\s+(.+)\s+step\s+(.+)$"));

/// Evenly spaced times, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) step: i64,
}

/// A query and what it should answer.
#[derive(Debug)]
pub(super) struct Eval {
    /// The query.
    pub(super) expr: String,
    /// When to evaluate an instant query; `None` for a range query.
    pub(super) instant: Option<i64>,
    /// When to evaluate a range query, or the times of the expected range vector's points.
    pub(super) times: Times,
    /// What was said about errors, annotations and order.
    pub(super) expects: Vec<Expect>,
    /// `eval_warn`: there must be a warning.
    pub(super) any_warning: bool,
    /// `eval_info`: there must be an info.
    pub(super) any_info: bool,
    /// The answer.
    pub(super) expected: Expected,
    /// Whether an instant query may be repeated as a range query.
    pub(super) also_as_range: bool,
}

/// The expected answer.
#[derive(Debug, Default)]
pub(super) struct Expected {
    /// A scalar.
    pub(super) scalar: Option<f64>,
    /// A string.
    pub(super) string: Option<Vec<u8>>,
    /// Series, each label set once.
    pub(super) series: Vec<ExpectedSeries>,
}

/// An expected series.
#[derive(Debug)]
pub(super) struct ExpectedSeries {
    pub(super) labels: Labels,
    /// Place in an ordered vector, from 1.
    pub(super) place: usize,
    pub(super) values: Vec<SequenceValue>,
}

/// What an `expect` line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    Ordered,
    Fail,
    Warn,
    NoWarn,
    Info,
    NoInfo,
}

/// An `expect` line.
#[derive(Debug)]
pub(super) struct Expect {
    pub(super) about: About,
    pub(super) text: ExpectedText,
}

/// A text that is expected.
#[derive(Debug)]
pub(super) enum ExpectedText {
    Any,
    Exactly(String),
    Matching(Box<Regex>, String),
}

impl ExpectedText {
    /// Whether `text` is as expected.
    pub(super) fn accepts(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exactly(expected) => expected == text,
            Self::Matching(regex, _) => regex.is_match(text),
        }
    }
}

impl std::fmt::Display for ExpectedText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Any => f.write_str("anything"),
            Self::Exactly(text) => write!(f, "{text:?}"),
            Self::Matching(_, pattern) => write!(f, "a match of {pattern:?}"),
        }
    }
}

impl Eval {
    /// Parses the command; returns how many lines of `body` belong to it. Errors come with the line's
    /// distance from the first.
    pub(super) fn parse(first: &str, body: &[&str]) -> Result<(Self, usize), (usize, String)> {
        let mut eval = Self::parse_first(first).map_err(|error| (0, error))?;
        parse(&eval.expr, &ParserOptions::ALL).map_err(|error| (0, error.to_string()))?;
        let mut place = 0;
        for (i, line) in body.iter().enumerate() {
            match eval.parse_line(line, &mut place).map_err(|error| (i + 1, error))? {
                Next::Line => {}
                Next::Command => return Ok((eval, i + 1)),
            }
        }
        Ok((eval, body.len()))
    }

    fn parse_first(first: &str) -> Result<Self, String> {
        let (modifier, instant, times, expr) = if let Some(groups) = INSTANT.groups(first) {
            let at = millis(groups[1])
                .map_err(|error| format!("invalid timestamp definition {:?}: {error}", groups[1]))?;
            (groups[0], Some(at), Times { start: at, end: 0, step: 0 }, groups[2])
        } else if let Some(groups) = RANGE.groups(first) {
            (groups[0], None, times(groups[1], groups[2], groups[3])?, groups[4])
        } else {
            return Err(
                "invalid evaluation command. Must be either 'eval[_fail|_warn|_ordered] instant [at \
                 <offset:duration>] <query>' or 'eval[_fail|_warn] range from <from> to <to> step <step> <query>'"
                    .to_owned(),
            );
        };
        let mut eval = Self {
            expr: expr.to_owned(),
            instant,
            times,
            expects: Vec::new(),
            any_warning: modifier == "warn",
            any_info: modifier == "info",
            expected: Expected::default(),
            also_as_range: true,
        };
        match modifier {
            "ordered" => eval.expects.push(Expect { about: About::Ordered, text: ExpectedText::Any }),
            "fail" => eval.expects.push(Expect { about: About::Fail, text: ExpectedText::Any }),
            _ => {}
        }
        Ok(eval)
    }

    fn parse_line(&mut self, line: &str, place: &mut usize) -> Result<Next, String> {
        if self.fails() {
            if let Some(message) = line.strip_prefix("expected_fail_message") {
                let text = ExpectedText::Exactly(message.trim().to_owned());
                self.expects.push(Expect { about: About::Fail, text });
                return Ok(Next::Command);
            }
            if let Some(pattern) = line.strip_prefix("expected_fail_regexp") {
                self.expects.push(Expect { about: About::Fail, text: matching(pattern)? });
                return Ok(Next::Command);
            }
        }
        if line.starts_with("expect range vector") {
            let invalid = || format!("invalid range vector definition {line:?}");
            let groups = RANGE_VECTOR.groups(line).ok_or_else(invalid)?;
            self.times = times(groups[0], groups[1], groups[2])?;
            self.instant = self.instant.map(|_| self.times.end);
            self.also_as_range = false;
            *place += 1;
            return Ok(Next::Line);
        }
        if let Some(string) = line.strip_prefix("expect string") {
            self.expected.string = Some(unquoted(string)?);
            self.also_as_range = false;
            *place += 1;
            return Ok(Next::Line);
        }
        // A metric of this name has to be written as `expect{}`.
        if line.split(' ').next() == Some("expect") {
            self.parse_expect(line)?;
            return Ok(Next::Line);
        }
        if let Some(number) = number(line) {
            self.expected.scalar = Some(number);
            self.expected.series.clear();
            return Ok(Next::Command);
        }
        *place += 1;
        self.parse_series(line, *place)?;
        Ok(Next::Line)
    }

    fn parse_series(&mut self, line: &str, place: usize) -> Result<(), String> {
        let series = parse_series(line)?;
        if series.values.len() > 1 && self.instant.is_some() && self.times.step == 0 {
            return Err(
                "expecting multiple values in instant evaluation not allowed. consider using 'expect \
                        range vector' directive to enable a range vector result for an instant query"
                    .to_owned(),
            );
        }
        self.expected.scalar = None;
        self.expected.series.retain(|other| other.labels != series.labels);
        self.expected.series.push(ExpectedSeries { labels: series.labels, place, values: series.values });
        Ok(())
    }

    fn parse_expect(&mut self, line: &str) -> Result<(), String> {
        let groups = EXPECT
            .groups(line)
            .ok_or("invalid expect statement, must match `expect <type> <match_type>: <string>` format")?;
        let about = match groups[0] {
            "ordered" => About::Ordered,
            "fail" => About::Fail,
            "warn" => About::Warn,
            "no_warn" => About::NoWarn,
            "info" => About::Info,
            _ => About::NoInfo,
        };
        let text = match groups[1] {
            "msg" => ExpectedText::Exactly(groups[2].trim().to_owned()),
            "regex" => matching(groups[2])?,
            _ => ExpectedText::Any,
        };
        self.expects.push(Expect { about, text });
        if self.about(About::Info).next().is_some() && self.about(About::NoInfo).next().is_some() {
            return Err("invalid expect lines, info and no_info cannot be used together".to_owned());
        }
        if self.about(About::Warn).next().is_some() && self.about(About::NoWarn).next().is_some() {
            return Err("invalid expect lines, warn and no_warn cannot be used together".to_owned());
        }
        if self.about(About::Fail).count() > 1 {
            return Err("invalid expect lines, multiple expect fail lines are not allowed".to_owned());
        }
        Ok(())
    }

    /// The expectations of one kind.
    pub(super) fn about(&self, about: About) -> impl Iterator<Item = &ExpectedText> {
        self.expects.iter().filter(move |expect| expect.about == about).map(|expect| &expect.text)
    }

    /// Whether the query should fail.
    pub(super) fn fails(&self) -> bool {
        self.about(About::Fail).next().is_some()
    }

    /// Whether the order of elements matters.
    pub(super) fn is_ordered(&self) -> bool {
        self.about(About::Ordered).next().is_some()
    }
}

/// Where the next line belongs.
enum Next {
    Line,
    Command,
}

fn times(from: &str, to: &str, step: &str) -> Result<Times, String> {
    let start =
        millis(from).map_err(|error| format!("invalid start timestamp definition {from:?}: {error}"))?;
    let end = millis(to).map_err(|error| format!("invalid end timestamp definition {to:?}: {error}"))?;
    if end < start {
        return Err(format!(
            "invalid test definition, end timestamp ({to}) is before start timestamp ({from})"
        ));
    }
    let step = millis(step).map_err(|error| format!("invalid step definition {step:?}: {error}"))?;
    Ok(Times { start, end, step })
}

fn matching(pattern: &str) -> Result<ExpectedText, String> {
    let pattern = pattern.trim();
    let regex = Regex::new(pattern).map_err(|_| format!("invalid regex {pattern}"))?;
    Ok(ExpectedText::Matching(Box::new(regex), pattern.to_owned()))
}

/// The string after `expect string`.
fn unquoted(text: &str) -> Result<Vec<u8>, String> {
    let invalid =
        || "expected string literal not valid - check that the string is correctly quoted".to_owned();
    let Some(quoted) = text.strip_prefix(' ').filter(|quoted| !quoted.is_empty()) else {
        return Err("expected string literal not valid - a quoted string literal is required".to_owned());
    };
    // A PromQL string literal has the same syntax as Go's, but for single quotes around more than one rune.
    match parse(quoted, &ParserOptions::default()) {
        Ok(crate::lang::promql::Expr::String(string)) => Ok(string.value.into_vec()),
        _ => Err(invalid()),
    }
}

/// A number, as Go's `ParseInt` with any base, else `ParseFloat`, reads it.
fn number(text: &str) -> Option<f64> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (-1.0, &text[1..]),
        b'+' => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    let lower = digits.to_ascii_lowercase();
    if let Some(hex) = lower.strip_prefix("0x") {
        return i64::from_str_radix(hex, 16).ok().map(|value| sign * value as f64);
    }
    match lower.as_str() {
        "inf" | "infinity" => return Some(sign * f64::INFINITY),
        "nan" => return Some(f64::NAN),
        _ => {}
    }
    let is_number = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    (is_number && word(digits) == digits)
        .then(|| digits.parse::<f64>().ok())
        .flatten()
        .map(|value| sign * value)
}
