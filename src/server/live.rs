//! What the rooms keep in memory while the service runs, and what goes on beside the requests.

use std::time::Duration;

use actix_web::web::{Data, ServiceConfig};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{instance, jobs, proof, replica::Replica, rotation};
use crate::{
    admin::SecretWatch,
    base::{db::StartError, http_client::HttpClient, state::State},
    devices::{AddressRates, Meter},
    kv::{self, Store},
    notify::{self, Notifier},
    outbox::{Couriers, Outbox},
    providers::Providers,
    scheduler::Scheduler,
    settings::Settings,
    sinks::{self, SinkCourier, Sinks},
    tokens::{Batches, refresh::Refresher},
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
    scheduler: Data<Scheduler>,
    providers: Data<Providers>,
    notifier: Data<Notifier>,
    sinks: Data<Sinks>,
    outbox: Data<Outbox>,
    refresher: Data<Refresher>,
    replica: Data<Replica>,
    batches: Data<Batches>,
    beside: TaskTracker,
    beating: TaskTracker,
    /// Ends the signs of life, last of all.
    ended: CancellationToken,
}

impl Live {
    /// Takes a place among the replicas, then makes them and starts what runs on its own.
    ///
    /// # Errors
    /// When another replica is in the way, or the database fails.
    pub(super) async fn start(state: &State) -> Result<Self, StartError> {
        let instance = instance::name(&state.config.database)?;
        let replica = Replica::take(state, &instance).await?;
        let live = match proof::prove_still(state).await {
            Ok(()) => Self::begin(state, &instance, replica.clone()).await,
            Err(error) => Err(error),
        };
        if live.is_err() {
            replica.leave().await;
        }
        live
    }

    async fn begin(state: &State, instance: &str, replica: Replica) -> Result<Self, StartError> {
        let settings = Settings::load(state.clone()).await;
        let settings = settings.map_err(|error| format!("the settings cannot be read: {error}"))?;
        let store = Data::new(Store::new(state));
        let redis = state.redis.as_ref();
        let client = HttpClient::new(state.config.security.allow_private_targets);
        let providers = Providers::new(state, settings.clone(), client.clone());
        let notifier = Notifier::new(state.clone(), settings.clone());
        let couriers = Couriers::default()
            .with(sinks::KIND, SinkCourier::new(state, client.clone()))
            .with(notify::KIND, notifier.clone());
        let outbox = Outbox::new(state.clone(), instance, couriers)?;
        outbox.start().await?;
        let journal = rotation::journal_folder(&state.config.database);
        let refresher = Refresher::start(state.clone(), providers.clone(), outbox.clone(), instance, journal).await;
        let refresher =
            refresher.map_err(|error| format!("the refreshes of a former life cannot be settled: {error}"))?;
        let scheduler = Scheduler::new(state.clone(), instance, jobs::all(&store, &outbox, &refresher, &settings)?);
        scheduler.start().await?;
        let batches = Batches::new(state.clone(), refresher.clone(), settings.clone(), instance);
        let live = Self {
            settings: Data::new(settings),
            store,
            meter: Data::new(Meter::new(redis)),
            address_rates: Data::new(AddressRates::new(redis)),
            secret_watch: Data::new(SecretWatch::new(redis)),
            scheduler: Data::new(scheduler),
            providers: Data::new(providers),
            notifier: Data::new(notifier),
            sinks: Data::new(Sinks::new(state, client, outbox.clone())),
            outbox: Data::new(outbox),
            refresher: Data::new(refresher),
            replica: Data::new(replica.clone()),
            batches: Data::new(batches),
            beside: TaskTracker::new(),
            beating: TaskTracker::new(),
            ended: CancellationToken::new(),
        };
        live.beating.spawn(replica.keep(live.ended.clone()));
        live.beating.close();
        live.beside.spawn(live.settings.get_ref().clone().watch(state.closing.clone()));
        live.beside.spawn(kv::watch(state.clone()));
        live.beside.spawn(sweep(state.clone(), live.meter.clone(), live.address_rates.clone()));
        if let Some(redis) = state.redis.clone() {
            live.beside.spawn(redis.watch(state.closing.clone()));
        }
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
            .app_data(self.providers.clone())
            .app_data(self.notifier.clone())
            .app_data(self.sinks.clone())
            .app_data(self.outbox.clone())
            .app_data(self.refresher.clone())
            .app_data(self.replica.clone())
            .app_data(self.batches.clone());
    }

    /// Ends the jobs and everything beside the requests. `closing` must have been cancelled.
    pub(super) async fn stop(&self, state: &State) {
        let patience = Duration::from_secs(state.config.server.shutdown_timeout.into());
        self.scheduler.stop(patience).await;
        self.refresher.stop(patience).await;
        self.outbox.stop(patience.min(GRACE)).await;
        if tokio::time::timeout(patience, self.beside.wait()).await.is_err() {
            log::warn!("not everything beside the requests ended in time");
        }
        flush(state, &self.meter).await;
        self.ended.cancel();
        // A sign of life after the leave would be a new place.
        if tokio::time::timeout(patience, self.beating.wait()).await.is_ok() {
            self.replica.leave().await;
        }
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
