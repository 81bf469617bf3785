//! The chunk files of a block.

use std::path::Path;

use kymo_formats::{
    DecodeError,
    codec::ChunkSamples,
    wire::tsdb::{
        CHUNK_FILE_HEADER_BYTES, ChunkPlace, ChunkRecord, check_chunk_file_header, chunk_record_bytes,
    },
};

use super::ImportError;
use crate::transfer::files::{self, InputFile};

/// Bytes of chunks that are read at once: those of one series follow each other, and so do series.
const WINDOW_BYTES: usize = 1 << 20;
/// Bytes in front of a chunk that tell how long it is.
const LENGTH_BYTES: usize = 10;

/// The files, and what was read of one of them.
pub(super) struct Chunks {
    files: Vec<InputFile>,
    window: Vec<u8>,
    window_file: usize,
    window_start: u64,
}

impl Chunks {
    /// Opens all files of the folder `dir`.
    pub(super) fn open(dir: &Path) -> Result<Self, ImportError> {
        let mut opened = Vec::new();
        for path in files::list(dir)? {
            // Others lie beside them while Prometheus writes, and mean nothing.
            let is_number = path.file_name().and_then(|name| name.to_str()?.parse::<u64>().ok()).is_some();
            if !is_number {
                continue;
            }
            let file = InputFile::open(&path)?;
            check_chunk_file_header(&file.read_at(0, CHUNK_FILE_HEADER_BYTES)?)
                .map_err(|source| ImportError::Damaged { path, base: 0, source })?;
            opened.push(file);
        }
        Ok(Self { files: opened, window: Vec::new(), window_file: usize::MAX, window_start: 0 })
    }

    /// Appends the samples of the chunk at `place` to `samples`. `index` is the file that names the place.
    pub(super) fn read(
        &mut self,
        place: &ChunkPlace,
        index: &Path,
        samples: &mut ChunkSamples,
    ) -> Result<(), ImportError> {
        let (file, start) = (place.file as usize, u64::from(place.offset));
        let Some(path) = self.files.get(file).map(|file| file.path.clone()) else {
            let what = format!("names chunk file {}, and there are {}", place.file, self.files.len());
            return Err(ImportError::Foreign { path: index.to_owned(), what });
        };
        let damaged = |source: DecodeError| ImportError::Damaged { path: path.clone(), base: start, source };
        let len = chunk_record_bytes(self.bytes(file, start, LENGTH_BYTES)?).map_err(&damaged)?;
        let record = ChunkRecord::decode(self.bytes(file, start, len)?).map_err(&damaged)?;
        record.samples(samples).map_err(&damaged)
    }

    /// Bytes of a file from `start` on, as many as wanted or as there are.
    fn bytes(&mut self, file: usize, start: u64, wanted: usize) -> Result<&[u8], ImportError> {
        let Some(input) = self.files.get(file) else { return Ok(&[]) };
        let end = (start + wanted as u64).min(input.len());
        let window_end = self.window_start + self.window.len() as u64;
        if self.window_file != file || start < self.window_start || end > window_end {
            self.window = input.read_at(start, wanted.max(WINDOW_BYTES))?;
            (self.window_file, self.window_start) = (file, start);
        }
        let from = usize::try_from(start - self.window_start).unwrap_or(usize::MAX);
        let rest = self.window.get(from..).unwrap_or_default();
        Ok(rest.get(..wanted).unwrap_or(rest))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "the operator's side of the test")]

    use kymo_formats::codec::xor;

    use super::*;

    fn chunk_file(ts: i64) -> Vec<u8> {
        let mut file = vec![0x85, 0xbd, 0x40, 0xdd, 1, 0, 0, 0];
        let data = xor::encode([(ts, 1.0)]);
        file.push(u8::try_from(data.len()).unwrap());
        let start = file.len();
        file.push(1);
        file.extend(data);
        let checksum = crc32c::crc32c(&file[start..]);
        file.extend(checksum.to_be_bytes());
        file
    }

    /// A gigabyte of chunks and more has several files, which promtool never makes in a test.
    #[test]
    fn a_place_names_its_file_by_number() {
        let dir = tempfile::tempdir().unwrap();
        for (name, ts) in [("000002", 20), ("000001", 10), ("000003", 30)] {
            std::fs::write(dir.path().join(name), chunk_file(ts)).unwrap();
        }
        std::fs::write(dir.path().join("something.tmp"), b"?").unwrap();
        let mut chunks = Chunks::open(dir.path()).unwrap();
        let mut read = |file| {
            let mut samples = ChunkSamples::default();
            let place = ChunkPlace { min_ts: 0, max_ts: 0, file, offset: 8 };
            chunks.read(&place, Path::new("index"), &mut samples).map(|()| samples.ts)
        };
        for (file, ts) in [(1, 20), (0, 10), (2, 30), (0, 10)] {
            assert_eq!(read(file).unwrap(), [ts]);
        }
        assert!(read(3).unwrap_err().to_string().contains("names chunk file 3, and there are 3"));
    }
}
