//! What the mutations start from: for each target a few inputs that decode, made by our encoders or kept from upstream.

use std::sync::Arc;

use kymo_formats::{
    block::{
        footer,
        header::Header,
        meta::BlockSummary,
        section::{SectionEntry, SectionKind},
    },
    codec::{
        self,
        decimal::Decimal,
        pco::Level,
        summary::{self, ChunkSummary},
        values::Density,
        with_start_ts,
    },
    delta::{
        Action, Add, CommitInfo, Format, Metadata, Protocol, Remove, Txn, encode_checkpoint, encode_commit,
        rollup_schema,
    },
    histogram::{FloatHistogram, Histogram, HistogramValue, Span},
    index::{
        chunk_directory::{ChunkDirectoryBuilder, ChunkMeta},
        dictionary::DictionaryBuilder,
        fingerprints,
        label_directory::LabelEntry,
        postings::PostingsBuilder,
        series::{LabelId, SeriesTableBuilder},
        stats::{self, MetricStats},
        summaries::SummariesBuilder,
    },
    manifest::{BlockRecord, EditRecord, LogHeader, MatcherOp, MatcherRecord, RollupRecord, TombstoneRecord, encode_edit},
    rollup::{
        Rollup, roll_up_samples,
        table::{FileSpec, LabelColumns, SeriesRows, TableWriter},
    },
    wal::{
        Frame, SegmentHeader,
        checkpoint::{CheckpointChunk, CheckpointEncoder},
        encode_frame,
        metadata::MetadataRecord,
        payload_checksum,
        rows::{FloatRow, RowsEncoder},
    },
    wire::{
        remote_read::{Chunk, ChunkEncoding, ChunkedFrameEncoder, ReadResponseEncoder},
        remote_write::Sample,
    },
};

type Inputs = Vec<Vec<u8>>;

/// The bytes that `write` appends to nothing.
fn bytes(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    out
}

/// The last word of each line of a golden file.
fn hex(text: &str) -> Inputs {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let chunk = |line: &str| line.split_whitespace().next_back()?.as_bytes().chunks(2).map(byte).collect();
    text.lines().filter_map(chunk).collect()
}

macro_rules! golden_hex {
    ($($file:literal)*) => {
        [$(hex(include_str!(concat!("../../../tests/golden/prometheus-3.14/", $file)))),*].concat()
    };
}

pub fn xor() -> Inputs {
    golden_hex!("xor.hex")
}

pub fn histogram() -> Inputs {
    golden_hex!("histogram_counter.hex" "histogram_custom.hex" "histogram_gauge.hex")
}

pub fn float_histogram() -> Inputs {
    golden_hex!("float_histogram_counter.hex" "float_histogram_custom.hex" "float_histogram_gauge.hex")
}

/// Behind the number of histograms, the golden columns.
pub fn histogram_columns() -> Inputs {
    let counts = [40_u16, 3, 20, 20, 41, 5];
    let columns = hex(include_str!("../../../tests/golden/columns-1/histograms.hex"));
    counts.iter().zip(columns).map(|(count, column)| [&count.to_le_bytes()[..], &column].concat()).collect()
}

pub fn start_ts() -> Inputs {
    let ts: Vec<i64> = (0..100).map(|n| n * 15_000).collect();
    let columns =
        [vec![0; 100], vec![-5_000; 100], ts.iter().map(|ts| ts - ts % 600_000).collect(), ts.clone()];
    let columns = columns.map(|start_ts| bytes(|out| codec::start_ts::encode(&start_ts, &ts, out)));
    columns.map(|column| [&[100], &column[..]].concat()).into()
}

