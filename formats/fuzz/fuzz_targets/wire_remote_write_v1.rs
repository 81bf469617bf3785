//! Remote write 1.0: what parse accepts, the iterators can read to the end.
#![cfg_attr(fuzzing, no_main)]

use kymo_formats::wire::remote_write::v1::WriteRequest;

pub fn target(bytes: &[u8]) {
    let Ok(request) = WriteRequest::parse(bytes) else { return };
    request.metadata().for_each(drop);
    for series in request.series() {
        let raw: usize = series.raw_labels().map(<[u8]>::len).sum();
        let spelled: usize = series.labels().map(|(name, value)| name.len() + value.len()).sum();
        assert!(raw >= spelled);
        series.samples().for_each(drop);
        series.histograms().for_each(drop);
        series.exemplars().for_each(|exemplar| exemplar.labels().for_each(drop));
    }
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target(bytes));
