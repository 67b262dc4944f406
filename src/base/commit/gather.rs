//! Writes of one kind that wait are done together: one transaction, in which one piece of work written with sea-orm looks
//! after all of them in a few statements. While one group commits, the next gathers.

use std::sync::Arc;

use sea_orm::DatabaseTransaction;
use tokio::sync::{mpsc, oneshot};

use super::{QUEUE, Writer, closed, enqueue};
use crate::base::error::{Class, Error, Result};

type Answer<Out> = oneshot::Sender<Result<Out>>;

/// The way into a group. Cheap to clone.
#[derive(Debug)]
pub struct Gather<Op, Out> {
    queue: mpsc::Sender<(Op, Answer<Out>)>,
}

impl<Op, Out> Gather<Op, Out> {
    /// Writes `op` with what else waits, and answers after the commit.
    ///
    /// # Errors
    /// What the work fails with for this op alone; 503 when the queue is full or the database is out.
    pub async fn write(&self, op: Op) -> Result<Out> {
        let (answer, answered) = oneshot::channel();
        enqueue(&self.queue, (op, answer)).await?;
        answered.await.map_err(|_| closed())?
    }
}

impl Writer {
    /// Opens a queue whose waiting writes `work` does together, `most` at a time. It answers one result for each op, in
    /// order. An Err undoes the group; its ops are then done one by one, unless the database is out. As for
    /// [`Writer::write`], `work` may be run more than once. To be called on the runtime on which groups are to form.
    #[must_use]
    pub fn gather<Op, Out, W>(&self, most: usize, work: W) -> Gather<Op, Out>
    where
        Op: Send + Sync + 'static,
        Out: Send + 'static,
        W: AsyncFn(&DatabaseTransaction, &[Op]) -> Result<Vec<Out>> + Send + Sync + 'static,
    {
        let (queue, mut waiting) = mpsc::channel::<(Op, Answer<Out>)>(QUEUE);
        let (writer, work) = (self.clone(), Arc::new(work));
        tokio::spawn(async move {
            let mut group = Vec::with_capacity(most);
            while waiting.recv_many(&mut group, most).await > 0 {
                let (ops, answers): (Vec<Op>, Vec<_>) = group.drain(..).unzip();
                let outcomes = together(&writer, &work, Arc::new(ops)).await;
                for (answer, outcome) in answers.into_iter().zip(outcomes) {
                    let _ = answer.send(outcome); // a caller that went away wants no answer
                }
            }
        });
        Gather { queue }
    }
}

/// Does all of them in one transaction; when that fails, each in its own.
async fn together<Op, Out, W>(writer: &Writer, work: &Arc<W>, ops: Arc<Vec<Op>>) -> Vec<Result<Out>>
where
    Op: Send + Sync + 'static,
    Out: Send + 'static,
    W: AsyncFn(&DatabaseTransaction, &[Op]) -> Result<Vec<Out>> + Send + Sync + 'static,
{
    let error = match some(writer, work, &ops, 0, ops.len()).await {
        Ok(outs) => return outs.into_iter().map(Ok).collect(),
        Err(error) => error,
    };
    if error.kind().class == Class::Unavailable || ops.len() == 1 {
        return ops.iter().map(|_| Err(error.again())).collect();
    }
    log::warn!("a group of {} writes failed and is done one by one: {:?}", ops.len(), error.cause());
    let mut outcomes = Vec::with_capacity(ops.len());
    for nth in 0..ops.len() {
        let alone = some(writer, work, &ops, nth, 1).await;
        outcomes.push(alone.and_then(|mut outs| outs.pop().ok_or_else(left_out)));
    }
    outcomes
}

async fn some<Op, Out, W>(
    writer: &Writer,
    work: &Arc<W>,
    ops: &Arc<Vec<Op>>,
    skip: usize,
    count: usize,
) -> Result<Vec<Out>>
where
    Op: Send + Sync + 'static,
    Out: Send + 'static,
    W: AsyncFn(&DatabaseTransaction, &[Op]) -> Result<Vec<Out>> + Send + Sync + 'static,
{
    let (work, ops) = (Arc::clone(work), Arc::clone(ops));
    let write = async move |tx: &DatabaseTransaction| {
        let ops = ops.get(skip..skip + count).ok_or_else(left_out)?;
        let outs = work(tx, ops).await?;
        if outs.len() == ops.len() { Ok(outs) } else { Err(left_out()) }
    };
    writer.write(write).await
}

fn left_out() -> Error {
    Error::internal("a group left an outcome out")
}
