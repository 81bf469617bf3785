//! How far it is. On a terminal only: nothing of it is in a log or a pipe.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar on standard error.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    unit: &'static str,
}

impl Progress {
    /// A bar of `total` things called `what`, beside which stands how many of `unit` they had; one without an end if there
    /// is no total.
    pub(crate) fn new(total: Option<u64>, what: &str, unit: &'static str) -> Self {
        let (bar, shape) = match total {
            Some(total) => (ProgressBar::new(total), "{bar:30} {pos}/{len}"),
            None => (ProgressBar::new_spinner(), "{spinner} {pos}"),
        };
        let template = format!("{shape} {what}, {{msg}} ({{elapsed}})");
        // The template is one of two, and both are right.
        let style = ProgressStyle::with_template(&template).unwrap_or(ProgressStyle::default_bar());
        Self { bar: bar.with_style(style), unit }
    }

    /// Whether nobody sees it.
    pub(crate) fn is_hidden(&self) -> bool {
        self.bar.is_hidden()
    }

    /// `done` things are done, with `amount` of the unit.
    pub(crate) fn show(&self, done: u64, amount: u64) {
        if !self.is_hidden() {
            self.bar.set_position(done);
            self.bar.set_message(format!("{amount} {}", self.unit));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
