//! What is counted of refreshes, for `/metrics`. Labels are bounded: outcomes, failure classes, states.

use std::{sync::PoisonError, time::Duration};

use entity::{UtcMillis, provider, refresh_token};
use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry, exponential_buckets,
};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};

use super::{Inner, Outcome, Refresher};
use crate::{
    base::error::{Error, Result},
    tokens::STATES,
};

/// Upper bounds of the time an access token had left, in seconds: none, minutes, hours, days.
const AHEAD: [f64; 10] = [0.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 43_200.0, 86_400.0, 259_200.0, 864_000.0];

/// The metrics of refreshes.
pub(super) struct Meters {
    refreshes: IntCounterVec,
    seconds: HistogramVec,
    ahead: Histogram,
    running: Gauge,
    accounts: GaugeVec,
    due: Gauge,
    lag: Gauge,
    journal: Gauge,
    providers: GaugeVec,
}

impl Meters {
    pub(super) fn register(registry: &Registry) -> Result<Self> {
        Self::try_register(registry).map_err(|error| Error::internal(format!("the metrics cannot be set up: {error}")))
    }

    fn try_register(registry: &Registry) -> prometheus::Result<Self> {
        let refreshes = Opts::new("latchkey_refreshes_total", "Refreshes by how they ended, and class of the failure.");
        let seconds = HistogramOpts::new("latchkey_refresh_seconds", "Time of a refresh with a call, in seconds.")
            .buckets(exponential_buckets(0.005, 2.5, 11)?);
        let ahead = HistogramOpts::new(
            "latchkey_refresh_ahead_seconds",
            "Time the former access token still had to live when a new one was stored; 0 when it had ended.",
        );
        let accounts = Opts::new("latchkey_accounts", "Accounts by state.");
        let providers = Opts::new("latchkey_providers", "Providers by state.");
        let meters = Self {
            refreshes: IntCounterVec::new(refreshes, &["outcome", "class"])?,
            seconds: HistogramVec::new(seconds, &["outcome"])?,
            ahead: Histogram::with_opts(ahead.buckets(AHEAD.to_vec()))?,
            running: Gauge::new("latchkey_refreshes_running", "Refreshes under way in this process.")?,
            accounts: GaugeVec::new(accounts, &["state"])?,
            due: Gauge::new("latchkey_accounts_due", "Enabled accounts whose time to be refreshed has come.")?,
            lag: Gauge::new("latchkey_accounts_due_seconds", "For how long the first of them has been due.")?,
            journal: Gauge::new(
                "latchkey_rotation_journal_entries",
                "Rotated tokens of this process that are not in the database yet.",
            )?,
            providers: GaugeVec::new(providers, &["state"])?,
        };
        for collector in meters.collectors() {
            registry.register(collector)?;
        }
        Ok(meters)
    }

    fn collectors(&self) -> [Box<dyn prometheus::core::Collector>; 9] {
        [
            Box::new(self.refreshes.clone()),
            Box::new(self.seconds.clone()),
            Box::new(self.ahead.clone()),
            Box::new(self.running.clone()),
            Box::new(self.accounts.clone()),
            Box::new(self.due.clone()),
            Box::new(self.lag.clone()),
            Box::new(self.journal.clone()),
            Box::new(self.providers.clone()),
        ]
    }

    /// A refresh ended. `took` is none where nothing was sent.
    pub(super) fn ended(&self, outcome: &Outcome, took: Option<Duration>) {
        let (label, class) = match (outcome, took) {
            (Outcome::Refreshed, _) => ("refreshed", "none"),
            (Outcome::Refused(refusal), Some(_)) => ("failed", refusal.class.unwrap_or("none")),
            (Outcome::Refused(refusal), None) => ("refused", refusal.class.unwrap_or("none")),
        };
        self.refreshes.with_label_values(&[label, class]).inc();
        if let Some(took) = took {
            self.seconds.with_label_values(&[label]).observe(took.as_secs_f64());
        }
    }

    /// A new access token was stored, where there was one that ends at that time.
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a token's life are exact in f64")]
    pub(super) fn renewed(&self, ends: UtcMillis, now: UtcMillis) {
        self.ahead.observe((ends.0 - now.0).max(0) as f64 / 1e3);
    }
}

impl Refresher {
    /// Brings the gauges up to date, for whoever reads the metrics. Each query reads an index only.
    ///
    /// # Errors
    /// 503 when the database is out.
    pub async fn measure(&self) -> Result<()> {
        self.0.measure().await
    }
}

impl Inner {
    #[expect(clippy::cast_precision_loss, reason = "neither accounts nor milliseconds reach 2^53")]
    async fn measure(&self) -> Result<()> {
        use refresh_token::{Column, Entity};
        let (db, now, meters) = (self.state.db.orm(), self.state.clock.now(), &self.meters);
        let flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner).len();
        meters.running.set(flights as f64);
        meters.journal.set(self.journal.len()? as f64);
        let by_state = Entity::find().select_only().column(Column::State).column_as(Column::Id.count(), "accounts");
        let by_state: Vec<(String, i64)> = by_state.group_by(Column::State).into_tuple().all(db).await?;
        for state in STATES {
            let count = by_state.iter().find(|(of, _)| of == state.as_str()).map_or(0, |(_, count)| *count);
            meters.accounts.with_label_values(&[state.as_str()]).set(count as f64);
        }
        let due = Entity::find().filter(Column::Enabled.eq(true)).filter(Column::NextRefreshAt.lte(now));
        meters.due.set(due.clone().count(db).await? as f64);
        let first: Option<UtcMillis> = due
            .select_only()
            .column(Column::NextRefreshAt)
            .order_by_asc(Column::NextRefreshAt)
            .limit(1)
            .into_tuple()
            .one(db)
            .await?;
        meters.lag.set(first.map_or(0.0, |first| (now.0 - first.0) as f64 / 1e3));
        let paused = provider::Entity::find().filter(provider::Column::State.eq("paused")).count(db).await?;
        let all = provider::Entity::find().count(db).await?;
        meters.providers.with_label_values(&["paused"]).set(paused as f64);
        meters.providers.with_label_values(&["active"]).set(all.saturating_sub(paused) as f64);
        Ok(())
    }
}
