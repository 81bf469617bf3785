//! Writes a page in OpenMetrics' text format, version 1.0.

use std::fmt::Write as _;

use super::writer::{escape, format_float, push_family, push_series};
use crate::wire::MetricType;

/// Digits that are put behind a time until readers that cut off what is less than a millisecond get the right one: from
/// a fifth of a microsecond on.
const NUDGES: [&str; 8] = ["0002", "0005", "001", "002", "005", "01", "02", "05"];

/// Appends the lines of a page to a string. The caller keeps the order: what describes a family, then all of its
/// samples, those of a series together and ascending in time; the end last.
#[derive(Debug)]
pub struct OpenMetricsWriter<'b> {
    page: &'b mut String,
}

impl<'b> OpenMetricsWriter<'b> {
    /// A writer that appends to `page`.
    pub const fn new(page: &'b mut String) -> Self {
        Self { page }
    }

    /// Appends the type of a family.
    pub fn metric_type(&mut self, family: &str, metric_type: MetricType) -> &mut Self {
        self.described("# TYPE ", family).push_str(metric_type.as_str());
        self.page.push('\n');
        self
    }

    /// Appends the unit of a family, whose name must end with it.
    pub fn unit(&mut self, family: &str, unit: &str) -> &mut Self {
        escape(self.described("# UNIT ", family), unit, true);
        self.page.push('\n');
        self
    }

    /// Appends the help text of a family.
    pub fn help(&mut self, family: &str, help: &str) -> &mut Self {
        escape(self.described("# HELP ", family), help, true);
        self.page.push('\n');
        self
    }

    /// Appends samples of one series, times in milliseconds. Each value reads back as the same number; of a NaN, only that
    /// it is one.
    pub fn samples<'l>(
        &mut self,
        name: &str,
        labels: impl IntoIterator<Item = (&'l str, &'l str)>,
        samples: impl IntoIterator<Item = (i64, f64)>,
    ) -> &mut Self {
        let mut series = String::new();
        push_series(&mut series, name, labels);
        series.push(' ');
        for (ts, value) in samples {
            self.page.push_str(&series);
            format_float(self.page, value);
            self.page.push(' ');
            push_seconds(self.page, ts);
            self.page.push('\n');
        }
        self
    }

    /// Appends the end, without which a page counts as cut off.
    pub fn eof(&mut self) {
        self.page.push_str("# EOF\n");
    }

    fn described(&mut self, keyword: &str, family: &str) -> &mut String {
        self.page.push_str(keyword);
        push_family(self.page, family);
        self.page.push(' ');
        self.page
    }
}

/// Appends a time as seconds.
///
/// Prometheus reads it as a float, multiplies by a thousand and cuts off what is behind the point, so that some times
/// would lose a millisecond (1.001 is read as 1 s). Those get a few more digits, far below a millisecond: readers that
/// cut and readers that round then agree.
fn push_seconds(page: &mut String, ts: i64) {
    let (sign, ms) = (if ts < 0 { "-" } else { "" }, ts.unsigned_abs());
    let start = page.len();
    let (seconds, fraction) = (ms / 1_000, ms % 1_000);
    write!(page, "{sign}{seconds}").expect("writing to a string does not fail");
    if fraction == 0 {
        return;
    }
    write!(page, ".{fraction:03}").expect("writing to a string does not fail");
    let plain = page.len();
    let mut nudges = NUDGES.iter();
    while page.get(start..).is_some_and(|text| cut(text) != Some(ts)) {
        page.truncate(plain);
        // Times beyond what a float can tell apart have no digits that help.
        let Some(nudge) = nudges.next() else { return };
        page.push_str(nudge);
    }
}

/// The milliseconds that Prometheus reads in a time.
#[expect(clippy::cast_possible_truncation, reason = "what is cut off is the point")]
fn cut(text: &str) -> Option<i64> {
    text.parse::<f64>().ok().map(|seconds| (seconds * 1_000.0) as i64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::prom_text::{Line, TextParser};

    fn seconds(ts: i64) -> String {
        let mut page = String::new();
        push_seconds(&mut page, ts);
        page
    }

    #[test]
    fn a_page_is_as_the_specification_has_it() {
        let mut page = String::new();
        let mut writer = OpenMetricsWriter::new(&mut page);
        writer
            .metric_type("a_seconds", MetricType::Counter)
            .unit("a_seconds", "seconds")
            .help("a_seconds", "With \\, \"quotes\" and\nnewline.")
            .samples("a_seconds_total", [("b", "x\"y")], [(1_500, 0.1), (2_000, 1e21)])
            .metric_type("c.d", MetricType::Unknown)
            .samples("c.d", [], [(-1, f64::INFINITY)])
            .eof();
        let expected = "# TYPE a_seconds counter\n# UNIT a_seconds seconds\n\
                        # HELP a_seconds With \\\\, \\\"quotes\\\" and\\nnewline.\n\
                        a_seconds_total{b=\"x\\\"y\"} 0.1 1.500\na_seconds_total{b=\"x\\\"y\"} 1e+21 2\n\
                        # TYPE \"c.d\" unknown\n{\"c.d\"} +Inf -0.001\n# EOF\n";
        assert_eq!(page, expected);
    }

    #[test]
    fn times_that_would_be_cut_get_more_digits() {
        assert_eq!(seconds(1_700_000_000_000), "1700000000");
        assert_eq!(seconds(500), "0.500");
        assert_eq!(cut("1.001"), Some(1_000), "the reason for all this is gone");
        assert_eq!(seconds(1_001), "1.0010002");
    }

    proptest! {
        #![proptest_config(crate::test_config::config(concat!(env!("CARGO_MANIFEST_DIR"), "/../proptest-regressions/formats/wire-open-metrics.txt")))]

        #[test]
        fn samples_come_back(ts in -(1_i64 << 43)..1_i64 << 43, bits: u64) {
            let value = f64::from_bits(bits);
            let mut page = String::new();
            OpenMetricsWriter::new(&mut page).samples("m", [("a", "b")], [(ts, value)]).eof();
            let Some(Ok(Line::Sample(sample))) = TextParser::open_metrics(page.as_bytes()).next() else {
                panic!("a sample was written: {page}");
            };
            prop_assert_eq!(sample.ts, Some(ts));
            prop_assert_eq!(cut(&seconds(ts)), Some(ts));
            prop_assert!(sample.value.to_bits() == bits || sample.value.is_nan() && value.is_nan());
        }
    }
}
