//! What the sender is told about rows that were not stored.

use std::fmt;

/// Most reasons that an answer spells out: a request can hold millions of wrong rows.
const REASONS_MAX: usize = 20;
/// Most bytes of one reason: it names the series, whose labels can be as large as the request.
const REASON_BYTES_MAX: usize = 1024;

/// Reasons why rows were not stored, in the order of the rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Report {
    reasons: Vec<String>,
    omitted: u64,
}

impl Report {
    /// Adds one reason. It is only printed when there is room for it.
    pub(crate) fn add(&mut self, reason: impl fmt::Display) {
        if self.reasons.len() == REASONS_MAX {
            self.omitted += 1;
            return;
        }
        let mut text = reason.to_string();
        if text.len() > REASON_BYTES_MAX {
            text.truncate(text.floor_char_boundary(REASON_BYTES_MAX));
            text.push_str("...");
        }
        self.reasons.push(text);
    }

    /// Counts reasons that nobody has written down.
    pub(crate) fn omit(&mut self, count: u64) {
        self.omitted += count;
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.reasons.is_empty()
    }
}

/// One reason per line.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reasons.join("\n"))?;
        if self.omitted > 0 {
            write!(f, "\nand {} more", self.omitted)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_bounded() {
        let mut report = Report::default();
        assert!(report.is_empty());
        report.add("ä".repeat(100_000));
        for i in 0..1000 {
            report.add(i);
        }
        let text = report.to_string();
        assert!(text.len() < REASON_BYTES_MAX + 500, "{}", text.len());
        assert!(text.ends_with("\n18\nand 981 more"), "{text}");
    }
}
