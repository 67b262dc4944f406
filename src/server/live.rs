//! What the rooms keep in memory while the service runs, and what goes on beside the requests.

use std::time::Duration;

use actix_web::web::{Data, ServiceConfig};
use tokio_util::task::TaskTracker;

use super::{instance, jobs};
use crate::{
    admin::SecretWatch,
    base::{db::StartError, state::State},
    devices::{AddressRates, Meter},
    kv::{self, Store},
    scheduler::Scheduler,
    settings::Settings,
    tokens::{Batches, refresh::Refresher},
};

/// How often counts are swept and last uses written down.
const SWEEP: Duration = Duration::from_secs(60);

/// The rooms' live halves. Cheap to clone; all workers share them.
#[derive(Clone)]
pub(super) struct Live {
    settings: Data<Settings>,
    store: Data<Store>,
    meter: Data<Meter>,
    address_rates: Data<AddressRates>,
    secret_watch: Data<SecretWatch>,
    scheduler: Data<Scheduler>,
    refresher: Data<Refresher>,
    batches: Data<Batches>,
    beside: TaskTracker,
}

impl Live {
    /// Makes them and starts what runs on its own.
    ///
    /// # Errors
    /// When the database fails.
    pub(super) async fn start(state: &State) -> Result<Self, StartError> {
        let settings = Settings::load(state.clone()).await;
        let settings = settings.map_err(|error| format!("the settings cannot be read: {error}"))?;
        let store = Data::new(Store::new(state));
        let instance = instance::name(&state.config.database)?;
        let scheduler = Scheduler::new(state.clone(), &instance, jobs::all(&store)?);
        scheduler.start().await?;
        let refresher = Refresher::default();
        let batches = Batches::new(state.clone(), refresher.clone(), &instance);
        let live = Self {
            settings: Data::new(settings),
            store,
            meter: Data::default(),
            address_rates: Data::default(),
            secret_watch: Data::default(),
            scheduler: Data::new(scheduler),
            refresher: Data::new(refresher),
            batches: Data::new(batches),
            beside: TaskTracker::new(),
        };
        live.beside.spawn(live.settings.get_ref().clone().watch(state.closing.clone()));
        live.beside.spawn(kv::watch(state.clone()));
        live.beside.spawn(sweep(state.clone(), live.meter.clone(), live.address_rates.clone()));
        live.beside.spawn(live.batches.get_ref().clone().run());
        live.beside.close();
        Ok(live)
    }

    /// Hands them to the handlers.
    pub(super) fn register(&self, cfg: &mut ServiceConfig) {
        cfg.app_data(self.settings.clone())
            .app_data(self.store.clone())
            .app_data(self.meter.clone())
            .app_data(self.address_rates.clone())
            .app_data(self.secret_watch.clone())
            .app_data(self.scheduler.clone())
            .app_data(self.refresher.clone())
            .app_data(self.batches.clone());
    }

    /// Ends the jobs and everything beside the requests. `closing` must have been cancelled.
    pub(super) async fn stop(&self, state: &State) {
        let patience = Duration::from_secs(state.config.server.shutdown_timeout.into());
        self.scheduler.stop(patience).await;
        if tokio::time::timeout(patience, self.beside.wait()).await.is_err() {
            log::warn!("not everything beside the requests ended in time");
        }
        flush(state, &self.meter).await;
    }
}

async fn sweep(state: State, meter: Data<Meter>, address_rates: Data<AddressRates>) {
    while state.closing.run_until_cancelled(tokio::time::sleep(SWEEP)).await.is_some() {
        address_rates.sweep(&state);
        flush(&state, &meter).await;
    }
}

async fn flush(state: &State, meter: &Meter) {
    if let Err(error) = meter.flush(state).await {
        log::warn!("when tokens were last used is not written down: {error}");
    }
}
