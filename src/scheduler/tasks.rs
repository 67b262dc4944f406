//! Tasks: work that goes on after its request was answered. While a task without items runs, the lease named as its kind
//! is held; when that lease is gone and the task still says `running`, its process has died. A task with items is
//! resumed instead, see [`super::items`].

use entity::{
    UtcMillis, lease,
    task::{ActiveModel, Column, Entity, Model},
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect, sea_query::Expr,
};

use crate::base::{
    error::{NOT_FOUND, Result},
    page::{Page, PageQuery},
};

pub(super) const RUNNING: &str = "running";
pub(super) const DONE: &str = "done";
const FAILED: &str = "failed";
/// How long ended tasks are kept, in milliseconds: 30 days.
pub const KEPT_MS: i64 = 30 * 24 * 60 * 60 * 1000;

/// Makes a task that runs. The caller holds the lease named `kind`, so any other task of the kind that still says
/// `running` was left behind by a process that died.
///
/// # Errors
/// 503 when the database is out.
pub async fn begin(tx: &impl ConnectionTrait, kind: &str, now: UtcMillis) -> Result<String> {
    abandon(tx, kind, now).await?;
    let id = uuid::Uuid::now_v7().to_string();
    let row = ActiveModel {
        id: Set(id.clone()),
        kind: Set(kind.to_owned()),
        status: Set(RUNNING.to_owned()),
        detail: Set(None),
        total: Set(0),
        done: Set(0),
        created_at: Set(now),
        updated_at: Set(now),
        finished_at: Set(None),
    };
    Entity::insert(row).exec_without_returning(tx).await?;
    Ok(id)
}

/// Ends a task with its result or the reason of its failure. One that was ended already stays as it is.
///
/// # Errors
/// 503 when the database is out.
pub async fn finish(
    tx: &impl ConnectionTrait,
    id: &str,
    result: std::result::Result<&str, &str>,
    now: UtcMillis,
) -> Result<()> {
    let (status, detail) = result.map_or_else(|reason| (FAILED, reason), |result| (DONE, result));
    end(tx, Column::Id.eq(id), status, detail, now).await
}

/// Marks what is left of a kind's earlier tasks as failed. To be called by whoever has just taken the kind's lease.
///
/// # Errors
/// 503 when the database is out.
pub async fn abandon(tx: &impl ConnectionTrait, kind: &str, now: UtcMillis) -> Result<()> {
    end(tx, Column::Kind.eq(kind).and(Column::Total.eq(0)), FAILED, ABANDONED, now).await
}

/// What a task says whose process died.
const ABANDONED: &str = "the process ended before the task did";

async fn end(
    tx: &impl ConnectionTrait,
    which: sea_orm::sea_query::SimpleExpr,
    status: &str,
    detail: &str,
    now: UtcMillis,
) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::Status, Expr::value(status))
        .col_expr(Column::Detail, Expr::value(detail))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .col_expr(Column::FinishedAt, Expr::value(now))
        .filter(which)
        .filter(Column::Status.eq(RUNNING))
        .exec(tx)
        .await?;
    Ok(())
}

/// Ids of the tasks that say `running` while nobody holds the lease of their kind.
///
/// # Errors
/// 503 when the database is out.
pub async fn dead(db: &impl ConnectionTrait, now: UtcMillis) -> Result<Vec<String>> {
    let running = Entity::find().filter(Column::Status.eq(RUNNING)).filter(Column::Total.eq(0)).all(db).await?;
    if running.is_empty() {
        return Ok(Vec::new());
    }
    let kinds = running.iter().map(|task| task.kind.as_str());
    let held = lease::Entity::find()
        .filter(lease::Column::Name.is_in(kinds))
        .filter(lease::Column::ExpiresAt.gt(now))
        .all(db)
        .await?;
    let is_dead = |task: &Model| !held.iter().any(|lease| lease.name == task.kind);
    Ok(running.into_iter().filter(is_dead).map(|task| task.id).collect())
}

/// Marks the dead tasks as failed.
///
/// # Errors
/// 503 when the database is out.
pub async fn sweep(tx: &impl ConnectionTrait, now: UtcMillis) -> Result<()> {
    let dead = dead(tx, now).await?;
    if dead.is_empty() { Ok(()) } else { end(tx, Column::Id.is_in(dead), FAILED, ABANDONED, now).await }
}

/// One task.
///
/// # Errors
/// 404 when there is none of this id.
pub async fn find(db: &impl ConnectionTrait, id: &str) -> Result<Model> {
    let task = Entity::find_by_id(id.to_owned()).one(db).await?;
    task.ok_or_else(|| NOT_FOUND.error("There is no task of this id."))
}

/// A page of the tasks, newest first.
///
/// # Errors
/// 422 for a bad limit or cursor.
pub async fn list(db: &impl ConnectionTrait, page: &PageQuery) -> Result<Page<Model>> {
    let limit = page.limit()?;
    let mut query = Entity::find().order_by_desc(Column::CreatedAt).order_by_desc(Column::Id);
    if let Some((created_at, id)) = page.position::<(i64, String)>()? {
        let same_moment = Condition::all().add(Column::CreatedAt.eq(created_at)).add(Column::Id.lt(id));
        query = query.filter(Condition::any().add(Column::CreatedAt.lt(created_at)).add(same_moment));
    }
    let rows = query.limit(limit + 1).all(db).await?;
    let total = Entity::find().count(db).await?;
    Page::cut(rows, limit, Some(total), |task| (task.created_at.0, task.id.clone()))
}

/// Deletes up to `most` tasks that ended [`KEPT_MS`] ago or earlier, and tells how many it were.
///
/// # Errors
/// 503 when the database is out.
pub async fn purge(tx: &impl ConnectionTrait, now: UtcMillis, most: u64) -> Result<u64> {
    let ids: Vec<String> = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::FinishedAt.lte(now.plus_millis(-KEPT_MS)))
        .limit(most)
        .into_tuple()
        .all(tx)
        .await?;
    if ids.is_empty() {
        return Ok(0);
    }
    Ok(Entity::delete_many().filter(Column::Id.is_in(ids)).exec(tx).await?.rows_affected)
}
