//! What happened to an account. Of a refresh, `refresh` writes it down.

use entity::{
    UtcMillis,
    refresh_event::{ActiveModel, Column, Entity, Model},
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect,
};

use super::{account::CHUNK, dto::AccountEvent};
use crate::base::{
    error::Result,
    page::{Page, PageQuery},
};

/// Notes what an admin did to accounts. `detail` must hold no token.
///
/// # Errors
/// When the database fails.
pub async fn add(
    tx: &impl ConnectionTrait,
    ids: impl IntoIterator<Item = i64>,
    kind: &str,
    detail: Option<&str>,
    now: UtcMillis,
) -> Result<()> {
    let event = |token_id: i64| ActiveModel {
        token_id: Set(token_id),
        kind: Set(kind.to_owned()),
        cause: Set("admin".to_owned()),
        detail: Set(detail.map(|detail| detail.chars().take(500).collect())),
        created_at: Set(now),
        ..Default::default()
    };
    let mut ids: Vec<i64> = ids.into_iter().collect();
    ids.sort_unstable();
    for chunk in ids.chunks(CHUNK) {
        Entity::insert_many(chunk.iter().copied().map(event)).exec_without_returning(tx).await?;
    }
    Ok(())
}

/// An account's events, the newest first. They are counted only when that is asked for.
///
/// # Errors
/// 422 for a bad limit or cursor.
pub async fn list(db: &impl ConnectionTrait, token_id: i64, page: &PageQuery, count: bool) -> Result<Page<Model>> {
    let limit = page.limit()?;
    let of_account = Entity::find().filter(Column::TokenId.eq(token_id));
    let total = if count { Some(of_account.clone().count(db).await?) } else { None };
    let after: Option<i64> = page.position()?;
    let rows = of_account
        .filter(Condition::all().add_option(after.map(|id| Column::Id.lt(id))))
        .order_by_desc(Column::Id)
        .limit(limit + 1)
        .all(db)
        .await?;
    Page::cut(rows, limit, total, |row| row.id)
}

/// The same as they are shown, of an account that is there.
///
/// # Errors
/// 404; 422 for a bad limit or cursor.
pub async fn of_account(db: &impl ConnectionTrait, id: i64, page: &PageQuery) -> Result<Page<AccountEvent>> {
    super::account::require(db, id).await?;
    Ok(list(db, id, page, false).await?.map(AccountEvent::from))
}

/// Deletes up to `most` events from `until` or before, but for those of attempts without an end, and tells how many it
/// were.
///
/// # Errors
/// 503 when the database is out.
pub async fn purge(tx: &impl ConnectionTrait, until: UtcMillis, most: u64) -> Result<u64> {
    let ids: Vec<i64> = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::CreatedAt.lte(until))
        .filter(Condition::any().add(Column::Open.is_null()).add(Column::Open.eq(false)))
        .order_by_asc(Column::CreatedAt)
        .limit(most)
        .into_tuple()
        .all(tx)
        .await?;
    if ids.is_empty() {
        return Ok(0);
    }
    Ok(Entity::delete_many().filter(Column::Id.is_in(ids)).exec(tx).await?.rows_affected)
}
