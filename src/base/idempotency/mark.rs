//! The rows behind `Idempotency-Key`. Each step is settled by a unique id or a conditional update.

use actix_web::http::StatusCode;
use entity::{
    UtcMillis,
    idempotency_key::{ActiveModel, Column, Entity, Model},
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, SqlErr,
    sea_query::Expr,
};

use super::{MARK_MS, Request, oldest};
use crate::base::error::{Error, Result};

/// What a request finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Begun {
    /// Nobody works on it: it is ours, under this mark.
    Ours { mark: String },
    /// It was answered before.
    Done { status: i32, answer: String },
    /// Somebody is working on it.
    Running,
    /// The key was used for another body.
    Reused,
}

/// Marks the request as being worked on, unless it is or was already.
pub(super) async fn begin(tx: &impl ConnectionTrait, request: &Request, mark: &str, now: UtcMillis) -> Result<Begun> {
    let row = ActiveModel {
        id: Set(request.id.clone()),
        request_hash: Set(request.body_hash.clone()),
        mark: Set(mark.to_owned()),
        status: Set(None),
        answer: Set(None),
        created_at: Set(now),
    };
    let Some(found) = Entity::find_by_id(request.id.clone()).one(tx).await? else {
        return match Entity::insert(row).exec_without_returning(tx).await {
            Ok(_) => Ok(Begun::Ours { mark: mark.to_owned() }),
            // Somebody was faster, and is at work.
            Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => Ok(Begun::Running),
            Err(error) => Err(Error::from(error)),
        };
    };
    if is_free(&found, now) {
        return take_over(tx, &found, row, mark).await;
    }
    Ok(match found {
        Model { status: None, .. } => Begun::Running,
        Model { request_hash, .. } if request_hash != request.body_hash => Begun::Reused,
        Model { status: Some(status), answer, .. } => Begun::Done { status, answer: answer.unwrap_or_default() },
    })
}

/// Whether the row counts no more: its answer is too old, or whoever made the mark never came back.
fn is_free(row: &Model, now: UtcMillis) -> bool {
    let lapsed = row.status.is_none() && row.created_at.plus_millis(MARK_MS) <= now;
    lapsed || row.created_at <= oldest(now)
}

/// Puts our mark over the one that was found; if it is another one by now, somebody else did so first.
pub(super) async fn take_over(tx: &impl ConnectionTrait, found: &Model, row: ActiveModel, mark: &str) -> Result<Begun> {
    let mark = mark.to_owned();
    let unanswered = if found.status.is_none() { Column::Status.is_null() } else { Column::Status.is_not_null() };
    let taken = Entity::update_many()
        .set(row)
        .filter(Column::Id.eq(&found.id))
        .filter(Column::Mark.eq(&found.mark))
        .filter(unanswered)
        .exec(tx)
        .await?;
    Ok(if taken.rows_affected == 1 { Begun::Ours { mark } } else { Begun::Running })
}

/// Keeps the answer. False: the mark is not there any more.
pub(super) async fn finish(
    tx: &impl ConnectionTrait,
    id: &str,
    mark: &str,
    status: StatusCode,
    sealed: String,
    now: UtcMillis,
) -> Result<bool> {
    let kept = Entity::update_many()
        .col_expr(Column::Status, Expr::value(i32::from(status.as_u16())))
        .col_expr(Column::Answer, Expr::value(sealed))
        .col_expr(Column::CreatedAt, Expr::value(now))
        .filter(Column::Id.eq(id))
        .filter(Column::Mark.eq(mark))
        .filter(Column::Status.is_null())
        .exec(tx)
        .await?;
    Ok(kept.rows_affected == 1)
}

/// Removes the mark of a request that was not answered. False: it is not there any more, or was answered.
pub(super) async fn remove(tx: &impl ConnectionTrait, id: &str, mark: &str) -> Result<bool> {
    let removed = Entity::delete_many()
        .filter(Column::Id.eq(id))
        .filter(Column::Mark.eq(mark))
        .filter(Column::Status.is_null())
        .exec(tx)
        .await?;
    Ok(removed.rows_affected == 1)
}

/// Deletes up to `most` rows that are too old to be replayed, oldest first, and tells how many it were.
///
/// # Errors
/// 503 when the database is out.
pub async fn purge(tx: &impl ConnectionTrait, now: UtcMillis, most: u64) -> Result<u64> {
    let old = || Column::CreatedAt.lte(oldest(now));
    let ids: Vec<String> = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(old())
        .order_by_asc(Column::CreatedAt)
        .limit(most)
        .into_tuple()
        .all(tx)
        .await?;
    if ids.is_empty() {
        return Ok(0);
    }
    // A key may have been used anew since it was looked up.
    let deleted = Entity::delete_many().filter(Column::Id.is_in(ids)).filter(old()).exec(tx).await?;
    Ok(deleted.rows_affected)
}
