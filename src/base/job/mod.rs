//! Jobs: what a room runs on a schedule. `scheduler` runs them; a room only describes them.

mod schedule;

use std::{fmt, sync::Arc};

use entity::UtcMillis;
use futures_util::future::BoxFuture;
use sea_orm::{ConnectionTrait, DatabaseTransaction};
use tokio_util::sync::CancellationToken;

pub use self::schedule::Schedule;
use super::{
    error::{Error, Result},
    lease::{self, Fence},
    state::State,
};

/// What a run answers: one line on what it did, or `None` when it found nothing to do.
pub type Outcome = Result<Option<String>>;

/// Something that runs on a schedule. Runs of one job never overlap, over all replicas.
#[derive(Clone)]
pub struct Job {
    /// Its name, up to 60 of `[a-z0-9-]`: `purge`.
    pub name: &'static str,
    /// When it runs unless an admin changes it.
    pub schedule: Schedule,
    /// Whether it runs on its schedule unless an admin changes it.
    pub enabled: bool,
    run: Arc<dyn Fn(JobContext) -> BoxFuture<'static, Outcome> + Send + Sync>,
}

impl Job {
    /// A job that is switched on.
    pub fn new<F: Future<Output = Outcome> + Send + 'static>(
        name: &'static str,
        schedule: Schedule,
        run: impl Fn(JobContext) -> F + Send + Sync + 'static,
    ) -> Self {
        Self { name, schedule, enabled: true, run: Arc::new(move |context| Box::pin(run(context))) }
    }

    /// The same job, on or off.
    #[must_use]
    pub fn enabled(self, enabled: bool) -> Self {
        Self { enabled, ..self }
    }

    /// The name of its lease, and the kind of its tasks: `job:purge`.
    #[must_use]
    pub fn lease_name(&self) -> String {
        format!("job:{}", self.name)
    }

    /// Starts a run.
    pub fn run(&self, context: JobContext) -> BoxFuture<'static, Outcome> {
        (self.run)(context)
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Job({}, {})", self.name, self.schedule)
    }
}

/// What a run is given.
#[derive(Clone, Debug)]
pub struct JobContext {
    /// The service's shared things.
    pub state: State,
    /// The lease this run holds, see [`JobContext::still_ours`].
    pub lease: String,
    /// Which holding of the lease this run is.
    pub fence: Fence,
    /// Whether somebody asked for this run, whatever the schedule says.
    pub by_hand: bool,
    /// Cancelled when the service stops or the lease is lost: finish what is begun, begin nothing new.
    pub stop: CancellationToken,
}

impl JobContext {
    /// To be called in a transaction whose effect must not happen when another replica has taken the job over.
    ///
    /// # Errors
    /// 500 when it has; the transaction then has to be rolled back.
    pub async fn still_ours(&self, tx: &impl ConnectionTrait) -> Result<()> {
        if lease::confirm(tx, &self.lease, self.fence).await? {
            return Ok(());
        }
        Err(Error::internal(format!("the lease '{}' was lost", self.lease)))
    }

    /// Deletes in batches until there is nothing left or the run is to stop, so that no transaction grows long.
    /// `delete` is given the time and how many rows to delete at most, and answers how many it were. Answers the sum.
    ///
    /// # Errors
    /// What `delete` answers.
    pub async fn in_batches<D>(&self, delete: D) -> Result<u64>
    where
        D: AsyncFn(&DatabaseTransaction, UtcMillis, u64) -> Result<u64> + Clone + Send + 'static,
    {
        let (now, mut sum) = (self.state.clock.now(), 0);
        while !self.stop.is_cancelled() {
            let delete = delete.clone();
            let deleted = self.state.writer.write(async move |tx| delete(tx, now, BATCH).await).await?;
            sum += deleted;
            if deleted < BATCH {
                break;
            }
        }
        Ok(sum)
    }
}

/// Most rows that are deleted in one transaction.
const BATCH: u64 = 500;
