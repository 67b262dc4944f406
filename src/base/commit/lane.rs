//! Lanes: hot paths that bring a whole batch of writes to the database in their own few statements.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Instant};

use futures_util::FutureExt;
use sqlx::{Connection as _, MySqlConnection};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::{
    RETRIES, back_off, closed, enqueue,
    thread::{Turn, is_out, make_room},
};
use crate::base::{
    error::{Class, Error, Result},
    metrics::CommitMetrics,
};

/// The open transaction a batch writes in.
pub enum Session<'a> {
    /// On the writer's own thread, so calls may block.
    Sqlite(&'a rusqlite::Connection),
    /// One connection of the pool.
    MySql(&'a mut MySqlConnection),
}

/// How a lane's writes reach the database.
pub trait Batch: Send + 'static {
    /// One write.
    type Op: Send + 'static;
    /// What its caller is told.
    type Out: Send + 'static;

    /// Brings all of `ops` into the open transaction and answers one result for each, in order. A result of Err
    /// means that the op was refused and wrote nothing. An Err for the whole undoes the transaction; the ops are
    /// then run again one by one, unless the database is out.
    fn apply(&self, session: Session<'_>, ops: &[Self::Op]) -> impl Future<Output = Result<Vec<Result<Self::Out>>>>;

    /// Called after the commit, before the callers are answered.
    fn committed(&self, ops: &[Self::Op], outcomes: &[Result<Self::Out>]);
}

type Answer<Out> = oneshot::Sender<Result<Out>>;

/// The way into a lane. Cheap to clone.
#[derive(Debug)]
pub struct Lane<Op, Out> {
    queue: mpsc::Sender<(Op, Answer<Out>)>,
}

impl<Op, Out> Clone for Lane<Op, Out> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone() }
    }
}

impl<Op, Out> Lane<Op, Out> {
    pub(super) fn new(queue: mpsc::Sender<(Op, Answer<Out>)>) -> Self {
        Self { queue }
    }

    /// Writes `op` and answers after its commit.
    ///
    /// # Errors
    /// What the batch answers for this op; 503 when the queue is full or the database is out.
    pub async fn write(&self, op: Op) -> Result<Out> {
        let (answer, answered) = oneshot::channel();
        enqueue(&self.queue, (op, answer)).await?;
        answered.await.map_err(|_| closed())?
    }
}

/// Serves a lane until the writer closes and the queue is empty.
pub(super) async fn serve<B: Batch>(
    name: &'static str,
    most: usize,
    batch: B,
    mut waiting: mpsc::Receiver<(B::Op, Answer<B::Out>)>,
    turn: Arc<Turn>,
    closing: CancellationToken,
    commits: CommitMetrics,
) {
    let mut group = Vec::with_capacity(most);
    loop {
        tokio::select! {
            biased;
            count = waiting.recv_many(&mut group, most) => if count == 0 { break },
            () = closing.cancelled(), if !waiting.is_closed() => waiting.close(),
        }
        if group.is_empty() {
            continue;
        }
        let (ops, answers): (Vec<_>, Vec<_>) = group.drain(..).unzip();
        let start = Instant::now();
        let outcomes = commit(&batch, &turn, &ops).await;
        commits.observe(name, ops.len(), start.elapsed());
        for (answer, outcome) in answers.into_iter().zip(outcomes) {
            let _ = answer.send(outcome); // a caller that went away wants no answer
        }
    }
}

/// Commits the batch; when it fails as a whole, each op alone.
async fn commit<B: Batch>(batch: &B, turn: &Turn, ops: &[B::Op]) -> Vec<Result<B::Out>> {
    let error = match transaction(batch, turn, ops).await {
        Ok(outcomes) => return outcomes,
        Err(error) => error,
    };
    if error.kind().class == Class::Unavailable || ops.len() == 1 {
        return ops.iter().map(|_| Err(error.again())).collect();
    }
    log::warn!("a batch of {} writes failed and is run again one by one: {:?}", ops.len(), error.cause());
    let mut outcomes = Vec::with_capacity(ops.len());
    for op in ops {
        let alone = transaction(batch, turn, std::slice::from_ref(op)).await;
        outcomes.push(alone.and_then(|mut outs| outs.pop().ok_or_else(|| Error::internal("a batch left no outcome"))?));
    }
    outcomes
}

async fn transaction<B: Batch>(batch: &B, turn: &Turn, ops: &[B::Op]) -> Result<Vec<Result<B::Out>>> {
    let mut round = 0;
    let outcomes = loop {
        let outcomes = match turn {
            Turn::Sqlite(connection, generation) => {
                let connection = connection.lock().await;
                let mut outcomes = on_sqlite(batch, &connection, ops).await;
                if is_out(&outcomes) && make_room(&connection) {
                    outcomes = on_sqlite(batch, &connection, ops).await;
                }
                generation.advance();
                outcomes
            }
            Turn::MySql(pool, patience) => patience.wait(on_mysql(batch, pool, ops)).await,
        };
        match outcomes {
            Err(error) if error.lost_race() && round < RETRIES => round += 1,
            Err(error) => return Err(error),
            Ok(outcomes) => break outcomes,
        }
        back_off(round).await;
    };
    batch.committed(ops, &outcomes);
    Ok(outcomes)
}

/// A panic, or outcomes left out, is a failure of the batch: the transaction is undone, and the ops are run again one by
/// one.
async fn apply<B: Batch>(batch: &B, session: Session<'_>, ops: &[B::Op]) -> Result<Vec<Result<B::Out>>> {
    let outcomes = AssertUnwindSafe(batch.apply(session, ops)).catch_unwind().await;
    match outcomes {
        Ok(Ok(outcomes)) if outcomes.len() != ops.len() => Err(Error::internal("a batch left outcomes out")),
        Ok(outcomes) => outcomes,
        Err(_) => Err(Error::internal("a batch panicked")),
    }
}

async fn on_sqlite<B: Batch>(
    batch: &B,
    connection: &rusqlite::Connection,
    ops: &[B::Op],
) -> Result<Vec<Result<B::Out>>> {
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    let outcomes = apply(batch, Session::Sqlite(connection), ops).await;
    let outcomes = match outcomes {
        Ok(outcomes) => connection
            .prepare_cached("COMMIT")
            .and_then(|mut commit| commit.execute([]))
            .map(|_| outcomes)
            .map_err(Error::from),
        Err(error) => Err(error),
    };
    // After an error SQLite may or may not have undone the transaction itself.
    if outcomes.is_err() && !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK")?;
    }
    outcomes
}

async fn on_mysql<B: Batch>(batch: &B, pool: &sqlx::MySqlPool, ops: &[B::Op]) -> Result<Vec<Result<B::Out>>> {
    let mut connection = pool.acquire().await?;
    let mut tx = connection.begin().await?;
    match apply(batch, Session::MySql(&mut tx), ops).await {
        Ok(outcomes) => {
            tx.commit().await?;
            Ok(outcomes)
        }
        Err(error) => {
            let _ = tx.rollback().await; // the error that led here says more than one of the rollback
            Err(error)
        }
    }
}
