//! A running server as a source: remote read in chunks, which any Prometheus answers as well.

use std::{collections::BTreeMap, io::Read};

use kymo_engine::{Labels, MatchOp, Matcher, Metadata};
use kymo_formats::{
    DecodeError,
    codec::{ChunkSamples, Encoding, decode_chunk},
    wire::remote_read::{self, ChunkedFrames, MatchType, Query, ReadRequest, ResponseType},
};
use serde::Deserialize;

use super::{
    ExportError,
    source::{Range, Source, SourceError, Visit},
};
use crate::{
    cli::ServerAddress,
    client::{self, CallError, Caller},
    http::push_seconds,
    promql::Matchers,
};

/// Most bytes of a frame. Servers end one at a megabyte, or behind the chunk that passes it.
const FRAME_BYTES_MAX: u64 = 64 << 20;
const ERROR_BYTES_MAX: u64 = 64 << 10;

/// A server.
#[derive(Debug)]
pub(super) struct Server {
    address: ServerAddress,
    caller: Caller,
}

impl Server {
    pub(super) fn new(address: &ServerAddress) -> Result<Self, SourceError> {
        Ok(Self { address: address.clone(), caller: Caller::new(address)? })
    }
}

/// An entry of the answer of `/metadata`.
#[derive(Debug, Deserialize)]
struct Described {
    #[serde(default)]
    r#type: String,
    #[serde(default)]
    help: String,
    #[serde(default)]
    unit: String,
}

impl Source for Server {
    fn metrics(&self, sets: &[Matchers], range: Range) -> Result<Vec<String>, SourceError> {
        let selector = |set: &Matchers| {
            let matchers: Vec<String> = set.iter().map(ToString::to_string).collect();
            ("match[]", format!("{{{}}}", matchers.join(",")))
        };
        let mut form: client::Form = sets.iter().map(selector).collect();
        for (name, ts, all) in [("start", range.start, Range::ALL.start), ("end", range.end, Range::ALL.end)]
        {
            if ts != all {
                let mut seconds = String::new();
                push_seconds(&mut seconds, ts);
                form.push((name, seconds));
            }
        }
        let answer = client::get::<Vec<String>>(&self.address, "label/__name__/values", form)?;
        if !answer.warnings.is_empty() {
            return Err(SourceError::Damaged { warnings: answer.warnings.join("; ") });
        }
        Ok(answer.data)
    }

    fn metadata(&self) -> Result<BTreeMap<String, Metadata>, SourceError> {
        type Families = BTreeMap<String, Vec<Described>>;
        let families = client::get::<Families>(&self.address, "metadata", Vec::new())?.data;
        let first = |(family, described): (String, Vec<Described>)| {
            let Described { r#type: kind, help, unit } = described.into_iter().next()?;
            Some((family, Metadata { kind, help, unit }))
        };
        Ok(families.into_iter().filter_map(first).collect())
    }

    fn read(&self, matchers: &[Matcher], range: Range, visit: &mut Visit<'_>) -> Result<(), ExportError> {
        let url = client::api_url(&self.address, "read");
        let mut call = self.caller.post(&url);
        for (name, value) in [
            ("content-type", "application/x-protobuf"),
            ("content-encoding", "snappy"),
            ("x-prometheus-remote-read-version", "0.1.0"),
        ] {
            call = call.header(name, value);
        }
        let failed = |source| CallError::Request { url: url.clone(), source: Box::new(source) };
        let mut response = call.send(&request(matchers, range)[..]).map_err(failed)?;
        let status = response.status().as_u16();
        if status != 200 {
            let body = response.body_mut().with_config().limit(ERROR_BYTES_MAX).read_to_string();
            let text = body.unwrap_or_default().trim().to_owned();
            return Err(SourceError::Status { url, status, text }.into());
        }
        let body = response.body_mut().with_config().limit(u64::MAX).reader();
        let mut frames =
            Frames { url: &url, body: std::io::BufReader::new(body), offset: 0, bytes: Vec::new() };
        while frames.advance()? {
            frames.visit(visit)?;
        }
        Ok(())
    }
}

fn request(matchers: &[Matcher], range: Range) -> Vec<u8> {
    let matchers = matchers.iter().map(|matcher| remote_read::Matcher {
        match_type: match matcher.op() {
            MatchOp::Equal => MatchType::Equal,
            MatchOp::NotEqual => MatchType::NotEqual,
            MatchOp::Regex => MatchType::Regex,
            MatchOp::NotRegex => MatchType::NotRegex,
        },
        name: matcher.name(),
        value: matcher.value(),
    });
    let query = Query { start_ms: range.start, end_ms: range.end, matchers: matchers.collect(), hints: None };
    let request =
        ReadRequest { queries: vec![query], accepted_response_types: vec![ResponseType::StreamedXorChunks] };
    let mut message = Vec::new();
    request.encode(&mut message);
    let body = snap::raw::Encoder::new().compress_vec(&message);
    body.expect("a selector is far below the four gigabytes that snappy takes")
}

/// The frames of an answer, one in memory.
struct Frames<'u, R> {
    url: &'u str,
    body: R,
    /// Where the frame in `bytes` begins in the answer.
    offset: u64,
    bytes: Vec<u8>,
}

