//! Which connections there are, and which of them may go when one too many comes.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicU32, AtomicU64,
            Ordering::{Relaxed, SeqCst},
        },
    },
    task::{Context, Poll},
};

use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Room for a number of connections.
///
/// When all places are taken, a new connection gets that of the one that has had nothing to answer for the longest time.
/// A flood of connections that ask nothing so keeps nobody out, and a request that is being answered is never cut off.
#[derive(Debug)]
pub(crate) struct Places {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    taken: Mutex<BTreeMap<u64, Arc<State>>>,
    max: usize,
    next: AtomicU64,
    /// Counts the moments at which connections became idle.
    moments: AtomicU64,
    /// Whether a connection waits for a place.
    wanted: AtomicBool,
    /// Told then that a place may be free, or a connection idle.
    changed: Notify,
    ended: [AtomicU64; Ended::ALL.len()],
}

/// Why a connection has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By the client, or in the order of things.
    Closed,
    /// Its place was needed.
    Evicted,
    /// The client took nothing of an answer.
    Stalled,
    /// Nothing was asked for a while.
    Idle,
    /// A request, or the beginning of a TLS session, arrived in part and not in time.
    TooSlow,
    /// What arrived was no HTTP.
    Malformed,
    /// No TLS session came about.
    NoTls,
}

impl Ended {
    pub(crate) const ALL: [Self; 7] =
        [Self::Closed, Self::Evicted, Self::Stalled, Self::Idle, Self::TooSlow, Self::Malformed, Self::NoTls];

    /// The value of the metric's label.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Evicted => "evicted",
            Self::Stalled => "stalled",
            Self::Idle => "idle",
            Self::TooSlow => "too_slow",
            Self::Malformed => "malformed",
            Self::NoTls => "no_tls",
        }
    }
}

#[derive(Debug, Default)]
struct State {
    /// Requests that are being answered: one, and those that the client sends ahead.
    answering: AtomicU32,
    /// Whether something has arrived that is no request yet.
    heard: AtomicBool,
    idle_since: AtomicU64,
    /// Whether it is asked to go.
    evicted: AtomicBool,
    evict: Notify,
}

impl State {
    fn is_idle(&self) -> bool {
        self.answering.load(SeqCst) == 0
    }
}

impl Shared {
    /// A connection has ended or become idle.
    fn tell(&self) {
        if self.wanted.load(SeqCst) {
            self.changed.notify_one();
        }
    }
}

impl Places {
    /// Room for `max` connections.
    pub(crate) fn new(max: usize) -> Self {
        let shared = Shared {
            taken: Mutex::default(),
            max,
            next: AtomicU64::new(0),
            moments: AtomicU64::new(1),
            wanted: AtomicBool::new(false),
            changed: Notify::new(),
            ended: std::array::from_fn(|_| AtomicU64::new(0)),
        };
        Self { shared: Arc::new(shared) }
    }

    /// A place, as soon as there is one.
    pub(super) async fn take(&self) -> Place {
        loop {
            let changed = self.shared.changed.notified();
            // First said and then looked, as others first change something and then look whether it was said: one of both
            // sees the other.
            self.shared.wanted.store(true, SeqCst);
            if let Some(place) = self.try_take() {
                self.shared.wanted.store(false, SeqCst);
                return place;
            }
            self.evict();
            changed.await;
        }
    }

    fn try_take(&self) -> Option<Place> {
        let mut taken = self.shared.taken.lock();
        if taken.len() >= self.shared.max {
            return None;
        }
        let (number, state) = (self.shared.next.fetch_add(1, Relaxed), Arc::<State>::default());
        state.idle_since.store(self.shared.moments.fetch_add(1, Relaxed), Relaxed);
        taken.insert(number, Arc::clone(&state));
        Some(Place { shared: Arc::clone(&self.shared), number, state })
    }

    /// Asks the connection to go that has been idle for the longest time, if there is one, and none is about to go.
    pub(crate) fn evict(&self) {
        let taken = self.shared.taken.lock();
        let idle = || taken.values().filter(|state| state.is_idle());
        if idle().any(|state| state.evicted.load(Relaxed)) {
            return;
        }
        if let Some(state) = idle().min_by_key(|state| state.idle_since.load(Relaxed)) {
            state.evicted.store(true, Relaxed);
            state.evict.notify_one();
        }
    }

