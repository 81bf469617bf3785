//! Recorded `/metrics` pages of real exporters, replicated under a few instances.

use std::{collections::BTreeMap, io::Read as _, path::Path};

use kymo_formats::wire::prom_text::{Line, TextParser};

use crate::process::open_file;

use super::data::{BASE_MS, Cell, Series};

/// Metrics of the recording that are sent: gauges and counters, with few and many labels, infos, summaries,
/// histograms with and without gaps.
const METRICS: [&str; 40] = [
    "go_gc_duration_seconds",
    "go_gc_duration_seconds_count",
    "go_gc_duration_seconds_sum",
    "go_goroutines",
    "go_info",
    "node_boot_time_seconds",
    "node_context_switches_total",
    "node_cpu_seconds_total",
    "node_disk_io_now",
    "node_disk_written_bytes_total",
    "node_filesystem_avail_bytes",
    "node_filesystem_size_bytes",
    "node_load1",
    "node_memory_Dirty_bytes",
    "node_memory_MemAvailable_bytes",
    "node_memory_MemTotal_bytes",
    "node_netstat_Tcp_CurrEstab",
    "node_network_receive_bytes_total",
    "node_network_transmit_bytes_total",
    "node_network_up",
    "node_pressure_cpu_waiting_seconds_total",
    "node_procs_running",
    "node_uname_info",
    "process_cpu_seconds_total",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "prometheus_build_info",
    "prometheus_engine_query_duration_seconds",
    "prometheus_http_request_duration_seconds_bucket",
    "prometheus_http_request_duration_seconds_count",
    "prometheus_http_request_duration_seconds_sum",
    "prometheus_http_requests_total",
    "prometheus_tsdb_head_chunks",
    "prometheus_tsdb_head_samples_appended_total",
    "vm_blocks",
    "vm_cache_entries",
    "vm_http_requests_total",
    "vm_request_duration_seconds",
    "vm_rows_inserted_total",
];

/// Most series of one metric at one instance, so that no question takes long.
const SERIES_MAX: usize = 24;
/// Copies of each exporter.
const INSTANCES: [&str; 3] = ["a:9100", "b:9100", "c:9100"];
/// Every so many pages, which are a second apart in the recording, are a scrape.
const PAGES_STEP: usize = 5;
const SCRAPES: usize = 100;
const SCRAPE_MS: i64 = 15_000;
/// Pages by which the copies of an exporter are apart.
const PAGES_APART: usize = 200;

/// Values by labels, for each page of an exporter.
type Pages = Vec<BTreeMap<BTreeMap<String, String>, f64>>;

/// The series of the recording at `path`, a tar archive compressed with zstd: a folder of pages per exporter.
pub(crate) fn read(path: &Path) -> Vec<Series> {
    let mut exporters = BTreeMap::<String, Pages>::new();
    let mut archive = tar::Archive::new(zstd::Decoder::new(open_file(path)).unwrap());
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().into_owned();
        let job = path.parent().and_then(Path::file_name).and_then(|job| job.to_str());
        let (true, Some(job)) = (entry.header().entry_type().is_file(), job) else { continue };
        let pages = exporters.entry(job.to_owned()).or_default();
        let mut bytes = Vec::new();
        if pages.len().is_multiple_of(PAGES_STEP) {
            entry.read_to_end(&mut bytes).unwrap();
        }
        pages.push(page(&bytes));
    }
    assert!(!exporters.is_empty(), "{}: no pages", path.display());
    exporters.iter().flat_map(|(job, pages)| replicate(job, pages)).collect()
}

fn page(bytes: &[u8]) -> BTreeMap<BTreeMap<String, String>, f64> {
    let mut values = BTreeMap::new();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    for line in TextParser::new(bytes).flatten() {
        let Line::Sample(sample) = line else { continue };
        let name = text(&sample.name);
        if METRICS.binary_search(&name.as_str()).is_err() {
            continue;
        }
        let mut labels: BTreeMap<_, _> =
            sample.labels.map(|(name, value)| (text(&name), text(&value))).collect();
        labels.insert("__name__".to_owned(), name);
        labels.retain(|name, value| !value.is_empty() && name != "job" && name != "instance");
        values.insert(labels, sample.value);
    }
    values
}

/// Copies of an exporter: each begins at another page, and multiplies by another factor.
fn replicate(job: &str, pages: &Pages) -> Vec<Series> {
    let mut found = Vec::new();
    for (copy, instance) in INSTANCES.iter().enumerate() {
        let mut counts = BTreeMap::<String, usize>::new();
        let mut series = BTreeMap::<BTreeMap<String, String>, Vec<(i64, Cell)>>::new();
        for scrape in 0..SCRAPES {
            let Some(page) = pages.get(copy * PAGES_APART + scrape * PAGES_STEP) else { break };
            for (labels, value) in page {
                if !series.contains_key(labels) {
                    let count = counts.entry(labels["__name__"].clone()).or_default();
                    *count += 1;
                    if *count > SERIES_MAX {
                        continue;
                    }
                }
                let value = Cell::Float(value * (copy + 1) as f64);
                series.entry(labels.clone()).or_default().push((scrape_ts(job, copy, scrape), value));
            }
        }
        found.extend(series.into_iter().map(|(mut labels, samples)| {
            labels.extend([
                ("job".to_owned(), job.to_owned()),
                ("instance".to_owned(), (*instance).to_owned()),
            ]);
            Series { labels, samples }
        }));
    }
    found
}

/// Off the edges of windows, which are at multiples of an eighth of a second.
fn scrape_ts(job: &str, copy: usize, scrape: usize) -> i64 {
    let phase = 1037 * (job.len() + 3 * copy) + scrape * 7 % 50;
    let ts = BASE_MS + i64::try_from(phase).unwrap() + i64::try_from(scrape).unwrap() * SCRAPE_MS;
    if ts % 125 == 0 { ts + 1 } else { ts }
}
