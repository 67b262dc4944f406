//! The place of this process among the replicas that serve a MySQL database. On SQLite a lock on the file decides.
//!
//! - A place is a row with a sign of life every 5 seconds; 15 seconds after the last one it counts as given up. All
//!   times are the database's, so the machines' clocks do not matter.
//! - Without Redis, counts are kept in the process, so only one replica may live: a start waits for the others to end
//!   or to lapse, then refuses. Whoever takes a place removes those that lapsed, under locks that all of them take, so
//!   of two that start at the same moment one waits for the other.
//! - A process whose place was removed while the database was away for it takes a new one when it is back, unless
//!   another replica lives that it must not live beside. Then it stands aside: it says so in its log, it is not ready,
//!   it goes on answering what it is asked (nothing but rates is counted outside the database), and it is back in its
//!   place within seconds of the other one's end.

mod place;
#[cfg(test)]
mod tests;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use entity::replica::Model;
use sea_orm::ConnectionTrait;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::place::{Joined, Me};
use crate::base::{
    db::StartError,
    error::{Error, Result},
    state::State,
};

/// Time between two signs of life.
const BEAT: Duration = Duration::from_secs(5);
/// How long a replica counts as living after its last sign of life.
const LIFE: Duration = Duration::from_secs(15);
/// How long a start waits for others to end: a little longer, so that a place that is given up has lapsed by then.
const WAIT: Duration = Duration::from_millis(15_500);
/// Time between two looks while waiting.
const LOOK: Duration = Duration::from_millis(250);
/// Complaints about standing aside are so far apart.
const COMPLAINT: Duration = Duration::from_secs(60);

/// The place of this process. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Replica(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: State,
    me: Me,
    aside: Mutex<Option<Aside>>,
}

/// That this process must not be ready.
#[derive(Clone, Copy, Debug)]
struct Aside {
    why: &'static str,
    complained: Instant,
}

impl Replica {
    /// Takes a place, waiting up to 15 seconds for it. At once on SQLite.
    ///
    /// # Errors
    /// Who lives there, and what to do; when the database is out.
    pub(super) async fn take(state: &State, instance: &str) -> Result<Self, StartError> {
        let me = Me {
            instance: instance.to_owned(),
            life: Uuid::new_v4().to_string(),
            host: rustix::system::uname().nodename().to_string_lossy().chars().take(255).collect(),
            pid: std::process::id().into(),
            has_redis: state.redis.is_some(),
        };
        let replica = Self(Arc::new(Inner { state: state.clone(), me, aside: Mutex::default() }));
        if state.db.is_sqlite() {
            return Ok(replica);
        }
        let (start, mut is_told) = (Instant::now(), false);
        while let Some(rival) = replica.join(true).await.map_err(|error| cannot(&error))? {
            if start.elapsed() > WAIT {
                return Err(replica.refusal(&rival));
            }
            if !is_told {
                log::warn!("waiting up to {} s for {} to end", LIFE.as_secs(), described(&rival));
                is_told = true;
            }
            sleep(LOOK).await;
        }
        Ok(replica)
    }

    /// One try at a place: who is in the way, if anybody is. A start takes over what a former life left.
    async fn join(&self, is_start: bool) -> Result<Option<Model>> {
        let me = self.0.me.clone();
        let joined = self.0.state.writer.write(async move |tx| place::join(tx, &me, is_start).await).await?;
        Ok(match joined {
            Joined::Placed => None,
            Joined::Rival(rival) => Some(*rival),
        })
    }

    /// Gives signs of life until `stop`.
    pub(super) async fn keep(self, stop: CancellationToken) {
        if self.0.state.db.is_sqlite() {
            return;
        }
        let mut beats = interval(BEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_in_trouble = false;
        while stop.run_until_cancelled(beats.tick()).await.is_some() {
            let beaten = self.beat().await;
            if let (Err(error), false) = (&beaten, is_in_trouble) {
                log::warn!("no sign of life can be given to the other replicas: {error}");
            }
            is_in_trouble = beaten.is_err();
        }
    }

    /// One sign of life; when the place is gone, a try at a new one.
    async fn beat(&self) -> Result<()> {
        let me = self.0.me.clone();
        if self.0.state.writer.write(async move |tx| place::beat(tx, &me).await).await? {
            return Ok(());
        }
        match self.join(false).await? {
            None => self.back(),
            Some(rival) => self.stand_aside(&rival),
        }
        Ok(())
    }

    fn back(&self) {
        if self.0.aside.lock().unwrap_or_else(PoisonError::into_inner).take().is_some() {
            log::warn!("this replica is back in its place and ready again");
        }
    }

    fn stand_aside(&self, rival: &Model) {
        let mut aside = self.0.aside.lock().unwrap_or_else(PoisonError::into_inner);
        if aside.is_some_and(|aside| aside.complained.elapsed() < COMPLAINT) {
            return;
        }
        let why = self.0.me.reason(rival);
        log::error!("this replica stands aside and is not ready: {why}: {}", described(rival));
        *aside = Some(Aside { why, complained: Instant::now() });
    }

    /// Why this process must not be ready, if it must not.
    pub(super) fn aside(&self) -> Option<&'static str> {
        self.0.aside.lock().unwrap_or_else(PoisonError::into_inner).map(|aside| aside.why)
    }

    /// Gives the place up, so that nobody waits for it to lapse.
    pub(super) async fn leave(&self) {
        if self.0.state.db.is_sqlite() {
            return;
        }
        let me = self.0.me.clone();
        if let Err(error) = self.0.state.writer.write(async move |tx| place::leave(tx, &me).await).await {
            log::warn!("the place among the replicas is not given up, but lapses in {} s: {error}", LIFE.as_secs());
        }
    }

    fn refusal(&self, rival: &Model) -> StartError {
        let advice = match self.0.me.is_twin(rival) {
            true => "Stop it, or start this one in a folder of its own.",
            false => "Stop it, or give all replicas the same redis.url: what they count has to be counted together.",
        };
        format!("{}: {}. {advice}", self.0.me.reason(rival), described(rival))
    }
}

/// Who serves a MySQL database now. Nobody begins to before the transaction ends.
///
/// # Errors
/// 503 when the database is out.
pub(super) async fn anybody(tx: &impl ConnectionTrait) -> Result<Option<String>> {
    Ok(place::anybody(tx).await?.as_ref().map(described))
}

fn described(replica: &Model) -> String {
    let Model { instance, host, pid, started_at, .. } = replica;
    format!("instance {instance} (process {pid} on {host}, since {started_at})")
}

fn cannot(error: &Error) -> StartError {
    format!("cannot take a place among the replicas: {error} {:?}", error.cause())
}
