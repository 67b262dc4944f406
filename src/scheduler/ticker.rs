//! The beat: tokio-cron-scheduler calls the scheduler once a second, and does nothing else. Schedules, overlaps, missed
//! runs and stopping are ours, since it knows time zones as fixed offsets only and neither guards nor waits for runs.

use std::time::Duration;

use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

use super::Scheduler;
use crate::base::db::StartError;

/// The running beat.
pub(super) struct Ticker(JobScheduler);

impl Ticker {
    /// Begins to tick.
    pub(super) async fn start(scheduler: Scheduler) -> Result<Self, StartError> {
        let text = |error: JobSchedulerError| format!("the ticker of the jobs cannot be started: {error}");
        let ticker = JobScheduler::new().await.map_err(text)?;
        let tick = Job::new_repeated_async(Duration::from_secs(1), move |_, _| {
            let scheduler = scheduler.clone();
            Box::pin(async move { scheduler.tick(scheduler.now()).await })
        });
        ticker.add(tick.map_err(text)?).await.map_err(text)?;
        ticker.start().await.map_err(text)?;
        Ok(Self(ticker))
    }

    /// Ticks no more.
    pub(super) async fn stop(mut self) {
        if let Err(error) = self.0.shutdown().await {
            log::warn!("the ticker of the jobs does not stop: {error}");
        }
    }
}

impl std::fmt::Debug for Ticker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ticker")
    }
}
