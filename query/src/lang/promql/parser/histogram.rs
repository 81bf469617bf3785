//! Histogram literals: `{{schema:1 sum:5 count:4 buckets:[1 2 1]}}`.

use std::sync::Arc;

use kymo_formats::histogram::{FloatHistogram, ResetHint, Span as BucketSpan};

use super::{Parsed, Parser, SequenceValue, Stop};
use crate::lang::{
    Span,
    promql::{
        BinaryOp,
        token::{HistogramKey, ResetHintWord, TokenKind},
    },
};

const EXPECTED: &str = "histogram description key, e.g. buckets:[5 10 7]";

/// A histogram, and whether its reset hint was written.
#[derive(Debug, Clone, Default)]
pub(super) struct HistogramLiteral {
    pub(super) histogram: FloatHistogram,
    pub(super) has_reset_hint: bool,
}

impl HistogramLiteral {
    pub(super) fn into_value(self) -> SequenceValue {
        SequenceValue::Histogram { histogram: Arc::new(self.histogram), has_reset_hint: self.has_reset_hint }
    }
}

/// A literal being read.
#[derive(Default)]
struct Builder {
    literal: HistogramLiteral,
    offset: i32,
    negative_offset: i32,
    seen: Vec<HistogramKey>,
}

impl Builder {
    fn finish(mut self) -> HistogramLiteral {
        let histogram = &mut self.literal.histogram;
        histogram.positive_spans = spans(self.offset, &histogram.positive_buckets);
        histogram.negative_spans = spans(self.negative_offset, &histogram.negative_buckets);
        self.literal
    }
}

impl Parser<'_> {
    /// A literal whose opening braces are the next token.
    pub(super) fn histogram(&mut self) -> Parsed<HistogramLiteral> {
        self.expect(TokenKind::OpenHistogram)?;
        let mut builder = Builder::default();
        // Space is allowed in an empty literal and behind the last key, not before the first.
        if self.accept(TokenKind::Space).is_some() && self.peek_kind() != TokenKind::CloseHistogram {
            return Err(Stop::Unexpected);
        }
        while self.accept(TokenKind::CloseHistogram).is_none() {
            let parsed = self.histogram_entry(&mut builder);
            // Upstream knows the context only behind a first item.
            if builder.seen.is_empty() {
                parsed?;
            } else {
                self.in_context(parsed, "histogram description", EXPECTED)?;
            }
        }
        Ok(builder.finish())
    }

    /// One key with its value, and the space behind it.
    fn histogram_entry(&mut self, builder: &mut Builder) -> Parsed<()> {
        let TokenKind::HistogramKey(key) = self.peek_kind() else { return Err(Stop::Unexpected) };
        self.bump();
        self.expect(TokenKind::Colon)?;
        if builder.seen.contains(&key) {
            let message = format!("duplicate key \"{}\" in histogram", key.as_str());
            self.histogram_field(key, &mut Builder::default())?;
            self.error(Span::default(), message);
        } else {
            self.histogram_field(key, builder)?;
            builder.seen.push(key);
        }
        let is_last = self.accept(TokenKind::Space).is_none();
        if is_last && self.peek_kind() != TokenKind::CloseHistogram { Err(Stop::Unexpected) } else { Ok(()) }
    }

    fn histogram_field(&mut self, key: HistogramKey, builder: &mut Builder) -> Parsed<()> {
        let histogram = &mut builder.literal.histogram;
        match key {
            HistogramKey::Schema => histogram.schema = self.bucket_index()?,
            HistogramKey::Sum => histogram.sum = self.signed_number()?,
            HistogramKey::Count => histogram.count = self.signed_number()?,
            HistogramKey::ZeroBucket => histogram.zero_count = self.signed_number()?,
            HistogramKey::ZeroBucketWidth => histogram.zero_threshold = self.unsigned_number()?,
            HistogramKey::CustomValues => histogram.custom_values = self.bucket_list()?,
            HistogramKey::Buckets => histogram.positive_buckets = self.bucket_list()?,
            HistogramKey::NegativeBuckets => histogram.negative_buckets = self.bucket_list()?,
            HistogramKey::CounterResetHint => {
                histogram.reset_hint = self.reset_hint()?;
                builder.literal.has_reset_hint = true;
            }
            HistogramKey::Offset => builder.offset = self.bucket_index()?,
            HistogramKey::NegativeOffset => builder.negative_offset = self.bucket_index()?,
        }
        Ok(())
    }

    /// An integer with or without a minus; wraps to 32 bits as upstream's conversion does.
    #[expect(clippy::cast_possible_truncation, reason = "wrapping is what upstream does")]
    fn bucket_index(&mut self) -> Parsed<i32> {
        let is_negative = self.accept(TokenKind::Op(BinaryOp::Sub)).is_some();
        let value = self.unsigned_integer()?.cast_signed() as i32;
        Ok(if is_negative { value.wrapping_neg() } else { value })
    }

    fn bucket_list(&mut self) -> Parsed<Vec<f64>> {
        self.expect(TokenKind::LeftBracket)?;
        let mut list = vec![self.signed_number()?];
        loop {
            let has_space = self.accept(TokenKind::Space).is_some();
            if self.accept(TokenKind::RightBracket).is_some() {
                return Ok(list);
            }
            if !has_space {
                return Err(Stop::Unexpected);
            }
            list.push(self.signed_number()?);
        }
    }

    fn reset_hint(&mut self) -> Parsed<ResetHint> {
        let TokenKind::ResetHint(word) = self.peek_kind() else { return Err(Stop::Unexpected) };
        self.bump();
        Ok(match word {
            ResetHintWord::Gauge => ResetHint::Gauge,
            ResetHintWord::NotReset => ResetHint::NotReset,
            ResetHintWord::Reset => ResetHint::Reset,
            ResetHintWord::Unknown => ResetHint::Unknown,
        })
    }
}

/// One run of buckets from `offset` on, or none if there are no buckets.
fn spans(offset: i32, buckets: &[f64]) -> Vec<BucketSpan> {
    let length = u32::try_from(buckets.len()).unwrap_or(u32::MAX);
    if length == 0 { Vec::new() } else { vec![BucketSpan { offset, length }] }
}
