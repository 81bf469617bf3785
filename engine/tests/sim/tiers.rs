//! The tiers of a run: where they lie, how that place fails, and what their rows must be.

use std::{
    collections::BTreeMap,
    ops::Range,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use kymo_engine::{
    Engine, FaultObjects, FloatRun, FolderStore, KnownPlaces, MemFs, MemoryBudget, Millis, ObjectError,
    ObjectFault, ObjectInfo, ObjectStore, Rng, Rollup, RollupFacts, RollupRequest, SampleColumns, SimClock,
    TierConfig, TiersConfig, Upload,
};
use kymo_formats::rollup::{roll_up_samples, window_end};
use parking_lot::Mutex;

use crate::lying::Lie;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
/// Widths of the windows, and how long rows are kept.
const TIERS: [(i64, i64); 2] = [(5 * MINUTE, 50 * HOUR), (HOUR, 80 * HOUR)];
/// The name of the place that is no directory.
const BUCKET: &str = "bucket";
/// One of so many calls takes long, and one of so many of these very long.
const SLOW_CALLS: u64 = 60;
const VERY_SLOW_CALLS: u64 = 40;

/// What a row says, but for its sums.
type Facts = u64;

/// Where the tiers of a run lie, and what is known of their rows.
#[derive(Debug)]
pub(crate) struct Tiers {
    /// None if they lie in the data directory.
    bucket: Option<(Arc<FaultObjects>, Arc<dyn ObjectStore>)>,
    slow: Arc<AtomicU64>,
    /// Whether no call is slow any more.
    calm: Arc<AtomicBool>,
    /// Whether calls of the bucket may fail.
    stormy: bool,
    /// Rows that were as they should be, by width, series and end, of which no sample has come or gone since.
    seen: BTreeMap<(i64, usize, i64), Facts>,
    /// What may come or go at the next start, as [`Self::touch`] takes it: it was not acknowledged.
    open: Vec<(usize, i64, i64)>,
}

/// What a check of the tiers has looked at.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Checked {
    /// Rows that were compared with samples.
    pub(crate) rows: u64,
    /// Rows whose samples are gone, that were compared with what they were before.
    pub(crate) old_rows: u64,
}

impl Tiers {
    /// Tiers of every sixteenth seed lie in a bucket, those of another sixteenth in the data directory.
    pub(crate) fn new(seed: u64, clock: &Arc<SimClock>, lie: Option<Lie>) -> Self {
        let (slow, calm) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let bucket = (seed % 16 == 1).then(|| {
            let folder = FolderStore::open(Arc::new(MemFs::default()), Path::new("/bucket"));
            let folder = Arc::new(folder.expect("a folder in memory"));
            let bucket = Arc::new(FaultObjects::new(folder));
            let slow = SlowObjects {
                store: Arc::clone(&bucket) as Arc<dyn ObjectStore>,
                clock: Arc::clone(clock),
                calls: AtomicU64::new(seed),
                slow: Arc::clone(&slow),
                calm: Arc::clone(&calm),
                lie,
                made: AtomicU64::new(0),
                doomed: Mutex::default(),
            };
            (bucket, Arc::new(slow) as Arc<dyn ObjectStore>)
        });
        Self { bucket, slow, calm, stormy: false, seen: BTreeMap::new(), open: Vec::new() }
    }

    pub(crate) fn config(seed: u64, lie: Option<Lie>) -> TiersConfig {
        if seed % 16 > 1 {
            return TiersConfig::none();
        }
        let early = if let Some(Lie::EarlyRows(ms)) = lie { ms } else { 0 };
        let tier = |(width, retention)| TierConfig::new(width, retention - early);
        TiersConfig {
            rollups: TIERS.into_iter().map(tier).collect(),
            place: if seed % 16 == 1 { BUCKET } else { "local" }.to_owned(),
            confirm_deletion: !seed.is_multiple_of(3),
            ..TiersConfig::default()
        }
    }

    pub(crate) fn places(&self) -> KnownPlaces {
        let places = KnownPlaces::default();
        match &self.bucket {
            Some((_, store)) => places.with(BUCKET, Arc::clone(store)),
            None => places,
        }
    }

    /// Whether a call of the bucket may fail.
    pub(crate) const fn may_fail(&self) -> bool {
        self.stormy
    }