impl<R: Read> Frames<'_, R> {
    /// Reads the next frame; false at the end.
    fn advance(&mut self) -> Result<bool, SourceError> {
        self.offset += self.bytes.len() as u64;
        self.bytes.clear();
        // The length, as a varint.
        let mut len = 0_u64;
        for shift in (0..64).step_by(7) {
            match self.take(1) {
                // The one place where an answer may end.
                Ok(0) if self.bytes.is_empty() => return Ok(false),
                Ok(1) => {}
                Ok(_) => return Err(self.broken_off(std::io::ErrorKind::UnexpectedEof.into())),
                Err(source) => return Err(self.broken_off(source)),
            }
            let byte = self.bytes.last().copied().unwrap_or_default();
            len |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        if len > FRAME_BYTES_MAX {
            return Err(self.undecodable(DecodeError::new("frame length", 0)));
        }
        // The checksum, and the message.
        match self.take(len + 4) {
            Ok(read) if read == len + 4 => Ok(true),
            Ok(_) => Err(self.broken_off(std::io::ErrorKind::UnexpectedEof.into())),
            Err(source) => Err(self.broken_off(source)),
        }
    }

    fn take(&mut self, len: u64) -> std::io::Result<u64> {
        self.body.by_ref().take(len).read_to_end(&mut self.bytes).map(|read| read as u64)
    }

    /// Visits the series of the frame.
    fn visit(&self, visit: &mut Visit<'_>) -> Result<(), ExportError> {
        for frame in ChunkedFrames::new(&self.bytes) {
            for series in frame.map_err(|error| self.undecodable(error))?.series {
                let mut samples = ChunkSamples::default();
                for chunk in &series.chunks {
                    // Those with start timestamps are numbered alike, and encoded in another way than ours.
                    let encoding =
                        Encoding::from_u8(chunk.encoding as u8).filter(|encoding| !encoding.has_start_ts());
                    let encoding =
                        encoding.ok_or_else(|| self.undecodable(DecodeError::new("chunk encoding", 0)))?;
                    decode_chunk(encoding, chunk.data, &mut samples)
                        .map_err(|error| self.undecodable(error))?;
                }
                visit(&Labels::from_pairs(series.labels()), &samples)?;
            }
        }
        Ok(())
    }

    fn broken_off(&self, source: std::io::Error) -> SourceError {
        SourceError::BrokenOff {
            url: self.url.to_owned(),
            offset: self.offset + self.bytes.len() as u64,
            source,
        }
    }

    fn undecodable(&self, source: DecodeError) -> SourceError {
        SourceError::Decode { url: self.url.to_owned(), offset: self.offset, source }
    }
}
