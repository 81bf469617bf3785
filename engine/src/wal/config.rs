//! Settings of the write-ahead log.

use std::{fmt, str::FromStr};

use kymo_formats::wal::{FRAME_HEADER_BYTES, PAYLOAD_BYTES_MAX, SEGMENT_HEADER_BYTES};

use super::WalError;

/// When an append counts as safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum WalSync {
    /// Once it is on disk: an acknowledged sample survives a power loss. Written `commit`.
    Commit,
    /// Once the kernel has it, which syncs it after at most so many milliseconds: an acknowledged sample
    /// survives the end of the process, and a power loss but for the last interval. Written `100ms`.
    Interval {
        /// Milliseconds between two syncs, at least 1.
        interval_ms: u64,
    },
}

impl FromStr for WalSync {
    type Err = WalError;

    fn from_str(text: &str) -> Result<Self, WalError> {
        if text == "commit" {
            return Ok(Self::Commit);
        }
        let interval_ms = text.strip_suffix("ms").and_then(|number| number.parse().ok()).filter(|ms| *ms > 0);
        match interval_ms {
            Some(interval_ms) => Ok(Self::Interval { interval_ms }),
            None => Err(WalError::Config {
                field: "sync",
                problem: format!("expected \"commit\" or an interval such as \"100ms\", found {text:?}"),
            }),
        }
    }
}

impl TryFrom<String> for WalSync {
    type Error = WalError;

    fn try_from(text: String) -> Result<Self, WalError> {
        text.parse()
    }
}

impl From<WalSync> for String {
    fn from(sync: WalSync) -> Self {
        sync.to_string()
    }
}

impl fmt::Display for WalSync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Commit => f.write_str("commit"),
            Self::Interval { interval_ms } => write!(f, "{interval_ms}ms"),
        }
    }
}

/// Settings of the write-ahead log.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WalConfig {
    /// `commit`: acknowledge what is on disk. An interval such as `100ms`: acknowledge what the kernel has, and
    /// sync that often.
    pub sync: WalSync,
    /// Size of a segment. Each is allocated in full when it is begun, so that a full disk shows before a write.
    pub segment_bytes: u64,
    /// Segments that are no longer needed and kept to be written over, which is cheaper than new ones.
    pub spare_segments_max: usize,
    /// Bytes held in memory for the next write; requests wait when it would be more.
    pub buffer_bytes_max: u64,
}

impl Default for WalConfig {
    fn default() -> Self {
        Self {
            sync: WalSync::Commit,
            segment_bytes: 64 << 20,
            spare_segments_max: 2,
            buffer_bytes_max: 32 << 20,
        }
    }
}

/// What a segment holds besides frames of its users: its header, and the seal at its end.
pub(super) const OVERHEAD_BYTES: u64 = (SEGMENT_HEADER_BYTES + FRAME_HEADER_BYTES) as u64;
/// Offsets are 32 bits in a [`Lsn`](super::Lsn).
const SEGMENT_BYTES_MAX: u64 = 1 << 30;
const SEGMENT_BYTES_MIN: u64 = 4096;

impl WalConfig {
    /// Checks that the settings make sense.
    ///
    /// # Errors
    /// Names the field that does not.
    pub fn validate(&self) -> Result<(), WalError> {
        let fault = |field, problem: String| Err(WalError::Config { field, problem });
        if !(SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&self.segment_bytes) {
            return fault(
                "segment_bytes",
                format!("{} is not in {SEGMENT_BYTES_MIN}..={SEGMENT_BYTES_MAX}", self.segment_bytes),
            );
        }
        if self.sync == (WalSync::Interval { interval_ms: 0 }) {
            return fault("sync", "an interval is at least 1ms".to_owned());
        }
        if self.buffer_bytes_max == 0 {
            return fault("buffer_bytes_max", "must not be 0".to_owned());
        }
        Ok(())
    }

    /// The most bytes of frames, their headers included, that one pin can have.
    #[must_use]
    pub const fn pin_bytes_max(&self) -> u64 {
        let bytes = self.segment_bytes.saturating_sub(OVERHEAD_BYTES);
        // All of it may become one frame.
        let frame_bytes_max = (FRAME_HEADER_BYTES + PAYLOAD_BYTES_MAX) as u64;
        if bytes < frame_bytes_max { bytes } else { frame_bytes_max }
    }
}