    /// The bucket begins to fail, more or less, or stops to.
    pub(crate) fn change_weather(&mut self, rng: &mut Rng) {
        let Some((bucket, _)) = &self.bucket else { return };
        self.stormy = rng.below(2) == 0;
        if !self.stormy {
            return bucket.heal();
        }
        let per_mille = [30, 200, 1_000][usize::try_from(rng.below(3)).unwrap_or(0)];
        let kinds: Vec<ObjectFault> = ObjectFault::ALL.into_iter().filter(|_| rng.below(2) == 0).collect();
        let kinds = if kinds.is_empty() { ObjectFault::ALL.to_vec() } else { kinds };
        bucket.fail_at_random(Rng::new(rng.next_u64()), per_mille, &kinds);
    }

    /// Nothing fails any more, and nothing is slow.
    pub(crate) fn clear_up(&mut self) {
        self.stormy = false;
        self.calm.store(true, Ordering::Relaxed);
        self.bucket.iter().for_each(|(bucket, _)| bucket.heal());
    }

    /// Faults by kind, and calls that were slow.
    pub(crate) fn faults(&self) -> (Vec<(ObjectFault, u64)>, u64) {
        let faults = self.bucket.iter().flat_map(|(bucket, _)| bucket.counts()).collect();
        (faults, self.slow.load(Ordering::Relaxed))
    }

    /// Samples of the series may come or go between these times, both inclusive.
    pub(crate) fn touch(&mut self, series: usize, start: i64, end: i64) {
        for (width, _) in TIERS {
            let (first, last) = (window_end(start, width), window_end(end, width));
            let range = (width, series, first)..=(width, series, last);
            let touched: Vec<_> = self.seen.range(range).map(|(key, _)| *key).collect();
            for key in touched {
                self.seen.remove(&key);
            }
        }
    }

    /// What was not acknowledged is decided at the next start.
    pub(crate) fn leave_open(&mut self, series: usize, start: i64, end: i64) {
        self.open.push((series, start, end));
    }

    /// A start has decided it.
    pub(crate) fn settle(&mut self) {
        for (series, start, end) in std::mem::take(&mut self.open) {
            self.touch(series, start, end);
        }
    }

    /// Compares all rows with the samples where those are there, and with what they were where not. `latest` is the latest
    /// time that the clock ever showed.
    ///
    /// # Errors
    /// Why they could not be read, as `Ok(Err)`; what is wrong with them.
    pub(crate) fn check(
        &mut self,
        engine: &Engine,
        number_of: impl Fn(&kymo_engine::Labels) -> Result<usize, String>,
        latest: i64,
    ) -> Result<Result<Checked, String>, String> {
        let mut checked = Checked::default();
        for (tier, (width, retention)) in engine.tiers().into_iter().zip(TIERS) {
            let Some(rolled_to) = tier.rolled_to.filter(|_| tier.is_read) else { continue };
            let (expected, found) =
                match (expected(engine, width, &number_of), rows(engine, width, &number_of)) {
                    (Ok(expected), Ok(found)) => (expected, found),
                    (Err(error), _) | (_, Err(error)) => return Ok(Err(error)),
                };
            let lost_to = engine.samples_reach_to();
            let is_settled = |end: i64| {
                end <= rolled_to && end - width >= lost_to && tier.due.within(end - width, end).is_empty()
            };
            for (key, row) in &found {
                let (series, end) = *key;
                if !is_settled(end) {
                    continue;
                }
                let wanted =
                    expected.get(key).ok_or_else(|| format!("{}: no sample: {row:?}", tier.table))?;
                same(row, wanted).map_err(|what| format!("{} series {series}: {what}", tier.table))?;
                self.seen.insert((width, series, end), facts(row));
                checked.rows += 1;
            }
            // Retention may begin with the next moment.
            let kept_from = latest - retention + HOUR;
            for ((series, end), wanted) in expected.iter().filter(|((_, end), _)| is_settled(*end)) {
                if *end > kept_from && !found.contains_key(&(*series, *end)) {
                    return Err(format!("{} series {series}: lacks {wanted:?}", tier.table));
                }
            }
            self.seen.retain(|(of, _, end), _| *of != width || *end > kept_from);
            for ((_, series, end), facts_then) in
                self.seen.range((width, 0, i64::MIN)..(width + 1, 0, i64::MIN))
            {
                match found.get(&(*series, *end)) {
                    None => return Err(format!("{} series {series}: the row of {end} is lost", tier.table)),
                    Some(row) if facts(row) != *facts_then => {
                        return Err(format!("{} series {series}: {row:?} was another", tier.table));
                    }
                    Some(_) => checked.old_rows += u64::from(!is_settled(*end)),
                }
            }
        }
        Ok(Ok(checked))
    }

