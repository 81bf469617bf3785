//! A proxy in front of a server, which spoils some of its answers.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
};

use kymo_engine::spawn;

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The server answers it.
    Passes,
    /// The server does not see it: there are too many.
    SlowDown,
    /// The server does not see it: nobody knows who asks.
    Denied,
    /// The server carries it out, and the connection breaks before it is answered.
    AnswerIsLost,
    /// The server carries it out, and says that it is too busy.
    DoneAndSlowDown,
}

/// What the proxy decides by: method, and path with query.
pub(crate) trait Rule: Fn(&str, &str) -> Fate + Send + Sync + 'static {}

impl<R: Fn(&str, &str) -> Fate + Send + Sync + 'static> Rule for R {}

/// Starts a proxy on any port in front of `endpoint`, and returns its own.
pub(crate) fn start(endpoint: &str, rule: impl Rule) -> String {
    start_at(SocketAddr::from(([127, 0, 0, 1], 0)), endpoint, rule)
}

/// As [`start`], on this address.
pub(crate) fn start_at(address: SocketAddr, endpoint: &str, rule: impl Rule) -> String {
    let listener = TcpListener::bind(address).unwrap();
    let address = listener.local_addr().unwrap();
    let server = endpoint.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let rule: Arc<dyn Rule> = Arc::new(rule);
    // It ends with the tests.
    drop(spawn("proxy", move || {
        for client in listener.incoming().flatten() {
            let (server, rule) = (server.clone(), Arc::clone(&rule));
            drop(spawn("proxy-request", move || drop(serve(client, &server, &*rule))).unwrap());
        }
    }));
    format!("http://{address}")
}

/// Serves one request of a connection.
fn serve(mut client: TcpStream, server: &str, rule: &dyn Rule) -> std::io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut lines = Vec::new();
    let mut body_bytes = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            body_bytes = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
        if !lower.starts_with("connection:") {
            lines.push(line);
        }
    }
    let mut body = vec![0; body_bytes];
    reader.read_exact(&mut body)?;
    let mut words = lines[0].split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let forward = || -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(server)?;
        stream.write_all(format!("{}connection: close\r\n\r\n", lines.concat()).as_bytes())?;
        stream.write_all(&body)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    };
    let answer = match rule(method, path) {
        Fate::Passes => forward()?,
        Fate::SlowDown => error("503 Service Unavailable", "SlowDown"),
        Fate::Denied => error("403 Forbidden", "SignatureDoesNotMatch"),
        Fate::AnswerIsLost => {
            forward()?;
            return Ok(());
        }
        Fate::DoneAndSlowDown => {
            forward()?;
            error("503 Service Unavailable", "SlowDown")
        }
    };
    client.write_all(&answer)
}

fn error(status: &str, code: &str) -> Vec<u8> {
    let body = format!("<Error><Code>{code}</Code></Error>");
    let len = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {len}\r\nconnection: close\r\n\r\n{body}").into_bytes()
}
