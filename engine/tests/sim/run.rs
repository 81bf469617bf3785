//! One run: lives of an engine on one simulated disk, each with its faults, and the checks between them.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use kymo_engine::{
    Clock, Engine, EngineConfig, Env, FaultFs, Fs, Labels, MatchOp, Matcher, MemFs, Millis, OpenMode, Rng,
    SampleColumns, SimClock,
};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::{
    lying::{Lie, LyingFs},
    model::{ExemplarKey, Found, Model, Scope},
    report::Counts,
    support::{digest, labels},
    tiers::Tiers,
};

#[path = "operations.rs"]
mod operations;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

/// Samples older than this may go.
const RETENTION: i64 = 36 * HOUR;
/// Series of floats; one more has histograms.
const FLOAT_SERIES: usize = 10;
const HISTOGRAMS: usize = FLOAT_SERIES;
/// Operations of a run.
const OPERATIONS: usize = 1_000;

/// How a life ends, and what goes wrong before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The power fails in the sync point of this number.
    Crash(u64),
    /// The power fails after so many operations.
    CrashAfter(usize),
    /// The process is killed after so many operations.
    Kill(usize),
    /// It is closed after so many.
    Close(usize),
    /// The sync point of this number fails, and some time later the power.
    FailedSync(u64),
    /// The call of this number fails.
    FailedCall(u64),
    /// A read after so many calls is cut short.
    CutRead(u64),
    /// The disk is full for a while.
    FullDisk(usize),
}

/// A run under way.
pub(crate) struct Run {
    seed: u64,
    rng: Rng,
    lie: Option<Lie>,
    clock: Arc<SimClock>,
    /// The latest that the clock ever showed: what is too old by then may be gone.
    latest: i64,
    fs: FaultFs,
    slow_syncs: Arc<AtomicU64>,
    engine: Option<Engine>,
    model: Model,
    tiers: Tiers,
    counts: Counts,
    /// Of everything that was done and answered.
    hash: u64,
    operations: usize,
    end: End,
    life_operations: usize,
}

/// Runs the seed with a lie, if any: what it did, and a hash of all that happened.
///
/// # Errors
/// What the store did wrong.
pub(crate) fn run(seed: u64, lie: Option<Lie>) -> Result<(Counts, u64), String> {
    let clock = Arc::new(SimClock::new(Millis(1_000 * HOUR)));
    let mut run = Run {
        seed,
        rng: Rng::new(seed),
        lie,
        tiers: Tiers::new(seed, &clock, lie),
        clock,
        latest: 1_000 * HOUR,
        fs: FaultFs::new(),
        slow_syncs: Arc::default(),
        engine: None,
        model: Model::default(),
        counts: Counts::default(),
        hash: 0,
        operations: 0,
        end: End::Kill(0),
        life_operations: 0,
    };
    let done = run.go();
    done.map_err(|error| format!("operation {}, {:?}: {error}", run.operations, run.end))?;
    run.counts.runs = 1;
    run.counts.operations = run.operations as u64;
    if run.counts.flushes == 0 || run.counts.compactions == 0 || run.counts.crashes.is_empty() {
        return Err(format!("too little happened to tell anything: {}", run.counts));
    }
    run.counts.slow_syncs = run.slow_syncs.load(Ordering::Relaxed);
    let (faults, slow) = run.tiers.faults();
    run.counts.object_faults = faults.into_iter().map(|(kind, count)| (format!("{kind:?}"), count)).collect();
    run.counts.slow_objects = slow;
    Ok((run.counts, run.hash))
}

fn config(seed: u64, lie: Option<Lie>) -> EngineConfig {
    let mut config = crate::support::config();
    config.tiers = Tiers::config(seed, lie);
    config.retention.age_ms = match lie {
        Some(Lie::EarlyRetention(ms)) => RETENTION - ms,
        _ => RETENTION,
    };
    // Not the machine's, which would be looked up at each start.
    config.head.budget_bytes = 64 << 20;
    config.wal.segment_bytes = 16 * 1_024;
    config.flush.wal_bytes_max = 64 * 1_024;
    config
}

impl Run {
    fn go(&mut self) -> Result<(), String> {
        while self.operations < OPERATIONS {
            self.begin_life()?;
            while self.engine.is_some() {
                self.step()?;
            }
        }
        self.make_progress()?;
        self.flip_bits()
    }

