//! Finding what is due, and the right to deliver it.

use entity::{
    UtcMillis,
    outbox::{ActiveModel, Column, Entity, Model},
    table,
};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{Set, Unchanged},
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect,
    Statement, Value,
};

use super::message::PENDING;
use crate::base::error::Result;

/// How long the right to deliver a message lasts, in milliseconds: longer than a delivery may take.
pub(super) const LEASE_MS: i64 = 120_000;

/// A target with something to deliver.
#[derive(Clone, Debug, FromQueryResult)]
pub(super) struct Due {
    pub(super) target: String,
    pub(super) lane: String,
}

/// Targets whose next message is due and not under way, those that wait longest first, outside of `full` lanes.
pub(super) async fn due(
    db: &impl ConnectionTrait,
    kinds: &[&'static str],
    full: &[String],
    most: u64,
    now: UtcMillis,
) -> Result<Vec<Due>> {
    let places = |count: usize| vec!["?"; count].join(", ");
    let outside = if full.is_empty() { String::new() } else { format!("AND o.lane NOT IN ({})", places(full.len())) };
    let sql = format!(
        "SELECT o.target, o.lane FROM {outbox} o \
         WHERE o.next_attempt_at <= ? AND (o.lease_until IS NULL OR o.lease_until <= ?) \
         AND o.kind IN ({kinds}) {outside} \
         AND NOT EXISTS (SELECT 1 FROM {outbox} p WHERE p.target = o.target AND p.next_attempt_at IS NOT NULL \
         AND (p.id < o.id OR p.lease_until > ?)) \
         ORDER BY o.next_attempt_at, o.id LIMIT ?",
        outbox = table::name("outbox"),
        kinds = places(kinds.len()),
    );
    let values = [now.into(), now.into()]
        .into_iter()
        .chain(kinds.iter().map(|kind| Value::from(*kind)))
        .chain(full.iter().map(|lane| Value::from(lane.as_str())))
        .chain([now.into(), Value::from(most)]);
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    Ok(Due::find_by_statement(statement).all(db).await?)
}

/// Takes the right to deliver the next message of a target. None: somebody else is at it, or it is not due.
pub(super) async fn claim(
    tx: &impl ConnectionTrait,
    target: &str,
    owner: &str,
    now: UtcMillis,
) -> Result<Option<Model>> {
    let open = Entity::find()
        .filter(Column::Target.eq(target))
        .filter(Column::NextAttemptAt.is_not_null())
        .order_by_asc(Column::Id)
        .lock_exclusive()
        .all(tx)
        .await?;
    if open.iter().any(|row| row.lease_until.is_some_and(|until| until > now)) {
        return Ok(None);
    }
    // Whoever was to deliver these has died over it.
    for row in open.iter().filter(|row| row.state != PENDING) {
        let over = ActiveModel { id: Unchanged(row.id), next_attempt_at: Set(None), ..unleased() };
        over.update(tx).await?;
    }
    let next = open.into_iter().find(|row| row.state == PENDING);
    let Some(row) = next.filter(|row| row.next_attempt_at.is_some_and(|at| at <= now)) else { return Ok(None) };
    let leased = ActiveModel {
        id: Unchanged(row.id),
        attempts: Set(row.attempts + 1),
        lease_owner: Set(Some(owner.to_owned())),
        lease_until: Set(Some(now.plus_millis(LEASE_MS))),
        updated_at: Set(now),
        ..Default::default()
    };
    Ok(Some(leased.update(tx).await?))
}

/// No lease any more.
pub(super) fn unleased() -> ActiveModel {
    ActiveModel { lease_owner: Set(None), lease_until: Set(None), ..Default::default() }
}

/// Ends the leases of an owner that is known to live no more; `None` ends all, for the one server of a SQLite file.
pub(super) async fn lapse(tx: &impl ConnectionTrait, owner: Option<&str>) -> Result<()> {
    let held = Condition::all()
        .add(Column::NextAttemptAt.is_not_null())
        .add(Column::LeaseUntil.is_not_null())
        .add_option(owner.map(|owner| Column::LeaseOwner.eq(owner)));
    Entity::update_many()
        .col_expr(Column::LeaseOwner, None::<String>.into())
        .col_expr(Column::LeaseUntil, None::<UtcMillis>.into())
        .filter(held)
        .exec(tx)
        .await?;
    Ok(())
}
