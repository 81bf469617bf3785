//! Writes a page.

use std::fmt::Write as _;

use crate::wire::MetricType;

/// Appends the lines of a page to a string. The caller keeps the order: help and type of a family, then
/// all of its samples.
#[derive(Debug)]
pub struct TextWriter<'b> {
    page: &'b mut String,
}

impl<'b> TextWriter<'b> {
    /// A writer that appends to `page`.
    pub const fn new(page: &'b mut String) -> Self {
        Self { page }
    }

    /// Appends the help text of a family.
    pub fn help(&mut self, family: &str, help: &str) -> &mut Self {
        self.page.push_str("# HELP ");
        self.page.push_str(family);
        self.page.push(' ');
        escape(self.page, help, false);
        self.page.push('\n');
        self
    }

    /// Appends the type of a family. This version of the format has no word for the newer types, and says
    /// `untyped` for what is not known.
    pub fn metric_type(&mut self, family: &str, metric_type: MetricType) -> &mut Self {
        let word = match metric_type {
            MetricType::Counter | MetricType::Gauge | MetricType::Histogram | MetricType::Summary => {
                metric_type.as_str()
            }
            MetricType::Info | MetricType::StateSet => MetricType::Gauge.as_str(),
            MetricType::Unknown | MetricType::GaugeHistogram => "untyped",
        };
        for part in ["# TYPE ", family, " ", word, "\n"] {
            self.page.push_str(part);
        }
        self
    }

    /// Appends a sample. A name that the format cannot hold as it is, is quoted.
    pub fn sample<'l>(
        &mut self,
        name: &str,
        labels: impl IntoIterator<Item = (&'l str, &'l str)>,
        value: f64,
        ts: Option<i64>,
    ) -> &mut Self {
        push_series(self.page, name, labels);
        self.page.push(' ');
        format_float(self.page, value);
        if let Some(ts) = ts {
            write!(self.page, " {ts}").expect("writing to a string does not fail");
        }
        self.page.push('\n');
        self
    }
}

/// Appends name and labels of a series. A name that the format cannot hold as it is, is quoted.
pub(super) fn push_series<'l>(
    page: &mut String,
    name: &str,
    labels: impl IntoIterator<Item = (&'l str, &'l str)>,
) {
    let mut separator = "{";
    if is_plain(name, true) {
        page.push_str(name);
    } else {
        page.push_str(separator);
        quoted(page, name);
        separator = ",";
    }
    for (label, value) in labels {
        page.push_str(separator);
        separator = ",";
        if is_plain(label, false) {
            page.push_str(label);
        } else {
            quoted(page, label);
        }
        page.push('=');
        quoted(page, value);
    }
    if separator == "," {
        page.push('}');
    }
}

/// Appends the name of a family.
pub(super) fn push_family(page: &mut String, family: &str) {
    if is_plain(family, true) {
        page.push_str(family);
    } else {
        quoted(page, family);
    }
}

fn quoted(page: &mut String, text: &str) {
    page.push('"');
    escape(page, text, true);
    page.push('"');
}

fn is_plain(name: &str, colons: bool) -> bool {
    super::labels::plain_name(name.as_bytes(), colons).is_some_and(|(_, rest)| rest.is_empty())
}

pub(super) fn escape(page: &mut String, text: &str, quotes: bool) {
    for char in text.chars() {
        match char {
            '\\' => page.push_str("\\\\"),
            '\n' => page.push_str("\\n"),
            '"' if quotes => page.push_str("\\\""),
            _ => page.push(char),
        }
    }
}

/// Appends `value` with the fewest digits that read back as the same number, as Go writes numbers into
/// JSON: an exponent below 1e-4 and from 1e+21 on. Go's own pages start with exponents at 1e+06; scrapers
/// read both alike.
pub fn format_float(page: &mut String, value: f64) {
    if value.is_nan() {
        page.push_str("NaN");
    } else if value.is_infinite() {
        page.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
    } else if value != 0.0 && !(1e-4..1e21).contains(&value.abs()) {
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
        write!(page, "{digits}e{sign}{exponent:0>2}").expect("writing to a string does not fail");
    } else {
        write!(page, "{value}").expect("writing to a string does not fail");
    }
}
