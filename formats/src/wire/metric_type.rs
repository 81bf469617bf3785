//! Metric types, as numbers of remote write and as words of the text format.

/// What a metric is, as its exporter declares it.
///
/// Remote write 1.0 and 2.0 number the types alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[repr(u8)]
pub enum MetricType {
    /// Not declared, or a type that came after this code.
    #[default]
    Unknown = 0,
    /// Grows until it is reset.
    Counter = 1,
    /// Goes up and down.
    Gauge = 2,
    /// Counts observations by bucket.
    Histogram = 3,
    /// A histogram whose counts can also shrink.
    GaugeHistogram = 4,
    /// Quantiles that the exporter computed.
    Summary = 5,
    /// Constant 1; the labels are what matters.
    Info = 6,
    /// One series per state, 1 for the present one.
    StateSet = 7,
}

impl MetricType {
    /// All types, in the order of their numbers.
    pub const ALL: [Self; 8] = [
        Self::Unknown,
        Self::Counter,
        Self::Gauge,
        Self::Histogram,
        Self::GaugeHistogram,
        Self::Summary,
        Self::Info,
        Self::StateSet,
    ];

    /// The type with the number `number`; [`MetricType::Unknown`] when there is none.
    #[must_use]
    pub fn from_number(number: u64) -> Self {
        usize::try_from(number).ok().and_then(|i| Self::ALL.get(i).copied()).unwrap_or_default()
    }

    /// The number of remote write.
    #[must_use]
    pub const fn number(self) -> u64 {
        self as u64
    }

    /// The word of the text format and of the metadata API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::GaugeHistogram => "gaugehistogram",
            Self::Summary => "summary",
            Self::Info => "info",
            Self::StateSet => "stateset",
        }
    }

    /// The type that `word` names. The older text format says `untyped` for [`MetricType::Unknown`].
    #[must_use]
    pub fn from_word(word: &[u8]) -> Option<Self> {
        if word == b"untyped" {
            return Some(Self::Unknown);
        }
        Self::ALL.into_iter().find(|metric_type| metric_type.as_str().as_bytes() == word)
    }
}
