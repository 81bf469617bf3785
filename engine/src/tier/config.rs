//! Settings of tiers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    env::PlaceOptions,
    model::{Labels, Matcher},
};

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
/// A row takes as long to read as so many samples beside it: at 20 the bytes are half as many and the times the same, at 12
/// samples are faster by a third (benches/micro/tiers.rs).
const SAMPLES_PER_ROW_MIN: u32 = 16;

/// The widest window: rows say in 32 bits how long before its end something was.
const RESOLUTION_MAX_MS: i64 = 7 * DAY_MS;
/// The name of the place in the data directory.
pub(crate) const LOCAL_PLACE: &str = "local";
/// The name of the policy of series that no other matches.
const DEFAULT_POLICY: &str = "default";

/// What is kept beside the samples, for longer: rollups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TiersConfig {
    /// Rollups of all series that match no policy, from the finest to the coarsest. Each resolution must be a multiple of
    /// the one before: each tier is made from the finer one. Empty = none.
    pub rollups: Vec<TierConfig>,
    /// Other rollups, or none, for some series. The first policy that matches a series counts.
    pub policies: Vec<PolicyConfig>,
    /// Where tables of rollups lie that say no other place: `local` = the directory `rollups` in the data directory,
    /// `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`, or `file:///directory`.
    pub place: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    /// Blocks of samples in object storage, where they are kept for longer than in the data directory: `{ place, after_ms,
    /// retention_ms }`. `place` as above, but not `local`; a block goes there once it is `after_ms` old (a day), and stays in
    /// the data directory as well for as long as `retention` says; it goes from there once it is `retention_ms` old (0 = never).
    /// None = nowhere.
    pub raw: Option<RawConfig>,
    /// Options of places that are buckets, by place: `{ "s3://bucket/prefix": { endpoint: ..., region: ... } }`. Names are
    /// those of the environment variables that they win over, in small letters, as `aws_secret_access_key`. Secrets are
    /// shown nowhere.
    pub place_options: BTreeMap<String, PlaceOptions>,
    /// What is kept on disk of what was read in places that are not `local`: `bytes_max` bytes at most, 0 = nothing. It is
    /// begun anew at each start, and leaves room for the log and for flushes.
    pub cache: CacheConfig,
    /// A window is rolled up so long after its end, by the time of the data, in milliseconds. What comes later is rolled
    /// up again.
    pub delay_ms: i64,
    /// Shortest time from one job to the next that rolls up new windows of the finest tier, in milliseconds. Each job
    /// writes two objects and a commit for each policy.
    pub interval_ms: i64,
    /// Whether retention may delete more than a tenth of a table at once, of more than one partition. Otherwise it
    /// deletes nothing then, and says so: so much goes only where a retention was shortened or a clock is wrong.
    pub confirm_deletion: bool,
    /// Where samples are there as well, a tier answers in their place if a row of it has so many of them on average; of
    /// fewer the samples are cheaper to read. Samples in object storage are not read where a tier answers.
    pub samples_per_row_min: u32,
    /// Labels that get columns of their own in the tables; others get one when most series have them.
    pub label_columns: Vec<String>,
}

/// A tier of rollups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TierConfig {
    /// Width of the windows, in milliseconds. A divisor of an hour, or a multiple of one that divides a day.
    pub resolution_ms: i64,
    /// Age after which rows go, in milliseconds. 0 = kept for ever.
    pub retention_ms: i64,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    /// Where its table lies, if not in `tiers.place`. Policies share the table of a resolution, and so its place.
    pub place: String,
}

impl TierConfig {
    /// A tier in the place of those that say no other.
    #[must_use]
    pub const fn new(resolution_ms: i64, retention_ms: i64) -> Self {
        Self { resolution_ms, retention_ms, place: String::new() }
    }
}

/// What is kept on disk of object storage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CacheConfig {
    /// Bytes that it takes at most, in the directory `cache` of the data directory. It is begun anew at each start, and
    /// leaves room for the log and for flushes. 0 = none.
    pub bytes_max: u64,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self { bytes_max: 2 << 30 }
    }
}

