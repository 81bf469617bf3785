//! A bound on calls that run at once, and a queue before it in which nobody waits for one caller's many.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{caller::Caller, gate::Refused};

/// Lets a number of calls run, and others wait for a while.
///
/// The next to run is the oldest call of the caller that has the fewest running; callers that have equally many take
/// turns. When the queue is full, a call of a caller that has fewer waiting takes the place of the youngest of the
/// caller that has the most.
#[derive(Debug)]
pub(crate) struct FairGate {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
struct Shared {
    running_max: usize,
    waiting_max: usize,
    running: usize,
    /// Calls of callers that have any.
    running_by: BTreeMap<Caller, usize>,
    /// Calls of callers that have any.
    waiting: BTreeMap<Caller, Line>,
    /// Calls that have arrived at the queue, and that have left it to run.
    arrivals: u64,
    turns: u64,
}

/// The waiting calls of one caller.
#[derive(Debug)]
struct Line {
    /// The oldest first.
    waiters: VecDeque<Waiter>,
    /// When it was the caller's turn, or its line began.
    last_turn: u64,
}

#[derive(Debug)]
struct Waiter {
    arrival: u64,
    /// Told that the call may run; dropped when it has lost its place.
    granted: oneshot::Sender<()>,
}

/// The right to run. Goes with the work, not with the caller: a caller that leaves frees nothing until the work has ended.
#[derive(Debug)]
pub(crate) struct FairAdmission {
    shared: Arc<Mutex<Shared>>,
    caller: Caller,
}

impl FairGate {
    /// A gate to `running_max` calls at once, with room for `waiting_max` before it.
    pub(crate) fn new(running_max: u32, waiting_max: usize) -> Self {
        let shared = Shared {
            running_max: running_max as usize,
            waiting_max,
            running: 0,
            running_by: BTreeMap::new(),
            waiting: BTreeMap::new(),
            arrivals: 0,
            turns: 0,
        };
        Self { shared: Arc::new(Mutex::new(shared)) }
    }

    /// Calls that run.
    pub(crate) fn running(&self) -> usize {
        self.shared.lock().running
    }

    /// Waits for the turn of a call of `caller`, for at most `patience`.
    pub(crate) async fn enter(&self, caller: Caller, patience: Duration) -> Result<FairAdmission, Refused> {
        let mut place = {
            let mut shared = self.shared.lock();
            if shared.running < shared.running_max {
                // Nobody waits while there is room.
                shared.begin(caller.clone());
                return Ok(FairAdmission { shared: Arc::clone(&self.shared), caller });
            }
            let (arrival, granted) = shared.queue(&caller)?;
            Place { shared: Arc::clone(&self.shared), caller, arrival, granted: Some(granted) }
        };
        let Some(granted) = &mut place.granted else { return Err(Refused::QueueFull) };
        match tokio::time::timeout(patience, granted).await {
            Ok(Ok(())) => {
                place.granted = None;
                Ok(FairAdmission { shared: Arc::clone(&self.shared), caller: place.caller.clone() })
            }
            Ok(Err(_)) => Err(Refused::QueueFull),
            Err(_) => Err(Refused::TimedOut),
        }
    }
}

/// A place in the queue. Whoever leaves gives it back, or the turn that has just come.
struct Place {
    shared: Arc<Mutex<Shared>>,
    caller: Caller,
    arrival: u64,
    granted: Option<oneshot::Receiver<()>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(mut granted) = self.granted.take() else { return };
        let mut shared = self.shared.lock();
        if granted.try_recv().is_ok() {
            shared.end(&self.caller);
        } else {
            shared.leave(&self.caller, self.arrival);
        }
    }
}

impl Drop for FairAdmission {
    fn drop(&mut self) {
        self.shared.lock().end(&self.caller);
    }
}

impl Shared {
    fn begin(&mut self, caller: Caller) {
        self.running += 1;
        *self.running_by.entry(caller).or_default() += 1;
    }

    /// A call has ended: whose turn is it?
    fn end(&mut self, caller: &Caller) {
        self.running -= 1;
        if let Some(running) = self.running_by.get_mut(caller) {
            *running -= 1;
            if *running == 0 {
                self.running_by.remove(caller);
            }
        }
        while self.running < self.running_max {
            let Some(next) = self.next() else { return };
            // Whoever has left without having been removed yet is passed over.
            self.turns += 1;
            if let Some(line) = self.waiting.get_mut(&next) {
                line.last_turn = self.turns;
            }
            if let Some(waiter) = self.take(&next, VecDeque::pop_front)
                && waiter.granted.send(()).is_ok()
            {
                self.begin(next);
            }
        }
    }

    /// The caller whose turn it is.
    fn next(&self) -> Option<Caller> {
        let running = |caller: &Caller| self.running_by.get(caller).copied().unwrap_or(0);
        let turn = self.waiting.iter().min_by_key(|(caller, line)| (running(caller), line.last_turn));
        turn.map(|(caller, _)| caller.clone())
    }

    /// A place at the end of the caller's calls.
    fn queue(&mut self, caller: &Caller) -> Result<(u64, oneshot::Receiver<()>), Refused> {
        let waiting: usize = self.waiting.values().map(|line| line.waiters.len()).sum();
        if waiting >= self.waiting_max {
            self.make_room(caller)?;
        }
        let (granted, receiver) = oneshot::channel();
        let arrival = self.arrivals;
        self.arrivals += 1;
        let new = || Line { waiters: VecDeque::new(), last_turn: self.turns };
        let line = self.waiting.entry(caller.clone()).or_insert_with(new);
        line.waiters.push_back(Waiter { arrival, granted });
        Ok((arrival, receiver))
    }

