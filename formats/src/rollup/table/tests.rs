//! Files of the table, written and read back.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use parquet::file::{
    reader::{ChunkReader, Length},
    writer::SerializedFileWriter,
};
use proptest::{collection::vec, prelude::*};

use super::{
    super::{Events, FloatRun, HistogramRun, Rollup, Sum},
    *,
};
use crate::{
    checksum::crc32,
    histogram::{
        CUSTOM_BUCKETS_SCHEMA, FloatHistogram, ResetHint, Span,
        algebra::{HistogramSum, compact},
    },
    test_config::config,
};

const WIDTH: i64 = 300_000;

fn run() -> impl Strategy<Value = FloatRun> {
    let value = || prop_oneof![Just(1.5), Just(f64::NAN), Just(-0.0), Just(f64::INFINITY), any::<f64>()];
    let ends = (value(), value(), value(), value(), value());
    (1..9_u32, 0..WIDTH, 0..WIDTH, ends, 0..3_u32, 0..3_u32).prop_map(
        |(count, a, b, ends, resets, changes)| FloatRun {
            count,
            first_ts: -a.max(b),
            last_ts: -a.min(b),
            first: ends.0,
            last: ends.1,
            min: ends.2,
            max: ends.3,
            sum: Some(Sum::of(ends.4)),
            correction: Sum::of(if resets > 0 { 4.25 } else { 0.0 }),
            resets,
            changes,
        },
    )
}

/// Native histograms of a window that ends at 0, of one layout or of two.
fn states() -> impl Strategy<Value = HistogramRun> {
    let hint = prop::sample::select(vec![ResetHint::Unknown, ResetHint::NotReset, ResetHint::Gauge]);
    let layout =
        prop::sample::select(vec![(3, vec![]), (2, vec![]), (CUSTOM_BUCKETS_SCHEMA, vec![0.5, 2.5])]);
    let state =
        (hint, layout, vec(0_u32..4, 1..4), -9_i32..9).prop_map(|(reset_hint, layout, counts, sum)| {
            let counts: Vec<f64> = counts.into_iter().map(f64::from).collect();
            let spans = vec![Span { offset: 0, length: u32::try_from(counts.len()).unwrap() }];
            let is_custom = layout.0 == CUSTOM_BUCKETS_SCHEMA;
            Arc::new(FloatHistogram {
                reset_hint,
                schema: layout.0,
                zero_threshold: if is_custom { 0.0 } else { 0.25 },
                zero_count: if is_custom { 0.0 } else { 7.0 },
                count: counts.iter().sum(),
                sum: f64::from(sum) / 3.0,
                positive_spans: spans.clone(),
                positive_buckets: counts.clone(),
                negative_spans: if is_custom { Vec::new() } else { spans },
                negative_buckets: if is_custom { Vec::new() } else { counts },
                custom_values: layout.1,
            })
        });
    vec(state, 1..6).prop_map(|states| {
        let first_ts = -i64::try_from(states.len()).unwrap() * 15_000;
        let mut run = HistogramRun::of(first_ts, &states[0]);
        let later = (first_ts + 15_000..).step_by(15_000).zip(&states[1..]);
        later.for_each(|(ts, state)| run.push(ts, state));
        run
    })
}

/// Rows of one series: their ends ascend.
fn rollups() -> impl Strategy<Value = Vec<Rollup>> {
    type Row = (i64, Option<FloatRun>, Option<HistogramRun>, bool);
    let row =
        (1..4_i64, prop::option::weighted(0.9, run()), prop::option::weighted(0.3, states()), any::<bool>());
    (vec(row, 0..40), any::<bool>()).prop_map(|(rows, with_states)| {
        let mut end = 1_700_000_100_000_i64;
        let rollup = |(step, floats, states, stale): Row| {
            end += step * WIDTH;
            let at =
                |run: FloatRun| FloatRun { first_ts: end + run.first_ts, last_ts: end + run.last_ts, ..run };
            let states = states.filter(|_| with_states).map(|mut run| {
                (run.first_ts, run.last_ts) = (run.first_ts + end, run.last_ts + end);
                Arc::new(run)
            });
            let both = floats.is_some() && states.is_some() && !stale;
            Rollup {
                end,
                floats: floats.map(at),
                histograms: states.as_ref().map_or(u32::from(stale) * 3, |run| run.count),
                together: both.then_some(Events { resets: 1, changes: 2 }),
                states,
                stale,
            }
        };
        rows.into_iter().map(rollup).collect()
    })
}

