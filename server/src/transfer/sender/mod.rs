//! Remote write 1.0 as a client.
//!
//! * `batch` - samples to requests
//! * `post` - one request, until it is answered for good
//! * `wait` - how long before the next try
//!
//! A connection is a thread with a queue of two requests, so memory is bounded by the number of connections. Samples of
//! a series always take the same connection: they arrive in their order, which some receivers insist on.

mod batch;
mod post;
mod wait;

use std::{
    hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher},
    io,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::JoinHandle,
};

use kymo_engine::{Labels, Metadata};
use kymo_formats::codec::ChunkSamples;
use parking_lot::Mutex;

pub(super) use self::post::{OnRefusal, SendError, Target};
use self::{
    batch::{Batch, ExemplarOf, Request},
    post::{Outcome, post},
    wait::Stop,
};

/// Requests that wait for a connection.
const QUEUE_REQUESTS: usize = 2;
/// Reasons of refusals that are kept.
const REASONS_MAX: usize = 20;

/// What receivers said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sent {
    /// Rows that were stored.
    pub(super) stored: u64,
    /// Rows that were not, for good.
    pub(super) refused: u64,
    /// Why, one line each: the first of them.
    pub(super) reasons: Vec<String>,
}

#[derive(Debug, Default)]
struct Shared {
    sent: Mutex<Sent>,
    failure: Mutex<Option<SendError>>,
    stop: Stop,
}

/// Connections to one receiver.
#[derive(Debug)]
pub(super) struct Senders {
    connections: Vec<Connection>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Connection {
    batch: Batch,
    queue: SyncSender<Request>,
    thread: JoinHandle<()>,
}

impl Senders {
    /// Starts so many connections; the receiver is not asked yet.
    pub(super) fn start(target: &Arc<Target>, connections: usize) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let connections = (0..connections.max(1)).map(|_| {
            let (queue, requests) = sync_channel(QUEUE_REQUESTS);
            let (target, shared) = (Arc::clone(target), Arc::clone(&shared));
            let thread = kymo_engine::spawn("sender", move || send_all(&target, &shared, &requests))?;
            Ok(Connection { batch: Batch::default(), queue, thread })
        });
        Ok(Self { connections: connections.collect::<io::Result<_>>()?, shared })
    }

    /// Sends samples of one series, sooner or later.
    pub(super) fn push(&mut self, labels: &Labels, samples: &ChunkSamples) -> Result<(), SendError> {
        let connection = self.connection(labels);
        let mut ready = Vec::new();
        connection.batch.push(labels, samples, &mut |request| ready.push(request));
        self.enqueue(labels, ready)
    }

    /// Sends an exemplar of a series.
    pub(super) fn exemplar(
        &mut self,
        labels: &Labels,
        exemplar: &Labels,
        value: f64,
        ts: i64,
    ) -> Result<(), SendError> {
        let full =
            self.connection(labels).batch.exemplar(labels, &ExemplarOf { labels: exemplar, value, ts });
        self.enqueue(labels, full)
    }

    /// Tells about a metric family.
    pub(super) fn metadata(&mut self, family: &str, metadata: &Metadata) -> Result<(), SendError> {
        let labels = Labels::from_pairs([("__name__", family)]);
        let full = self.connection(&labels).batch.metadata(family, metadata);
        self.enqueue(&labels, full)
    }

    /// Sends the rest, and waits until everything is answered.
    pub(super) fn finish(self) -> Result<Sent, SendError> {
        for mut connection in self.connections {
            if let Some(request) = connection.batch.take() {
                // Who has left has said why.
                drop(connection.queue.send(request));
            }
            drop(connection.queue);
            if connection.thread.join().is_err() {
                return Err(SendError::Bug);
            }
        }
        match self.shared.failure.lock().take() {
            Some(failure) => Err(failure),
            None => Ok(std::mem::take(&mut *self.shared.sent.lock())),
        }
    }

    fn place(&self, labels: &Labels) -> usize {
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        let hash = hasher.hash_one(labels.canonical());
        usize::try_from(hash % self.connections.len() as u64).unwrap_or_default()
    }

    fn connection(&mut self, labels: &Labels) -> &mut Connection {
        let place = self.place(labels);
        &mut self.connections[place]
    }

    fn enqueue(&self, labels: &Labels, requests: impl IntoIterator<Item = Request>) -> Result<(), SendError> {
        let connection = &self.connections[self.place(labels)];
        for request in requests {
            if connection.queue.send(request).is_err() {
                let failure = self.shared.failure.lock().take();
                return Err(failure.unwrap_or(SendError::Bug));
            }
        }
        Ok(())
    }
}

fn send_all(target: &Target, shared: &Shared, requests: &Receiver<Request>) {
    for request in requests {
        match post(target, &request, &shared.stop) {
            Ok(outcome) => shared.sent.lock().add(outcome),
            Err(failure) => {
                shared.failure.lock().get_or_insert(failure);
                // The others need not try for minutes.
                return shared.stop.stop();
            }
        }
    }
}

impl Sent {
    fn add(&mut self, outcome: Outcome) {
        self.stored += outcome.stored;
        self.refused += outcome.refused;
        let room = REASONS_MAX.saturating_sub(self.reasons.len());
        self.reasons.extend(outcome.reasons.into_iter().take(room));
    }
}