    /// Takes the place of the youngest call of the caller that has the most, if `caller` has fewer even with one more.
    fn make_room(&mut self, caller: &Caller) -> Result<(), Refused> {
        let own = self.waiting.get(caller).map_or(0, |line| line.waiters.len());
        let most = self.waiting.iter().max_by_key(|(_, line)| line.waiters.len());
        let (other, line) = most.ok_or(Refused::QueueFull)?;
        if line.waiters.len() <= own + 1 {
            return Err(Refused::QueueFull);
        }
        let other = other.clone();
        drop(self.take(&other, VecDeque::pop_back));
        Ok(())
    }

    fn leave(&mut self, caller: &Caller, arrival: u64) {
        self.take(caller, |waiters| {
            let index = waiters.iter().position(|waiter| waiter.arrival == arrival)?;
            waiters.remove(index)
        });
    }

    /// One of the caller's waiting calls.
    fn take(
        &mut self,
        caller: &Caller,
        choose: impl FnOnce(&mut VecDeque<Waiter>) -> Option<Waiter>,
    ) -> Option<Waiter> {
        let line = self.waiting.get_mut(caller)?;
        let taken = choose(&mut line.waiters);
        if line.waiters.is_empty() {
            self.waiting.remove(caller);
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use std::{future::Future, pin::Pin};

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    type Entering<'a> = Pin<Box<dyn Future<Output = Result<FairAdmission, Refused>> + 'a>>;

    fn named(name: &str) -> Caller {
        Caller::Named(name.to_owned())
    }

    /// A call that has taken its place, or what became of it at once.
    async fn arrive<'a>(gate: &'a FairGate, name: &str) -> Result<Entering<'a>, Refused> {
        let mut entering: Entering<'a> = Box::pin(gate.enter(named(name), LONG));
        match poll(&mut entering).await {
            None => Ok(entering),
            Some(Err(refused)) => Err(refused),
            Some(Ok(_)) => panic!("there was room"),
        }
    }

    /// What has become of it, if anything.
    async fn poll(entering: &mut Entering<'_>) -> Option<Result<FairAdmission, Refused>> {
        tokio::time::timeout(Duration::ZERO, entering).await.ok()
    }

    #[tokio::test]
    async fn who_has_fewer_running_is_next() {
        let gate = FairGate::new(2, 10);
        let (first, second) = (gate.enter(named("a"), LONG).await, gate.enter(named("a"), LONG).await);
        let mut many = Vec::new();
        for _ in 0..3 {
            many.push(arrive(&gate, "a").await.unwrap());
        }
        let mut other = arrive(&gate, "b").await.unwrap();
        drop(first);
        let running = poll(&mut other).await.unwrap().unwrap();
        assert!(poll(&mut many[0]).await.is_none(), "b has none running, so it is its turn");
        drop(second);
        // b has one running and a none.
        let next = poll(&mut many[0]).await.unwrap().unwrap();
        assert!(poll(&mut many[1]).await.is_none());
        assert_eq!(gate.running(), 2);
        drop((running, next));
        for mut waiting in many.drain(1..) {
            assert!(poll(&mut waiting).await.unwrap().is_ok());
        }
        drop(many);
        assert_eq!(gate.running(), 0);
        assert!(gate.shared.lock().running_by.is_empty() && gate.shared.lock().waiting.is_empty());
    }

    #[tokio::test]
    async fn a_full_queue_has_room_for_who_has_fewer_waiting() {
        let gate = FairGate::new(1, 3);
        let running = gate.enter(named("a"), LONG).await.unwrap();
        let mut many = Vec::new();
        for _ in 0..3 {
            many.push(arrive(&gate, "a").await.unwrap());
        }
        assert_eq!(arrive(&gate, "a").await.err(), Some(Refused::QueueFull));
        let mut other = arrive(&gate, "b").await.unwrap();
        assert_eq!(
            poll(&mut many[2]).await.unwrap().unwrap_err(),
            Refused::QueueFull,
            "the youngest lost its place"
        );
        // Two of a, one of b: one more of b would only change who has more.
        assert_eq!(arrive(&gate, "b").await.err(), Some(Refused::QueueFull));
        drop(running);
        let running = poll(&mut many[0]).await.unwrap().unwrap();
        drop(running);
        assert!(poll(&mut many[1]).await.is_none(), "they take turns");
        assert!(poll(&mut other).await.unwrap().is_ok());
        assert!(poll(&mut many[1]).await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn who_leaves_gives_back_what_it_had() {
        let gate = FairGate::new(1, 3);
        let running = gate.enter(named("a"), LONG).await.unwrap();
        let waited = gate.enter(named("b"), Duration::ZERO).await;
        assert_eq!(waited.unwrap_err(), Refused::TimedOut);
        assert!(gate.shared.lock().waiting.is_empty());
        let (left, mut stays) = (arrive(&gate, "b").await.unwrap(), arrive(&gate, "c").await.unwrap());
        // Its turn comes, and it leaves without having noticed.
        drop(running);
        drop(left);
        assert!(poll(&mut stays).await.unwrap().is_ok());
        assert_eq!(gate.running(), 0);
    }
}
