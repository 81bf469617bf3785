//! Any bytes as a column of as many histograms as the first two bytes say: what decodes can be written again, and reads
//! the same then.
#![cfg_attr(fuzzing, no_main)]

use kymo_formats::{
    codec::{histogram::columns, values::Density},
    histogram::HistogramValue,
};

fn decoded(column: &[u8], count: usize) -> Option<Vec<HistogramValue>> {
    let mut histograms = Vec::new();
    columns::decode(column, count, |histogram| histograms.push(histogram)).ok()?;
    assert_eq!(histograms.len(), count);
    Some(histograms)
}

/// Everything but the hints, which depend on where runs end.
fn content(histograms: Vec<HistogramValue>) -> Vec<String> {
    let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    let one = |value: HistogramValue| match value {
        HistogramValue::Integer(h) => {
            format!("{} {} {:x} {:?}", h.count, h.zero_count, h.sum.to_bits(), h.positive_buckets)
        }
        HistogramValue::Float(h) => {
            format!("{:?} {:?}", bits(&[h.count, h.zero_count, h.sum]), bits(&h.positive_buckets))
        }
    };
    histograms.into_iter().map(one).collect()
}

pub fn target(bytes: &[u8]) {
    let Some((count, column)) = bytes.split_first_chunk() else { return };
    let count = usize::from(u16::from_le_bytes(*count));
    let resets = columns::resets(column, count);
    let Some(histograms) = decoded(column, count) else { return };
    assert!(resets.is_ok_and(|resets| resets.iter().all(|reset| *reset < count)));
    let (mut integers, mut floats) = (Vec::new(), Vec::new());
    for histogram in &histograms {
        match histogram {
            HistogramValue::Integer(histogram) => integers.push(histogram),
            HistogramValue::Float(histogram) => floats.push(histogram),
        }
    }
    // Spans of others may lie anywhere, also where a union of two of them is no layout any more.
    if histograms.iter().any(|histogram| match histogram {
        HistogramValue::Integer(h) => h.validate().is_err() && h.sum.to_bits() != 0x7ff0_0000_0000_0002,
        HistogramValue::Float(h) => h.validate().is_err() && h.sum.to_bits() != 0x7ff0_0000_0000_0002,
    }) {
        return;
    }
    let mut again = Vec::new();
    let encoded = if floats.is_empty() {
        columns::encode(&integers, Density::Fast, &mut again)
    } else {
        columns::encode(&floats, Density::Fast, &mut again)
    };
    // Runs may be cut elsewhere, and wider layouts may be too much.
    let Some(once) = encoded.then(|| decoded(&again, count).expect("our own column decodes")) else { return };
    let sums = |all: &[HistogramValue]| all.iter().map(|h| h.sum().to_bits()).collect::<Vec<_>>();
    assert_eq!(sums(&once), sums(&histograms));
    let mut same_layouts = histograms;
    if once.iter().zip(&same_layouts).all(|(a, b)| a.words() == b.words()) {
        assert_eq!(content(once), content(std::mem::take(&mut same_layouts)));
    }
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target(bytes));
