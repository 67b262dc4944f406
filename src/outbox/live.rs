//! The outbox at work: looks what is due and has it delivered.

use std::{
    any::Any,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use entity::outbox::Model;
use futures_util::FutureExt;
use tokio::{sync::Notify, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    claim,
    courier::{AnyCourier, Couriers, Delivery, End},
    lanes::{InFlight, Lanes},
    metrics::Gauges,
    settle,
};
use crate::base::{
    db::StartError,
    error::Result,
    job::{JobContext, Outcome},
    state::State,
};

/// Longest time for a delivery; the lease lasts longer.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often the end of a delivery is tried to be noted, a second apart.
const NOTED: usize = 20;

/// Delivers. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Outbox(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: State,
    owner: String,
    couriers: Couriers,
    gauges: Gauges,
    /// Where deliveries go on, whoever asked for them.
    runtime: tokio::runtime::Handle,
    deliveries: TaskTracker,
    stop: CancellationToken,
    /// Cancelled when deliveries under way are not waited for any longer.
    cut: CancellationToken,
    nudged: Notify,
    looking: tokio::sync::Mutex<()>,
    lanes: Lanes,
    in_trouble: AtomicBool,
}

impl Outbox {
    /// An outbox with these couriers, which delivers nothing until it is started. `instance` names this process among
    /// the replicas, in at most 64 characters, and stays the same when it is started again. To be called on the runtime
    /// on which deliveries are to go on.
    ///
    /// # Errors
    /// Never for the names in use.
    pub fn new(state: State, instance: &str, couriers: Couriers) -> Result<Self, StartError> {
        let gauges = Gauges::register(state.metrics.registry()).map_err(|error| error.to_string())?;
        Ok(Self(Arc::new(Inner {
            state,
            owner: instance.to_owned(),
            couriers,
            gauges,
            runtime: tokio::runtime::Handle::current(),
            deliveries: TaskTracker::new(),
            stop: CancellationToken::new(),
            cut: CancellationToken::new(),
            nudged: Notify::new(),
            looking: tokio::sync::Mutex::default(),
            lanes: Lanes::default(),
            in_trouble: AtomicBool::new(false),
        })))
    }

