//! The rows of the outbox, as those who have something to tell see them.

use entity::{
    UtcMillis,
    outbox::{ActiveModel, Column, Entity, Model},
};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set, Unchanged},
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, SqlErr,
    sea_query::{Expr, IntoCondition},
};
use serde_json::Value;

use super::DELIVERY_OVER;
use crate::base::{
    error::{Error, NOT_FOUND, Result},
    page::{Page, PageQuery},
};

/// A try is due at the next look.
pub(super) const PENDING: &str = "pending";
/// It arrived.
pub(super) const DELIVERED: &str = "delivered";
/// A newer one took its place, or nobody wants it any more.
pub(super) const SUPERSEDED: &str = "superseded";
/// It will not be tried again by itself.
pub(super) const FAILED: &str = "failed";

/// Something to tell.
#[derive(Clone, Debug)]
pub struct Message {
    /// Which courier brings it: `sink`, `notify`.
    pub kind: &'static str,
    /// What is told in order, one at a time: `link:7`, `channel:3`.
    pub target: String,
    /// Grows; the same one twice is one.
    pub version: i64,
    /// What the courier needs to know. No secrets.
    pub payload: Value,
    /// Whether older ones of the target are not worth delivering any more.
    pub supersedes: bool,
}

/// Puts a message into the outbox, in the transaction of its cause. Call [`super::Outbox::nudge`] after the commit.
///
/// # Errors
/// 503 when the database is out.
pub async fn put(tx: &impl ConnectionTrait, message: &Message, now: UtcMillis) -> Result<()> {
    put_in_lane(tx, &message.target, message, now).await
}

/// The same for targets that share what lies behind them (`sink:3`): only a few of a lane are delivered at once.
///
/// # Errors
/// 503 when the database is out.
pub async fn put_in_lane(tx: &impl ConnectionTrait, lane: &str, message: &Message, now: UtcMillis) -> Result<()> {
    insert(tx, lane, message, now).await?;
    Ok(())
}

/// The same for what has to be told once more although it may have been told: one that is over begins anew, and what is
/// under way does not count.
///
/// # Errors
/// 503 when the database is out.
pub async fn put_again(tx: &impl ConnectionTrait, lane: &str, message: &Message, now: UtcMillis) -> Result<()> {
    if insert(tx, lane, message, now).await? {
        return Ok(());
    }
    // The lease goes on to keep others out until that try ends, but whoever holds it does not own the row any more.
    Entity::update_many()
        .col_expr(Column::State, PENDING.into())
        .col_expr(Column::NextAttemptAt, Some(now).into())
        .col_expr(Column::LeaseOwner, None::<String>.into())
        .col_expr(Column::Attempts, 0.into())
        .col_expr(Column::DeliveredAt, None::<UtcMillis>.into())
        .col_expr(Column::UpdatedAt, now.into())
        .filter(Column::Target.eq(&message.target))
        .filter(Column::Version.eq(message.version))
        .exec(tx)
        .await?;
    Ok(())
}

/// False: there is one of this target and version already.
async fn insert(tx: &impl ConnectionTrait, lane: &str, message: &Message, now: UtcMillis) -> Result<bool> {
    let newer =
        Entity::find().filter(Column::Target.eq(&message.target)).filter(Column::Version.gt(message.version)).count(tx);
    let is_late = message.supersedes && newer.await? > 0;
    let row = ActiveModel {
        id: NotSet,
        kind: Set(message.kind.to_owned()),
        target: Set(message.target.clone()),
        lane: Set(lane.to_owned()),
        version: Set(message.version),
        payload: Set(message.payload.to_string()),
        state: Set(if is_late { SUPERSEDED } else { PENDING }.to_owned()),
        attempts: Set(0),
        next_attempt_at: Set((!is_late).then_some(now)),
        lease_owner: Set(None),
        lease_until: Set(None),
        last_error: Set(None),
        created_at: Set(now),
        updated_at: Set(now),
        delivered_at: Set(None),
    };
    match Entity::insert(row).exec_without_returning(tx).await {
        Ok(_) => {}
        Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => return Ok(false),
        Err(error) => return Err(error.into()),
    }
    if message.supersedes {
        let older = Condition::all().add(Column::Target.eq(&message.target)).add(Column::Version.lt(message.version));
        supersede(tx, older, "a newer one took its place", now).await?;
    }
    Ok(true)
}

/// Takes back what waits for a target that is gone.
///
/// # Errors
/// 503 when the database is out.
pub async fn drop_target(tx: &impl ConnectionTrait, target: &str, why: &str, now: UtcMillis) -> Result<()> {
    supersede(tx, Column::Target.eq(target), why, now).await
}

/// Takes back what waits in a lane.
///
/// # Errors
/// 503 when the database is out.
pub async fn drop_lane(tx: &impl ConnectionTrait, lane: &str, why: &str, now: UtcMillis) -> Result<()> {
    supersede(tx, Column::Lane.eq(lane), why, now).await
}