    /// What is damaged is said to be, and is not answered otherwise.
    ///
    /// # Errors
    /// A row that is wrong.
    pub(crate) fn check_damaged(
        &self,
        engine: &Engine,
        number_of: impl Fn(&kymo_engine::Labels) -> Result<usize, String>,
    ) -> Result<bool, String> {
        let mut all_there = true;
        for (tier, (width, _)) in engine.tiers().into_iter().zip(TIERS) {
            let found = rows(engine, width, &number_of);
            let (true, Ok(found)) = (tier.is_read, found) else {
                all_there = false;
                continue;
            };
            let seen = self.seen.range((width, 0, i64::MIN)..(width + 1, 0, i64::MIN));
            for ((_, series, end), facts_then) in seen {
                match found.get(&(*series, *end)) {
                    Some(row) if facts(row) != *facts_then => {
                        return Err(format!("series {series}: {row:?} was another"));
                    }
                    Some(_) => {}
                    None => {
                        return Err(format!("series {series}: the row of {end} is missing without a word"));
                    }
                }
            }
        }
        Ok(all_there)
    }
}

/// Rows by series and end.
type Rows = BTreeMap<(usize, i64), Rollup>;

fn rows(
    engine: &Engine,
    width_ms: i64,
    number_of: impl Fn(&kymo_engine::Labels) -> Result<usize, String>,
) -> Result<Rows, String> {
    let memory = MemoryBudget::unlimited();
    let request = RollupRequest {
        width_ms,
        matchers: &[],
        from: i64::MIN,
        to: i64::MAX,
        facts: RollupFacts::ALL,
        memory: &memory,
    };
    let selection = engine.select_rollups(&request).map_err(|error| error.to_string())?;
    let mut rows = Rows::new();
    let mut rollups = Vec::new();
    for series in selection.series {
        series.read(&mut rollups).map_err(|error| error.to_string())?;
        let number = number_of(series.labels())?;
        rows.extend(rollups.drain(..).map(|rollup| ((number, rollup.end), rollup)));
    }
    Ok(rows)
}

/// What the samples amount to.
fn expected(
    engine: &Engine,
    width_ms: i64,
    number_of: impl Fn(&kymo_engine::Labels) -> Result<usize, String>,
) -> Result<Rows, String> {
    let selection = engine.select(&[], i64::MIN, i64::MAX).map_err(|error| error.to_string())?;
    let mut rows = Rows::new();
    let (mut columns, mut rollups) = (SampleColumns::default(), Vec::new());
    for series in selection.series {
        let warnings = series.read(&mut columns).map_err(|error| error.to_string())?;
        if !warnings.is_empty() {
            return Err(format!("samples are incomplete: {warnings:?}"));
        }
        let number = number_of(series.labels())?;
        rollups.clear();
        let histograms: Vec<_> = columns.histograms.drain(..).map(|it| (it.ts, it.value)).collect();
        roll_up_samples(&columns.ts, &columns.values, &histograms, width_ms, &mut rollups);
        rows.extend(rollups.drain(..).map(|rollup| ((number, rollup.end), rollup)));
    }
    Ok(rows)
}

/// What a run says exactly.
fn exact(run: &FloatRun) -> [u64; 9] {
    let [first, last] = [run.first, run.last].map(f64::to_bits);
    // Of several NaN any may be the one.
    let [min, max] = [run.min, run.max].map(|value| if value.is_nan() { f64::NAN } else { value }.to_bits());
    let times = [run.first_ts, run.last_ts].map(i64::cast_unsigned);
    [run.count.into(), run.resets.into(), run.changes.into(), times[0], times[1], first, last, min, max]
}

