//! The scheduler: looks once a second what is due and starts it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use chrono_tz::Tz;
use entity::{UtcMillis, job::Model};
use tokio::sync::Mutex;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    jobs::{self, Effective},
    live::{Inside, LEASE_MS, Place, RENEW_MS},
    run::Run,
    tasks,
    ticker::Ticker,
};
use crate::base::{
    db::StartError,
    error::{NOT_FOUND, Result},
    job::Job,
    lease,
    state::State,
};

/// How long a job that another replica runs is left alone, in milliseconds.
const ELSEWHERE_MS: i64 = 5_000;
/// How often dead tasks are looked for, in milliseconds.
const SWEEP_MS: i64 = 60_000;

/// Runs jobs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Scheduler(Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) state: State,
    /// Who holds the leases: this instance of the service.
    pub(super) holder: String,
    pub(super) places: Vec<Arc<Place>>,
    /// Where runs go on, whoever started them.
    runtime: tokio::runtime::Handle,
    runs: TaskTracker,
    pub(super) stop: CancellationToken,
    ticking: Mutex<()>,
    ticker: Mutex<Option<Ticker>>,
    last_sweep: AtomicI64,
    in_trouble: AtomicBool,
}

impl Scheduler {
    /// A scheduler for these jobs, which runs none until it is started. `instance` names this process among the
    /// replicas, in at most 64 characters, and stays the same when it is started again. To be called on the runtime on
    /// which the jobs are to run.
    #[must_use]
    pub fn new(state: State, instance: &str, jobs: Vec<Job>) -> Self {
        let mut places: Vec<_> = jobs.into_iter().map(|job| Arc::new(Place::new(job))).collect();
        places.sort_by_key(|place| place.job.name);
        Self(Arc::new(Inner {
            state,
            holder: instance.to_owned(),
            places,
            runtime: tokio::runtime::Handle::current(),
            runs: TaskTracker::new(),
            stop: CancellationToken::new(),
            ticking: Mutex::default(),
            ticker: Mutex::default(),
            last_sweep: AtomicI64::new(0),
            in_trouble: AtomicBool::new(false),
        }))
    }

    pub(super) fn inner(&self) -> &Inner {
        &self.0
    }

    /// Brings the rows in order and begins to tick.
    ///
    /// # Errors
    /// When the database or the ticker fails.
    pub async fn start(&self) -> Result<(), StartError> {
        self.recover().await.map_err(|error| format!("cannot prepare the jobs: {error}"))?;
        let mut ticker = self.0.ticker.lock().await;
        *ticker = Some(Ticker::start(self.clone()).await?);
        Ok(())
    }

    /// Ends what an earlier life of this process left behind: its leases and its tasks. On SQLite that is whatever is
    /// there, since only one server runs on the file. Then every job gets its row and its next run.
    pub(super) async fn recover(&self) -> Result<()> {
        let inner = Arc::clone(&self.0);
        let (now, zone) = (self.now(), self.zone());
        self.0
            .state
            .writer
            .write(async move |tx| {
                let holder = (!inner.state.db.is_sqlite()).then_some(inner.holder.as_str());
                lease::lapse(tx, holder).await?;
                tasks::sweep(tx, now).await?;
                for place in &inner.places {
                    jobs::prepare(tx, &place.job, now, zone).await?;
                }
                Ok(())
            })
            .await
    }

    /// Looks what is due at `now` and starts it; returns when that is started, not when it is done. Does nothing while
    /// an earlier call is still at it.
    pub async fn tick(&self, now: UtcMillis) {
        let Ok(_alone) = self.0.ticking.try_lock() else { return };
        let result = self.try_tick(now).await;
        match result {
            Ok(()) => self.0.in_trouble.store(false, Ordering::Relaxed),
            // Once, not every second.
            Err(error) if !self.0.in_trouble.swap(true, Ordering::Relaxed) => {
                log::error!("jobs cannot be run at the moment: {error} ({})", error.cause().unwrap_or("no cause"));
            }
            Err(_) => {}
        }
    }