fn labels() -> impl Strategy<Value = Vec<(Vec<u8>, Vec<u8>)>> {
    let name = prop::sample::select(vec!["__name__", "job", "instance", "sum", "le", "häuser", "zone"]);
    prop::collection::btree_map(name, "[a-c]{1,3}", 0..6).prop_map(|labels| {
        labels.into_iter().map(|(name, value)| (name.as_bytes().to_vec(), value.into_bytes())).collect()
    })
}

#[derive(Debug, Clone)]
struct Rows {
    labels: Vec<(Vec<u8>, Vec<u8>)>,
    rollups: Vec<Rollup>,
}

fn table() -> impl Strategy<Value = Vec<Rows>> {
    let rows = (labels(), any::<bool>(), rollups()).prop_map(|(labels, is_counter, mut rollups)| {
        let runs = rollups.iter_mut().filter_map(|rollup| rollup.floats.as_mut());
        runs.for_each(|run| *run = run.lean(is_counter));
        Rows { labels, rollups }
    });
    vec(rows, 0..12)
}

fn write(table: &[Rows]) -> (Bytes, Bytes, FileStats) {
    let spec = FileSpec {
        labels: LabelColumns::new(["job", "instance", "sum"]),
        width_ms: WIDTH,
        src: 7,
        histograms: false,
    };
    let mut writer = TableWriter::new(spec, Vec::new(), Vec::new()).unwrap();
    for (id, rows) in table.iter().enumerate() {
        let labels: Vec<(&[u8], &[u8])> =
            rows.labels.iter().map(|(name, value)| (&**name, &**value)).collect();
        writer.push(&SeriesRows { labels: &labels, series_id: id as i64, rollups: &rows.rollups }).unwrap();
    }
    let (data, series, stats) = writer.finish().unwrap();
    assert_eq!((stats.data_bytes, stats.series_bytes), (data.len() as u64, series.len() as u64));
    assert_eq!(stats.series_crc32, crc32(&series));
    (data.into(), series.into(), stats)
}

fn series_of(file: Bytes) -> Vec<FileSeries> {
    let file = SeriesFile::open(file).unwrap();
    (0..file.groups()).flat_map(|group| file.read_group(group).unwrap()).collect()
}

/// All facts, bit for bit.
fn assert_same(a: &Rollup, b: &Rollup) -> Result<(), TestCaseError> {
    prop_assert_eq!((a.end, a.stale, a.floats.is_some()), (b.end, b.stale, b.floats.is_some()));
    prop_assert_eq!((a.histograms, a.together), (b.histograms, b.together));
    prop_assert_eq!(a.states.is_some(), b.states.is_some());
    if let (Some(a), Some(b)) = (&a.states, &b.states) {
        // A sum that was written has no compensation any more.
        let rounded = |run: &HistogramRun| HistogramRun {
            sum: run.sum.as_ref().map(|sum| HistogramSum::new(&sum.total())),
            correction: run.correction.as_ref().map(|sum| HistogramSum::new(&unhinted(&sum.total()))),
            ..run.clone()
        };
        prop_assert_eq!(rounded(a), rounded(b));
    }
    let (Some(a), Some(b)) = (a.floats, b.floats) else { return Ok(()) };
    let exact = |run: &FloatRun| {
        let floats = [run.first, run.last, run.min, run.max, run.correction.total()].map(f64::to_bits);
        let sum = run.sum.map(|sum| sum.total().to_bits());
        (run.count, run.first_ts, run.last_ts, run.resets, run.changes, floats, sum)
    };
    prop_assert_eq!(exact(&a), exact(&b));
    Ok(())
}

