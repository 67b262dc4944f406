//! The settings as the rooms read them.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use serde_json::Value;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::{dto::SettingsView, store, values::Values};
use crate::{
    admin::Actor,
    base::{error::Result, http_client::HttpClient, state::State},
};

/// How often other replicas' changes are looked for: often enough that a change holds everywhere within a second.
pub(super) const POLL: Duration = Duration::from_millis(500);

/// The settings in force. Cheap to clone and to read.
#[derive(Clone, Debug)]
pub struct Settings(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: State,
    /// Knows which proxies may be called.
    http: HttpClient,
    values: RwLock<Arc<Values>>,
    /// One at a time, so that what was read earlier never replaces what was read later.
    refreshing: Mutex<()>,
}

impl Settings {
    /// Reads the settings.
    ///
    /// # Errors
    /// 503 when the database is out.
    pub async fn load(state: State) -> Result<Self> {
        let values = RwLock::new(Arc::new(Values::configured(&state.config)));
        let http = HttpClient::new(state.config.security.allow_private_targets);
        let settings = Self(Arc::new(Inner { state, http, values, refreshing: Mutex::default() }));
        settings.refresh().await?;
        Ok(settings)
    }

    /// What holds now.
    #[must_use]
    pub fn get(&self) -> Arc<Values> {
        Arc::clone(&self.0.values.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the settings anew.
    ///
    /// # Errors
    /// 503 when the database is out; what held before then goes on to hold.
    pub async fn refresh(&self) -> Result<()> {
        let _alone = self.0.refreshing.lock().await;
        let rows = store::rows(self.0.state.db.orm()).await?;
        let values = store::overlaid(Values::configured(&self.0.state.config), &rows, &self.0.state.sealer);
        if *self.get() != values {
            *self.0.values.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(values);
        }
        Ok(())
    }

    /// Looks for other replicas' changes until `stop`. Returns at once on SQLite, where there are none.
    pub async fn watch(self, stop: CancellationToken) {
        if self.0.state.db.is_sqlite() {
            return;
        }
        let mut beat = tokio::time::interval(POLL);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut in_trouble = false;
        while stop.run_until_cancelled(beat.tick()).await.is_some() {
            let result = self.refresh().await;
            if let (Err(error), false) = (&result, in_trouble) {
                log::warn!("the settings cannot be read at the moment: {error}");
            }
            in_trouble = result.is_err();
        }
    }

    /// All settings, with where each value comes from.
    ///
    /// # Errors
    /// 503 when the database is out.
    pub(super) async fn list(&self) -> Result<SettingsView> {
        let rows = store::rows(self.0.state.db.orm()).await?;
        Ok(SettingsView::new(&self.0.state.config, &rows, &self.0.state.sealer))
    }

    /// Applies a merge patch by name, and answers all settings as they are then.
    ///
    /// # Errors
    /// 422 with every field that is unknown or does not fit; then nothing is changed.
    pub(super) async fn change(&self, actor: Actor, patch: &BTreeMap<String, Value>) -> Result<SettingsView> {
        let (changes, now) = (store::check(patch, &self.0.http)?, self.0.state.clock.now());
        let sealer = self.0.state.sealer.clone();
        self.0.state.writer.write(async move |tx| store::change(tx, &sealer, &actor, &changes, now).await).await?;
        self.refresh().await?;
        self.list().await
    }
}