    /// What happened goes into the hash, so that two runs of one seed can be compared.
    fn note(&mut self, what: &str, number: u64) {
        self.hash = xxh3_64_with_seed(what.as_bytes(), self.hash ^ number.rotate_left(17));
    }

    fn chance(&mut self, in_thousand: u64) -> bool {
        self.rng.below(1_000) < in_thousand
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.rng.below(bound as u64)).expect("it was a usize before")
    }

    fn now(&self) -> i64 {
        self.clock.now().0
    }

    fn env(&self, fs: &FaultFs) -> Env {
        let fs = LyingFs::new(Arc::new(fs.clone()), self.lie, &self.clock, &self.slow_syncs);
        let fs: Arc<dyn Fs> = Arc::new(fs);
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        Env { clock, places: Arc::new(self.tiers.places()), ..Env::simulated(fs, self.seed) }
    }

    fn choose_end(&mut self) -> End {
        // The first life ends with a power failure, so that no run is without.
        let kinds = if self.counts.lives == 0 { 8 } else { 16 };
        match self.rng.below(kinds) {
            0 | 1 => End::Crash(self.rng.below(12)),
            2..=5 => End::Crash(self.rng.below(160)),
            6 | 7 => End::CrashAfter(self.below(120)),
            8 | 9 => End::Kill(self.below(100)),
            10 => End::Close(self.below(100)),
            11 | 12 => End::FailedSync(self.rng.below(120)),
            13 => End::FailedCall(self.rng.below(600)),
            14 => End::CutRead(self.rng.below(600)),
            _ => End::FullDisk(self.below(60)),
        }
    }

    /// Opens the engine on what there is, with a fault ahead; looks whether everything is there.
    fn begin_life(&mut self) -> Result<(), String> {
        self.end = self.choose_end();
        self.life_operations = 0;
        match self.end {
            End::Crash(point) => self.fs.crash_at(point),
            End::FailedSync(point) => self.fs.fail_sync(point),
            End::FailedCall(call) => self.fs.fail_operation(call),
            End::CutRead(call) => self.fs.cut_read(call),
            _ => {}
        }
        self.counts.lives += 1;
        match Engine::open_in(&self.env(&self.fs), Path::new("/data"), config(self.seed, self.lie)) {
            Ok(engine) => {
                self.engine = Some(engine);
                self.tiers.settle();
                self.check_all(true)
            }
            Err(_) if self.fs.crashed() => {
                self.crash();
                Ok(())
            }
            Err(error) if matches!(self.end, End::FailedSync(_) | End::FailedCall(_) | End::CutRead(_)) => {
                self.note("not opened", 0);
                self.counts.failed_operations += 1;
                drop(error);
                self.fs = FaultFs::over(self.fs.durable_image(1));
                Ok(())
            }
            Err(error) => Err(format!("the store does not open: {error}")),
        }
    }

    /// One operation, and the end of the life if it is time.
    fn step(&mut self) -> Result<(), String> {
        self.operations += 1;
        self.life_operations += 1;
        self.pass_time();
        match self.rng.below(100) {
            0..=57 => self.append()?,
            58..=61 => self.tell()?,
            62..=71 => self.query()?,
            72..=74 => self.look_up()?,
            75..=84 => self.upkeep("maintain", Engine::maintain),
            85..=87 => self.upkeep("flush", |engine| engine.flush().map(drop)),
            88 => self.upkeep("compact", Engine::compact),
            89 => self.delete(),
            90 | 91 if self.engine.is_some() => self.check_all(false)?,
            92 => self.snapshot()?,
            93 | 94 => self.roll_up(Engine::roll_up),
            95 => self.roll_up(Engine::tend_tiers),
            96 => self.tiers.change_weather(&mut self.rng),
            97 if self.engine.is_some() => self.check_tiers()?,
            _ => {}
        }
        if self.fs.crashed() {
            self.engine = None;
            self.crash();
        } else if self.is_over() {
            self.end_life();
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        match self.end {
            End::Crash(_) | End::FailedCall(_) | End::CutRead(_) | End::FailedSync(_) => {
                self.life_operations >= 150
            }
            End::CrashAfter(after) | End::Kill(after) | End::Close(after) => self.life_operations > after,
            End::FullDisk(after) => self.life_operations > after + 30,
        }
    }

    fn end_life(&mut self) {
        let Some(engine) = self.engine.take() else { return };
        match self.end {
            End::Close(_) => {
                self.counts.closes += 1;
                let closed = engine.close();
                self.note("close", u64::from(closed.is_ok()));
                self.fs = FaultFs::over(self.fs.durable_image(1));
            }
            // Nothing that was written is lost: the kernel has it.
            End::Kill(_) | End::FailedCall(_) | End::CutRead(_) | End::FullDisk(_) => {
                self.counts.kills += 1;
                drop(engine);
                self.fs.set_capacity(None);
                self.fs = FaultFs::over(self.fs.durable_image(1));
            }
            End::Crash(_) | End::CrashAfter(_) | End::FailedSync(_) => {
                self.fs.crash();
                drop(engine);
                self.crash();
            }
        }
    }

    /// What is found after the power was gone.
    fn crash(&mut self) {
        let seed = match self.rng.below(5) {
            kept @ 0..=2 => kept,
            _ => self.rng.next_u64(),
        };
        self.counts.crash(self.fs.crashed_in().as_deref());
        self.note("crash", seed);
        self.fs.set_capacity(None);
        self.fs = FaultFs::over(self.fs.durable_image(seed));
    }

    fn pass_time(&mut self) {
        let ms = match self.rng.below(800) {
            0..=39 => 30 * MINUTE,
            40..=43 => 3 * HOUR,
            44..=47 => -20 * MINUTE,
            48 => -9 * HOUR,
            49 => 26 * HOUR,
            _ => 20 * SECOND,
        };
        self.counts.clock_jumps += u64::from(!(0..=HOUR).contains(&ms));
        self.see_clock();
        self.clock.set(Millis(self.now() + ms));
        self.see_clock();
        if let End::FullDisk(after) = self.end {
            if self.life_operations == after {
                self.counts.full_disks += 1;
                let room = self.rng.below(64 * 1_024);
                self.fs.set_capacity(Some(used_bytes(&self.fs, Path::new("/data")) + room));
            } else if self.life_operations == after + 20 {
                self.fs.set_capacity(None);
            }
        }
    }

    fn see_clock(&mut self) {
        self.latest = self.latest.max(self.now());
    }

    /// What is before this may be gone.
    fn expired(&mut self) -> i64 {
        self.see_clock();
        self.latest - RETENTION
    }
}