fn unhinted(histogram: &FloatHistogram) -> FloatHistogram {
    let mut unhinted = FloatHistogram { reset_hint: ResetHint::Unknown, ..histogram.clone() };
    compact(&mut unhinted, 0);
    unhinted
}

/// A file of which only some bytes are there.
struct Partial {
    file: Bytes,
    parts: Vec<Range<u64>>,
}

impl Length for Partial {
    fn len(&self) -> u64 {
        self.file.len() as u64
    }
}

impl ChunkReader for Partial {
    type T = std::io::Empty;

    fn get_read(&self, _: u64) -> parquet::errors::Result<Self::T> {
        Err(parquet::errors::ParquetError::General("no stream".to_owned()))
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        let end = start + length as u64;
        assert!(
            self.parts.iter().any(|part| part.start <= start && end <= part.end),
            "{start}..{end} was not announced"
        );
        let at = |byte: u64| usize::try_from(byte).unwrap();
        Ok(self.file.slice(at(start)..at(end)))
    }
}

fn small() -> proptest::test_runner::Config {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../proptest-regressions/formats/rollup_table.txt");
    proptest::test_runner::Config { cases: 64, ..config(path) }
}

proptest! {
    #![proptest_config(small())]

    #[test]
    fn what_was_written_is_read(table in table()) {
        let (data, series, stats) = write(&table);
        let kept: Vec<&Rows> = table.iter().filter(|rows| !rows.rollups.is_empty()).collect();
        let found = series_of(series.clone());
        prop_assert_eq!(found.len(), kept.len());
        let file = DataFile::open(&data).unwrap();
        prop_assert_eq!(file.width_ms(), WIDTH);
        prop_assert_eq!((file.rows(), stats.series), (stats.rows, kept.len() as u64));
        for (rows, series) in kept.iter().zip(&found) {
            prop_assert_eq!(&rows.labels, &series.labels);
            let columns = file.read(&Arc::new(data.clone()), std::slice::from_ref(&series.rows), Facts::ALL).unwrap();
            prop_assert_eq!(columns.len(), rows.rollups.len());
            prop_assert_eq!(series.min_end, rows.rollups[0].end);
            prop_assert_eq!(series.max_end, rows.rollups[rows.rollups.len() - 1].end);
            for (at, rollup) in rows.rollups.iter().enumerate() {
                assert_same(rollup, &columns.rollup(at).unwrap())?;
            }
        }
        let checksums = SeriesFile::open(series).unwrap().checksums().unwrap();
        prop_assert_eq!(checksums.data_bytes, data.len() as u64);
        let parts: Vec<u32> = data.chunks(PART_BYTES).map(crc32).collect();
        prop_assert_eq!(checksums.parts, parts);
    }

    #[test]
    fn only_what_is_announced_is_read(table in table(), picks in vec(any::<bool>(), 12), all in any::<bool>()) {
        let (data, series, _) = write(&table);
        let picked = series_of(series).into_iter().zip(picks).filter(|(_, pick)| *pick);
        let mut rows: Vec<Range<u64>> = Vec::new();
        for (series, _) in picked {
            match rows.last_mut() {
                Some(last) if last.end == series.rows.start => last.end = series.rows.end,
                _ => rows.push(series.rows),
            }
        }
        let facts = if all { Facts::ALL } else { Facts { ends: true, ..Facts::default() } };
        let file = DataFile::open(&data).unwrap();
        let parts = file.parts(&rows, facts).unwrap();
        prop_assert!(parts.is_sorted_by(|a, b| a.end <= b.start));
        let partial = Arc::new(Partial { file: data, parts });
        let columns = file.read(&partial, &rows, facts).unwrap();
        prop_assert_eq!(columns.len() as u64, rows.iter().map(|rows| rows.end - rows.start).sum::<u64>());
        prop_assert_eq!(columns.sum.len(), if all { columns.len() } else { 0 });
    }

    #[test]
    fn damage_is_an_error_and_no_panic(table in table(), at in any::<prop::sample::Index>(), flip in 1..=255_u8, cut in any::<bool>()) {
        let (data, series, _) = write(&table);
        let damage = |file: Bytes| -> Bytes {
            let mut bytes = file.to_vec();
            let at = at.index(bytes.len());
            if cut { bytes.truncate(at) } else { bytes[at] ^= flip }
            bytes.into()
        };
        let (data, series) = (damage(data), damage(series));
        if let Ok(file) = DataFile::open(&data) {
            let rows = 0..file.rows().min(1_000);
            drop(file.parts(std::slice::from_ref(&rows), Facts::ALL));
            drop(file.read(&Arc::new(data), &[rows], Facts::ALL));
        }
        if let Ok(file) = SeriesFile::open(series) {
            drop(file.checksums());
            (0..file.groups()).for_each(|group| drop(file.read_group(group)));
        }
    }
}

