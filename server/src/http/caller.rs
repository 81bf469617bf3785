//! Who is asking, as far as it matters to who waits for whom.

use std::{
    future::Future,
    net::{IpAddr, Ipv6Addr},
};

use axum::{extract::Request, middleware::Next, response::Response};

/// A caller: whoever has the same name, or else the same address, is the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Caller {
    /// The name of a user or a token.
    Named(String),
    /// Where a request without a name comes from: an address, or what of it names a network.
    At(IpAddr),
    /// We ourselves.
    Nobody,
}

tokio::task_local! {
    /// Set around the handling of a request: every call that waits for its turn asks for it, whatever it is about.
    static CURRENT: Caller;
}

/// The caller whose request is being handled.
pub(crate) fn current() -> Caller {
    CURRENT.try_with(Clone::clone).unwrap_or(Caller::Nobody)
}

/// Handles something for `caller`.
pub(super) async fn within<T>(caller: Caller, work: impl Future<Output = T>) -> T {
    CURRENT.scope(caller, work).await
}

/// The address that a connection comes from, noted with each of its requests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// Handles the request for whoever sends it from there, until a name is known.
pub(super) async fn by_address(request: Request, next: Next) -> Response {
    let caller =
        request.extensions().get::<Peer>().map_or(Caller::Nobody, |peer| Caller::At(network(peer.0)));
    within(caller, next.run(request)).await
}

/// Who has an address of version 6 mostly has a network of 2^64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_network_are_one_caller() {
        for (address, expected) in [
            ("10.0.0.1", "10.0.0.1"),
            ("::ffff:10.0.0.1", "10.0.0.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:2::9", "2001:db8:1:2::"),
            ("2001:db8:1:3::9", "2001:db8:1:3::"),
        ] {
            assert_eq!(network(address.parse().unwrap()), expected.parse::<IpAddr>().unwrap());
        }
    }
}