impl Run {
    /// Compares everything. At a `start` it is decided what became of what was not acknowledged.
    fn check_all(&mut self, start: bool) -> Result<(), String> {
        let everything = [crate::support::everything()];
        let expired = self.expired();
        self.model.expire(expired);
        self.compare(&everything, i64::MIN, i64::MAX, &|_| true)?;
        let Some(engine) = &self.engine else { return Ok(()) };
        let (exemplars, help) = told(engine)?;
        self.counts.checked_samples += self.model.told.check(&exemplars, &help)? as u64;
        if start && let Ok((found, false)) = read(engine, &everything, i64::MIN, i64::MAX) {
            self.model.settle(&found, expired);
            self.model.told.settle(&exemplars, &help);
        }
        Ok(())
    }

    /// Bits of files flip, one at a time: nothing wrong is answered, and what is missing is missing with a word.
    fn flip_bits(&mut self) -> Result<(), String> {
        for _ in 0..3 {
            let image = self.fs.durable_image(1);
            let Some(what) = self.flip_a_bit(&image) else { continue };
            self.counts.flipped_bits += 1;
            let fs = FaultFs::over(image);
            match Engine::open_in(&self.env(&fs), Path::new("/data"), config(self.seed, self.lie)) {
                Err(_) => self.counts.noticed_flips += 1,
                Ok(engine) => self.check_flipped(&engine).map_err(|error| format!("{what}: {error}"))?,
            }
        }
        Ok(())
    }

    fn check_flipped(&mut self, engine: &Engine) -> Result<(), String> {
        let everything = [crate::support::everything()];
        let recovery = engine.stats().recovery;
        let said = recovery.torn_bytes
            + recovery.quarantined_bytes
            + recovery.missing_segments
            + recovery.checkpoint_damaged_bytes
            + recovery.undecodable_frames
            > 0;
        let Ok((found, warned)) = read(engine, &everything, i64::MIN, i64::MAX) else {
            self.counts.noticed_flips += 1;
            return Ok(());
        };
        drop(engine.roll_up());
        let tiers_are_whole = self.tiers.check_damaged(engine, number_of)?;
        self.counts.noticed_flips += u64::from(said || warned || !tiers_are_whole);
        let scope = Scope { start: i64::MIN, end: i64::MAX, concerns: &|_| true, incomplete: said || warned };
        self.counts.checked_samples += self.model.check(&found, &scope)? as u64;
        Ok(())
    }

