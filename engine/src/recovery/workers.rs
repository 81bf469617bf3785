//! Frames from one reader to one or several replayers.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use kymo_formats::DecodeError;

use crate::{
    env::spawn_scoped,
    error::Error,
    head::{Arrivals, Head, ReplayCounts, Replayer, Share},
    wal::{Lsn, ReplayedFrame},
};

/// Frames that replayers take in together.
#[derive(Debug)]
pub(super) enum Portion {
    /// All of a checkpoint, which comes first.
    Checkpoint { path: PathBuf, frames: Vec<ReplayedFrame> },
    /// All of one segment of the log.
    Segment { frames: Vec<ReplayedFrame> },
}

/// Gives the portions that `next` returns to as many replayers as there are threads for, until it returns none.
///
/// With several replayers the caller's thread reads ahead, by one portion at most: a portion is handed over, not
/// queued, so that no more than two are in memory.
///
/// # Errors
/// The first error of `next`, else that of the checkpoint's first frame that does not decode.
pub(super) fn replay_all(
    head: &Head,
    threads: usize,
    next: impl FnMut() -> Result<Option<Portion>, Error>,
) -> Result<ReplayCounts, Error> {
    let shares = Share::among(threads, head.shard_count());
    let arrivals = Arrivals::new(head, shares.len());
    let mut replayers: Vec<_> = shares.map(|share| Worker::new(head, share, &arrivals)).collect();
    match &mut *replayers {
        [alone] => replay_here(alone, next)?,
        several => replay_on_threads(several, next)?,
    }
    Ok(replayers.iter().map(|worker| worker.replayer.counts()).fold(
        ReplayCounts::default(),
        |sum, counts| ReplayCounts {
            rows: sum.rows + counts.rows,
            undecodable_frames: sum.undecodable_frames + counts.undecodable_frames,
        },
    ))
}

fn replay_here(
    worker: &mut Worker<'_>,
    mut next: impl FnMut() -> Result<Option<Portion>, Error>,
) -> Result<(), Error> {
    while let Some(portion) = next()? {
        worker.take(&portion).map_err(Damage::into_error)?;
    }
    Ok(())
}

fn replay_on_threads(
    workers: &mut [Worker<'_>],
    next: impl FnMut() -> Result<Option<Portion>, Error>,
) -> Result<(), Error> {
    thread::scope(|scope| {
        let mut senders = Vec::new();
        let mut threads = Vec::new();
        for worker in workers {
            let (sender, receiver) = sync_channel(0);
            senders.push(sender);
            let body = move || worker.run(&receiver);
            threads.push(spawn_scoped(scope, "kymo-replay", body).map_err(|source| Error::Spawn { source })?);
        }
        let read = hand_out(senders, next);
        let mut damage: Vec<Damage> = Vec::new();
        for thread in threads {
            match thread.join() {
                Ok(done) => damage.extend(done.err()),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        read?;
        // Whichever thread met its own first.
        damage.into_iter().min_by_key(|damage| damage.lsn).map_or(Ok(()), |first| Err(first.into_error()))
    })
}

/// Hands each portion to all. Returns early when a replayer has ended, which tells why itself.
fn hand_out(
    senders: Vec<SyncSender<Arc<Portion>>>,
    mut next: impl FnMut() -> Result<Option<Portion>, Error>,
) -> Result<(), Error> {
    while let Some(portion) = next()? {
        let portion = Arc::new(portion);
        // To all of them, also when one has ended: they stop at the same portion, whichever is the first to fail.
        let sent = senders.iter().map(|sender| sender.send(Arc::clone(&portion)).is_ok());
        if sent.fold(false, |ended, sent| ended | !sent) {
            break;
        }
    }
    Ok(())
}

/// One replayer, and the order that it shares with the others.
#[derive(Debug)]
struct Worker<'a> {
    replayer: Replayer<'a>,
    arrivals: &'a Arrivals<'a>,
    /// Portions taken in.
    portions: usize,
}

/// A frame of a checkpoint that does not decode.
#[derive(Debug)]
struct Damage {
    lsn: Lsn,
    path: PathBuf,
    source: DecodeError,
}

impl<'a> Worker<'a> {
    fn new(head: &'a Head, share: Share, arrivals: &'a Arrivals<'a>) -> Self {
        Self { replayer: Replayer::new(head, share), arrivals, portions: 0 }
    }

    fn run(&mut self, portions: &Receiver<Arc<Portion>>) -> Result<(), Damage> {
        portions.iter().try_for_each(|portion| self.take(&portion))
    }

    fn take(&mut self, portion: &Portion) -> Result<(), Damage> {
        match portion {
            Portion::Checkpoint { path, frames } => {
                let restored = self.replayer.restore(frames);
                restored.map_err(|(lsn, source)| Damage { lsn, path: path.clone(), source })?;
            }
            Portion::Segment { frames } => self.replayer.replay(frames),
        }
        self.arrivals.add(self.portions, self.replayer.take_arrived());
        self.portions += 1;
        Ok(())
    }
}

impl Damage {
    fn into_error(self) -> Error {
        Error::corrupt(&self.path)(self.source)
    }
}
