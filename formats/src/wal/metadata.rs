//! Metadata frames: what senders told about metric families, as `family type help unit`, each with its length.

use crate::{DecodeError, cursor::Reader, varint};

/// Metadata of one family. Text as it was sent, not checked here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetadataRecord<'a> {
    /// Name of the metric family.
    pub family: &'a [u8],
    /// Type, in words.
    pub kind: &'a [u8],
    /// Help text.
    pub help: &'a [u8],
    /// Unit.
    pub unit: &'a [u8],
}

impl<'a> MetadataRecord<'a> {
    fn parts(&self) -> [&'a [u8]; 4] {
        [self.family, self.kind, self.help, self.unit]
    }

    /// Bytes that [`MetadataRecord::encode`] takes at most.
    #[must_use]
    pub fn bytes_max(&self) -> usize {
        self.parts().iter().map(|part| varint::BYTES_MAX + part.len()).sum()
    }

    /// Appends the record to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        for part in self.parts() {
            varint::put(out, part.len() as u64);
            out.extend_from_slice(part);
        }
    }

    /// The records of a payload, in order.
    ///
    /// # Errors
    /// When the payload is not a sequence of whole records.
    pub fn decode_all(payload: &'a [u8]) -> Result<Vec<Self>, DecodeError> {
        let mut reader = Reader::new(payload);
        let mut records = Vec::new();
        while !reader.is_empty() {
            records.push(Self {
                family: reader.prefixed("metric family")?,
                kind: reader.prefixed("metric type")?,
                help: reader.prefixed("metric help")?,
                unit: reader.prefixed("metric unit")?,
            });
        }
        Ok(records)
    }
}
