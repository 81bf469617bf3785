//! Remote write 2.0: what parse accepts, the iterators can read to the end.
#![cfg_attr(fuzzing, no_main)]

use kymo_formats::wire::remote_write::v2::Request;

pub fn target(bytes: &[u8]) {
    let Ok(request) = Request::parse(bytes) else { return };
    for series in request.series() {
        if let Ok(labels) = series.labels() {
            assert_eq!(labels.count() * 2, series.label_refs().count());
        }
        let _ = series.metadata();
        series.samples().for_each(drop);
        series.histograms().for_each(drop);
        series.exemplars().for_each(|exemplar| drop(exemplar.labels()));
    }
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target(bytes));
