//! What the rooms keep in memory while the service runs, and what goes on beside the requests.

use std::time::Duration;

use actix_web::web::{Data, ServiceConfig};
use tokio_util::task::TaskTracker;

use super::{instance, jobs};
use crate::{
    admin::SecretWatch,
    base::{db::StartError, http_client::HttpClient, state::State},
    devices::{AddressRates, Meter},
    kv::{self, Store},
    outbox::{Couriers, Outbox},
    scheduler::Scheduler,
    settings::Settings,
    sinks::{self, SinkCourier, Sinks},
};

/// How often counts are swept and last uses written down.
const SWEEP: Duration = Duration::from_secs(60);

/// How long deliveries that are under way may go on when the service stops; those that do not end are repeated.
const GRACE: Duration = Duration::from_secs(5);

/// The rooms' live halves. Cheap to clone; all workers share them.
#[derive(Clone)]
pub(super) struct Live {
    settings: Data<Settings>,
    store: Data<Store>,
    meter: Data<Meter>,
    address_rates: Data<AddressRates>,
    secret_watch: Data<SecretWatch>,
    outbox: Data<Outbox>,
    sinks: Data<Sinks>,
    scheduler: Data<Scheduler>,
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
        let net = HttpClient::new(state.config.security.allow_private_targets);
        let couriers = Couriers::default().with(sinks::KIND, SinkCourier::new(state, net.clone()));
        let outbox = Outbox::new(state.clone(), &instance, couriers)?;
        outbox.start().await?;
        let scheduler = Scheduler::new(state.clone(), &instance, jobs::all(&store, &outbox)?);
        scheduler.start().await?;
        let live = Self {
            settings: Data::new(settings),
            store,
            meter: Data::default(),
            address_rates: Data::default(),
            secret_watch: Data::default(),
            sinks: Data::new(Sinks::new(state, net, outbox.clone())),
            outbox: Data::new(outbox),
            scheduler: Data::new(scheduler),
            beside: TaskTracker::new(),
        };
        live.beside.spawn(live.settings.get_ref().clone().watch(state.closing.clone()));
        live.beside.spawn(kv::watch(state.clone()));
        live.beside.spawn(sweep(state.clone(), live.meter.clone(), live.address_rates.clone()));
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
            .app_data(self.outbox.clone())
            .app_data(self.sinks.clone())
            .app_data(self.scheduler.clone());
    }

    /// Ends the jobs and everything beside the requests. `closing` must have been cancelled.
    pub(super) async fn stop(&self, state: &State) {
        let patience = Duration::from_secs(state.config.server.shutdown_timeout.into());
        self.scheduler.stop(patience).await;
        self.outbox.stop(patience.min(GRACE)).await;
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