/// Blocks of samples in object storage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawConfig {
    /// Where they lie: `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`, or `file:///directory`.
    pub place: String,
    /// Age after which a block goes there, in milliseconds: until then late samples are merged into it. It stays in the
    /// data directory as well, for as long as `retention` says.
    #[serde(default = "default_after_ms")]
    pub after_ms: i64,
    /// Age after which it goes from there, in milliseconds. 0 = kept for ever.
    #[serde(default)]
    pub retention_ms: i64,
}

const fn default_after_ms() -> i64 {
    DAY_MS
}

impl RawConfig {
    /// Blocks that are a day old, in `place`, for ever.
    #[must_use]
    pub fn new(place: &str) -> Self {
        Self { place: place.to_owned(), after_ms: default_after_ms(), retention_ms: 0 }
    }

    /// Whether what ends before `end` has been kept for long enough.
    pub(crate) const fn is_over(&self, end: i64, now_ms: i64) -> bool {
        self.retention_ms > 0 && end <= now_ms.saturating_sub(self.retention_ms)
    }

    fn validate(&self) -> Result<(), String> {
        if !self.place.contains("://") {
            return Err(format!("tiers.raw.place must be a bucket or a folder, not {:?}", self.place));
        }
        if self.after_ms < 0 {
            return Err(format!("tiers.raw.after_ms must not be negative, not {}", self.after_ms));
        }
        if self.retention_ms < 0 || (self.retention_ms > 0 && self.retention_ms <= self.after_ms) {
            return Err(format!(
                "tiers.raw.retention_ms must be 0 or greater than after_ms = {}, not {}",
                self.after_ms, self.retention_ms
            ));
        }
        Ok(())
    }
}

/// Rollups for some series.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyConfig {
    /// Its name, which rows' files carry: letters, digits, `_` and `-`.
    pub name: String,
    /// The series, as a selector of PromQL.
    pub selector: String,
    /// As `tiers.rollups`. Resolutions that are not there are not possible.
    #[serde(default)]
    pub rollups: Vec<TierConfig>,
    /// The selector, parsed.
    #[serde(skip)]
    pub matchers: Vec<Matcher>,
}

impl Default for TiersConfig {
    fn default() -> Self {
        Self {
            rollups: vec![
                TierConfig::new(5 * MINUTE_MS, 90 * DAY_MS),
                TierConfig::new(60 * MINUTE_MS, 365 * DAY_MS),
            ],
            policies: Vec::new(),
            place: LOCAL_PLACE.to_owned(),
            raw: None,
            cache: CacheConfig::default(),
            place_options: BTreeMap::new(),
            delay_ms: 2 * MINUTE_MS,
            interval_ms: 10 * MINUTE_MS,
            confirm_deletion: false,
            samples_per_row_min: SAMPLES_PER_ROW_MIN,
            label_columns: ["job", "instance", "namespace", "pod", "container", "service", "le"]
                .into_iter()
                .map(str::to_owned)
                .collect(),
        }
    }
}

impl TiersConfig {
    /// No tiers.
    #[must_use]
    pub fn none() -> Self {
        Self { rollups: Vec::new(), ..Self::default() }
    }

    fn tiers(&self) -> impl Iterator<Item = &TierConfig> {
        self.policies.iter().flat_map(|policy| &policy.rollups).chain(&self.rollups)
    }

    /// The widths of windows that any series is rolled up to, ascending.
    #[must_use]
    pub fn widths(&self) -> Vec<i64> {
        let mut widths: Vec<i64> = self.tiers().map(|tier| tier.resolution_ms).collect();
        widths.sort_unstable();
        widths.dedup();
        widths
    }

    fn place_of_tier<'a>(&'a self, tier: &'a TierConfig) -> &'a str {
        if tier.place.is_empty() { &self.place } else { &tier.place }
    }

    /// Where the table of windows of `width_ms` lies.
    #[must_use]
    pub fn place_of(&self, width_ms: i64) -> &str {
        let tier = self.tiers().find(|tier| tier.resolution_ms == width_ms);
        tier.map_or(&self.place, |tier| self.place_of_tier(tier))
    }

    fn check_places(&self) -> Result<(), String> {
        for tier in self.tiers() {
            let (width, place, first) =
                (tier.resolution_ms, self.place_of_tier(tier), self.place_of(tier.resolution_ms));
            if place != first {
                return Err(format!(
                    "tiers.rollups.place: policies share the table of resolution_ms {width}, which cannot lie in {first:?} \
                     and in {place:?}"
                ));
            }
        }
        let unused = |place: &&String| {
            !self.tiers().any(|tier| self.place_of_tier(tier) == **place)
                && self.raw.as_ref().is_none_or(|raw| raw.place != **place)
        };
        match self.place_options.keys().find(unused) {
            Some(place) => Err(format!("tiers.place_options: no tier lies in {place:?}")),
            None => Ok(()),
        }
    }