/// Columns as exporters make them, and some that they do not.
fn value_columns() -> Vec<Vec<f64>> {
    let noise = |n: u32| f64::from(n.wrapping_mul(0x9e37_79b9) >> 22);
    let column = |count: u32, value: &dyn Fn(u32) -> f64| (0..count).map(value).collect::<Vec<f64>>();
    let mut odd = column(200, &|n| noise(n) / 10.0);
    odd[7] = f64::from_bits(0x7ff0_0000_0000_0002);
    odd[150] = -0.0;
    vec![
        vec![3.0; 100],
        vec![0.1; 100],
        column(300, &|n| noise(n) / 100.0),
        column(300, &|n| noise(n) * 0.1),
        column(200, &|n| 4_096.0 * noise(n)),
        odd,
        column(150, &|n| f64::from(n) * 1e3 + noise(n).sqrt()),
        column(150, &|n| if n % 40 == 0 { 0.3_f64.sqrt() } else { 0.7_f64.sqrt() }),
        column(600, &|n| (noise(n) + 1.0).ln()),
    ]
}

/// `columns` as `encode` writes them, each behind the number of its values.
fn counted<T>(columns: &[Vec<T>], mut encode: impl FnMut(&[T], &mut Vec<u8>)) -> Inputs {
    let count = |values: &[T]| u16::try_from(values.len()).expect("it is short").to_le_bytes();
    columns.iter().map(|values| [count(values).to_vec(), bytes(|out| encode(values, out))].concat()).collect()
}

pub fn values() -> Inputs {
    let columns = value_columns();
    [Density::Fast, Density::Dense]
        .map(|density| counted(&columns, |values, out| codec::values::encode(values, density, out)))
        .concat()
}

pub fn decimal() -> Inputs {
    let columns = value_columns();
    let decimal = |values: &[f64]| Decimal::of(values).unwrap_or_default();
    let packed = counted(&columns, |values, out| decimal(values).encode(out));
    let dense = counted(&columns, |values, out| {
        decimal(values).encode_through_pco(Level::Dense, out);
    });
    [packed, dense].concat()
}

pub fn raw_bits() -> Inputs {
    counted(&value_columns(), codec::raw_bits::encode)
}

pub fn xor_column() -> Inputs {
    counted(&value_columns(), codec::xor_column::encode)
}

pub fn pco() -> Inputs {
    counted(&value_columns(), |values, out| {
        codec::pco::encode(values, Level::Dense, out);
    })
}

fn integer_columns() -> Vec<Vec<i64>> {
    let noise = |n: i64| n * 7_919 % 41;
    vec![
        vec![5; 100],
        (0..200).map(|n| n * 15_000).collect(),
        (0..200).map(noise).collect(),
        (0..300).map(|n| 1_700_000_000_000 + n * 15_000 + noise(n)).collect(),
        (0..150).map(|n| if n == 70 { i64::MIN } else { n * n * n }).collect(),
    ]
}

pub fn integers() -> Inputs {
    counted(&integer_columns(), codec::integers::encode)
}

pub fn bitpack() -> Inputs {
    let runs = integer_columns().into_iter().flat_map(|column| {
        column.chunks(codec::bitpack::RUN).map(<[i64]>::to_vec).collect::<Vec<_>>()
    });
    let count = |run: &[i64]| u8::try_from(run.len()).expect("a run is short");
    runs.map(|run| [vec![count(&run)], bytes(|out| codec::bitpack::encode(&run, out))].concat()).collect()
}

pub fn chunk() -> Inputs {
    let ts: Vec<i64> = (0..100).map(|n| n * 15_000).collect();
    let base = codec::xor::encode(ts.iter().map(|ts| (*ts, *ts as f64)));
    let with_start = with_start_ts(&base, &ts, &vec![-1; 100]);
    // The target makes the encoding `1 + first byte % 6`.
    let numbered = |number: u8, chunk: Vec<u8>| [&[number], &chunk[..]].concat();
    let mut inputs: Inputs =
        (0..6).flat_map(|n| [numbered(n, base.clone()), numbered(n, with_start.clone())]).collect();
    inputs.extend(histogram().into_iter().flat_map(|chunk| [numbered(1, chunk.clone()), numbered(2, chunk)]));
    inputs.extend(float_histogram().into_iter().map(|chunk| numbered(2, chunk)));
    inputs
}

pub fn wire_remote_write_v1() -> Inputs {
    vec![include_bytes!("../../../tests/golden/remote-write-1.0.bin").to_vec()]
}

pub fn wire_remote_write_v2() -> Inputs {
    vec![include_bytes!("../../../tests/golden/remote-write-2.0.bin").to_vec()]
}