    async fn try_tick(&self, now: UtcMillis) -> Result<()> {
        self.renew(now).await;
        let rows = jobs::rows(self.0.state.db.orm(), self.0.places.iter().map(|place| place.job.name)).await?;
        for place in &self.0.places {
            if self.0.stop.is_cancelled() {
                return Ok(());
            }
            match rows.iter().find(|row| row.name == place.job.name) {
                Some(row) => self.start_if_due(place, row, now).await?,
                None => self.prepare(place, now).await?,
            }
        }
        if now.0 - self.0.last_sweep.load(Ordering::Relaxed) >= SWEEP_MS {
            if !tasks::dead(self.0.state.db.orm(), now).await?.is_empty() {
                self.0.state.writer.write(async move |tx| tasks::sweep(tx, now).await).await?;
            }
            self.0.last_sweep.store(now.0, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Renews the leases of the runs that go on here; tells those to stop that have lost theirs.
    async fn renew(&self, now: UtcMillis) {
        for place in &self.0.places {
            let Some(running) = place.running().filter(|running| running.expires_at.0 - now.0 < RENEW_MS) else {
                continue;
            };
            let (name, fence) = (place.job.lease_name(), running.fence);
            let renewed =
                self.0.state.writer.write(async move |tx| lease::renew(tx, &name, fence, LEASE_MS, now).await).await;
            let lost = match renewed {
                Ok(true) => {
                    place.renewed(fence, now.plus_millis(LEASE_MS));
                    false
                }
                Ok(false) => true,
                // Nobody else can take it before it lapses.
                Err(_) => now >= running.expires_at,
            };
            if lost && !running.stop.is_cancelled() {
                log::error!("job {} has lost its lease and is told to stop", place.job.name);
                running.stop.cancel();
            }
        }
    }

    async fn prepare(&self, place: &Arc<Place>, now: UtcMillis) -> Result<()> {
        let (place, zone) = (Arc::clone(place), self.zone());
        self.0.state.writer.write(async move |tx| jobs::prepare(tx, &place.job, now, zone).await).await
    }

    async fn start_if_due(&self, place: &Arc<Place>, row: &Model, now: UtcMillis) -> Result<()> {
        let effective = Effective::of(&place.job, row);
        let kept = place.kept();
        let known = kept.as_ref().filter(|kept| kept.seen == row.updated_at).map(|kept| kept.next);
        let Some(due) = known.or(row.next_run_at) else {
            return if effective.enabled { self.prepare(place, now).await } else { Ok(()) };
        };
        if !effective.enabled || due > now || place.not_before() > now {
            return Ok(());
        }
        let Some(inside) = place.enter() else { return Ok(()) };
        match Run::claim(self.0.as_ref(), &inside, row, kept, due, now).await? {
            Some(run) => self.launch(inside, run),
            None => inside.wait_until(now.plus_millis(ELSEWHERE_MS)),
        }
        Ok(())
    }

    /// Lets a claimed run go on by itself.
    pub(super) fn launch(&self, inside: Inside, run: Run) {
        let stop = self.0.stop.child_token();
        inside.begin(run.running(stop.clone()));
        let inner = Arc::clone(&self.0);
        self.0.runs.spawn_on(async move { run.go(&inner, inside, stop).await }, &self.0.runtime);
    }

    /// Stops ticking, tells the runs to stop, waits for them up to `timeout`, and gives back the leases it kept.
    pub async fn stop(&self, timeout: Duration) {
        self.0.stop.cancel();
        let ended = tokio::time::timeout(timeout, async {
            if let Some(ticker) = self.0.ticker.lock().await.take() {
                ticker.stop().await;
            }
            drop(self.0.ticking.lock().await);
            self.settle().await;
        });
        if ended.await.is_err() {
            let names = self.0.places.iter().filter(|place| place.is_busy()).map(|place| place.job.name);
            log::warn!("jobs did not stop in time: {}", names.collect::<Vec<_>>().join(", "));
        }
        let kept: Vec<_> =
            self.0.places.iter().filter_map(|place| Some((place.job.lease_name(), place.kept()?.fence))).collect();
        if kept.is_empty() {
            return;
        }
        let released = self.0.state.writer.write(async move |tx| {
            for (name, fence) in &kept {
                lease::release(tx, name, *fence).await?;
            }
            Ok(())
        });
        if let Err(error) = released.await {
            log::warn!("leases of jobs stay until they lapse: {error}");
        }
    }

    /// Waits until no run goes on here.
    pub(super) async fn settle(&self) {
        self.0.runs.close();
        self.0.runs.wait().await;
        self.0.runs.reopen();
    }

    /// The place of a job.
    pub(super) fn place(&self, name: &str) -> Result<&Arc<Place>> {
        let place = self.0.places.iter().find(|place| place.job.name == name);
        place.ok_or_else(|| NOT_FOUND.error("There is no job of this name."))
    }

    pub(super) fn now(&self) -> UtcMillis {
        self.0.state.clock.now()
    }

    pub(super) fn zone(&self) -> Tz {
        self.0.state.config.server.timezone
    }
}