    /// Flips a bit of some file, and says which.
    fn flip_a_bit(&mut self, image: &MemFs) -> Option<String> {
        let files = files(image, Path::new("/data"));
        let path = files.get(self.below(files.len()))?;
        let file = image.open(path, OpenMode::ReadWrite).ok()?;
        let at = self.rng.below(file.len().ok()?);
        let bit = self.rng.below(8);
        let mut byte = [0];
        file.read_at(&mut byte, at).ok()?;
        file.write_at(&[byte[0] ^ 1 << bit], at).ok()?;
        Some(format!("bit {bit} of byte {at} of {} flipped", path.display()))
    }
}

/// The matchers that select one series.
fn series_matchers(series: usize) -> Vec<Matcher> {
    let labels = labels(series);
    let matcher = |label: kymo_engine::Label<'_>| Matcher::new(MatchOp::Equal, label.name, label.value);
    labels.iter().map(|label| matcher(label).expect("a valid matcher")).collect()
}

/// What the engine answers, and whether it says that something is left out.
fn read(engine: &Engine, matchers: &[Matcher], start: i64, end: i64) -> Result<(Found, bool), String> {
    let selection = engine.select(matchers, start, end).map_err(|error| error.to_string())?;
    let mut warned = !selection.warnings.is_empty();
    let mut found = Found::new();
    let mut columns = SampleColumns::default();
    for series in &selection.series {
        warned |= !series.read(&mut columns).map_err(|error| error.to_string())?.is_empty();
        let number = number_of(series.labels())?;
        if !columns.ts.is_sorted_by(|a, b| a < b) {
            return Err(format!("times of series {number} do not ascend"));
        }
        let starts =
            std::iter::zip(&columns.ts, columns.start_ts.iter().copied().chain(std::iter::repeat(0)));
        let wrong =
            starts.map(|(ts, start)| (*ts, start)).find(|(ts, start)| *start != start_of(number, *ts));
        if let Some((ts, start)) = wrong {
            return Err(format!("series {number} at {ts} began at {start}"));
        }
        let samples = found.entry(number).or_default();
        samples.extend(columns.ts.iter().zip(&columns.values).map(|(ts, value)| (*ts, value.to_bits())));
        samples.extend(columns.histograms.iter().map(|sample| (sample.ts, digest(&sample.value))));
        samples.retain(|ts, _| (start..=end).contains(ts));
    }
    Ok((found, warned))
}

/// Exemplars and help texts of the store.
fn told(engine: &Engine) -> Result<(BTreeSet<ExemplarKey>, BTreeMap<String, String>), String> {
    let mut exemplars = BTreeSet::new();
    for (labels, found) in engine.exemplars(&[vec![crate::support::everything()]], i64::MIN, i64::MAX) {
        let number = number_of(&labels)?;
        for exemplar in found {
            if !exemplars.insert((number, exemplar.ts, exemplar.value.to_bits())) {
                return Err(format!("an exemplar of series {number} is there twice: {exemplar:?}"));
            }
        }
    }
    let help = engine.metadata().into_iter().map(|(metric, metadata)| (metric, metadata.help)).collect();
    Ok((exemplars, help))
}

/// The number of the series with these labels.
fn number_of(found: &Labels) -> Result<usize, String> {
    let number = (0..=HISTOGRAMS).find(|number| labels(*number) == *found);
    number.ok_or_else(|| format!("{found} was never sent"))
}

/// When the counts of a series began that has a sample at `ts`; 0 = not told.
fn start_of(series: usize, ts: i64) -> i64 {
    if series.is_multiple_of(3) { ts - 1 - ts.rem_euclid(HOUR) } else { 0 }
}

fn files(fs: &dyn Fs, dir: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in fs.list(dir).unwrap_or_default() {
        let path = dir.join(&entry.name);
        if entry.is_dir {
            files.extend(self::files(fs, &path));
        } else if entry.len > 0 {
            files.push(path);
        }
    }
    files
}

fn used_bytes(fs: &dyn Fs, dir: &Path) -> u64 {
    files(fs, dir).iter().map(|path| fs.file_len(path).unwrap_or(0)).sum()
}