pub fn wire_remote_read() -> Inputs {
    let request = include_bytes!("../../../tests/golden/remote-read.bin").to_vec();
    let response = bytes(|out| {
        ReadResponseEncoder::new(out).result(|result| {
            result.series(|series| {
                series.label(b"job", b"api").sample(&Sample { ts: 1_000, start_ts: 0, value: 0.5 });
            });
        });
    });
    let frames = bytes(|out| {
        let mut encoder = ChunkedFrameEncoder::new();
        for (query, chunk) in (0..).zip(xor().into_iter().take(2)) {
            encoder.chunk(&Chunk {
                min_time_ms: 0,
                max_time_ms: 9,
                encoding: ChunkEncoding::Xor,
                data: &chunk,
            });
            encoder.finish(out, query, [(&b"job"[..], &b"api"[..])]);
        }
    });
    vec![request, response, frames]
}

pub fn wire_prom_text() -> Inputs {
    let page = "# HELP http_requests_total Requests \\\\ with a \\n break.\n# TYPE http_requests_total counter\n\
        http_requests_total{code=\"200\",path=\"/a\\\"b\"} 1027 1395066363000\n\n# TYPE x histogram\n\
        x_bucket{le=\"+Inf\"} 3e+1\nx_sum NaN\n{\"a.b\",\"c d\"=\"é\"} -Inf\n";
    vec![page.into()]
}

/// Without their checksums, which the target adds.
pub fn wire_tsdb() -> Inputs {
    let mut inputs: Inputs = vec![
        // A series of two labels and two chunks; symbols; tombstones.
        vec![14, 2, 0, 1, 2, 3, 2, 0x80, 0x01, 20, 8, 5, 9, 0x80, 0x01],
        b"\x00\x00\x00\x0c\x00\x00\x00\x03\x00\x02up\x03job".to_vec(),
        b"\x01\x30\xba\x30\x01\x07\x02\x80\x01\x09\x03\x04".to_vec(),
        [5_u64, 100, 300, 700, 500, 800].iter().flat_map(|place| place.to_be_bytes()).collect(),
    ];
    let chunk = codec::xor::encode([(1_000, 1.0), (16_000, 1.5), (31_000, f64::NAN)]);
    let len = u8::try_from(chunk.len()).expect("three samples are short");
    inputs.push([&[len, 1][..], &chunk].concat());
    inputs
}

pub fn wal_frame() -> Inputs {
    let mut inputs = wal_rows();
    inputs.push(bytes(|out| {
        for payload in [&b"one"[..], b"", b"a longer one"] {
            let lsn = out.len() as u64;
            let frame = Frame { kind: 1, flags: 0, shard: 3, space: 0, lsn, payload };
            encode_frame(&frame, payload_checksum(payload), out);
        }
    }));
    inputs
}

pub fn wal_segment_header() -> Inputs {
    vec![SegmentHeader { version: 1, segment: 7, space: 0 }.encode().to_vec()]
}

fn native_histogram() -> Histogram {
    Histogram {
        count: 6,
        zero_count: 1,
        zero_threshold: 0.001,
        sum: 9.5,
        positive_spans: vec![Span { offset: -2, length: 2 }, Span { offset: 3, length: 1 }],
        positive_buckets: vec![1, 1, 0],
        ..Histogram::default()
    }
}

pub fn wal_rows() -> Inputs {
    let mut encoder = RowsEncoder::default();
    encoder.label(0, b"__name__", b"up");
    encoder.label(1, b"job", b"api");
    for id in 0..5 {
        encoder.series(id, 0, &[0, 1]);
        encoder.float(FloatRow { id, ts: 1_000, start_ts: i64::from(id % 2), xor: 0x3ff0_0000_0000_0000 });
        encoder.late(id, 500, 0, f64::NAN);
        encoder.exemplar(id, 900, 0.25, b"\x08trace_id\x02ab");
    }
    let integer = native_histogram();
    encoder.histogram(0, 1_000, 0, &HistogramValue::Float(integer.to_float()));
    encoder.histogram(1, 1_000, 10, &HistogramValue::Integer(integer));
    vec![bytes(|out| encoder.finish(out))]
}

