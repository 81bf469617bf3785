//! Compares annotations and errors with what is expected.

use super::eval::{About, Eval, ExpectedText};
use crate::{Error, QueryResult};

impl Eval {
    /// Whether the error is one that is expected.
    pub(super) fn check_error(&self, error: &Error) -> Result<(), String> {
        let text = error.to_string();
        if !self.fails() {
            return Err(format!("error evaluating query: {text}"));
        }
        match self.about(About::Fail).find(|expected| !expected.accepts(&text)) {
            Some(expected) => Err(format!("expected error {expected}, but got: {text}")),
            None => Ok(()),
        }
    }

    /// Whether the annotations are those that are expected.
    pub(super) fn check_annotations(&self, result: &QueryResult) -> Result<(), String> {
        if self.any_warning && result.warnings.is_empty() {
            return Err("expected warnings but got none".to_owned());
        }
        if self.any_info && result.infos.is_empty() {
            return Err("expected info annotations but got none".to_owned());
        }
        check_texts(&self.about(About::Warn).collect::<Vec<_>>(), &result.warnings, "warn")?;
        check_texts(&self.about(About::Info).collect::<Vec<_>>(), &result.infos, "info")?;
        if self.about(About::NoWarn).next().is_some() && !result.warnings.is_empty() {
            return Err(format!("unexpected warning annotations: {:?}", result.warnings));
        }
        if self.about(About::NoInfo).next().is_some() && !result.infos.is_empty() {
            return Err(format!("unexpected info annotations: {:?}", result.infos));
        }
        Ok(())
    }
}

/// Each expected text must be there, and each text must be expected. Nothing is checked when nothing is
/// expected.
fn check_texts(expected: &[&ExpectedText], actual: &[String], kind: &str) -> Result<(), String> {
    if expected.is_empty() {
        return Ok(());
    }
    if actual.is_empty() {
        return Err(format!("expected {kind} annotations but none were found"));
    }
    if let Some(missing) = expected.iter().find(|text| !actual.iter().any(|actual| text.accepts(actual))) {
        return Err(format!("expected {kind} annotation {missing}, found: {actual:?}"));
    }
    match actual.iter().find(|actual| !expected.iter().any(|text| text.accepts(actual))) {
        Some(unexpected) => Err(format!("unexpected {kind} annotation {unexpected:?}")),
        None => Ok(()),
    }
}
