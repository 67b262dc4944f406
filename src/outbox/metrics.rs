//! How much waits, and how long: gauges by kind of message.

use entity::{
    UtcMillis,
    outbox::{Column, Entity},
};
use prometheus::{GaugeVec, IntCounterVec, Opts, Registry};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};

use super::{courier::Couriers, message::PENDING};
use crate::base::error::Result;

/// The room's metrics. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Gauges {
    pending: GaugeVec,
    oldest: GaugeVec,
    tries: IntCounterVec,
}

impl Gauges {
    pub(super) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let pending = Opts::new("latchkey_outbox_pending", "Messages that wait to be delivered.");
        let oldest = Opts::new("latchkey_outbox_oldest_seconds", "Age of the oldest message that waits, in seconds.");
        let tries = Opts::new("latchkey_outbox_tries_total", "Tries to deliver a message, by how they ended.");
        let gauges = Self {
            pending: GaugeVec::new(pending, &["kind"])?,
            oldest: GaugeVec::new(oldest, &["kind"])?,
            tries: IntCounterVec::new(tries, &["kind", "outcome"])?,
        };
        registry.register(Box::new(gauges.pending.clone()))?;
        registry.register(Box::new(gauges.oldest.clone()))?;
        registry.register(Box::new(gauges.tries.clone()))?;
        Ok(gauges)
    }

    /// A try ended: `delivered`, `again`, `failed`, `superseded` or `lost`.
    pub(super) fn tried(&self, kind: &str, outcome: &str) {
        self.tries.with_label_values(&[kind, outcome]).inc();
    }

    /// Counts what waits.
    #[expect(clippy::cast_precision_loss, reason = "neither messages nor milliseconds reach 2^53")]
    pub(super) async fn measure(&self, db: &impl ConnectionTrait, couriers: &Couriers, now: UtcMillis) -> Result<()> {
        let rows: Vec<(String, i64, UtcMillis)> = Entity::find()
            .select_only()
            .column(Column::Kind)
            .column_as(Column::Id.count(), "waiting")
            .column_as(Column::CreatedAt.min(), "oldest")
            .filter(Column::NextAttemptAt.is_not_null())
            .filter(Column::State.eq(PENDING))
            .group_by(Column::Kind)
            .into_tuple()
            .all(db)
            .await?;
        for kind in couriers.kinds() {
            let found = rows.iter().find(|(of, ..)| of == kind);
            let (waiting, oldest) = found.map_or((0, now), |(_, waiting, oldest)| (*waiting, *oldest));
            self.pending.with_label_values(&[kind]).set(waiting as f64);
            self.oldest.with_label_values(&[kind]).set((now.0 - oldest.0).max(0) as f64 / 1e3);
        }
        Ok(())
    }
}
