//! A run that an admin asks for.

use std::sync::{Arc, Mutex, PoisonError};

use sea_orm::ConnectionTrait;

use super::{
    JOB_RUNNING, Scheduler,
    live::{Inside, Place},
    run::Run,
};
use crate::base::error::{BUSY, Result};

/// A run by hand in two steps: [`Manual::claim`] in the transaction of the request, then [`Manual::launch`] after its
/// commit. Clones are the same run.
#[derive(Clone, Debug)]
pub(super) struct Manual {
    scheduler: Scheduler,
    place: Arc<Place>,
    claimed: Arc<Mutex<Option<(Inside, Run)>>>,
}

impl Scheduler {
    /// A run of the job of this name.
    ///
    /// # Errors
    /// 404 when there is none.
    pub(super) fn manual(&self, name: &str) -> Result<Manual> {
        Ok(Manual { scheduler: self.clone(), place: Arc::clone(self.place(name)?), claimed: Arc::default() })
    }
}

impl Manual {
    /// Claims the run and answers the id of its task. May be called again when the transaction is run again.
    ///
    /// # Errors
    /// 409 while the job is running; 503 while the service stops.
    pub(super) async fn claim(&self, tx: &impl ConnectionTrait) -> Result<String> {
        let running = || JOB_RUNNING.error(format!("Job '{}' is running.", self.place.job.name));
        if self.scheduler.inner().stop.is_cancelled() {
            return Err(BUSY.error("The service is stopping."));
        }
        let inside = match self.take() {
            Some((inside, _)) => inside,
            None => self.place.enter().ok_or_else(running)?,
        };
        let (holder, now) = (&self.scheduler.inner().holder, self.scheduler.now());
        let (run, task) = Run::claim_by_hand(tx, &self.place, holder, now).await?.ok_or_else(running)?;
        *self.claimed.lock().unwrap_or_else(PoisonError::into_inner) = Some((inside, run));
        Ok(task)
    }

    /// Starts the run, if one was claimed. To be called after the commit.
    pub(super) fn launch(&self) {
        if let Some((inside, run)) = self.take() {
            self.scheduler.launch(inside, run);
        }
    }

    fn take(&self) -> Option<(Inside, Run)> {
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