    /// Takes over what an earlier life of this process was delivering, and begins to wait for nudges. On SQLite that is
    /// whatever is there, since only one server runs on the file.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn start(&self) -> Result<(), StartError> {
        let owner = (!self.0.state.db.is_sqlite()).then(|| self.0.owner.clone());
        let lapsed = self.0.state.writer.write(async move |tx| claim::lapse(tx, owner.as_deref()).await).await;
        lapsed.map_err(|error| format!("cannot prepare the outbox: {error}"))?;
        let outbox = self.clone();
        self.0.deliveries.spawn_on(async move { outbox.wait_for_nudges().await }, &self.0.runtime);
        Ok(())
    }

    /// Something was put and committed: look at once. Costs nothing and never waits.
    pub fn nudge(&self) {
        self.0.nudged.notify_one();
    }

    async fn wait_for_nudges(&self) {
        while self.0.stop.run_until_cancelled(self.0.nudged.notified()).await.is_some() {
            // Once, not with every nudge; the job tries again anyway.
            if let Err(error) = self.deliver_due().await
                && !self.0.in_trouble.swap(true, Ordering::Relaxed)
            {
                log::error!("the outbox cannot be read: {error} ({})", error.cause().unwrap_or("no cause"));
            }
        }
    }

    /// The job `deliver-outbox`.
    ///
    /// # Errors
    /// 503 when the database is out.
    pub async fn job(&self, _context: JobContext) -> Outcome {
        let begun = self.deliver_due().await?;
        Ok((begun > 0).then(|| format!("{begun} deliveries begun")))
    }

    /// Begins to deliver what is due, as much as there are places, and answers how many deliveries it began. The next
    /// ones follow as soon as these end.
    ///
    /// # Errors
    /// 503 when the database is out.
    pub async fn deliver_due(&self) -> Result<usize> {
        let _alone = self.0.looking.lock().await;
        let kinds: Vec<&'static str> = self.0.couriers.kinds().collect();
        let mut begun = 0;
        while !self.0.stop.is_cancelled() && !kinds.is_empty() {
            let (free, full) = self.0.lanes.room();
            let now = self.0.state.clock.now();
            let found = if free == 0 {
                Vec::new()
            } else {
                claim::due(self.0.state.db.orm(), &kinds, &full, free, now).await?
            };
            let places: Vec<(String, InFlight)> =
                found.into_iter().filter_map(|due| Some((due.target, self.0.lanes.enter(&due.lane)?))).collect();
            if places.is_empty() {
                break;
            }
            let targets: Vec<String> = places.iter().map(|(target, _)| target.clone()).collect();
            let owner = self.0.owner.clone();
            let claimed = self.0.state.writer.write(async move |tx| {
                let mut claimed = Vec::with_capacity(targets.len());
                for target in &targets {
                    claimed.extend(claim::claim(tx, target, &owner, now).await?);
                }
                Ok(claimed)
            });
            let claimed = claimed.await?;
            if claimed.is_empty() {
                break; // another replica was faster; the job looks again
            }
            begun += claimed.len();
            self.launch(places, claimed);
        }
        self.0.in_trouble.store(false, Ordering::Relaxed);
        Ok(begun)
    }

    fn launch(&self, places: Vec<(String, InFlight)>, mut claimed: Vec<Model>) {
        for (target, place) in places {
            let Some(nth) = claimed.iter().position(|message| message.target == target) else { continue };
            let (message, outbox) = (claimed.swap_remove(nth), self.clone());
            let delivery = async move {
                outbox.0.cut.run_until_cancelled(outbox.deliver(&message)).await;
                drop(place);
                outbox.nudge(); // there is a place, and the target may have more
            };
            self.0.deliveries.spawn_on(delivery, &self.0.runtime);
        }
    }

    async fn deliver(&self, message: &Model) {
        let Some(courier) = self.0.couriers.of(&message.kind) else { return };
        let tried = AssertUnwindSafe(timeout(PATIENCE, courier.deliver(message))).catch_unwind().await;
        let delivery = match tried {
            Ok(Ok(delivery)) => delivery,
            Ok(Err(_)) => Delivery::later("it took longer than a minute"),
            Err(panic) => {
                log::error!("the courier of {} panicked: {}", message.kind, words(panic.as_ref()));
                Delivery::later("something went wrong on our side; the log tells more")
            }
        };
        let outcome = match self.settle(courier, message, delivery).await {
            Ok(Some(End::Delivered)) => "delivered",
            Ok(Some(End::Again { .. })) => "again",
            Ok(Some(End::Failed { .. })) => "failed",
            Ok(Some(End::Superseded)) => "superseded",
            Ok(None) => "lost",
            Err(error) => {
                log::error!("how delivery {} ended is not noted, it will be repeated: {error}", message.id);
                "lost"
            }
        };
        self.0.gauges.tried(&message.kind, outcome);
    }

    /// Notes the end of a try. While the database is out it waits, as long as nobody else may take the message.
    async fn settle(&self, courier: Arc<dyn AnyCourier>, message: &Model, delivery: Delivery) -> Result<Option<End>> {
        let mut tries = 0;
        loop {
            let (courier, message, delivery) = (Arc::clone(&courier), message.clone(), delivery.clone());
            let now = self.0.state.clock.now();
            let settled = self
                .0
                .state
                .writer
                .write(async move |tx| settle::settle(tx, courier.as_ref(), &message, &delivery, now).await);
            match settled.await {
                Err(error) if settle::is_worth_repeating(&error) && tries < NOTED => tries += 1,
                settled => return settled,
            }
            if self.0.stop.run_until_cancelled(tokio::time::sleep(Duration::from_secs(1))).await.is_none() {
                tries = NOTED; // once more, then the database is closed
            }
        }
    }

    /// Brings the gauges up to date, for whoever reads the metrics.
    ///
    /// # Errors
    /// 503 when the database is out.
    pub async fn measure(&self) -> Result<()> {
        let Inner { state, couriers, gauges, .. } = self.0.as_ref();
        gauges.measure(state.db.orm(), couriers, state.clock.now()).await
    }

    /// Begins no more deliveries and waits for those under way, up to `patience`. What does not end in time is delivered
    /// again after the next start.
    pub async fn stop(&self, patience: Duration) {
        self.0.stop.cancel();
        self.0.deliveries.close();
        if timeout(patience, self.0.deliveries.wait()).await.is_err() {
            log::warn!("deliveries did not end in time; they will be repeated");
            self.0.cut.cancel();
            self.0.deliveries.wait().await;
        }
    }

    /// Another one on the same database, as in another replica.
    #[cfg(test)]
    pub(super) fn beside(&self, instance: &str) -> Self {
        let Inner { state, couriers, gauges, runtime, .. } = self.0.as_ref();
        Self(Arc::new(Inner {
            state: state.clone(),
            owner: instance.to_owned(),
            couriers: couriers.clone(),
            gauges: gauges.clone(),
            runtime: runtime.clone(),
            deliveries: TaskTracker::new(),
            stop: CancellationToken::new(),
            cut: CancellationToken::new(),
            nudged: Notify::new(),
            looking: tokio::sync::Mutex::default(),
            lanes: Lanes::default(),
            in_trouble: AtomicBool::new(false),
        }))
    }

    /// Waits until no delivery is under way here.
    #[cfg(test)]
    pub(super) async fn settled(&self) {
        self.0.deliveries.close();
        self.0.deliveries.wait().await;
        self.0.deliveries.reopen();
    }
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&'static str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("something unprintable")
}
