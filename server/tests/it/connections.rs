//! Connections that must not harm: slow, huge, many, and those that take nothing.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use crate::harness::{PATIENCE, Server, now, seconds};

fn config(more: &str) -> String {
    format!("self_metrics: {{enabled: false}}\nserver: {{{more}}}\n")
}

/// All that comes back until the server closes the connection, which it must.
fn until_closed(mut stream: TcpStream) -> String {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = Vec::new();
    // A connection that is reset is closed as well.
    if let Err(error) = stream.read_to_end(&mut answer) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
    }
    String::from_utf8_lossy(&answer).into_owned()
}

fn ended(server: &Server, reason: &str) -> u64 {
    let text = server.get("/metrics", &[]).text();
    let prefix = format!("kymo_http_connections_ended_total{{reason=\"{reason}\"}} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&prefix));
    line.unwrap_or_else(|| panic!("{text}")).parse().unwrap()
}

#[test]
fn a_request_that_does_not_arrive_is_given_up() {
    let server = Server::with_config(&config("request_timeout_ms: 200"));
    for part in ["", "GET /-/healthy HTT", "GET /-/healthy HTTP/1.1\r\nhost: x\r\nx-slow: "] {
        until_closed(server.send(part.as_bytes()));
    }
    assert_eq!((ended(&server, "too_slow"), ended(&server, "idle")), (2, 1));
    let form = "POST /api/v1/query HTTP/1.1\r\nhost: x\r\ncontent-length: 99\r\n\
                content-type: application/x-www-form-urlencoded\r\n\r\nquery=";
    let answer = until_closed(server.send(form.as_bytes()));
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    let read = "POST /api/v1/read HTTP/1.1\r\nhost: x\r\ncontent-length: 99\r\n\r\nx";
    let answer = until_closed(server.send(read.as_bytes()));
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[test]
fn heads_have_bounds() {
    let server = Server::with_config(&config(""));
    let head = |fill: &str| format!("GET /-/healthy HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{fill}\r\n");
    let fits = head(&format!("x-large: {}\r\n", "a".repeat(100_000)));
    assert!(until_closed(server.send(fits.as_bytes())).starts_with("HTTP/1.1 200 "));
    let many: String = (0..10_000).map(|n| format!("x-{n}: y\r\n")).collect();
    for fill in [format!("x-large: {}\r\n", "a".repeat(1 << 20)), many] {
        let mut stream = server.send(b"");
        // The server may close before all of it has been sent.
        drop(stream.write_all(head(&fill).as_bytes()));
        let answer = until_closed(stream);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
    until_closed(server.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"));
    assert_eq!(server.get("/-/healthy", &[]).status, 200);
    assert!(ended(&server, "malformed") > 0);
}

#[test]
fn a_flood_of_idle_connections_keeps_nobody_out() {
    let server = Server::with_config(&config("connections_max: 8"));
    let ts = now();
    let mut flood = Vec::new();
    for n in 0..1_000 {
        // Some ask nothing, some have asked, some are about to.
        flood.push(server.send(match n % 3 {
            0 => b"",
            1 => b"GET /-/healthy HTTP/1.1\r\nhost: x\r\n\r\n",
            _ => b"GET /-/healthy HTT",
        }));
        if n % 100 == 0 {
            server.store(&[("__name__", "m")], &[(ts + n, 1.0)]);
        }
    }
    assert_eq!(server.query("count_over_time(m[1h])", ts + 1_000)[0]["value"][1], "10");
    assert!(ended(&server, "evicted") > 900, "{}", ended(&server, "evicted"));
    let open = server.get("/metrics", &[]).text();
    let open = open.lines().find_map(|line| line.strip_prefix("kymo_http_connections ")).unwrap();
    assert!(open.parse::<u32>().unwrap() <= 8, "{open}");
}

#[test]
fn an_answer_that_nobody_takes_is_given_up() {
    let server = Server::with_config(&config("stalled_timeout_ms: 200"));
    let ts = now();
    for n in 0..100 {
        server.store(&[("__name__", "m"), ("n", &n.to_string())], &[(ts, 0.1)]);
    }
    // Some thirty megabytes: more than the buffers of both sides take.
    let (start, end) = (seconds(ts - 9_000_000), seconds(ts));
    let expr = format!("m%20%40%20{end}%20*%200.333333333333");
    let query = format!(
        "GET /api/v1/query_range?query={expr}&start={start}&end={end}&step=1 HTTP/1.1\r\nhost: x\r\n\r\n"
    );
    let stream = server.send(query.as_bytes());
    loop {
        if ended(&server, "stalled") > 0 {
            break;
        }
        std::thread::yield_now();
    }
    drop(stream);
    assert_eq!(server.query("count(m)", ts)[0]["value"][1], "100");
}