pub fn wal_metadata() -> Inputs {
    let record =
        MetadataRecord { family: b"http_requests_total", kind: b"counter", help: b"Requests.", unit: b"" };
    vec![bytes(|out| (0..3).for_each(|_| record.encode(out)))]
}

pub fn wal_checkpoint() -> Inputs {
    let mut encoder = CheckpointEncoder::new(77);
    for series in 0..4 {
        encoder.begin_series(b"\x01a\x01b", series, 9, 1);
        for n in 0..series {
            let (min_ts, max_ts) = (n * 10, n * 10 + 9);
            encoder.chunk(&CheckpointChunk { encoding: 1, count: 3, min_ts, max_ts, bytes: b"abc" });
        }
        encoder.end_series(series % 2 == 0, b"late");
    }
    vec![encoder.finish()]
}

pub fn manifest_log_header() -> Inputs {
    vec![LogHeader { version: 1, number: 3, snapshot_end: 400 }.encode().to_vec()]
}

pub fn manifest_edits() -> Inputs {
    let block =
        BlockRecord { id: 9, level: 1, series: 300, sources: vec![3, 4, 500], ..BlockRecord::default() };
    let matcher = |op| MatcherRecord { op, name: b"job".to_vec(), value: b"a.*".to_vec() };
    let matchers =
        [MatcherOp::Equal, MatcherOp::NotEqual, MatcherOp::Regex, MatcherOp::NotRegex].map(matcher).to_vec();
    let edits = [
        EditRecord::AddBlock(block),
        EditRecord::RemoveBlock(3),
        EditRecord::AddTombstone(TombstoneRecord { id: 10, matchers, ..TombstoneRecord::default() }),
        EditRecord::RemoveTombstone(10),
        EditRecord::WalStart { segment: 5, checkpoint: Some(4) },
        EditRecord::NextId(11),
        EditRecord::StoreId(12),
        EditRecord::Rollup(RollupRecord {
            width_ms: 300_000,
            job: 7,
            rolled_to_ms: 600_000,
            pending: vec![(0, 300_000)],
            due: vec![(300_000, 600_000)],
        }),
    ];
    vec![bytes(|out| edits.iter().for_each(|edit| encode_edit(edit, out)))]
}

pub fn block_header() -> Inputs {
    vec![Header { space: 0, block_id: 9 }.encode()]
}

pub fn block_footer() -> Inputs {
    let section =
        |kind, offset| SectionEntry { kind: SectionKind(kind), version: 1, crc: 5, offset, len: 64 };
    let sections: Vec<_> = (1..12).map(|kind| section(kind, 64 * u64::from(kind))).collect();
    let file = [vec![0; 900], footer::encode(&sections, 900)].concat();
    vec![footer::encode(&sections, 0), file]
}

pub fn block_meta() -> Inputs {
    vec![bytes(|out| BlockSummary { level: 1, series: 4, ..BlockSummary::default() }.encode(out))]
}

pub fn index_dictionary() -> Inputs {
    let mut builder = DictionaryBuilder::default();
    for n in 0..40 {
        builder.push(format!("instance-{n:03}").as_bytes()).expect("it is small");
    }
    vec![bytes(|out| builder.finish(out))]
}

pub fn index_postings() -> Inputs {
    let all: Vec<u32> = (0..200).collect();
    let sparse: Vec<u32> = (0..100).map(|n| n * 70_001).collect();
    let mut builder = PostingsBuilder::new(&all);
    for ids in [&all[..], &sparse[..], &all[..0]] {
        builder.push(ids).expect("it is small");
    }
    for id in 0..30 {
        builder.push(&[id, id + 1, id * 9 + 2]).expect("it is small");
    }
    vec![bytes(|out| builder.finish(out))]
}

pub fn index_series() -> Inputs {
    let mut builder = SeriesTableBuilder::default();
    for n in 0..40 {
        let label = |name, value| LabelId { name, value };
        builder.push(&[label(0, n / 10), label(1, n), label(3 + n % 2, 0)]).expect("it is small");
    }
    vec![bytes(|out| builder.finish(out))]
}