/// One that is under way stays open until that ends: its target has to wait for it. In one statement, since it may end
/// at this moment.
async fn supersede(tx: &impl ConnectionTrait, which: impl IntoCondition, why: &str, now: UtcMillis) -> Result<()> {
    let is_under_way = Expr::case(Column::LeaseUntil.gt(now), Expr::col(Column::NextAttemptAt));
    Entity::update_many()
        .col_expr(Column::State, SUPERSEDED.into())
        .col_expr(Column::NextAttemptAt, is_under_way.finally(None::<UtcMillis>).into())
        .col_expr(Column::LastError, why.into())
        .col_expr(Column::UpdatedAt, now.into())
        .filter(which.into_condition())
        .filter(Column::NextAttemptAt.is_not_null())
        .filter(Column::State.eq(PENDING))
        .exec(tx)
        .await?;
    Ok(())
}

/// Makes everything that waits in a lane due at once: what stood in the way is gone.
///
/// # Errors
/// 503 when the database is out.
pub async fn hurry_lane(tx: &impl ConnectionTrait, lane: &str, now: UtcMillis) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::NextAttemptAt, Some(now).into())
        .filter(Column::Lane.eq(lane))
        .filter(Column::State.eq(PENDING))
        .filter(Column::NextAttemptAt.gt(now))
        .exec(tx)
        .await?;
    Ok(())
}

/// The message of that number and kind.
///
/// # Errors
/// 404 when there is none.
pub async fn find(db: &impl ConnectionTrait, kind: &str, id: i64) -> Result<Model> {
    let row = Entity::find_by_id(id).filter(Column::Kind.eq(kind)).one(db).await?;
    row.ok_or_else(|| NOT_FOUND.error("There is no such delivery."))
}

/// Has a message that failed, or waits for its next try, tried at once. One that failed for good counts its tries anew.
///
/// # Errors
/// 404 when there is none; 409 when it was delivered or superseded, or its target was told something newer since.
pub async fn retry(tx: &impl ConnectionTrait, kind: &str, id: i64, now: UtcMillis) -> Result<Model> {
    let row = Entity::find_by_id(id).filter(Column::Kind.eq(kind)).lock_exclusive().one(tx).await?;
    let row = row.ok_or_else(|| NOT_FOUND.error("There is no such delivery."))?;
    let newer = Entity::find().filter(Column::Target.eq(&row.target)).filter(Column::Version.gt(row.version));
    if row.state == FAILED && newer.count(tx).await? > 0 {
        return Err(DELIVERY_OVER.error("A newer delivery of this target has taken its place."));
    }
    let change = match row.state.as_str() {
        FAILED => ActiveModel { attempts: Set(0), state: Set(PENDING.to_owned()), ..Default::default() },
        PENDING => ActiveModel { state: Unchanged(row.state.clone()), ..Default::default() },
        state => return Err(DELIVERY_OVER.error(format!("It is {state}."))),
    };
    let due = ActiveModel { id: Unchanged(row.id), next_attempt_at: Set(Some(now)), updated_at: Set(now), ..change };
    Ok(due.update(tx).await?)
}

/// Which messages of a lane to list.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// In this state.
    pub state: Option<String>,
    /// For this target.
    pub target: Option<String>,
    /// Whether to count them.
    pub count: bool,
}

/// The messages of a lane, the newest first.
///
/// # Errors
/// 422 for a page that cannot be.
pub async fn list(db: &impl ConnectionTrait, lane: &str, wanted: &Wanted, page: &PageQuery) -> Result<Page<Model>> {
    let limit = page.limit()?;
    let fitting = Condition::all()
        .add(Column::Lane.eq(lane))
        .add_option(wanted.state.as_ref().map(|state| Column::State.eq(state)))
        .add_option(wanted.target.as_ref().map(|target| Column::Target.eq(target)));
    let fitting = Entity::find().filter(fitting);
    let total = if wanted.count { Some(fitting.clone().count(db).await?) } else { None };
    let after: Option<i64> = page.position()?;
    let rows = after
        .map_or(fitting.clone(), |id| fitting.filter(Column::Id.lt(id)))
        .order_by_desc(Column::Id)
        .limit(limit + 1)
        .all(db)
        .await?;
    Page::cut(rows, limit, total, |row| row.id)
}

/// Deletes up to `most` messages that have been over since before `until` and answers how many.
///
/// # Errors
/// When the database fails.
pub async fn purge(tx: &impl ConnectionTrait, until: UtcMillis, most: u64) -> Result<u64> {
    let old = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::CreatedAt.lt(until))
        .filter(Column::NextAttemptAt.is_null())
        .filter(Column::UpdatedAt.lt(until))
        .order_by_asc(Column::CreatedAt)
        .limit(most);
    let ids: Vec<i64> = old.into_tuple().all(tx).await?;
    if ids.is_empty() {
        return Ok(0);
    }
    let deleted = Entity::delete_many().filter(Column::Id.is_in(ids)).exec(tx).await;
    Ok(deleted.map_err(Error::from)?.rows_affected)
}
