//! What the log tells of a data file, and names of files.

use std::{collections::BTreeMap, fmt};

use kymo_formats::{
    delta::{Add, Remove},
    rollup::table::FileStats,
};

use crate::{env::Rng, model::Millis};

/// Where the files of series lie, beside the directories of partitions. Readers of tables pass over names that begin
/// with an underscore.
const SERIES_DIR: &str = "_series";

const DAY_MS: i64 = 86_400_000;

/// How a table is divided into directories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Partition {
    /// `day=2026-11-26`, in UTC, by the ends of the windows.
    Day,
    /// `month=2026-11`.
    Month,
}

impl Partition {
    /// The column's name.
    #[must_use]
    pub const fn column(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    /// The value of the column for a window that ends at `end`, milliseconds.
    #[must_use]
    pub fn value(self, end: i64) -> String {
        let (year, month, day) = civil_date(end.div_euclid(DAY_MS));
        match self {
            Self::Day => format!("{year:04}-{month:02}-{day:02}"),
            Self::Month => format!("{year:04}-{month:02}"),
        }
    }
}

impl Partition {
    /// The first and the last end of windows of `width_ms` that are in one partition with the window that ends at `end`.
    #[must_use]
    pub fn ends_around(self, end: i64, width_ms: i64) -> (i64, i64) {
        let today = end.div_euclid(DAY_MS);
        let (first, next) = match self {
            Self::Day => (today, today + 1),
            Self::Month => {
                let first = today - (civil_date(today).2 - 1);
                // The 32nd of any month lies in the next one.
                let later = first + 31;
                (first, later - (civil_date(later).2 - 1))
            }
        };
        let up = |ts: i64| kymo_formats::rollup::window_end(ts, width_ms);
        (up(first.saturating_mul(DAY_MS)), up(next.saturating_mul(DAY_MS)).saturating_sub(width_ms))
    }
}

/// Year, month and day of a number of days since 1970-01-01, in the proleptic Gregorian calendar.
///
/// Hinnant, "chrono-Compatible Low-Level Date Algorithms": years begin in March, so that the leap day comes last.
fn civil_date(days: i64) -> (i64, i64, i64) {
    const DAYS_OF_ERA: i64 = 146_097;
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(DAYS_OF_ERA), days.rem_euclid(DAYS_OF_ERA));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// A data file that belongs to a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFileMeta {
    /// Its path in the table.
    pub path: String,
    /// The value of the partition column.
    pub partition: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// When it was written.
    pub created: Millis,
    /// Number of rows.
    pub rows: u64,
    /// Number of series.
    pub series: u64,
    /// End of its first window, milliseconds.
    pub min_end: i64,
    /// End of its last window, milliseconds.
    pub max_end: i64,
    /// Its first metric.
    pub min_metric: Vec<u8>,
    /// Its last metric.
    pub max_metric: Vec<u8>,
    /// Who wrote it.
    pub src: i16,
    /// The name of the policy whose series it holds.
    pub policy: String,
    /// Length of the file of series.
    pub series_bytes: u64,
    /// CRC-32 of the file of series.
    pub series_crc32: u32,
}

impl DataFileMeta {
    /// The path of the file of series beside it.
    #[must_use]
    pub fn series_path(&self) -> String {
        series_path(&self.path)
    }

    /// Whether it may have rows of windows that end in `(from, to]`.
    #[must_use]
    pub const fn overlaps(&self, from: i64, to: i64) -> bool {
        from < self.max_end && self.min_end <= to
    }

    /// What was written to `path`, as `stats` tell it.
    pub(crate) fn of(
        path: String,
        partition: String,
        created: Millis,
        stats: &FileStats,
        by: &Writer,
    ) -> Self {
        Self {
            path,
            partition,
            bytes: stats.data_bytes,
            created,
            rows: stats.rows,
            series: stats.series,
            min_end: stats.min_end,
            max_end: stats.max_end,
            min_metric: stats.min_metric.clone(),
            max_metric: stats.max_metric.clone(),
            src: by.src,
            policy: by.policy.clone(),
            series_bytes: stats.series_bytes,
            series_crc32: stats.series_crc32,
        }
    }

    /// The action that adds it to a table.
    pub(crate) fn to_add(&self, column: Partition, data_change: bool) -> Add {
        let metric = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
        let tags = [
            ("kymo.rows", self.rows.to_string()),
            ("kymo.series", self.series.to_string()),
            ("kymo.min_end_ms", self.min_end.to_string()),
            ("kymo.max_end_ms", self.max_end.to_string()),
            ("kymo.min_metric", hex(&self.min_metric)),
            ("kymo.max_metric", hex(&self.max_metric)),
            ("kymo.src", self.src.to_string()),
            ("kymo.policy", self.policy.clone()),
            ("kymo.series_bytes", self.series_bytes.to_string()),
            ("kymo.series_crc32", format!("{:08x}", self.series_crc32)),
        ];
        let stats = serde_json::json!({
            "numRecords": self.rows,
            "minValues": {"metric": metric(&self.min_metric), "ts": iso_time(self.min_end)},
            "maxValues": {"metric": metric(&self.max_metric), "ts": iso_time(self.max_end)},
            "nullCount": {"ts": 0},
        });
        let partition = (column.column().to_owned(), Some(self.partition.clone()));
        Add {
            path: self.path.clone(),
            partition_values: BTreeMap::from([partition]),
            size: i64::try_from(self.bytes).unwrap_or(i64::MAX),
            modification_time: self.created.0,
            data_change,
            stats: Some(stats.to_string()),
            tags: Some(tags.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        }
    }

    /// The action that takes it out of a table.
    pub(crate) fn to_remove(&self, column: Partition, now: Millis, data_change: bool) -> Remove {
        Remove::of(&self.to_add(column, data_change), now.0, data_change)
    }

    /// The file that `add` adds, if it is one of ours.
    pub(super) fn from_add(add: &Add, column: Partition) -> Option<Self> {
        let tags = add.tags.as_ref()?;
        let text = |key: &str| tags.get(key).map(String::as_str);
        fn number<N: std::str::FromStr>(text: Option<&str>) -> Option<N> {
            text?.parse().ok()
        }
        Some(Self {
            path: add.path.clone(),
            partition: add.partition_values.get(column.column())?.clone()?,
            bytes: u64::try_from(add.size).ok()?,
            created: Millis(add.modification_time),
            rows: number(text("kymo.rows"))?,
            series: number(text("kymo.series"))?,
            min_end: number(text("kymo.min_end_ms"))?,
            max_end: number(text("kymo.max_end_ms"))?,
            min_metric: unhex(text("kymo.min_metric")?)?,
            max_metric: unhex(text("kymo.max_metric")?)?,
            src: number(text("kymo.src"))?,
            policy: text("kymo.policy")?.to_owned(),
            series_bytes: number(text("kymo.series_bytes"))?,
            series_crc32: u32::from_str_radix(text("kymo.series_crc32")?, 16).ok()?,
        })
    }
}

/// Who writes a file, and for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Writer {
    pub(crate) src: i16,
    pub(crate) policy: String,
}

