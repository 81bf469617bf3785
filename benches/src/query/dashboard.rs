//! Queries as a dashboard of one node asks them (in the manner of Grafana's Node Exporter Full), over the
//! metrics of the recording.

/// Title and query. `$node` stands for the matchers of the node, `$window` for the window of rates.
pub(crate) const QUERIES: [(&str, &str); 25] = [
    (
        "cpu busy",
        "100 * (1 - avg by (instance) (rate(node_cpu_seconds_total{mode=\"idle\",$node}[$window])))",
    ),
    (
        "cpu by mode",
        "sum by (instance, mode) (rate(node_cpu_seconds_total{$node}[$window])) / on (instance) group_left \
         count by (instance) (count by (instance, cpu) (node_cpu_seconds_total{$node}))",
    ),
    ("cpu user per core", "irate(node_cpu_seconds_total{mode=~\"user|system|iowait\",$node}[$window])"),
    (
        "load per core",
        "node_load1{$node} / on (instance) count by (instance) (node_cpu_seconds_total{mode=\"idle\",$node})",
    ),
    ("load", "{__name__=~\"node_load(1|5|15)\",$node}"),
    (
        "memory used",
        "node_memory_MemTotal_bytes{$node} - node_memory_MemFree_bytes{$node} \
         - (node_memory_Cached_bytes{$node} + node_memory_Buffers_bytes{$node})",
    ),
    (
        "memory used percent",
        "100 * (1 - node_memory_MemAvailable_bytes{$node} / node_memory_MemTotal_bytes{$node})",
    ),
    ("memory parts", "{__name__=~\"node_memory_(Active|Inactive|Dirty|Slab|Mapped|Shmem)_bytes\",$node}"),
    ("page faults", "rate(node_vmstat_pgfault{$node}[$window])"),
    (
        "pages in and out",
        "rate(node_vmstat_pgpgin{$node}[$window]) + rate(node_vmstat_pgpgout{$node}[$window])",
    ),
    ("network received bits", "rate(node_network_receive_bytes_total{device!=\"lo\",$node}[$window]) * 8"),
    ("network sent bits", "rate(node_network_transmit_bytes_total{device!=\"lo\",$node}[$window]) * 8"),
    (
        "network packets",
        "sum by (instance, device) (rate(node_network_receive_packets_total{$node}[$window]) \
         + rate(node_network_transmit_packets_total{$node}[$window]))",
    ),
    (
        "network errors",
        "rate(node_network_receive_errs_total{$node}[$window]) \
         + rate(node_network_transmit_errs_total{$node}[$window])",
    ),
    ("disk read bytes", "rate(node_disk_read_bytes_total{$node}[$window])"),
    ("disk written bytes", "rate(node_disk_written_bytes_total{$node}[$window])"),
    ("disk operations", "irate(node_disk_writes_completed_total{$node}[$window])"),
    (
        "disk write latency",
        "rate(node_disk_write_time_seconds_total{$node}[$window]) \
         / (rate(node_disk_writes_completed_total{$node}[$window]) > 0)",
    ),
    ("disk busy", "clamp_max(rate(node_disk_io_time_seconds_total{$node}[$window]), 1)"),
    (
        "file system used percent",
        "100 - 100 * node_filesystem_avail_bytes{fstype!=\"tmpfs\",$node} \
         / node_filesystem_size_bytes{fstype!=\"tmpfs\",$node}",
    ),
    ("file system full in a day", "predict_linear(node_filesystem_avail_bytes{$node}[10m], 86400)"),
    (
        "pressure",
        "label_replace(rate(node_pressure_cpu_waiting_seconds_total{$node}[$window]), \"of\", \"cpu\", \"\", \"\") \
         or label_replace(rate(node_pressure_io_waiting_seconds_total{$node}[$window]), \"of\", \"io\", \"\", \"\")",
    ),
    ("context switches", "rate(node_context_switches_total{$node}[$window])"),
    (
        "tcp segments",
        "rate(node_netstat_Tcp_InSegs{$node}[$window]) + rate(node_netstat_Tcp_OutSegs{$node}[$window])",
    ),
    ("slowest collectors", "topk(5, avg_over_time(node_scrape_collector_duration_seconds{$node}[5m]))"),
];
