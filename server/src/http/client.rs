//! Who is asking, as far as it matters to who waits for whom.

use std::{future::Future, net::IpAddr};

use axum::{extract::Request, middleware::Next, response::Response};

/// A caller: whoever has the same name, or else the same address, is the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Client {
    /// The name of a user or a token.
    Named(String),
    /// Where a request without a name comes from.
    At(IpAddr),
    /// We ourselves.
    Nobody,
}

tokio::task_local! {
    /// Set around the handling of a request: every call that waits for its turn asks for it, whatever it is about.
    static CURRENT: Client;
}

/// The client whose request is being handled.
pub(crate) fn current() -> Client {
    CURRENT.try_with(Clone::clone).unwrap_or(Client::Nobody)
}

/// Handles something for `client`.
pub(super) async fn within<T>(client: Client, work: impl Future<Output = T>) -> T {
    CURRENT.scope(client, work).await
}

/// The address that a connection comes from, noted with each of its requests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// Handles the request for whoever sends it from there, until a name is known.
pub(super) async fn by_address(request: Request, next: Next) -> Response {
    let client = request.extensions().get::<Peer>().map_or(Client::Nobody, |peer| Client::At(peer.0));
    within(client, next.run(request)).await
}