pub fn index_chunk_directory() -> Inputs {
    let mut builder = ChunkDirectoryBuilder::default();
    for series in 0..40 {
        let chunk =
            |n: i64| (ChunkMeta { encoding: 1, count: 120, min_ts: n * 1_000, max_ts: n * 1_000 + 999 }, 200);
        let chunks: Vec<_> = (0..series % 4).map(chunk).collect();
        builder.push(&chunks).expect("it is small");
    }
    vec![bytes(|out| builder.finish(out))]
}

pub fn index_fingerprints() -> Inputs {
    let uppers: Vec<u64> = (0..30).map(|n| n * n % 17).collect();
    vec![bytes(|out| fingerprints::encode(&uppers, out))]
}

pub fn index_label_directory() -> Inputs {
    let entry = |n: u64| LabelEntry { values: n * 50..n * 50 + 50, postings: n * 20..n * 20 + 20 };
    vec![bytes(|out| (0..5).for_each(|n| entry(n).encode(out)))]
}

pub fn index_stats() -> Inputs {
    let metric = |n: u64| MetricStats {
        name: format!("metric_{n}").into(),
        series: n,
        chunks: n * 2,
        samples: n * 240,
        chunk_bytes: n * 400,
    };
    let metrics: Vec<_> = (0..5).map(metric).collect();
    vec![bytes(|out| stats::encode(&metrics, out))]
}

/// Values whose summaries have all forms, and a chunk of them.
fn summarised() -> Vec<(ChunkMeta, Option<ChunkSummary>)> {
    let columns: [fn(u32) -> f64; 8] = [
        |_| 3.0,
        |_| 0.7_f64.sqrt(),
        |n| f64::from(n) * 1.5,
        |n| f64::from(n % 50) / 100.0,
        |n| f64::from(n).sqrt(),
        |n| f64::from(n % 40) * 0.1 + 0.2,
        |n| if n % 9 == 0 { f64::from_bits(0x7ff0_0000_0000_0002) } else { f64::from(n) },
        |_| f64::INFINITY,
    ];
    let chunk = |value: fn(u32) -> f64| {
        let ts: Vec<i64> = (0..100).map(|n| n * 700).collect();
        let values: Vec<f64> = (0..100).map(value).collect();
        (ChunkMeta { encoding: 7, count: 100, min_ts: 0, max_ts: 69_300 }, ChunkSummary::of(&ts, &values))
    };
    columns.map(chunk).to_vec()
}

pub fn summary() -> Inputs {
    let chunk = |(meta, summary): (ChunkMeta, Option<ChunkSummary>)| {
        bytes(|out| {
            out.extend_from_slice(&100_u16.to_le_bytes());
            summary::encode(summary.as_ref(), &meta, out);
        })
    };
    summarised().into_iter().map(chunk).collect()
}

pub fn index_summaries() -> Inputs {
    let mut builder = SummariesBuilder::default();
    for series in 0..40 {
        let chunks = summarised();
        let chunks = chunks.iter().skip(series % 8).take(series % 3);
        builder.push(chunks.map(|(meta, summary)| (meta, summary.as_ref()))).expect("it is small");
    }
    vec![bytes(|out| builder.finish(out))]
}