    /// The policies that keep rollups of `width_ms`, the default one last, each with the age after which they go.
    pub(crate) fn policies_of(&self, width_ms: i64) -> Vec<(String, i64)> {
        let named = self.policies.iter().map(|policy| (policy.name.as_str(), &policy.rollups));
        let all = named.chain(std::iter::once((DEFAULT_POLICY, &self.rollups)));
        all.filter_map(|(name, tiers)| {
            let tier = tiers.iter().find(|tier| tier.resolution_ms == width_ms)?;
            Some((name.to_owned(), tier.retention_ms))
        })
        .collect()
    }

    /// The name of the policy of a series.
    #[must_use]
    pub fn policy_of(&self, labels: &Labels) -> &str {
        let matches = |matcher: &Matcher| matcher.matches(labels.get(matcher.name()));
        let found = self.policies.iter().find(|policy| policy.matchers.iter().all(matches));
        found.map_or(DEFAULT_POLICY, |policy| &policy.name)
    }

    /// Checks the values.
    ///
    /// # Errors
    /// The name of a bad field, and what is wrong with it.
    pub fn validate(&self) -> Result<(), String> {
        check_tiers("tiers.rollups", &self.rollups)?;
        for (at, policy) in self.policies.iter().enumerate() {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
            let name = &policy.name;
            if name.is_empty() || !name.bytes().all(plain) {
                return Err(format!("tiers.policies.name must be letters, digits, _ and -, not {name:?}"));
            }
            if name == DEFAULT_POLICY || self.policies[..at].iter().any(|other| other.name == *name) {
                return Err(format!(
                    "tiers.policies.name must be unique and not \"default\", which {name:?} is not"
                ));
            }
            if policy.matchers.is_empty() {
                return Err(format!(
                    "tiers.policies.selector of {name} was not parsed, or selects everything"
                ));
            }
            check_tiers("tiers.policies.rollups", &policy.rollups)?;
        }
        for pair in self.widths().windows(2) {
            if pair[1] % pair[0] != 0 {
                return Err(format!(
                    "tiers: each resolution_ms must be a multiple of the finer one, which {} is not of {}",
                    pair[1], pair[0]
                ));
            }
        }
        self.check_places()?;
        self.raw.as_ref().map_or(Ok(()), RawConfig::validate)?;
        if self.delay_ms < 0 {
            return Err(format!("tiers.delay_ms must not be negative, not {}", self.delay_ms));
        }
        if self.interval_ms <= 0 {
            return Err(format!("tiers.interval_ms must be greater than 0, not {}", self.interval_ms));
        }
        Ok(())
    }
}

