//! Clients that mean harm, all at once, beside senders that do not: every answer has its bounds, nothing that was
//! acknowledged is lost, and memory does not grow from one attack to the next.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use kymo_engine::Rng;
use kymo_formats::wire::remote_write::{Sample, v1};

use crate::{
    kymo::{Kymo, agent},
    process::{now, pause, say, seeded, wait_until},
    traffic::{Sender, Sent, verify},
};

/// How long an attack lasts.
const ATTACK: Duration = Duration::from_secs(5);
const SENDERS: u32 = 3;
const CONFIG: &str = "
server: {connections_max: 64, request_timeout_ms: 500, stalled_timeout_ms: 500}
head: {metric_series_max: 20000}
query: {memory_bytes_max: 100000000, timeout_ms: 2000, concurrency_max: 4, waiting_max: 16}
remote_write: {memory_bytes_max: 100000000, waiting_max: 64}
";
/// Four queries and their answers, the bodies of write requests, and the store: about twice of what is configured.
const PEAK_MB_MAX: u64 = 1_800;
/// What may stay: the allocator gives back what is free within seconds.
const RESIDENT_MB_MAX: u64 = 400;
const GROWTH_MB_MAX: u64 = 60;

/// Each wants more than there is, or looks as if it did.
const QUERIES: [&str; 8] = [
    r#"{__name__=~".+"}"#,
    r#"sum without (nothing) ({__name__=~".+"})"#,
    r#"count_values("v", {__name__=~".+"})"#,
    r#"label_replace({__name__=~".+"}, "x", "$1$1$1$1", "series", "(.*)")"#,
    r#"max_over_time({__name__=~".+"}[5m:1ms])"#,
    r#"{series=~"(a|aa|aaa|b.*c)*(x+x+)+y"}"#,
    r#"topk(100000, {__name__=~".+",series!~"(.*1.*){20}"})"#,
    r#"quantile_over_time(0.5, {__name__=~".+"}[10d])"#,
];

/// An attacker: what it does again and again until told to stop.
type Attack = fn(&str, &mut Rng);

const ATTACKS: [Attack; 8] = [
    idle_connections,
    slow_bodies,
    bombs,
    label_bombs,
    greedy_queries,
    greedy_queries,
    leaving_clients,
    deaf_clients,
];

#[test]
fn hostile_clients_harm_nobody() {
    let (replay, mut rng) = seeded("hostile");
    let dir = tempfile::tempdir().unwrap();
    let kymo = Kymo::start(dir.path(), CONFIG);
    let mut senders: Vec<_> = (0..SENDERS).map(|number| Sender::new(number, rng.next_u64(), 20)).collect();
    let mut resident = Vec::new();
    for round in 0..3 {
        let before: usize = senders.iter().map(Sender::acknowledged).sum();
        attack(&kymo, &mut senders, &mut rng);
        let sent = senders.iter().map(Sender::acknowledged).sum::<usize>() - before;
        assert!(sent > 1_000, "{replay}, round {round}: only {sent} rows were acknowledged");
        verify(&kymo, &senders, &format!("{replay}, round {round}"));
        resident.push(wait_until("memory is given back", || {
            let now = kymo.memory_mb("VmRSS");
            (now < RESIDENT_MB_MAX).then_some(now)
        }));
        say(&format!("{replay}, round {round}: {sent} rows, resident {resident:?} MB, {}", ended(&kymo)));
    }
    let peak = kymo.memory_mb("VmHWM");
    assert!(peak < PEAK_MB_MAX, "{replay}: peak {peak} MB");
    // The first round fills the store.
    wait_until("memory is flat", || (kymo.memory_mb("VmRSS") < resident[0] + GROWTH_MB_MAX).then_some(()));
    kymo.kill();
    verify(&Kymo::start(dir.path(), CONFIG), &senders, &format!("{replay}, restarted"));
}

fn attack(kymo: &Kymo, senders: &mut [Sender], rng: &mut Rng) {
    let stop = AtomicBool::new(false);
    let (url, stop) = (&kymo.url, &stop);
    let address = url.strip_prefix("http://").unwrap();
    std::thread::scope(|scope| {
        for sender in senders {
            scope.spawn(move || {
                let agent = agent();
                while !stop.load(Ordering::Relaxed) {
                    // A connection that asked nothing for a moment may have been closed; a sender tries again.
                    if !matches!(sender.send(&agent, url), Sent::Acknowledged) {
                        pause(Duration::from_millis(10));
                    }
                }
            });
        }
        for attack in ATTACKS {
            let mut rng = Rng::new(rng.next_u64());
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    attack(address, &mut rng);
                }
            });
        }
        pause(ATTACK);
        stop.store(true, Ordering::Relaxed);
    });
}