/// What histograms cost tables without any: nothing.
#[test]
fn files_without_histograms_are_without_their_columns() {
    let state = Arc::new(FloatHistogram { count: 1.0, ..FloatHistogram::default() });
    let row = |end, states: bool| Rollup {
        histograms: 1,
        states: states.then(|| Arc::new(HistogramRun::of(end - 1, &state))),
        ..Rollup::empty(end)
    };
    let series = |name: &str, states| Rows {
        labels: vec![(b"__name__".to_vec(), name.as_bytes().to_vec())],
        rollups: vec![row(WIDTH, states)],
    };
    let (without, ..) = write(&[series("a", false), series("b", false)]);
    let (with, ..) = write(&[series("a", false), series("b", true)]);
    let open = |data: &Bytes| DataFile::open(data).unwrap();
    assert!(!open(&without).has_histograms() && open(&with).has_histograms());
    assert!(!without.windows(6).any(|bytes| bytes == b"h_zero"));
    // Rows that are there already have none.
    let read = |data: Bytes| {
        let columns =
            open(&data).read(&Arc::new(data.clone()), std::slice::from_ref(&(0..2)), Facts::ALL).unwrap();
        (0..2).map(|row| columns.rollup(row).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(read(without), [row(WIDTH, false), row(WIDTH, false)]);
    assert_eq!(read(with), [row(WIDTH, false), row(WIDTH, true)]);
}

/// Where histograms show up behind a row group without any they belong into another file.
#[test]
fn a_file_that_has_no_room_for_histograms_says_so() {
    let state = Arc::new(FloatHistogram { count: 1.0, ..FloatHistogram::default() });
    let many: Vec<Rollup> =
        (1..=600_000).map(|n| Rollup { stale: true, ..Rollup::empty(n * WIDTH) }).collect();
    let late = [Rollup {
        histograms: 1,
        states: Some(Arc::new(HistogramRun::of(WIDTH - 1, &state))),
        ..Rollup::empty(WIDTH)
    }];
    for histograms in [false, true] {
        let spec = FileSpec { labels: LabelColumns::default(), width_ms: WIDTH, src: 7, histograms };
        let mut writer = TableWriter::new(spec, Vec::new(), Vec::new()).unwrap();
        assert!(writer.takes(&late));
        writer.push(&SeriesRows { labels: &[], series_id: 1, rollups: &many }).unwrap();
        assert_eq!((writer.takes(&late), writer.takes(&many)), (histograms, true));
    }
}

/// A few bytes can claim billions of series: that is noticed before anything is read.
#[test]
fn a_group_of_more_series_than_are_written_is_refused() {
    let group = |count: usize| {
        let rollups = [Rollup::empty(WIDTH)];
        let series = SeriesRows { labels: &[(b"a", b"b")], series_id: 7, rollups: &rollups };
        let mut all = writer::SeriesGroup::default();
        (0..count).for_each(|_| all.push(&series, 0, (WIDTH, WIDTH)));
        let schema = schema::series_schema().unwrap();
        let mut file = SerializedFileWriter::new(Vec::new(), schema, Arc::default()).unwrap();
        all.write(&mut file).unwrap();
        SeriesFile::open(Bytes::from(file.into_inner().unwrap()))
            .unwrap()
            .read_group(0)
            .map(|group| group.len())
    };
    assert_eq!(group(8_192).unwrap(), 8_192);
    let error = group(8_193).unwrap_err().to_string();
    assert!(error.contains("the number of series of a group"), "{error}");
}

#[test]
fn a_large_file_has_pages_that_are_read_alone() {
    let rollups: Vec<Rollup> = (1..=500_i64)
        .map(|n| {
            let run = FloatRun {
                min: n as f64,
                max: n as f64 * 1.7,
                ..FloatRun::of(n * WIDTH - 5, (n * n) as f64)
            };
            Rollup { floats: Some(run), ..Rollup::empty(n * WIDTH) }
        })
        .collect();
    let series = |n: usize| Rows {
        labels: vec![
            (b"__name__".to_vec(), b"m".to_vec()),
            (b"pod".to_vec(), format!("pod-{n:04}").into_bytes()),
        ],
        rollups: rollups.clone(),
    };
    // More than one row group.
    let table: Vec<Rows> = (0..1_500).map(series).collect();
    let (data, series, stats) = write(&table);
    assert_eq!(stats.rows, 750_000);
    let found = series_of(series);
    let file = DataFile::open(&data).unwrap();
    for at in [0, 700, 1_048, 1_049, 1_499] {
        let rows = [found[at].rows.clone()];
        let parts = file.parts(&rows, Facts::ALL).unwrap();
        let bytes: u64 = parts.iter().map(|part| part.end - part.start).sum();
        assert!(bytes * 10 < data.len() as u64, "{bytes} of {}", data.len());
        let columns = file.read(&Arc::new(data.clone()), &rows, Facts::ALL).unwrap();
        assert!((0..500).all(|row| columns.rollup(row).unwrap() == rollups[row]));
    }
    let rows = 749_999..750_001;
    let beyond = file.read(&Arc::new(data), std::slice::from_ref(&rows), Facts::ALL);
    assert!(matches!(beyond, Err(TableError::Foreign { .. })), "{beyond:?}");
}

/// Found by the fuzzer: where a footer says that a column begins before the file, asking for its place panicked.
#[test]
fn no_byte_of_a_footer_makes_it_panic() {
    let mut run = FloatRun::of(1_000, 3.5);
    run.push(2_000, 1.25);
    let rollups = [Rollup { floats: Some(run), ..Rollup::empty(WIDTH) }];
    let (data, ..) =
        write(&[Rows { labels: vec![(b"job".to_vec(), b"a".to_vec())], rollups: rollups.to_vec() }]);
    let length =
        usize::try_from(u32::from_le_bytes(data[data.len() - 8..][..4].try_into().unwrap())).unwrap();
    for at in data.len() - 8 - length..data.len() {
        for flip in [0x01, 0x03, 0x80, 0xff] {
            let mut bytes = data.to_vec();
            bytes[at] ^= flip;
            let bytes = Bytes::from(bytes);
            let Ok(file) = DataFile::open(&bytes) else { continue };
            let rows = 0..file.rows().min(3);
            let read = file
                .parts(std::slice::from_ref(&rows), Facts::ALL)
                .and_then(|_| file.read(&Arc::new(bytes), std::slice::from_ref(&rows), Facts::ALL));
            assert!(read.is_err() || read.is_ok_and(|columns| columns.len() as u64 == rows.end));
        }
    }
}
