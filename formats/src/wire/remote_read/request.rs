//! `prometheus.ReadRequest`.

use crate::{
    DecodeError,
    wire::protobuf::{
        Field, Reader, put_bool, put_bytes, put_message, put_repeated_bytes, put_signed, put_unsigned,
    },
};

/// What a client wants to read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReadRequest<'a> {
    /// The queries, each answered on its own.
    pub queries: Vec<Query<'a>>,
    /// Forms of answer that the client takes, the best first; forms not known here are left out.
    pub accepted_response_types: Vec<ResponseType>,
}

/// A form of answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResponseType {
    /// [`super::ReadResponse`]: decoded samples in one message.
    Samples,
    /// [`super::ChunkedFrames`]: encoded chunks in a stream.
    StreamedXorChunks,
}

/// Series and times that are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query<'a> {
    /// First time, milliseconds, included.
    pub start_ms: i64,
    /// Last time, milliseconds, included.
    pub end_ms: i64,
    /// All of them must match.
    pub matchers: Vec<Matcher<'a>>,
    /// What the client is going to do with the samples, if it says so.
    pub hints: Option<Hints<'a>>,
}

/// One condition on a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Matcher<'a> {
    /// How the value is compared.
    pub match_type: MatchType,
    /// Name of the label.
    pub name: &'a [u8],
    /// Value or regular expression.
    pub value: &'a [u8],
}

/// How a label's value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MatchType {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Regex,
    /// `!~`
    NotRegex,
}

/// What a client is going to do with the samples. An answer may make use of it but need not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hints<'a> {
    /// Step of the query, milliseconds.
    pub step_ms: i64,
    /// Name of the function or aggregation around the selector.
    pub func: &'a [u8],
    /// First time that is needed, milliseconds.
    pub start_ms: i64,
    /// Last time that is needed, milliseconds.
    pub end_ms: i64,
    /// Labels of the aggregation.
    pub grouping: Vec<&'a [u8]>,
    /// Whether the aggregation is `by` the labels, not `without` them.
    pub by: bool,
    /// Range of the selector, milliseconds.
    pub range_ms: i64,
}

impl<'a> ReadRequest<'a> {
    /// Decodes the uncompressed request `bytes`.
    ///
    /// # Errors
    /// When the bytes are not such a message, or a matcher has a type that is not known.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let mut request = Self::default();
        while let Some(field) = reader.field()? {
            match field.number {
                1 => request.queries.push(Query::decode(field.message("query")?)?),
                2 => field.each_varint("response type", |number| {
                    // A form wanted twice is wanted once; this also bounds the list.
                    if let Some(form) = ResponseType::from_number(number)
                        && !request.accepted_response_types.contains(&form)
                    {
                        request.accepted_response_types.push(form);
                    }
                })?,
                _ => {}
            }
        }
        Ok(request)
    }

    /// Appends the request to `buf`.
    pub fn encode(&self, buf: &mut Vec<u8>) {
        for query in &self.queries {
            put_message(buf, 1, |buf| query.encode(buf));
        }
        for form in &self.accepted_response_types {
            // Written out even when it is zero: an element of a list.
            buf.extend_from_slice(&[2 << 3, form.number()]);
        }
    }
}

impl ResponseType {
    const fn from_number(number: u64) -> Option<Self> {
        match number {
            0 => Some(Self::Samples),
            1 => Some(Self::StreamedXorChunks),
            _ => None,
        }
    }

    const fn number(self) -> u8 {
        match self {
            Self::Samples => 0,
            Self::StreamedXorChunks => 1,
        }
    }
}

impl<'a> Query<'a> {
    fn decode(mut reader: Reader<'a>) -> Result<Self, DecodeError> {
        let mut query = Self::default();
        while let Some(field) = reader.field()? {
            match field.number {
                1 => query.start_ms = field.signed("query start")?,
                2 => query.end_ms = field.signed("query end")?,
                3 => query.matchers.push(Matcher::decode(&field)?),
                4 => query.hints.get_or_insert_default().merge(field.message("hints")?)?,
                _ => {}
            }
        }
        Ok(query)
    }

    fn encode(&self, buf: &mut Vec<u8>) {
        put_signed(buf, 1, self.start_ms);
        put_signed(buf, 2, self.end_ms);
        for matcher in &self.matchers {
            put_message(buf, 3, |buf| {
                put_unsigned(buf, 1, matcher.match_type.number());
                put_bytes(buf, 2, matcher.name);
                put_bytes(buf, 3, matcher.value);
            });
        }
        if let Some(hints) = &self.hints {
            put_message(buf, 4, |buf| hints.encode(buf));
        }
    }
}

impl<'a> Matcher<'a> {
    fn decode(field: &Field<'a>) -> Result<Self, DecodeError> {
        let mut reader = field.message("matcher")?;
        let mut matcher = Self { match_type: MatchType::Equal, name: &[], value: &[] };
        while let Some(field) = reader.field()? {
            match field.number {
                1 => {
                    let number = field.varint("matcher type")?;
                    // To guess here would answer with other series than were asked for.
                    matcher.match_type =
                        MatchType::from_number(number).ok_or_else(|| reader.error("matcher type"))?;
                }
                2 => matcher.name = field.bytes("matcher name")?,
                3 => matcher.value = field.bytes("matcher value")?,
                _ => {}
            }
        }
        Ok(matcher)
    }
}

impl MatchType {
    const fn from_number(number: u64) -> Option<Self> {
        match number {
            0 => Some(Self::Equal),
            1 => Some(Self::NotEqual),
            2 => Some(Self::Regex),
            3 => Some(Self::NotRegex),
            _ => None,
        }
    }

    const fn number(self) -> u64 {
        match self {
            Self::Equal => 0,
            Self::NotEqual => 1,
            Self::Regex => 2,
            Self::NotRegex => 3,
        }
    }
}

impl<'a> Hints<'a> {
    fn merge(&mut self, mut reader: Reader<'a>) -> Result<(), DecodeError> {
        while let Some(field) = reader.field()? {
            match field.number {
                1 => self.step_ms = field.signed("hint step")?,
                2 => self.func = field.bytes("hint function")?,
                3 => self.start_ms = field.signed("hint start")?,
                4 => self.end_ms = field.signed("hint end")?,
                5 => self.grouping.push(field.bytes("hint label")?),
                6 => self.by = field.varint("hint by")? != 0,
                7 => self.range_ms = field.signed("hint range")?,
                _ => {}
            }
        }
        Ok(())
    }

    fn encode(&self, buf: &mut Vec<u8>) {
        put_signed(buf, 1, self.step_ms);
        put_bytes(buf, 2, self.func);
        put_signed(buf, 3, self.start_ms);
        put_signed(buf, 4, self.end_ms);
        for label in &self.grouping {
            put_repeated_bytes(buf, 5, label);
        }
        put_bool(buf, 6, self.by);
        put_signed(buf, 7, self.range_ms);
    }
}