fn check_tiers(field: &str, tiers: &[TierConfig]) -> Result<(), String> {
    for tier in tiers {
        let width = tier.resolution_ms;
        let divides_day = width > 0 && DAY_MS % width == 0;
        if width < 1_000 || !(divides_day || (width % DAY_MS == 0 && width <= RESOLUTION_MAX_MS)) {
            return Err(format!(
                "{field}.resolution_ms must be a second or more and divide a day, not {width}"
            ));
        }
        if tier.retention_ms < 0 || (tier.retention_ms > 0 && tier.retention_ms < width) {
            return Err(format!(
                "{field}.retention_ms must be 0 or at least resolution_ms = {width}, not {}",
                tier.retention_ms
            ));
        }
    }
    let ascending = tiers.is_sorted_by(|a, b| a.resolution_ms < b.resolution_ms);
    if ascending {
        Ok(())
    } else {
        Err(format!("{field} must go from the finest to the coarsest resolution"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MatchOp;

    fn tier(resolution_ms: i64) -> TierConfig {
        TierConfig::new(resolution_ms, 0)
    }

    fn policy(name: &str, job: &[u8], rollups: Vec<TierConfig>) -> PolicyConfig {
        let matchers = vec![Matcher::new(MatchOp::Equal, b"job", job).unwrap()];
        PolicyConfig { name: name.to_owned(), selector: String::new(), rollups, matchers }
    }

    #[test]
    fn the_first_policy_that_matches_counts() {
        let config = TiersConfig {
            policies: vec![
                policy("none", b"a", vec![]),
                policy("fine", b"b", vec![tier(60_000), tier(300_000)]),
                policy("late", b"b", vec![tier(300_000)]),
            ],
            ..TiersConfig::default()
        };
        config.validate().unwrap();
        let of = |job: &str| config.policy_of(&Labels::from_pairs([("job", job)])).to_owned();
        assert_eq!((of("a"), of("b"), of("c")), ("none".to_owned(), "fine".to_owned(), "default".to_owned()));
        assert_eq!(config.widths(), [60_000, 300_000, 3_600_000]);
        let names = |width| config.policies_of(width).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names(60_000), ["fine"]);
        assert_eq!(names(300_000), ["fine", "late", "default"]);
        assert!(TiersConfig::none().widths().is_empty());
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let with = |rollups| TiersConfig { rollups, ..TiersConfig::default() };
        let short = TierConfig::new(60_000, 1);
        for config in [
            with(vec![tier(0)]),
            with(vec![tier(7_000)]),
            with(vec![tier(8 * DAY_MS)]),
            with(vec![tier(300_000), tier(60_000)]),
            with(vec![tier(120_000), tier(180_000)]),
            with(vec![short]),
            TiersConfig { delay_ms: -1, ..TiersConfig::default() },
            TiersConfig { interval_ms: 0, ..TiersConfig::default() },
            TiersConfig { policies: vec![policy("default", b"a", vec![])], ..TiersConfig::default() },
            TiersConfig { policies: vec![policy("a/b", b"a", vec![])], ..TiersConfig::default() },
            TiersConfig { policies: vec![policy("a", b"a", vec![]); 2], ..TiersConfig::default() },
            TiersConfig { policies: vec![policy("a", b"a", vec![tier(7_000)])], ..TiersConfig::default() },
        ] {
            assert!(config.validate().is_err(), "{config:?}");
        }
        for config in
            [with(vec![tier(5_000), tier(60_000), tier(DAY_MS), tier(7 * DAY_MS)]), TiersConfig::none()]
        {
            config.validate().unwrap();
        }
    }

    #[test]
    fn blocks_lie_elsewhere() {
        let with = |raw| TiersConfig { raw: Some(raw), ..TiersConfig::none() };
        let good = RawConfig { retention_ms: 3 * DAY_MS, ..RawConfig::new("s3://cold") };
        with(good.clone()).validate().unwrap();
        assert!(good.is_over(DAY_MS, 4 * DAY_MS) && !good.is_over(DAY_MS + 1, 4 * DAY_MS));
        assert!(!RawConfig::new("s3://cold").is_over(0, i64::MAX));
        for bad in [
            RawConfig::new(LOCAL_PLACE),
            RawConfig { after_ms: -1, ..good.clone() },
            RawConfig { retention_ms: -1, ..good.clone() },
            RawConfig { retention_ms: DAY_MS, ..good },
        ] {
            assert!(with(bad.clone()).validate().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_table_lies_in_one_place() {
        let at = |resolution_ms, place: &str| TierConfig { place: place.to_owned(), ..tier(resolution_ms) };
        let mut config = TiersConfig {
            rollups: vec![tier(300_000), at(3_600_000, "s3://cold")],
            policies: vec![policy("a", b"a", vec![tier(60_000), at(300_000, "local")])],
            ..TiersConfig::default()
        };
        config.validate().unwrap();
        assert_eq!(
            [60_000, 300_000, 3_600_000].map(|width| config.place_of(width)),
            ["local", "local", "s3://cold"]
        );
        config.place_options.insert("s3://cold".to_owned(), PlaceOptions::default());
        config.validate().unwrap();
        config.place_options.insert("s3://unused".to_owned(), PlaceOptions::default());
        assert_eq!(config.validate().unwrap_err(), r#"tiers.place_options: no tier lies in "s3://unused""#);
        config.place_options.clear();
        config.place = "s3://warm".to_owned();
        let error = config.validate().unwrap_err();
        assert!(
            error.contains("300000") && error.contains("local") && error.contains("s3://warm"),
            "{error}"
        );
    }
}