    /// Connections that are open.
    pub(crate) fn open(&self) -> usize {
        self.shared.taken.lock().len()
    }

    /// Connections that have ended, by reason.
    pub(crate) fn ended(&self) -> [(&'static str, u64); Ended::ALL.len()] {
        Ended::ALL.map(|reason| (reason.name(), self.shared.ended[reason as usize].load(Relaxed)))
    }
}

/// The place of one connection; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    shared: Arc<Shared>,
    number: u64,
    state: Arc<State>,
}

impl Place {
    /// Returns when the place is needed for another connection.
    pub(super) async fn evicted(&self) {
        self.state.evict.notified().await;
    }

    pub(super) fn is_busy(&self) -> bool {
        !self.state.is_idle()
    }

    /// Whether a part of a request has arrived.
    pub(super) fn has_heard(&self) -> bool {
        self.state.heard.load(Relaxed)
    }

    pub(super) fn busy(&self) -> Busy {
        Busy { shared: Arc::clone(&self.shared), state: Arc::clone(&self.state) }
    }

    pub(super) fn end(self, reason: Ended) {
        self.shared.ended[reason as usize].fetch_add(1, Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.taken.lock().remove(&self.number);
        self.shared.tell();
    }
}

/// Says what a connection does.
#[derive(Debug)]
pub(super) struct Busy {
    shared: Arc<Shared>,
    state: Arc<State>,
}

impl Busy {
    /// Something has arrived.
    pub(super) fn hear(&self) {
        self.state.heard.store(true, Relaxed);
    }

    /// A request is being answered from now on.
    pub(super) fn begin(&self) -> Answering {
        self.state.answering.fetch_add(1, SeqCst);
        Answering(Self { shared: Arc::clone(&self.shared), state: Arc::clone(&self.state) })
    }
}

/// A request that is being answered, until this is dropped.
#[derive(Debug)]
pub(super) struct Answering(Busy);

impl Drop for Answering {
    fn drop(&mut self) {
        let Busy { shared, state } = &self.0;
        state.idle_since.store(shared.moments.fetch_add(1, Relaxed), Relaxed);
        // The body of the request was heard meanwhile.
        state.heard.store(false, Relaxed);
        state.answering.fetch_sub(1, SeqCst);
        shared.tell();
    }
}

/// The body of an answer, which ends with it.
#[derive(Debug)]
pub(super) struct BusyBody {
    body: Body,
    _answering: Answering,
}

impl BusyBody {
    pub(super) const fn new(body: Body, answering: Answering) -> Self {
        Self { body, _answering: answering }
    }
}

impl HttpBody for BusyBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn is_asked_to_go(place: &Place) -> bool {
        tokio::time::timeout(Duration::ZERO, place.evicted()).await.is_ok()
    }

    #[tokio::test]
    async fn the_longest_idle_connection_makes_room_and_a_busy_one_never() {
        let places = Places::new(3);
        let (first, second, third) = (places.take().await, places.take().await, places.take().await);
        let busy = first.busy().begin();
        drop(second.busy().begin());
        assert!(first.is_busy() && !second.is_busy());
        let mut newcomer = std::pin::pin!(places.take());
        assert!(tokio::time::timeout(Duration::ZERO, newcomer.as_mut()).await.is_err());
        assert!(!is_asked_to_go(&first).await && !is_asked_to_go(&second).await);
        assert!(is_asked_to_go(&third).await);
        third.end(Ended::Evicted);
        let newcomer = newcomer.await;
        assert_eq!(places.open(), 3);
        assert_eq!(places.ended()[Ended::Evicted as usize], ("evicted", 1));

        // All are busy: nobody is asked, and the next one waits until one ends.
        let all = [busy, second.busy().begin(), newcomer.busy().begin()];
        let mut waiting = std::pin::pin!(places.take());
        assert!(tokio::time::timeout(Duration::ZERO, waiting.as_mut()).await.is_err());
        for place in [&first, &second, &newcomer] {
            assert!(!is_asked_to_go(place).await);
        }
        // One becomes idle, and makes room.
        let [first_busy, second_busy, third_busy] = all;
        drop(second_busy);
        assert!(tokio::time::timeout(Duration::ZERO, waiting.as_mut()).await.is_err());
        assert!(is_asked_to_go(&second).await);
        second.end(Ended::Closed);
        waiting.await.end(Ended::Closed);
        drop((first_busy, third_busy));
    }
}
