//! The refresh: the only door to a refresh token.
//!
//! 1. Callers of one account in this process join the flight under way.
//! 2. One transaction takes the lease, reads the account and writes the intent down ([`begin`]). If it fails, the
//!    refresh token is not spent.
//! 3. The call ([`attempt`]). A request that was sent and not answered leaves the account *uncertain*.
//! 4. One transaction with everything the answer brings ([`commit`]); only then somebody is answered. While the database
//!    refuses, the sealed answer lies in a journal on the disk ([`journal`]).
//! 5. What a crash left open is settled by the next attempt: the refresh token once, the previous one once, then dead.
//!
//! Every write carries the account's version, so a late answer never replaces a token that was edited by hand.
//! The state machine is drawn in `docs/REFRESH.md`.

mod attempt;
mod begin;
mod beginning;
mod commit;
mod due;
mod failure;
mod fault;
mod holder;
mod journal;
mod keeping;
mod meters;
mod outcome;
mod recover;
mod rows;
mod schedule;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use sea_orm::DatabaseTransaction;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use self::{
    begin::Begun,
    beginning::{Asked, Read, begin_all},
    journal::{Entry, Journal},
    keeping::{Kept, Means, keep_all},
    meters::Meters,
};
use super::problems::{ACCOUNT_BUSY, ACCOUNT_NOT_FOUND};
use crate::{
    base::{
        commit::Gather,
        error::{BUSY, Result},
        state::State,
    },
    outbox::Outbox,
    providers::Providers,
};

pub use self::{
    due::job,
    holder::{forget, holders, seal_journal_anew},
    outcome::{Cause, Outcome, Refusal},
};

/// How often the end of another replica's refresh is looked for.
const LOOK: Duration = Duration::from_millis(200);
/// Longest wait for another replica's refresh.
const LONGEST_WAIT: Duration = Duration::from_secs(90);

type Flight = Shared<BoxFuture<'static, Outcome>>;

/// Refreshes accounts. Cheap to clone.
#[derive(Clone)]
pub struct Refresher(Arc<Inner>);

struct Inner {
    state: State,
    providers: Providers,
    outbox: Outbox,
    /// Name of this replica: who holds the leases.
    instance: String,
    journal: Arc<Journal>,
    meters: Meters,
    /// Accounts whose lease is to be taken.
    beginnings: Gather<Asked, Read>,
    /// Answers that are to be stored.
    keepings: Gather<Entry, Kept>,
    /// Of the process, not of a worker, which may end before a flight does.
    runtime: Handle,
    running: TaskTracker,
    /// Those that wait for a back-off to end, and those that do not, are not the same flight.
    flights: Mutex<HashMap<(i64, bool), Flight>>,
}

impl Refresher {
    /// Settles what the former life of this replica left behind: its journal, its leases.
    ///
    /// # Errors
    /// When the database or the journal's folder cannot be used.
    pub async fn start(
        state: State,
        providers: Providers,
        outbox: Outbox,
        instance: &str,
        journal: PathBuf,
    ) -> Result<Self> {
        let meters = Meters::register(state.metrics.registry())?;
        let (beginnings, keepings) = (beginnings(&state, &providers, instance), keepings(&state, &providers));
        let refresher = Self(Arc::new(Inner {
            state,
            meters,
            beginnings,
            keepings,
            providers,
            outbox,
            instance: instance.to_owned(),
            journal: Arc::new(Journal::open(journal)?),
            runtime: Handle::current(),
            running: TaskTracker::new(),
            flights: Mutex::default(),
        }));
        refresher.0.hold_keys().await?;
        let left = refresher.0.journal.read(&refresher.0.state.sealer)?;
        if let Err(error) = refresher.0.bring(left).await {
            log::error!("rotated tokens wait in the journal: the database refuses them: {error}");
        }
        refresher.0.take_over().await?;
        refresher.0.running.spawn(Arc::clone(&refresher.0).look_after_the_journal());
        Ok(refresher)
    }

    /// Exchanges the account's refresh token now, or joins who is doing so. It goes on when the caller goes away.
    pub async fn refresh(&self, id: i64, cause: Cause) -> Outcome {
        if self.0.state.stopping.is_cancelled() {
            return Refusal::new(&BUSY, "The service is stopping.").into();
        }
        self.flight(id, cause).await
    }