/// The path of the file of series beside the data file `path`.
pub(in crate::tier) fn series_path(path: &str) -> String {
    format!("{SERIES_DIR}/{path}")
}

/// A path for a new data file of a partition. It tells when it was made, so that what no commit names can be told from
/// what none names yet.
pub(super) fn new_path(column: Partition, partition: &str, now: Millis, rng: &mut Rng) -> String {
    let column = column.column();
    format!("{column}={partition}/{:013}-{:016x}.parquet", now.0.max(0), rng.next_u64())
}

/// When the file of this path, or the file of series beside it, was made.
pub(crate) fn made_at(path: &str) -> Option<Millis> {
    let name = path.rsplit('/').next()?;
    name.split_once('-')?.0.parse().ok().map(Millis)
}

struct IsoTime(i64);

impl fmt::Display for IsoTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, ms) = (self.0.div_euclid(DAY_MS), self.0.rem_euclid(DAY_MS));
        let (year, month, day) = civil_date(days);
        let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", ms % 1_000)
    }
}

fn iso_time(ms: i64) -> String {
    IsoTime(ms).to_string()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
    bytes.filter(|_| rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_their_dates() {
        for (days, date) in [
            (0, (1970, 1, 1)),
            (-1, (1969, 12, 31)),
            (11_016, (2000, 2, 29)),
            (11_017, (2000, 3, 1)),
            (20_783, (2026, 11, 26)),
            (-719_528, (0, 1, 1)),
        ] {
            assert_eq!(civil_date(days), date);
        }
        assert_eq!(iso_time(1_795_737_600_123), "2026-11-27T00:00:00.123Z");
        assert_eq!(Partition::Day.value(1_795_737_600_000), "2026-11-27");
        assert_eq!(Partition::Month.value(1_795_737_599_999), "2026-11");
    }

    #[test]
    fn windows_of_a_partition_have_its_value() {
        for (partition, width) in [
            (Partition::Day, 300_000),
            (Partition::Day, 1_000),
            (Partition::Month, 3_600_000),
            (Partition::Month, DAY_MS),
            (Partition::Month, 7 * DAY_MS),
        ] {
            for n in -400..400_i64 {
                let end = n * 11 * DAY_MS / width * width;
                let (first, last) = partition.ends_around(end, width);
                assert!(first <= end && end <= last, "{partition:?} {end}");
                for same in [first, last] {
                    assert_eq!(partition.value(same), partition.value(end));
                    assert_eq!(same.rem_euclid(width), 0);
                }
                for other in [first - width, last + width] {
                    assert_ne!(partition.value(other), partition.value(end));
                }
            }
        }
    }

    #[test]
    fn paths_tell_when_they_were_made() {
        let path = new_path(Partition::Day, "2026-11-26", Millis(1_795_737_600_123), &mut Rng::new(1));
        assert!(path.starts_with("day=2026-11-26/1795737600123-"), "{path}");
        for path in [path.clone(), series_path(&path)] {
            assert_eq!(made_at(&path), Some(Millis(1_795_737_600_123)));
        }
        assert_eq!(made_at("day=1/x.parquet"), None);
    }

    #[test]
    fn the_log_tells_all_of_a_file() {
        let meta = DataFileMeta {
            path: "day=2026-11-26/1-2.parquet".to_owned(),
            partition: "2026-11-26".to_owned(),
            bytes: 1,
            created: Millis(2),
            rows: 3,
            series: 4,
            min_end: -5,
            max_end: 6,
            min_metric: b"a\"\xff".to_vec(),
            max_metric: Vec::new(),
            src: -7,
            policy: "default".to_owned(),
            series_bytes: 8,
            series_crc32: 9,
        };
        let mut add = meta.to_add(Partition::Day, true);
        assert_eq!(DataFileMeta::from_add(&add, Partition::Day), Some(meta.clone()));
        assert_eq!(DataFileMeta::from_add(&add, Partition::Month), None);
        add.tags.as_mut().unwrap().remove("kymo.rows");
        assert_eq!(DataFileMeta::from_add(&add, Partition::Day), None);
        assert!(
            meta.overlaps(-6, -5) && meta.overlaps(5, 9) && !meta.overlaps(6, 9) && !meta.overlaps(-9, -6)
        );
    }
}
