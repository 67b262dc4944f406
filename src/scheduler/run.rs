//! One run of a job: claiming it, letting it go on, noting how it ended.

use std::{any::Any, panic::AssertUnwindSafe, sync::Arc, time::Instant};

use entity::{UtcMillis, job::Model};
use futures_util::FutureExt;
use sea_orm::ConnectionTrait;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{
    jobs::{self, Effective, Ended},
    live::{Inside, KEEP_MS, Kept, LEASE_MS, Place, RENEW_MS, Running},
    tasks,
    tick::Inner,
};
use crate::base::{
    error::Result,
    event::{self, Event, EventKind},
    job::{Job, JobContext, Outcome, Schedule},
    lease::{self, Fence},
};

/// Longest line on a run that is kept, in characters.
const LONGEST_RESULT: usize = 1000;
/// After how many milliseconds people are told once more of a job that keeps failing alike.
const AGAIN_MS: i64 = 3_600_000;

/// A run that holds its lease.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) fence: Fence,
    pub(super) expires_at: UtcMillis,
    pub(super) started_at: UtcMillis,
    /// `None` for a run that an admin asked for.
    pub(super) due: Option<Due>,
    /// The task of a run that an admin asked for.
    pub(super) task: Option<String>,
}

/// Why a run on schedule is started.
#[derive(Clone, Debug)]
pub(super) struct Due {
    /// When it was due.
    pub(super) at: UtcMillis,
    pub(super) schedule: Schedule,
    /// The row's `updated_at`.
    pub(super) seen: UtcMillis,
    /// When the row was last written for a run.
    pub(super) written_at: UtcMillis,
}

impl Run {
    /// Claims a run that is due. `None`: another replica runs the job, or has done so meanwhile.
    pub(super) async fn claim(
        inner: &Inner,
        inside: &Inside,
        row: &Model,
        kept: Option<Kept>,
        due: UtcMillis,
        now: UtcMillis,
    ) -> Result<Option<Self>> {
        let written_at = kept.as_ref().map_or(row.last_finished_at.unwrap_or_default(), |kept| kept.written_at);
        let schedule = Effective::of(&inside.place().job, row).schedule;
        let due = Some(Due { at: due, schedule, seen: row.updated_at, written_at });
        if let Some(kept) = kept.as_ref().filter(|kept| kept.expires_at.0 - now.0 >= RENEW_MS) {
            let (fence, expires_at) = (kept.fence, kept.expires_at);
            return Ok(Some(Self { fence, expires_at, started_at: now, due, task: None }));
        }
        let (place, holder, zone) =
            (Arc::clone(inside.place()), inner.holder.clone(), inner.state.config.server.timezone);
        let kept = kept.map(|kept| kept.fence);
        let fence = inner.state.writer.write(async move |tx| {
            let name = place.job.lease_name();
            if let Some(fence) = kept
                && lease::renew(tx, &name, fence, LEASE_MS, now).await?
            {
                return Ok(Some(fence));
            }
            let Some(fence) = take(tx, &place.job, &holder, now).await? else { return Ok(None) };
            let row = jobs::locked(tx, &place.job, now, zone).await?;
            if row.next_run_at.is_none_or(|next| next > now) {
                lease::release(tx, &name, fence).await?;
                return Ok(None);
            }
            jobs::started(tx, &row, now).await?;
            Ok(Some(fence))
        });
        let expires_at = now.plus_millis(LEASE_MS);
        Ok(fence.await?.map(|fence| Self { fence, expires_at, started_at: now, due, task: None }))
    }

    /// Claims a run that an admin asks for, with a task to follow it by. `None`: the job is running.
    pub(super) async fn claim_by_hand(
        tx: &impl ConnectionTrait,
        place: &Place,
        holder: &str,
        now: UtcMillis,
    ) -> Result<Option<(Self, String)>> {
        let name = place.job.lease_name();
        let fence = match place.kept() {
            Some(kept) if lease::renew(tx, &name, kept.fence, LEASE_MS, now).await? => Some(kept.fence),
            _ => take(tx, &place.job, holder, now).await?,
        };
        let Some(fence) = fence else { return Ok(None) };
        let task = tasks::begin(tx, &name, now).await?;
        let expires_at = now.plus_millis(LEASE_MS);
        Ok(Some((Self { fence, expires_at, started_at: now, due: None, task: Some(task.clone()) }, task)))
    }

    pub(super) fn running(&self, stop: CancellationToken) -> Running {
        Running { fence: self.fence, expires_at: self.expires_at, stop }
    }