/// Reasons and numbers of connections that have ended.
fn ended(kymo: &Kymo) -> String {
    let text = kymo.get("/metrics", &[]).text();
    let lines = text.lines().filter_map(|line| line.strip_prefix("kymo_http_connections_ended_total"));
    lines.collect::<Vec<_>>().join(" ")
}

/// A connection with these bytes on it. The server may have closed it already.
fn connect(address: &str, bytes: &[u8]) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.write_all(bytes).ok()?;
    Some(stream)
}

fn request(path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\n{headers}content-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// Reads an answer of whatever kind, as far as it comes.
fn read_some(stream: Option<TcpStream>) {
    let Some(mut stream) = stream else { return };
    drop(stream.set_read_timeout(Some(Duration::from_secs(3))));
    let mut buf = vec![0; 1 << 16];
    drop(stream.read(&mut buf));
}

fn idle_connections(address: &str, rng: &mut Rng) {
    let heads: [&[u8]; 4] = [b"", b"GET", b"GET / HTTP/1.1\r\nx: ", b"\x16\x03\x01"];
    let bytes = heads[usize::try_from(rng.below(4)).unwrap()];
    let streams: Vec<_> = (0..100).map(|_| connect(address, bytes)).collect();
    pause(Duration::from_millis(rng.below(50)));
    drop(streams);
}

fn slow_bodies(address: &str, rng: &mut Rng) {
    let path = ["/api/v1/write", "/api/v1/read", "/api/v1/query"][usize::try_from(rng.below(3)).unwrap()];
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 30000000\r\n\r\n"
    );
    let Some(mut stream) = connect(address, head.as_bytes()) else { return };
    while stream.write_all(b"x").is_ok() {
        pause(Duration::from_millis(20));
    }
}

/// Bodies that are small and become large.
fn bombs(address: &str, rng: &mut Rng) {
    let zeros = vec![0; 20 << 20];
    let body = match rng.below(3) {
        0 => {
            let body = snap::raw::Encoder::new().compress_vec(&zeros).unwrap();
            request("/api/v1/write", "content-encoding: snappy\r\n", &body)
        }
        1 => request("/api/v1/write", "content-encoding: snappy\r\n", b"\xff\xff\xff\x7f\x00\x00"),
        _ => {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(&zeros).unwrap();
            let headers = "content-encoding: gzip\r\ncontent-type: application/x-www-form-urlencoded\r\n";
            request("/api/v1/query", headers, &gzip.finish().unwrap())
        }
    };
    read_some(connect(address, &body));
}

/// Series without end.
fn label_bombs(address: &str, rng: &mut Rng) {
    let mut message = Vec::new();
    let mut encoder = v1::WriteRequestEncoder::new(&mut message);
    let ts = now();
    for _ in 0..500 {
        let id = format!("{:016x}", rng.next_u64());
        encoder.series(|series| {
            series.label(b"__name__", b"bomb");
            series.label(b"id", id.as_bytes());
            series.sample(&Sample { ts, value: 1.0, start_ts: 0 });
        });
    }
    let body = snap::raw::Encoder::new().compress_vec(&message).unwrap();
    read_some(connect(address, &request("/api/v1/write", "content-encoding: snappy\r\n", &body)));
}

fn query(rng: &mut Rng) -> Vec<u8> {
    let expr = QUERIES[usize::try_from(rng.below(QUERIES.len() as u64)).unwrap()];
    let (end, seconds) = (now() / 1000, 10 * 24 * 3600);
    let form: String = form_urlencoded::Serializer::new(String::new())
        .append_pair("query", expr)
        .append_pair("start", &(end - seconds).to_string())
        .append_pair("end", &end.to_string())
        .append_pair("step", &(seconds / 10_000).to_string())
        .finish();
    let path = if rng.below(3) == 0 { "/api/v1/query" } else { "/api/v1/query_range" };
    request(path, "content-type: application/x-www-form-urlencoded\r\n", form.as_bytes())
}

fn greedy_queries(address: &str, rng: &mut Rng) {
    read_some(connect(address, &query(rng)));
}

fn leaving_clients(address: &str, rng: &mut Rng) {
    let stream = connect(address, &query(rng));
    pause(Duration::from_millis(rng.below(100)));
    drop(stream);
}

/// They ask, and do not take the answer.
fn deaf_clients(address: &str, rng: &mut Rng) {
    let streams: Vec<_> = (0..4).map(|_| connect(address, &query(rng))).collect();
    pause(Duration::from_millis(800));
    drop(streams);
}
