//! Connections: accepted, bounded in number and time, ended in order.
//!
//! * `places` - which connections there are, and which of them may go when one too many comes
//! * `stream` - a connection's bytes, until its client does not take them
//! * `tls` - certificates, and when they are read again
//! * `handles` - how many file handles there may be

mod handles;
mod places;
mod stream;
mod tls;

use std::{convert::Infallible, future::Future, io, pin::Pin, sync::Arc, time::Duration};

use axum::{Router, body::Body, http::Request};
use hyper::{body::Incoming, server::conn::http1, service::Service};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::timeout,
};
use tracing::{debug, warn};

use places::{Busy, Place};
pub(crate) use places::{Ended, Places};
use stream::ImpatientStream;
pub(crate) use tls::{Tls, TlsConfigError};

use crate::{app::App, config::ServerConfig, http::Peer};

/// Bytes that the head of a request may have.
const HEAD_BYTES_MAX: usize = 128 << 10;
/// Time to wait when no connection can be accepted, for want of file handles above all.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How many connections there may be when the configuration says `wanted`: half of the file handles are the store's.
pub(crate) fn connections_max(wanted: usize) -> usize {
    match handles::raise() {
        Some(handles) if wanted > handles / 2 => {
            warn!(handles, connections = handles / 2, "few file handles: fewer connections than configured");
            (handles / 2).max(1)
        }
        _ => wanted,
    }
}

/// Answers requests until the server begins to end; returns when the last connection has ended.
pub(crate) async fn serve(listener: TcpListener, app: Arc<App>, router: Router) {
    let (all_ended, mut ended) = mpsc::channel::<Infallible>(1);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = app.stopped() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let place = tokio::select! {
                    place = app.places.take() => place,
                    () = app.stopped() => break,
                };
                let router = router.clone();
                let task = connection(stream, Peer(peer.ip()), Arc::clone(&app), router, place);
                let all_ended = all_ended.clone();
                tokio::spawn(async move {
                    task.await;
                    drop(all_ended);
                });
            }
            Err(error) => wait_for_handles(&app, &error).await,
        }
    }
    drop(listener);
    drop(all_ended);
    // Nothing is ever sent: it answers when all senders are gone.
    ended.recv().await;
}

/// What keeps a connection from being accepted is not its fault, and goes by: a client that has left meanwhile, or too
/// few file handles. Of those one is got back from a connection that does nothing.
#[expect(clippy::disallowed_methods, reason = "the system does not tell when there are handles again")]
async fn wait_for_handles(app: &App, error: &io::Error) {
    if matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    ) {
        return;
    }
    warn!(%error, "a connection cannot be accepted");
    app.places.evict();
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

async fn connection(stream: TcpStream, peer: Peer, app: Arc<App>, router: Router, place: Place) {
    // Answers are written whole, and small ones should not wait for more.
    drop(stream.set_nodelay(true));
    let config = app.config();
    let request_timeout = config.server.request_timeout();
    let busy = place.busy();
    let service = CountedService { inner: TowerToHyperService::new(router), busy, peer };
    match &app.tls {
        None => answer(stream, &app, &config.server, service, place).await,
        Some(tls) => {
            let handshake = tokio::select! {
                handshake = timeout(request_timeout, tls.acceptor(app.monotonic_nanos()).accept(stream)) => handshake,
                () = place.evicted() => return place.end(Ended::Evicted),
                () = app.stopped() => return place.end(Ended::Closed),
            };
            match handshake {
                Ok(Ok(stream)) => answer(stream, &app, &config.server, service, place).await,
                Ok(Err(error)) => {
                    debug!(%error, "no TLS session");
                    place.end(Ended::NoTls);
                }
                Err(_) => place.end(Ended::TooSlow),
            }
        }
    }
}

/// Answers the requests of one connection.
async fn answer<S>(stream: S, app: &App, config: &ServerConfig, service: CountedService, place: Place)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let stream = TokioIo::new(ImpatientStream::new(stream, config.stalled_timeout(), place.busy()));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(config.request_timeout())
        .max_header_size(HEAD_BYTES_MAX)
        .max_buf_size(HEAD_BYTES_MAX);
    let mut connection = std::pin::pin!(http.serve_connection(stream, service));
    let let_go = tokio::select! {
        served = connection.as_mut() => {
            let reason = reason(served, place.has_heard());
            return place.end(reason);
        }
        () = app.stopped() => Ended::Closed,
        () = place.evicted() => Ended::Evicted,
    };
    connection.as_mut().graceful_shutdown();
    // A request that has arrived is answered; nobody waits for the rest of a head.
    if timeout(Duration::ZERO, connection.as_mut()).await.is_err() && place.is_busy() {
        drop(connection.await);
    }
    place.end(let_go);
}

fn reason(served: Result<(), hyper::Error>, has_heard: bool) -> Ended {
    let Err(error) = served else { return Ended::Closed };
    debug!(%error, "connection ended");
    let is_stalled = std::error::Error::source(&error)
        .and_then(|source| source.downcast_ref::<io::Error>())
        .is_some_and(|error| error.kind() == io::ErrorKind::TimedOut);
    if is_stalled {
        Ended::Stalled
    } else if error.is_timeout() {
        if has_heard { Ended::TooSlow } else { Ended::Idle }
    } else if error.is_parse() {
        Ended::Malformed
    } else {
        Ended::Closed
    }
}

/// Knows while a request is being answered, and notes where it comes from.
struct CountedService {
    inner: TowerToHyperService<Router>,
    busy: Busy,
    peer: Peer,
}

impl Service<Request<Incoming>> for CountedService {
    type Response = axum::http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(self.peer);
        let busy = self.busy.begin();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let response = answer.await?;
            // As long as there is something of the answer to send.
            Ok(response.map(|body| Body::new(places::BusyBody::new(body, busy))))
        })
    }
}