/// A data file and its file of series: counters that are reset, have a gap and end. The second one becomes a native
/// histogram.
fn rollup_files(series: usize, hours: i64) -> (Vec<u8>, Vec<u8>) {
    const WIDTH_MS: i64 = 300_000;
    let labels = LabelColumns::new(["job"]);
    let spec = FileSpec { labels, width_ms: WIDTH_MS, src: 3, histograms: false };
    let mut writer = TableWriter::new(spec, Vec::new(), Vec::new()).expect("memory takes it");
    for number in 0..series {
        let instance = number.to_string();
        let labels: [(&[u8], &[u8]); 4] =
            [(b"Job", b"b"), (b"__name__", b"requests_total"), (b"instance", instance.as_bytes()), (b"job", b"a")];
        let ts: Vec<i64> = (1..hours * 60).filter(|n| n % 40 > 7).map(|n| n * 60_000).collect();
        let values: Vec<f64> = ts.iter().map(|ts| (ts / 7_000 * 3 % 1_000) as f64 * 0.5).collect();
        let mut rollups: Vec<Rollup> = Vec::new();
        let floats = if number == 1 { ts.len() / 2 } else { ts.len() };
        let states: Vec<_> = ts[floats..].iter().map(|ts| (*ts, Arc::new(histogram_at(*ts)))).collect();
        roll_up_samples(&ts[..floats], &values[..floats], &states, WIDTH_MS, &mut rollups);
        for rollup in rollups.iter_mut().step_by(2) {
            rollup.floats = rollup.floats.map(|run| run.lean(true));
        }
        let end = rollups.last().map_or(0, |last| last.end) + WIDTH_MS;
        rollups.push(Rollup { stale: true, histograms: 2, ..Rollup::empty(end) });
        let rows = SeriesRows { labels: &labels, series_id: 77 - number as i64, rollups: &rollups };
        writer.push(&rows).expect("memory takes it");
    }
    let (data, series, _) = writer.finish().expect("memory takes it");
    (data, series)
}

/// A histogram that grows until it is reset.
fn histogram_at(ts: i64) -> FloatHistogram {
    let mut state = native_histogram().to_float();
    let turns = (ts / 60_000 % 50) as f64;
    state.count *= turns;
    state.zero_count *= turns;
    state.sum *= turns;
    state.positive_buckets.iter_mut().for_each(|count| *count *= turns);
    state
}

pub fn rollup_data() -> Inputs {
    [(1, 1), (3, 4)].map(|(series, hours)| rollup_files(series, hours).0).to_vec()
}

pub fn rollup_series() -> Inputs {
    [(1, 1), (9, 2)].map(|(series, hours)| rollup_files(series, hours).1).to_vec()
}

fn delta_actions() -> Vec<Action> {
    let add = |day: u32| Add {
        path: format!("day=2026-11-{day}/1795658336212-00ff.parquet"),
        partition_values: [("day".to_owned(), Some(format!("2026-11-{day}")))].into(),
        size: 7_000,
        modification_time: 1_795_658_336_212,
        data_change: true,
        stats: Some(r#"{"numRecords":7,"nullCount":{"ts":0}}"#.to_owned()),
        tags: Some([("kymo.rows".to_owned(), "7".to_owned())].into()),
    };
    let metadata = Metadata {
        id: "c0ffee00-0000-4000-8000-000000000000".to_owned(),
        name: Some("rollup_5m".to_owned()),
        format: Format { provider: "parquet".to_owned(), options: Default::default() },
        schema_string: rollup_schema(&LabelColumns::new(["job"]), "day"),
        partition_columns: vec!["day".to_owned()],
        configuration: [("kymo.width_ms".to_owned(), "300000".to_owned())].into(),
        created_time: Some(1_795_658_336_000),
    };
    let txn = Txn { app_id: "kymo-1-300000".to_owned(), version: 4, last_updated: None };
    vec![
        Action::Protocol(Protocol::OURS),
        Action::Metadata(metadata),
        Action::Remove(Remove::of(&add(25), 1_795_658_336_213, false)),
        Action::Add(add(26)),
        Action::Txn(txn),
    ]
}

pub fn delta_commit() -> Inputs {
    let info = CommitInfo { operation: "WRITE".to_owned(), nonce: "00ff".to_owned(), ..CommitInfo::default() };
    let foreign = br#"{"commitInfo":{"timestamp":"never","operation":[1]}}
{"domainMetadata":{"domain":"x"}}
{"txn":{"appId":"a","version":1,"more":true}}
"#;
    let last_checkpoint = br#"{"version":100,"size":7,"kymoCrc32":99}"#;
    vec![encode_commit(info, delta_actions()), foreign.to_vec(), last_checkpoint.to_vec()]
}

pub fn delta_checkpoint() -> Inputs {
    [delta_actions(), delta_actions().split_off(2)]
        .map(|actions| encode_checkpoint(&actions).expect("memory takes it"))
        .to_vec()
}
