//! Jobs in these tests are driven tick by tick on a clock that stands still.

mod by_hand;
mod items;
mod replicas;
mod running;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use entity::{UtcMillis, job::Model};
use sea_orm::EntityTrait;
use tokio::sync::Semaphore;

use super::Scheduler;
use crate::base::{
    error::Error,
    job::{Job, JobContext, Outcome, Schedule},
    state::State,
};

/// What a run of the probe does.
#[derive(Clone, Copy, PartialEq)]
enum Does {
    Something,
    Nothing,
    Fail,
    Panic,
}

/// A job to watch: counts its runs, and lets each go on only when it is told to.
#[derive(Clone)]
struct Probe {
    begun: Arc<Semaphore>,
    go_on: Arc<Semaphore>,
    runs: Arc<AtomicUsize>,
    stopped: Arc<AtomicUsize>,
}

impl Probe {
    /// One whose runs wait for [`Probe::release`].
    fn held() -> Self {
        let none = || Arc::new(Semaphore::new(0));
        Self { begun: none(), go_on: none(), runs: Arc::default(), stopped: Arc::default() }
    }

    /// One whose runs end at once.
    fn free() -> Self {
        let probe = Self::held();
        probe.go_on.add_permits(1000);
        probe
    }

    fn job(&self, name: &'static str, schedule: &str, does: Does) -> Job {
        let probe = self.clone();
        Job::new(name, Schedule::parse(schedule).unwrap(), move |context| probe.clone().run(context, does))
    }

    async fn run(self, context: JobContext, does: Does) -> Outcome {
        self.runs.fetch_add(1, Ordering::SeqCst);
        self.begun.add_permits(1);
        tokio::select! {
            permit = self.go_on.acquire() => permit.unwrap().forget(),
            () = context.stop.cancelled() => { self.stopped.fetch_add(1, Ordering::SeqCst); }
        }
        match does {
            Does::Something => Ok(Some("did it".to_owned())),
            Does::Nothing => Ok(None),
            Does::Fail => Err(Error::malformed("It went wrong.")),
            Does::Panic => panic!("in the job"),
        }
    }

    async fn has_begun(&self) {
        self.begun.acquire().await.unwrap().forget();
    }

    fn release(&self) {
        self.go_on.add_permits(1);
    }

    fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }
}

fn scheduler(state: &State, instance: &str, jobs: Vec<Job>) -> Scheduler {
    Scheduler::new(state.clone(), instance, jobs)
}

/// A scheduler that has started, but ticks only when told to.
async fn started(state: &State, jobs: Vec<Job>) -> Scheduler {
    let scheduler = scheduler(state, "first", jobs);
    scheduler.recover().await.unwrap();
    scheduler
}

/// Moves the clock on and ticks.
async fn tick_after(scheduler: &Scheduler, millis: i64) {
    scheduler.inner().state.clock.advance_millis(millis);
    scheduler.tick(scheduler.now()).await;
}

async fn row(state: &State, name: &str) -> Model {
    entity::job::Entity::find_by_id(name.to_owned()).one(state.db.orm()).await.unwrap().unwrap()
}

async fn lease(state: &State, name: &str) -> entity::lease::Model {
    entity::lease::Entity::find_by_id(name.to_owned()).one(state.db.orm()).await.unwrap().unwrap()
}

fn seconds_after(start: UtcMillis, time: Option<UtcMillis>) -> Option<i64> {
    time.map(|time| (time.0 - start.0) / 1000)
}
