//! The general path: work written with sea-orm, one savepoint each on SQLite, one transaction each on MySQL.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Instant};

use futures_util::{FutureExt, future::LocalBoxFuture};
use sea_orm::{DatabaseConnection, DatabaseTransaction, SqliteTransactionMode, TransactionOptions, TransactionTrait};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::{
    RETRIES, back_off,
    thread::{Turn, is_out, make_room},
};
use crate::base::{
    error::{Class, Error, Result},
    metrics::CommitMetrics,
    patience::Patience,
};

/// Most writes of one group.
const GROUP: usize = 64;
/// Transactions that run side by side on MySQL.
const PLACES: u32 = 16;

/// Work with its answer, its type forgotten.
pub(super) trait Job: Send {
    /// Does the work inside `tx`. Err: it has to be undone.
    fn run<'a>(&'a mut self, tx: &'a DatabaseTransaction) -> LocalBoxFuture<'a, Result<()>>;
    /// Answers the caller: the work's value when it was committed, else the error.
    fn finish(self: Box<Self>, outcome: Result<()>);
}

pub(super) struct Work<T, W> {
    work: W,
    value: Option<T>,
    answer: oneshot::Sender<Result<T>>,
}

impl<T, W> Work<T, W> {
    pub(super) fn new(work: W, answer: oneshot::Sender<Result<T>>) -> Self {
        Self { work, value: None, answer }
    }
}

impl<T: Send, W: AsyncFn(&DatabaseTransaction) -> Result<T> + Send> Job for Work<T, W> {
    fn run<'a>(&'a mut self, tx: &'a DatabaseTransaction) -> LocalBoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let work = AssertUnwindSafe((self.work)(tx)).catch_unwind();
            let value = work.await.unwrap_or_else(|_| Err(Error::internal("a write panicked")))?;
            self.value = Some(value);
            Ok(())
        })
    }

    fn finish(self: Box<Self>, outcome: Result<()>) {
        let Self { value, answer, .. } = *self;
        let outcome = outcome.and_then(|()| value.ok_or_else(|| Error::internal("a write left no value")));
        let _ = answer.send(outcome); // a caller that went away wants no answer
    }
}

/// Serves the queue until the writer closes and the queue is empty.
pub(super) async fn serve(
    mut waiting: mpsc::Receiver<Box<dyn Job>>,
    orm: DatabaseConnection,
    turn: Arc<Turn>,
    closing: CancellationToken,
    commits: CommitMetrics,
) {
    let places = Arc::new(Semaphore::new(PLACES as usize));
    let mut group = Vec::with_capacity(GROUP);
    loop {
        tokio::select! {
            biased;
            count = waiting.recv_many(&mut group, GROUP) => if count == 0 { break },
            () = closing.cancelled(), if !waiting.is_closed() => waiting.close(),
        }
        if group.is_empty() {
            continue;
        }
        let jobs = std::mem::take(&mut group);
        match turn.as_ref() {
            Turn::MySql(_, patience) => {
                for job in jobs {
                    let Ok(place) = Arc::clone(&places).acquire_owned().await else { break };
                    let (orm, patience, commits) = (orm.clone(), patience.clone(), commits.clone());
                    tokio::task::spawn_local(async move {
                        let start = Instant::now();
                        commit_alone(&orm, &patience, job).await;
                        commits.observe("general", 1, start.elapsed());
                        drop(place);
                    });
                }
            }
            Turn::Sqlite(connection, generation) => {
                let (mut jobs, connection) = (jobs, connection.lock().await);
                let start = Instant::now();
                let mut done = commit_group(&orm, &mut jobs).await;
                if is_out(&done.committed) && make_room(&connection) {
                    done = commit_group(&orm, &mut jobs).await;
                }
                generation.advance();
                commits.observe("general", jobs.len(), start.elapsed());
                done.answer(jobs);
            }
        }
    }
    // On MySQL: wait until the last ones gave their places back.
    let _ = places.acquire_many(PLACES).await;
}

/// What came of a group.
struct Done {
    /// Each job's own outcome, as far as they were run.
    own: Vec<Result<()>>,
    committed: Result<()>,
}

impl Done {
    fn answer(self, jobs: Vec<Box<dyn Job>>) {
        let rest = std::iter::repeat_with(|| Ok(()));
        for (job, own) in jobs.into_iter().zip(self.own.into_iter().chain(rest)) {
            let outcome = match (&self.committed, own) {
                (Ok(()), own) | (Err(_), own @ Err(_)) => own,
                (Err(error), Ok(())) => Err(error.again()),
            };
            job.finish(outcome);
        }
    }
}

/// One transaction for all, one savepoint for each. An outage undoes the whole group and is everybody's answer.
async fn commit_group(orm: &DatabaseConnection, jobs: &mut [Box<dyn Job>]) -> Done {
    let mut own = Vec::with_capacity(jobs.len());
    let committed: Result<()> = async {
        let immediate = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..Default::default()
        };
        let tx = orm.begin_with_options(immediate).await?;
        for job in jobs {
            let savepoint = tx.begin().await?;
            let outcome = job.run(&savepoint).await;
            match &outcome {
                Ok(()) => savepoint.commit().await?,
                Err(error) if error.kind().class == Class::Unavailable => {
                    let error = error.again();
                    own.push(outcome);
                    return Err(error);
                }
                Err(_) => savepoint.rollback().await?,
            }
            own.push(outcome);
        }
        tx.commit().await?;
        Ok(())
    }
    .await;
    Done { own, committed }
}

/// One transaction, run again when it loses against another.
async fn commit_alone(orm: &DatabaseConnection, patience: &Patience, mut job: Box<dyn Job>) {
    let mut round = 0;
    let outcome = loop {
        let outcome = patience.wait(try_once(orm, job.as_mut())).await;
        match outcome {
            Err(error) if error.lost_race() && round < RETRIES => round += 1,
            outcome => break outcome,
        }
        back_off(round).await;
    };
    job.finish(outcome);
}

async fn try_once(orm: &DatabaseConnection, job: &mut dyn Job) -> Result<()> {
    let tx = orm.begin().await?;
    match job.run(&tx).await {
        Ok(()) => Ok(tx.commit().await?),
        Err(error) => {
            let _ = tx.rollback().await; // the error that led here says more than one of the rollback
            Err(error)
        }
    }
}
