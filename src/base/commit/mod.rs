//! The commit writer: every write of the service goes through here.
//!
//! Guarantees:
//! 1. A caller is answered after the commit that holds its write, never before.
//! 2. Writes that wait are grouped into one transaction (one fsync); while one group commits, the next gathers.
//! 3. One caller's failure never spoils another's. On the general path each write has its own savepoint; a batch
//!    of a [`Lane`] that fails as a whole is run again, one write at a time.
//! 4. Queues are bounded. Who cannot get in within [`PATIENCE`] is answered 503 `BUSY`, and nothing was changed.
//! 5. A caller that goes away does not stop its write half-way: work runs on the writer's own thread.
//! 6. On SQLite exactly one transaction writes at a time: all lanes take turns, so SQLite's own lock is never fought
//!    over. On MySQL transactions run side by side on a pool; deadlocks, lock waits and commit conflicts are run
//!    again up to [`RETRIES`] times with jitter, then answered 503.
//! 7. [`Writer::close`] writes what was accepted, then checkpoints.
//!
//! Three ways in: [`Writer::write`] for work written with sea-orm; a [`Gather`] for much work of one kind, done by a few
//! of sea-orm's statements together; and a [`Lane`] for the hottest paths, whose statements are written by hand for each
//! database.

mod gather;
mod general;
mod lane;
#[cfg(test)]
mod tests;
mod thread;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::LocalBoxFuture;
use sea_orm::DatabaseTransaction;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use self::{
    general::{Job, Work},
    thread::Turn,
};
use super::{
    db::{Generation, StartError},
    error::{BUSY, Error, Result},
    metrics::CommitMetrics,
};
use crate::config;

pub use self::{
    gather::Gather,
    lane::{Batch, Lane, Session},
};

/// How long a caller waits for a place in a queue.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// How often a MySQL transaction that lost against another one is run again.
pub const RETRIES: u32 = 5;
/// Places in each queue.
const QUEUE: usize = 1024;

/// Starts something on the writer's thread, with the connections that live there.
type Starter = Box<dyn FnOnce(Arc<Turn>, CancellationToken) -> LocalBoxFuture<'static, ()> + Send>;

/// Takes writes and answers them after their commit. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Writer {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    jobs: mpsc::Sender<Box<dyn Job>>,
    starters: mpsc::UnboundedSender<Starter>,
    closing: CancellationToken,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
    generation: Generation,
    commits: CommitMetrics,
}

impl Writer {
    /// Opens the connections for writing and starts the thread that owns them.
    ///
    /// # Errors
    /// When the database cannot be opened.
    pub async fn start(config: &config::Database, commits: CommitMetrics) -> Result<Self, StartError> {
        let (jobs, waiting) = mpsc::channel(QUEUE);
        let (starters, to_start) = mpsc::unbounded_channel();
        let (ready, started) = oneshot::channel();
        let closing = CancellationToken::new();
        let (config, token, observed) = (config.clone(), closing.clone(), commits.clone());
        let generation = Generation::default();
        let moved = generation.clone();
        let thread = std::thread::Builder::new()
            .name("latchkey-writer".to_owned())
            .spawn(move || thread::run(&config, waiting, to_start, token, ready, (observed, moved)))
            .map_err(|error| format!("cannot start the writer's thread: {error}"))?;
        started.await.map_err(|_| "the writer's thread ended at once".to_owned())??;
        let thread = Mutex::new(Some(thread));
        Ok(Self { shared: Arc::new(Shared { jobs, starters, closing, thread, generation, commits }) })
    }

    /// Runs `work` in a transaction and answers after its commit. `work` may be run more than once (a deadlock on
    /// MySQL), must do nothing but database work, and must not write through this writer itself.
    ///
    /// # Errors
    /// What `work` answers (then nothing of it is kept); 503 when the queue is full or the database is out.
    pub async fn write<T, W>(&self, work: W) -> Result<T>
    where
        T: Send + 'static,
        W: AsyncFn(&DatabaseTransaction) -> Result<T> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        enqueue(&self.shared.jobs, Box::new(Work::new(work, answer)) as Box<dyn Job>).await?;
        answered.await.map_err(|_| closed())?
    }

    /// Opens a lane: a queue whose waiting writes `batch` brings to the database together, at most `most` at a time.
    #[must_use]
    pub fn lane<B: Batch>(&self, name: &'static str, most: usize, batch: B) -> Lane<B::Op, B::Out> {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let commits = self.shared.commits.clone();
        let starter: Starter =
            Box::new(move |turn, closing| Box::pin(lane::serve(name, most, batch, waiting, turn, closing, commits)));
        // It fails only when the thread has ended; then the lane's queue is closed and answers 503.
        let _ = self.shared.starters.send(starter);
        Lane::new(queue)
    }

    /// Moves on with every commit to SQLite, before its callers are answered.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.shared.generation.clone()
    }

    /// Refuses new writes, commits the accepted ones, checkpoints SQLite and ends the thread.
    pub async fn close(&self) {
        self.shared.closing.cancel();
        let thread = self.shared.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

/// Puts `item` into a bounded queue, waiting a while for a place.
async fn enqueue<T>(queue: &mpsc::Sender<T>, item: T) -> Result<()> {
    match queue.try_send(item) {
        Ok(()) => Ok(()),
        Err(mpsc::error::TrySendError::Closed(_)) => Err(closed()),
        Err(mpsc::error::TrySendError::Full(item)) => match queue.send_timeout(item, PATIENCE).await {
            Ok(()) => Ok(()),
            Err(mpsc::error::SendTimeoutError::Closed(_)) => Err(closed()),
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => {
                Err(Error::new(&BUSY, "Too many writes are waiting.").retry_after(2))
            }
        },
    }
}

fn closed() -> Error {
    Error::new(&BUSY, "The service is stopping.").retry_after(5)
}

/// A pause before a transaction that lost is run again: grows, and differs between those who lost together.
async fn back_off(round: u32) {
    let jitter = super::secret::random_bytes::<1>().map_or(128, |[byte]| u64::from(byte));
    tokio::time::sleep(Duration::from_millis((1 << round.min(6)) * 4 + jitter / 8)).await;
}
