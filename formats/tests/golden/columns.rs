//! Columns that were written once: they decode to the same values for ever, whatever the encoders do today.
//!
//! A line is the name of a column and its bytes. The values are made by the functions here, which therefore must not
//! change either.

use std::collections::BTreeMap;

use kymo_formats::{
    codec::{
        column_chunk::ColumnEncoding,
        integers::{self, Form},
        summary::{self, ChunkSummary},
        values::{self, ValueEncoding},
    },
    cursor::Reader,
    index::chunk_directory::ChunkMeta,
};

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

pub(crate) fn lines(file: &str) -> impl Iterator<Item = (&str, Vec<u8>)> {
    file.lines().map(|line| line.split_once(' ').map(|(name, bytes)| (name, hex(bytes))).unwrap())
}

/// A number from 0 to 1,023.
fn noise(n: u32) -> f64 {
    f64::from(n.wrapping_mul(0x9e37_79b9) >> 22)
}

fn value_columns() -> BTreeMap<&'static str, Vec<f64>> {
    let column = |count: u32, value: &dyn Fn(u32) -> f64| (0..count).map(value).collect::<Vec<f64>>();
    let mut odd = column(140, &|n| noise(n) / 10.0);
    for (at, bits) in
        [(0, 1 << 63), (7, 0x7ff0_0000_0000_0002), (8, 0x7ff8_0000_0000_0001), (139, 0x7ff << 52)]
    {
        odd[at] = f64::from_bits(bits);
    }
    let mut gone = column(130, &|n| (noise(n) - 500.0) / 100.0);
    gone[129] = f64::from_bits(0x7ff0_0000_0000_0002);
    BTreeMap::from([
        ("gone", gone),
        ("tenth", vec![0.1; 100]),
        ("three", vec![3.0; 100]),
        ("minus", vec![-2_147_483_648.0; 9]),
        ("counter", column(260, &|n| f64::from(n) * 2_000.0 + noise(n))),
        ("cents", column(130, &|n| (noise(n) - 500.0) / 100.0)),
        ("noisy", column(130, &|n| noise(n) * 0.1)),
        ("pages", column(130, &|n| 4_096.0 * noise(n) + 12.0)),
        ("odd", odd),
        ("sum", column(130, &|n| f64::from(n) * 1e3 + noise(n).sqrt())),
        ("signs", column(20, &|n| (noise(n) - 500.0) / 3.0)),
        ("two", column(130, &|n| if n % 40 == 0 { 0.3_f64.sqrt() } else { 0.7_f64.sqrt() })),
        ("switching", column(130, &|n| (0.3 + noise(n) % 3.0).sqrt())),
        ("mixture", column(600, &|n| (if n % 11 < 9 { noise(n) % 3.0 } else { noise(n) }) / 10.0)),
        ("thirds", column(600, &|n| (noise(n) % 7.0 + 1.0) / 3.0 + noise(n) * 64.0)),
    ])
}

fn integer_columns() -> BTreeMap<&'static str, Vec<i64>> {
    let noise = |n: i64| n * 7_919 % 41;
    BTreeMap::from([
        ("least", vec![i64::MIN; 3]),
        ("beat", (0..200).map(|n| 1_700_000_000_000 + n * 15_000).collect()),
        ("gauge", (0..140).map(|n| 900 + noise(n)).collect()),
        ("outliers", (0..140).map(|n| if n % 50 == 9 { n << 50 } else { -noise(n) % 8 }).collect()),
        ("wide", (0..140).map(|n: i64| (n * n).wrapping_mul(0x1e37_79b9_7f4a_7c15) ^ n).collect()),
        ("counter", (0..300).map(|n| n * n % 1_009 + n * 4_000).collect()),
        ("jitter", (0..300).map(|n| 1_700_000_000_000 + n * n * 15_000 + noise(n) % 2).collect()),
    ])
}

#[test]
fn value_columns_decode_for_ever() {
    let columns = value_columns();
    for (encoding, file) in [
        (ValueEncoding::Constant, include_str!("columns-1/constant.hex")),
        (ValueEncoding::ConstantInteger, include_str!("columns-1/constant_integer.hex")),
        (ValueEncoding::Decimal, include_str!("columns-1/decimal.hex")),
        (ValueEncoding::RawBits, include_str!("columns-1/raw_bits.hex")),
        (ValueEncoding::Pco, include_str!("columns-1/pco.hex")),
        (ValueEncoding::Xor, include_str!("columns-1/xor.hex")),
    ] {
        let mut found = 0;
        for (name, bytes) in lines(file) {
            assert_eq!(ValueEncoding::of(&bytes), Some(encoding), "{name}");
            let mut out = Vec::new();
            values::decode(&bytes, columns[name].len(), &mut out).unwrap();
            let expected = columns[name].iter().map(|value| value.to_bits());
            assert!(out.iter().map(|value| value.to_bits()).eq(expected), "{name}");
            found += 1;
        }
        assert!(found > 0, "{encoding:?}");
    }
}

#[test]
fn integer_columns_decode_for_ever() {
    let columns = integer_columns();
    for (form, file) in [
        (Form::Constant, include_str!("columns-1/integers_constant.hex")),
        (Form::Linear, include_str!("columns-1/integers_linear.hex")),
        (Form::Plain, include_str!("columns-1/integers_plain.hex")),
        (Form::Delta, include_str!("columns-1/integers_delta.hex")),
        (Form::DeltaOfDelta, include_str!("columns-1/integers_delta_of_delta.hex")),
    ] {
        let mut found = 0;
        for (name, bytes) in lines(file) {
            assert_eq!(Form::of(&bytes), Some(form), "{name}");
            let mut out = Vec::new();
            integers::decode(&bytes, columns[name].len(), &mut out).unwrap();
            assert_eq!(out, columns[name], "{name}");
            found += 1;
        }
        assert!(found > 0, "{form:?}");
    }
}

/// What the directory says of a chunk of `len` samples, and their times.
fn chunk(len: usize) -> (ChunkMeta, Vec<i64>) {
    let ts: Vec<i64> = (0..len as i64).map(|n| 1_700_000_000_000 + n * 15_000).collect();
    let count = u32::try_from(len).unwrap();
    (ChunkMeta { encoding: ColumnEncoding::Floats.as_u8(), count, min_ts: ts[0], max_ts: ts[len - 1] }, ts)
}

#[test]
fn summaries_decode_for_ever() {
    let columns = value_columns();
    let mut found = 0;
    for (name, bytes) in lines(include_str!("columns-1/summary.hex")) {
        let (meta, ts) = chunk(columns[name].len());
        let mut reader = Reader::new(&bytes);
        let summary = summary::decode(&mut reader, &meta).unwrap();
        reader.finish("end").unwrap();
        match (summary, ChunkSummary::of(&ts, &columns[name])) {
            (Some(summary), Some(expected)) => assert!(summary.is_same(&expected), "{name}"),
            (summary, expected) => assert_eq!(summary, expected, "{name}"),
        }
        found += 1;
    }
    assert_eq!(found, columns.len());
}
