//! Every metric of Kymo: name, kind and help. `docs/metrics.md` is made from this list.

/// How a metric behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    /// The word of the exposition format.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// What is fixed about a metric.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Info {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) help: &'static str,
}

macro_rules! metrics {
    ($($constant:ident = $name:literal, $kind:ident, $help:literal;)*) => {
        $(pub(crate) const $constant: Info = Info { name: $name, kind: Kind::$kind, help: $help };)*

        /// All metrics, in the order in which they are shown.
        #[cfg(test)]
        pub(crate) const ALL: &[&Info] = &[$(&$constant),*];
    };
}

metrics! {
    BUILD_INFO = "kymo_build_info", Gauge, "Constant 1, labelled with the version.";
    PROCESS_START = "process_start_time_seconds", Gauge, "When the process started, in seconds since 1970.";
    PROCESS_RESIDENT = "process_resident_memory_bytes", Gauge, "Memory of the process that is in RAM.";
    PROCESS_CPU = "process_cpu_seconds_total", Counter, "CPU time that the process has used, user and system.";
    HTTP_REQUESTS = "kymo_http_requests_total", Counter, "Requests answered, by route and status code.";
    HTTP_DURATION = "kymo_http_request_duration_seconds", Histogram,
        "Time from the head of a request to the head of its answer, by route.";
    HTTP_CONNECTIONS = "kymo_http_connections", Gauge, "Open connections; server.connections_max bounds them.";
    HTTP_CONNECTIONS_ENDED = "kymo_http_connections_ended_total", Counter,
        "Connections that have ended, by reason: closed, idle, evicted for a new one, stalled or too slow a client, malformed requests, no TLS session.";
    ACCESS_DENIED = "kymo_access_denied_total", Counter,
        "Requests that were not let through, by reason: anonymous, unknown (name, password or token), role, busy.";
    WRITE_ROWS = "kymo_write_rows_total", Counter,
        "Rows accepted by the write protocols and made durable, by kind: sample, histogram, exemplar.";
    WRITE_REFUSED = "kymo_write_refused_rows_total", Counter,
        "Refusals by storage of rows, or of whole series, in otherwise accepted requests.";
    WRITE_BYTES = "kymo_write_received_bytes_total", Counter, "Bytes of write requests as received, compressed.";
    WRITE_MEMORY = "kymo_write_memory_bytes", Gauge,
        "Memory set aside for the bodies of write requests under way; remote_write.memory_bytes_max bounds it.";
    QUERIES_RUNNING = "kymo_queries_running", Gauge,
        "Calls that read, PromQL queries among them; query.concurrency_max bounds them.";
    QUERIES = "kymo_queries_total", Counter, "PromQL queries that were evaluated, by outcome: success, error.";
    QUERY_DURATION = "kymo_query_duration_seconds", Histogram, "Time of PromQL queries, waiting included.";
    QUERIES_OVER_LIMIT = "kymo_queries_over_limit_total", Counter,
        "PromQL queries refused for query.samples_max or query.memory_bytes_max.";
    QUERY_MEMORY_PEAK = "kymo_query_memory_peak_bytes", Gauge,
        "Most memory that a query that was answered has been counted with; query.memory_bytes_max bounds it.";
    SERIES = "kymo_engine_head_series", Gauge, "Series in memory.";
    SERIES_CREATED = "kymo_engine_head_series_created_total", Counter, "Series that became known since the start.";
    SERIES_REFUSED = "kymo_engine_head_series_refused_total", Counter,
        "Attempts to add a series that a limit refused, by setting: head.series_max and others.";
    SAMPLES = "kymo_engine_samples_appended_total", Counter, "Samples accepted since the start.";
    SEALED_CHUNKS = "kymo_engine_head_sealed_chunks", Gauge, "Sealed chunks that wait for the next flush.";
    LATE_SAMPLES = "kymo_engine_head_late_samples", Gauge, "Late samples that wait for the next flush.";
    EXEMPLARS = "kymo_engine_head_exemplars", Gauge, "Exemplars that are kept.";
    HEAD_BYTES = "kymo_engine_head_bytes", Gauge, "Memory of the head; head.budget_bytes bounds it.";
    MEMORY_BYTES = "kymo_engine_memory_bytes", Gauge,
        "Memory of the engine, by component: those of the head, the buffer of the WAL, what is kept of blocks.";
    MEMORY_BUDGET = "kymo_engine_memory_budget_bytes", Gauge,
        "Memory that the head and the buffer of the WAL may take: head.budget_bytes or its default.";
    MEMORY_STAGE = "kymo_engine_memory_stage", Gauge,
        "How short memory is: 0 not, 1 chunks are spilled early, 2 idle series leave early, 3 new series are refused, 4 writes are refused.";
    WAL_BYTES = "kymo_engine_wal_written_bytes_total", Counter, "Bytes written to the WAL since the start.";
    WAL_SEGMENTS = "kymo_engine_wal_segments", Gauge, "Number of WAL segments.";
    WAL_WAITING = "kymo_engine_wal_waiting_requests", Gauge, "Requests that wait for their rows to be durable.";
    WAL_FAILED = "kymo_engine_wal_failed", Gauge, "1 when the WAL takes no more rows after a failed write or sync.";
    WAL_SYNC = "kymo_engine_wal_sync_seconds", Histogram, "Time of syncs of the WAL.";
    RECOVERY_DAMAGED = "kymo_engine_recovery_damaged_bytes", Gauge,
        "Bytes of the WAL and its checkpoint that the last start found damaged and set aside.";
    BLOCKS = "kymo_engine_blocks", Gauge, "Live blocks, by level.";
    BLOCK_BYTES = "kymo_engine_block_bytes", Gauge, "Size of live blocks, by level.";
    BLOCKS_DAMAGED = "kymo_engine_damaged_blocks", Gauge, "Live blocks in which a query or a compaction found damage.";
    DAMAGED_LEFT_OUT = "kymo_engine_damaged_left_out_total", Counter,
        "Damaged blocks and chunks left out of answers since the start, each time they were.";
    FLUSHES = "kymo_engine_flushes_total", Counter, "Flushes since the start, by outcome: success, error.";
    COMPACTIONS = "kymo_engine_compactions_total", Counter,
        "Compactions since the start, by outcome: success, error.";
    MERGES_WITHOUT_ROOM = "kymo_engine_compaction_waits_for_disk", Gauge,
        "1 when a compaction is due that would not leave enough of the disk to the WAL and to flushes.";
    BLOCKS_EXPIRED = "kymo_engine_blocks_expired_total", Counter, "Blocks dropped by retention since the start.";
    ROLLUP_JOBS = "kymo_engine_rollup_jobs_total", Counter,
        "Jobs that rolled up windows since the start, and attempts that failed, by outcome: success, error.";
    ROLLUP_ROWS = "kymo_engine_rollup_rows_total", Counter, "Rows written to tiers since the start.";
    ROLLUP_TOO_LATE = "kymo_engine_rollup_windows_too_late_total", Counter,
        "Windows that changed after their samples were gone, and were left as they are, since the start.";
    ROLLUP_HELD_BACK = "kymo_engine_rollup_deletion_held_back", Gauge,
        "1 when retention would delete so much of a tier at once that it waits for tiers.confirm_deletion.";
    TIER_LAG = "kymo_engine_tier_lag_seconds", Gauge,
        "By how much a tier is behind the time of the data, by table.";
    TIER_ROLLED_TO = "kymo_engine_tier_rolled_to_seconds", Gauge,
        "End of the last window that was rolled up, in seconds since 1970, by table.";
    TIER_DUE = "kymo_engine_tier_due_windows", Gauge,
        "Windows that have to be rolled up again because samples came or went, by table.";
    TIER_ROWS = "kymo_engine_tier_rows", Gauge, "Rows of a tier, by table.";
    TIER_BYTES = "kymo_engine_tier_bytes", Gauge, "Size of the data files of a tier, by table.";
    TIER_OBJECTS = "kymo_engine_tier_objects", Gauge, "Data files of a tier, by table.";
    TIER_REQUESTS = "kymo_engine_tier_read_requests_total", Counter,
        "Requests to the places of tiers that read data files, since the start.";
    TIER_FETCHED = "kymo_engine_tier_read_bytes_total", Counter,
        "Bytes that these requests brought since the start.";
    TIER_CACHED = "kymo_engine_tier_cache_bytes", Gauge, "Memory of the parts of data files that are kept.";
    TIER_DISK_CACHED = "kymo_engine_tier_disk_cache_bytes", Gauge,
        "Bytes of the cache on disk of what was read of buckets.";
    TIER_CACHE_HITS = "kymo_engine_tier_cache_hits_total", Counter,
        "Parts of objects that were there already, since the start, by where: memory, disk.";
    COLD_BLOCKS = "kymo_engine_cold_blocks", Gauge, "Live blocks that have an object in object storage.";
    COLD_BYTES = "kymo_engine_cold_block_bytes", Gauge, "Size of these objects.";
    COLD_GOING = "kymo_engine_cold_blocks_going", Gauge, "Objects of blocks that wait to be removed.";
    COLD_UPLOADS = "kymo_engine_cold_uploads_total", Counter,
        "Blocks that were moved to object storage since the start, and attempts to move or remove some that failed, by outcome: success, error.";
    COLD_REQUESTS = "kymo_engine_cold_read_requests_total", Counter,
        "Requests that read blocks in object storage since the start.";
    COLD_FETCHED = "kymo_engine_cold_read_bytes_total", Counter, "Bytes that these requests brought since the start.";
    COLD_LEFT_OUT = "kymo_engine_cold_left_out_total", Counter,
        "Blocks and chunks left out of answers since the start because object storage was out of reach.";
    SELF_STORE_FAILURES = "kymo_self_store_failures_total", Counter,
        "Attempts to store Kymo's own metrics that failed.";
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");

    #[test]
    fn every_metric_has_a_good_name_and_a_help_text() {
        for info in ALL {
            assert!(info.help.ends_with('.'), "{} has no help text that is a sentence", info.name);
            assert_eq!(info.name.ends_with("_total"), info.kind == Kind::Counter, "{}", info.name);
        }
    }

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "the test reads, and on request writes, a file of the source tree"
    )]
    fn the_document_is_up_to_date() {
        let mut expected = String::from(
            "# Metrics\n\nWhat `GET /metrics` shows, and what Kymo stores about itself with `job=\"kymo-self\"`. \
             Generated from the source: run `UPDATE=1 cargo test -p kymo-server metrics`.\n\n\
             | name | kind | meaning |\n| --- | --- | --- |\n",
        );
        for info in ALL {
            writeln!(expected, "| `{}` | {} | {} |", info.name, info.kind.as_str(), info.help).unwrap();
        }
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(DOCUMENT, &expected).unwrap();
        }
        let found = std::fs::read_to_string(DOCUMENT).unwrap_or_default();
        assert_eq!(found, expected, "run UPDATE=1 cargo test -p kymo-server metrics");
    }
}
