//! Series descriptions of test scripts: a metric and its values, `up{job="api"} 0+10x5 _ stale`.

use std::sync::Arc;

use kymo_engine::{Labels, stale_nan};
use kymo_formats::histogram::FloatHistogram;

use super::{Parsed, Parser, Stop};
use crate::lang::promql::{BinaryOp, ParseErrors, ParserOptions, UnaryOp, lexer::Lexer, token::TokenKind};

const CONTEXT: &str = "series values";
/// Most values that one description may expand to.
const VALUES_MAX: u64 = 10_000_000;

/// One value of a series at one step.
#[derive(Debug, Clone, PartialEq)]
pub enum SequenceValue {
    /// Nothing is written at this step.
    Omitted,
    /// A float, maybe the stale marker.
    Float(f64),
    /// A native histogram.
    Histogram {
        /// The value.
        histogram: Arc<FloatHistogram>,
        /// Whether its counter reset hint was written. Expectations compare hints only then.
        has_reset_hint: bool,
    },
}

/// A series and its values at successive steps.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesDescription {
    /// Labels, the metric name among them.
    pub labels: Labels,
    /// One value per step.
    pub values: Vec<SequenceValue>,
}

/// Adds the second histogram to the first, or for [`UnaryOp::Minus`] subtracts it.
type Combine<'c> =
    &'c mut dyn FnMut(&FloatHistogram, UnaryOp, &FloatHistogram) -> Result<FloatHistogram, String>;

/// Parses a series description. `combine` computes `{{...}}+{{...}}x3`: arithmetic on histograms is not the
/// parser's business.
///
/// # Errors
/// When `text` is not one, or `combine` fails.
pub fn parse_series_description(text: &str, combine: Combine<'_>) -> Result<SeriesDescription, ParseErrors> {
    let mut parser = Parser::new(text, ParserOptions::default(), Lexer::series)?;
    let parsed = parser.series(combine);
    parser.finish(parsed)
}

impl Parser<'_> {
    fn series(&mut self, combine: Combine<'_>) -> Parsed<SeriesDescription> {
        let labels = self.metric()?;
        if !matches!(self.peek_kind(), TokenKind::Space | TokenKind::Eof) {
            return self.in_context(Err(Stop::Unexpected), CONTEXT, "");
        }
        let mut values = Vec::new();
        while self.accept(TokenKind::Space).is_some() {
            // Upstream knows the context only inside of an item, not of what could not begin one.
            if starts_item(self.peek_kind()) {
                let parsed = self.item(&mut values, combine);
                self.in_context(parsed, CONTEXT, "")?;
            }
        }
        self.expect(TokenKind::Eof)?;
        Ok(SeriesDescription { labels, values })
    }

    fn item(&mut self, values: &mut Vec<SequenceValue>, combine: Combine<'_>) -> Parsed<()> {
        match self.peek_kind() {
            TokenKind::Blank => self.blank_item(values),
            TokenKind::OpenHistogram => self.histogram_item(values, combine),
            _ => self.float_item(values),
        }
    }

    fn blank_item(&mut self, values: &mut Vec<SequenceValue>) -> Parsed<()> {
        self.bump();
        let times = self.repetition()?.unwrap_or(1);
        self.check_count(values, times)?;
        values.extend((0..times).map(|_| SequenceValue::Omitted));
        Ok(())
    }

    fn float_item(&mut self, values: &mut Vec<SequenceValue>) -> Parsed<()> {
        let mut value = self.series_value()?;
        let step = match self.peek_kind() {
            TokenKind::Op(BinaryOp::Add | BinaryOp::Sub) => Some(self.signed_number()?),
            _ => None,
        };
        let times = self.repetition()?;
        if step.is_some() && times.is_none() {
            return Err(Stop::Unexpected);
        }
        let times = times.unwrap_or(0);
        self.check_count(values, times)?;
        values.push(SequenceValue::Float(value));
        for _ in 0..times {
            value = step.map_or(value, |step| value + step);
            values.push(SequenceValue::Float(value));
        }
        Ok(())
    }

    fn series_value(&mut self) -> Parsed<f64> {
        if self.peek_kind() != TokenKind::Identifier {
            return self.signed_number();
        }
        let token = self.bump();
        if self.text_of(token) != "stale" {
            self.unexpected(CONTEXT, "number or \"stale\"");
        }
        Ok(stale_nan())
    }

    fn histogram_item(&mut self, values: &mut Vec<SequenceValue>, combine: Combine<'_>) -> Parsed<()> {
        let mut value = self.histogram()?;
        let op = match self.peek_kind() {
            TokenKind::Op(BinaryOp::Add) => UnaryOp::Plus,
            TokenKind::Op(BinaryOp::Sub) => UnaryOp::Minus,
            _ => {
                let times = self.repetition()?.unwrap_or(0);
                self.check_count(values, times)?;
                let value = value.into_value();
                values.extend((0..=times).map(|_| value.clone()));
                return Ok(());
            }
        };
        self.bump();
        let step = self.histogram()?;
        let times = self.repetition()?.ok_or(Stop::Unexpected)?;
        self.check_count(values, times)?;
        // The hint of the step is what counts, as upstream has it.
        value.has_reset_hint = step.has_reset_hint;
        values.push(value.clone().into_value());
        for _ in 0..times {
            value.histogram = self.step_histogram(&value.histogram, op, &step.histogram, combine)?;
            values.push(value.clone().into_value());
        }
        Ok(())
    }

    fn step_histogram(
        &mut self,
        value: &FloatHistogram,
        op: UnaryOp,
        step: &FloatHistogram,
        combine: &mut dyn FnMut(&FloatHistogram, UnaryOp, &FloatHistogram) -> Result<FloatHistogram, String>,
    ) -> Parsed<FloatHistogram> {
        let combined = if value.schema > step.schema {
            let (from, to) = (step.schema, value.schema);
            Err(format!("error combining histograms: cannot merge from schema {from} to {to}"))
        } else {
            combine(value, op, step)
        };
        combined.map_err(|message| {
            self.error(self.last.span, message);
            Stop::Reported
        })
    }

    /// `x3`, if it follows.
    fn repetition(&mut self) -> Parsed<Option<u64>> {
        if self.accept(TokenKind::Times).is_none() {
            return Ok(None);
        }
        self.unsigned_integer().map(Some)
    }

    /// A number without sign or fraction.
    pub(super) fn unsigned_integer(&mut self) -> Parsed<u64> {
        let token = self.expect(TokenKind::Number)?;
        let text = self.text_of(token);
        let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
        Ok(text.parse().unwrap_or_else(|_| {
            let problem = if is_digits { "value out of range" } else { "invalid syntax" };
            let message = format!(
                "invalid repetition in series values: strconv.ParseUint: parsing \"{text}\": {problem}"
            );
            self.error(token.span, message);
            0
        }))
    }

    fn check_count(&mut self, values: &[SequenceValue], times: u64) -> Parsed<()> {
        if times.saturating_add(values.len() as u64) < VALUES_MAX {
            return Ok(());
        }
        self.error(self.last.span, format!("series has more than {VALUES_MAX} values"));
        Err(Stop::Reported)
    }
}

const fn starts_item(kind: TokenKind) -> bool {
    matches!(
        kind,
        TokenKind::Blank
            | TokenKind::OpenHistogram
            | TokenKind::Identifier
            | TokenKind::Number
            | TokenKind::Duration
            | TokenKind::Op(BinaryOp::Add | BinaryOp::Sub)
    )
}