    /// Waits for the calls under way, for `patience` at most.
    pub async fn stop(&self, patience: Duration) {
        self.0.running.close();
        if tokio::time::timeout(patience, self.0.running.wait()).await.is_err() {
            log::warn!("not every refresh ended in time; the next start settles them");
        } else if let Err(error) = self.0.let_go().await {
            log::warn!("a data key that is not needed here any more stays: {error}");
        }
    }

    fn flight(&self, id: i64, cause: Cause) -> Flight {
        let mut flights = self.0.flights.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (id, cause.backs_off());
        if let Some(flight) = flights.get(&place) {
            return flight.clone();
        }
        let (inner, landing) = (Arc::clone(&self.0), Landing(Arc::clone(&self.0), place));
        let work = async move {
            let _landing = landing;
            let (outcome, took) = Arc::clone(&inner).run(id, cause).await;
            inner.meters.ended(&outcome, took);
            outcome
        };
        let task = self.0.running.spawn_on(work, &self.0.runtime);
        let flight = async move { task.await.unwrap_or_else(|_| Refusal::internal("a refresh panicked").into()) };
        let flight = flight.boxed().shared();
        flights.insert(place, flight.clone());
        flight
    }
}

/// Most accounts of one transaction.
const TOGETHER: usize = 64;

fn beginnings(state: &State, providers: &Providers, holder: &str) -> Gather<Asked, Read> {
    let (clock, settings, holder) = (state.clock.clone(), providers.settings().clone(), holder.to_owned());
    state.writer.gather(TOGETHER, async move |tx: &DatabaseTransaction, asked: &[Asked]| {
        begin_all(tx, &settings.get(), &holder, asked, clock.now()).await
    })
}

fn keepings(state: &State, providers: &Providers) -> Gather<Entry, Kept> {
    let (clock, settings) = (state.clock.clone(), providers.settings().clone());
    let (sealer, zone) = (state.sealer.clone(), state.config.server.timezone);
    state.writer.gather(TOGETHER, async move |tx: &DatabaseTransaction, entries: &[Entry]| {
        let means = Means { sealer: &sealer, values: &settings.get(), zone, now: clock.now() };
        keep_all(tx, &means, entries).await
    })
}

/// Makes room for the next flight when this one ends, however it ends.
struct Landing(Arc<Inner>, (i64, bool));

impl Drop for Landing {
    fn drop(&mut self) {
        self.0.flights.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
    }
}

impl Inner {
    /// How the refresh ended, and how long it took if there was a call.
    async fn run(self: Arc<Self>, id: i64, cause: Cause) -> (Outcome, Option<Duration>) {
        // Its new refresh token may lie in the journal: the one in the database is spent then.
        match self.replay_of(id).await {
            Ok(0) => {}
            Ok(_) => return (Outcome::Refreshed, None),
            Err(error) => return (Refusal::of(&error).into(), None),
        }
        let since = std::time::Instant::now();
        // The account's version when somebody else was first found to be at it: what comes of that is ours too.
        let mut seen = None;
        loop {
            match self.begin(id, cause, seen).await {
                Ok(Begun::Held(attempt)) => {
                    fault::reached("intended");
                    let started = attempt.started;
                    let outcome = self.attempt(*attempt).await;
                    fault::reached("ended");
                    return (outcome, Some(started.elapsed()));
                }
                Ok(Begun::Refused(refusal)) => return (refusal.into(), None),
                Ok(Begun::Gone) => {
                    return (Refusal::new(&ACCOUNT_NOT_FOUND, "There is no such account.").into(), None);
                }
                Ok(Begun::Settled) => return (Outcome::Refreshed, None),
                Ok(Begun::Elsewhere { version }) => seen = seen.or(Some(version)),
                Err(error) => return (Refusal::of(&error).into(), None),
            }
            if since.elapsed() > LONGEST_WAIT {
                let busy = Refusal::new(&ACCOUNT_BUSY, "Another replica refreshes this account.").after(5);
                return (busy.into(), None);
            }
            tokio::time::sleep(LOOK).await;
            if let Some(outcome) = self.settled_elsewhere(id, seen.unwrap_or_default()).await {
                return (outcome, None);
            }
        }
    }
}