    /// Runs the job to its end, whatever that is.
    pub(super) async fn go(self, inner: &Inner, inside: Inside, stop: CancellationToken) {
        let job = inside.place().job.clone();
        let (lease, fence, by_hand) = (job.lease_name(), self.fence, self.due.is_none());
        let context = JobContext { state: inner.state.clone(), lease, fence, by_hand, stop };
        let start = Instant::now();
        // Inside the guarded future, so that a panic before the first await is caught too.
        let outcome = AssertUnwindSafe(async { job.run(context).await }).catch_unwind().await;
        let (label, ended) = self.judge(&job, outcome);
        inner.state.metrics.jobs().observe(job.name, label, start.elapsed());
        let now = inner.state.clock.now();
        if label == "idle"
            && let Some(kept) = self.keep_unwritten(inner, &inside, now)
        {
            inside.keep(Some(kept));
            return;
        }
        if let Err(error) = self.note(inner, &inside, ended, now).await {
            log::error!("the end of job {} could not be noted: {error}", job.name);
            // Not at once again, although its row still says that it is due.
            inside.wait_until(now.plus_millis(KEEP_MS));
        }
    }

    /// What to record of the outcome, and what to call it in the metrics.
    fn judge(&self, job: &Job, outcome: std::result::Result<Outcome, Box<dyn Any + Send>>) -> (&'static str, Ended) {
        let (label, status, result) = match outcome {
            Ok(Ok(Some(result))) => ("ok", "ok", result),
            Ok(Ok(None)) => ("idle", "ok", "nothing to do".to_owned()),
            Ok(Err(error)) => {
                log::error!("job {} failed: {error} ({})", job.name, error.cause().unwrap_or("no cause"));
                ("failed", "failed", error.to_string())
            }
            Err(panic) => {
                log::error!("job {} panicked: {}", job.name, words(panic.as_ref()));
                ("panicked", "panicked", "it panicked; the log tells where".to_owned())
            }
        };
        let result = result.chars().take(LONGEST_RESULT).collect();
        let due = self.due.as_ref().map(|due| (due.at, due.seen));
        (label, Ended { started_at: self.started_at, status, result, due })
    }

    /// For a run that found nothing to do: the lease goes on to the next run, if that is near and the row was written
    /// within the last minute.
    fn keep_unwritten(&self, inner: &Inner, inside: &Inside, now: UtcMillis) -> Option<Kept> {
        let due = self.due.as_ref()?;
        let zone = inner.state.config.server.timezone;
        let next = due.schedule.next_from(due.at, now, zone)?;
        let expires_at = inside.expires_at();
        (next.0 - now.0 <= KEEP_MS && now.0 - due.written_at.0 < KEEP_MS && expires_at > now).then_some(Kept {
            fence: self.fence,
            expires_at,
            next,
            seen: due.seen,
            written_at: due.written_at,
        })
    }

    /// Writes the end of the run, and keeps the lease or gives it back.
    async fn note(&self, inner: &Inner, inside: &Inside, ended: Ended, now: UtcMillis) -> Result<()> {
        let (place, run, zone) = (Arc::clone(inside.place()), self.clone(), inner.state.config.server.timezone);
        let expires_at = inside.expires_at();
        let kept = inner.state.writer.write(async move |tx| {
            let name = place.job.lease_name();
            if !lease::confirm(tx, &name, run.fence).await? {
                return Ok(None); // the row belongs to whoever took the lease, and they have ended the task
            }
            if let Some(task) = &run.task {
                let result = if ended.status == "ok" { Ok(ended.result.as_str()) } else { Err(ended.result.as_str()) };
                tasks::finish(tx, task, result, now).await?;
            }
            let row = jobs::locked(tx, &place.job, now, zone).await?;
            if is_news(&row, &ended, now) {
                event::tell(tx, &failed(&place.job, &ended), now).await?;
            }
            let row = jobs::ended(tx, &place.job, &row, &ended, now, zone).await?;
            let Some(next) = row.next_run_at.filter(|next| next.0 - now.0 <= KEEP_MS && expires_at > now) else {
                lease::release(tx, &name, run.fence).await?;
                return Ok(None);
            };
            Ok(Some(Kept { fence: run.fence, expires_at, next, seen: row.updated_at, written_at: now }))
        });
        inside.keep(kept.await?);
        Ok(())
    }
}

/// Whether people are to be told of this end: that of a run that failed, unless the one before failed alike within the
/// hour. A job that runs every few seconds would tell nothing else.
fn is_news(row: &Model, ended: &Ended, now: UtcMillis) -> bool {
    let lately = row.last_finished_at.is_some_and(|time| now.0 - time.0 < AGAIN_MS);
    let alike = row.last_status.as_deref() == Some(ended.status) && row.last_result.as_deref() == Some(&ended.result);
    ended.status != "ok" && !(lately && alike)
}

fn failed(job: &Job, ended: &Ended) -> Event {
    Event {
        kind: EventKind::JobFailed,
        subject: job.lease_name(),
        cause: ended.result.clone(),
        params: json!({ "name": job.name, "error": ended.result }),
    }
}

/// Takes the job's lease. What its earlier holder left running has died with it.
async fn take(tx: &impl ConnectionTrait, job: &Job, holder: &str, now: UtcMillis) -> Result<Option<Fence>> {
    let name = job.lease_name();
    let fence = lease::acquire(tx, &name, holder, LEASE_MS, now).await?;
    if fence.is_some() {
        tasks::abandon(tx, &name, now).await?;
    }
    Ok(fence)
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&'static str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("something unprintable")
}
