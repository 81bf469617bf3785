//! How far it is. On a terminal only: nothing of it is in a log or a pipe.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar on standard error.
#[derive(Debug)]
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// A bar of `total` things called `what`; one without an end if there is no total.
    pub(super) fn new(total: Option<u64>, what: &str) -> Self {
        let (bar, shape) = match total {
            Some(total) => (ProgressBar::new(total), "{bar:30} {pos}/{len}"),
            None => (ProgressBar::new_spinner(), "{spinner} {pos}"),
        };
        let template = format!("{shape} {what}, {{msg}} ({{elapsed}})");
        // The template is one of two, and both are right.
        Self(bar.with_style(ProgressStyle::with_template(&template).unwrap_or(ProgressStyle::default_bar())))
    }

    /// `done` things are done, and `samples` samples.
    pub(super) fn show(&self, done: u64, samples: u64) {
        if !self.0.is_hidden() {
            self.0.set_position(done);
            self.0.set_message(format!("{samples} samples"));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
