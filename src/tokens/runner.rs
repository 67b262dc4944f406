//! Works off the tasks that refresh many accounts. How far they have come is in the database: they go on after a
//! restart, and when whoever asked for them has left. One replica at a time does it.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use tokio::sync::Notify;

use super::refresh::{Cause, Outcome, Refresher};
use crate::{
    base::{
        error::{BUSY, Result},
        lease::{self, Fence},
        state::State,
    },
    scheduler::{self, Item},
    settings::Settings,
};

/// The kind of these tasks, and the name of the lease of whoever works on them.
pub const KIND: &str = "refresh-accounts";
/// How often waiting tasks are looked for: of other replicas, and of the command line.
const LOOK: Duration = Duration::from_secs(3);
/// How long the lease lasts unless it is renewed, in milliseconds.
const LEASE_MS: i64 = 90_000;
/// How often it is renewed.
const RENEW: Duration = Duration::from_secs(30);
/// Items that are taken at a time for each refresh that may go on at once.
const AHEAD: u64 = 16;

/// Refreshes the accounts of tasks. Cheap to clone.
#[derive(Clone)]
pub struct Batches(Arc<Inner>);

struct Inner {
    state: State,
    refresher: Refresher,
    settings: Settings,
    holder: String,
    nudge: Notify,
}

impl Batches {
    /// `instance` names this process among the replicas.
    #[must_use]
    pub fn new(state: State, refresher: Refresher, settings: Settings, instance: &str) -> Self {
        Self(Arc::new(Inner { state, refresher, settings, holder: instance.to_owned(), nudge: Notify::new() }))
    }

    /// There is a new task: look at once.
    pub fn nudge(&self) {
        self.0.nudge.notify_one();
    }

    /// Works until the service stops; what is begun is finished, nothing new is begun.
    pub async fn run(self) {
        let inner = &self.0;
        let mut in_trouble = false;
        while !inner.state.stopping.is_cancelled() {
            let result = inner.work().await;
            if let (Err(error), false) = (&result, in_trouble) {
                log::warn!("batches of accounts cannot be refreshed at the moment: {error}");
            }
            in_trouble = result.is_err();
            tokio::select! {
                () = inner.state.stopping.cancelled() => {}
                () = inner.nudge.notified() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }
}

impl Inner {
    async fn work(&self) -> Result<()> {
        if self.waiting(1).await?.is_empty() {
            return Ok(());
        }
        let (holder, now) = (self.holder.clone(), self.state.clock.now());
        let acquired = async move |tx: &_| lease::acquire(tx, KIND, &holder, LEASE_MS, now).await;
        let Some(fence) = self.state.writer.write(acquired).await? else { return Ok(()) };
        let result = tokio::select! {
            result = self.drain() => result,
            // Whoever has it now does again what is under way here; a second refresh does no harm.
            () = self.keep(fence) => return Ok(()),
        };
        self.state.writer.write(async move |tx| lease::release(tx, KIND, fence).await).await?;
        result
    }

    async fn waiting(&self, most: u64) -> Result<Vec<Item>> {
        scheduler::waiting_items(self.state.db.orm(), KIND, most).await
    }

    /// Renews the lease, and returns when it is lost.
    async fn keep(&self, fence: Fence) {
        loop {
            tokio::time::sleep(RENEW).await;
            let now = self.state.clock.now();
            let renewed =
                self.state.writer.write(async move |tx| lease::renew(tx, KIND, fence, LEASE_MS, now).await).await;
            if matches!(renewed, Ok(false)) {
                return;
            }
        }
    }

    /// Refreshes until nothing waits any more.
    async fn drain(&self) -> Result<()> {
        while !self.state.stopping.is_cancelled() {
            let at_once = self.settings.get().refresh_concurrency as usize;
            let items = self.waiting(AHEAD * at_once as u64).await?;
            if items.is_empty() {
                break;
            }
            let results = stream::iter(items).map(|item| self.one(item)).buffer_unordered(at_once);
            let results: Vec<Result<()>> = results.collect().await;
            results.into_iter().collect::<Result<()>>()?;
        }
        Ok(())
    }

    async fn one(&self, item: Item) -> Result<()> {
        if self.state.stopping.is_cancelled() {
            return Ok(());
        }
        let outcome = self.refresher.refresh(item.subject, Cause::Batch).await;
        let (status, code) = match &outcome {
            Outcome::Refreshed => (200, None),
            // Not refused, but not begun: the next start does it.
            Outcome::Refused(refusal) if *refusal.kind == BUSY && self.state.stopping.is_cancelled() => return Ok(()),
            Outcome::Refused(refusal) => (refusal.kind.class.status().as_u16(), Some(refusal.kind.code)),
        };
        let now = self.state.clock.now();
        let noted = async move |tx: &_| scheduler::note_item(tx, &item, status, code, now).await;
        self.state.writer.write(noted).await
    }
}