fn facts(row: &Rollup) -> Facts {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&row.end.to_le_bytes());
    bytes.push(u8::from(row.stale));
    bytes.extend_from_slice(&row.histograms.to_le_bytes());
    if let Some(run) = &row.states {
        let counts = [run.count, run.resets, run.changes, run.first_reset.into(), run.traits.bits().into()];
        counts.iter().for_each(|count| bytes.extend_from_slice(&count.to_le_bytes()));
        let times = [run.first_ts, run.last_ts];
        times.iter().for_each(|time| bytes.extend_from_slice(&time.to_le_bytes()));
        let ends = [run.first.count, run.first.sum, run.last.count, run.last.sum];
        ends.iter().for_each(|end| bytes.extend_from_slice(&end.to_bits().to_le_bytes()));
    }
    row.floats.iter().flat_map(exact).for_each(|fact| bytes.extend_from_slice(&fact.to_le_bytes()));
    xxhash_rust::xxh3::xxh3_64(&bytes)
}

/// Equal, but for the last bits of sums.
fn same(found: &Rollup, wanted: &Rollup) -> Result<(), String> {
    let differ = || format!("{found:?}, of samples that amount to {wanted:?}");
    if facts(found) != facts(wanted) {
        return Err(differ());
    }
    let (Some(a), Some(b)) = (&found.floats, &wanted.floats) else { return Ok(()) };
    let sums = [(a.correction.total(), b.correction.total()), (sum(a), sum(b))];
    let close = |(a, b): (f64, f64)| {
        a.to_bits() == b.to_bits()
            || (a.is_nan() && b.is_nan())
            || (a - b).abs() <= 1e-12 * a.abs().max(b.abs())
    };
    if sums.into_iter().all(close) { Ok(()) } else { Err(differ()) }
}

fn sum(run: &FloatRun) -> f64 {
    run.sum.map_or(0.0, |sum| sum.total())
}

/// An object that a lie loses goes so many calls after it was made: it was there when it was looked for.
const DOOMED_CALLS: u64 = 20;

/// A bucket whose calls take their time now and then, and that may lie.
#[derive(Debug)]
struct SlowObjects {
    store: Arc<dyn ObjectStore>,
    clock: Arc<SimClock>,
    calls: AtomicU64,
    slow: Arc<AtomicU64>,
    calm: Arc<AtomicBool>,
    lie: Option<Lie>,
    /// Objects that the lie is about.
    made: AtomicU64,
    /// What is lost at which call.
    doomed: Mutex<Vec<(u64, String)>>,
}

impl SlowObjects {
    /// Lets the object be lost later, if that is the lie.
    fn doom(&self, key: &str) {
        if let Some(Lie::LostObjects(kind, every)) = self.lie
            && key.contains(kind)
            && self.made.fetch_add(1, Ordering::Relaxed) % every == every - 1
        {
            self.doomed.lock().push((self.calls.load(Ordering::Relaxed) + DOOMED_CALLS, key.to_owned()));
        }
    }

    /// A call takes place.
    fn pass(&self) -> &dyn ObjectStore {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        self.doomed.lock().retain(|(at, key)| {
            let stays = call < *at;
            // A call that fails is made again.
            stays || self.store.delete(key).is_err()
        });
        let mut rng = Rng::new(call);
        if rng.below(SLOW_CALLS) == 0 && !self.calm.load(Ordering::Relaxed) {
            self.slow.fetch_add(1, Ordering::Relaxed);
            let minutes = if rng.below(VERY_SLOW_CALLS) == 0 { 13 * 60 } else { 3 };
            self.clock.advance(Millis(MINUTE * minutes));
        }
        &*self.store
    }
}

impl ObjectStore for SlowObjects {
    fn get(&self, key: &str) -> Result<Bytes, ObjectError> {
        self.pass().get(key)
    }

    fn get_ranges(&self, key: &str, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, ObjectError> {
        self.pass().get_ranges(key, ranges)
    }

    fn size(&self, key: &str) -> Result<u64, ObjectError> {
        self.pass().size(key)
    }

    fn put(&self, key: &str, body: Bytes) -> Result<(), ObjectError> {
        self.pass().put(key, body)
    }

    fn create(&self, key: &str, body: Bytes) -> Result<(), ObjectError> {
        self.doom(key);
        self.pass().create(key, body)
    }

    fn upload(&self, key: &str) -> Result<Box<dyn Upload>, ObjectError> {
        self.doom(key);
        self.pass().upload(key)
    }

    fn delete(&self, key: &str) -> Result<(), ObjectError> {
        self.pass().delete(key)
    }

    fn list(&self, prefix: &str, after: Option<&str>) -> Result<Vec<ObjectInfo>, ObjectError> {
        self.pass().list(prefix, after)
    }
}
