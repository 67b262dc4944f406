//! Accounts, filtered, sorted and in pages.

use entity::{
    UtcMillis,
    refresh_token::{Column, Entity, Model},
};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect, Value,
};
use serde::{Deserialize, Serialize};

use super::dto::{AccountFilter, Order, Sort};
use crate::base::{
    error::{Error, Result},
    page::{Page, PageQuery},
    search::{as_letters, contains},
};

/// What a row is sorted by.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged)]
enum Key {
    Moment(i64),
    Text(String),
}

/// Where a page ends: the order, the last row's value in it, and its number.
type Position = (Sort, Option<Key>, i64);

/// A page of the accounts that fit. Every order has the number as its tie-break, so that a row whose value stays is
/// neither lost nor repeated.
///
/// # Errors
/// 422 for a bad limit, or a cursor of another list or order.
pub async fn list(
    db: &impl ConnectionTrait,
    filter: &AccountFilter,
    order: Order,
    page: &PageQuery,
    now: UtcMillis,
) -> Result<Page<Model>> {
    let (limit, sort) = (page.limit()?, order.sort.unwrap_or_default());
    let fitting = Entity::find().filter(condition(filter, db.get_database_backend(), now));
    let after = page.position::<Position>()?.map(|position| following(sort, position)).transpose()?;
    let total = fitting.clone().count(db).await?;
    let (column, descends) = sort.parts();
    let direction = if descends { sea_orm::Order::Desc } else { sea_orm::Order::Asc };
    let rows = fitting
        .filter(Condition::all().add_option(after))
        .order_by(column, direction.clone())
        .order_by(Column::Id, direction)
        .limit(limit + 1)
        .all(db)
        .await?;
    Page::cut(rows, limit, Some(total), |row| (sort, key(column, row), row.id))
}

/// The rows after a position. Both databases sort no value before every other.
fn following(sort: Sort, (of, key, id): Position) -> Result<Condition> {
    let foreign = || Error::invalid_field("cursor", "format", "is not a cursor of this list");
    let (column, descends) = sort.parts();
    let is_text = matches!(column, Column::Email);
    let value: Option<Value> = match key {
        _ if of != sort => return Err(foreign()),
        None => None,
        Some(Key::Moment(moment)) if !is_text => Some(moment.into()),
        Some(Key::Text(text)) if is_text => Some(text.into()),
        Some(_) => return Err(foreign()),
    };
    let beyond_id = if descends { Column::Id.lt(id) } else { Column::Id.gt(id) };
    Ok(match (value, descends) {
        (None, true) => Condition::all().add(column.is_null()).add(beyond_id),
        (None, false) => {
            Condition::any().add(column.is_not_null()).add(Condition::all().add(column.is_null()).add(beyond_id))
        }
        (Some(value), _) => {
            let beyond = if descends { column.lt(value.clone()) } else { column.gt(value.clone()) };
            let nulls = descends.then(|| column.is_null());
            let tied = Condition::all().add(column.eq(value)).add(beyond_id);
            Condition::any().add(beyond).add(tied).add_option(nulls)
        }
    })
}

fn key(column: Column, row: &Model) -> Option<Key> {
    let moment = |time: Option<UtcMillis>| time.map(|time| Key::Moment(time.0));
    match column {
        Column::Email => row.email.clone().map(Key::Text),
        Column::AccessExpiresAt => moment(row.access_expires_at),
        Column::NextRefreshAt => moment(row.next_refresh_at),
        Column::LastRefreshAt => moment(row.last_refresh_at),
        _ => moment(Some(row.created_at)),
    }
}

/// What a row has to fulfil to fit the filter.
pub fn condition(filter: &AccountFilter, backend: DbBackend, now: UtcMillis) -> Condition {
    let within = filter.expiring_within.map(|seconds| {
        let end = now.plus_seconds(seconds.into());
        Column::AccessExpiresAt.gt(now).and(Column::AccessExpiresAt.lte(end))
    });
    let search = filter.search.as_deref().filter(|search| !search.is_empty()).map(|search| {
        let pattern = contains(search);
        [Column::Email, Column::UserName, Column::Tag, Column::Memo]
            .into_iter()
            .fold(Condition::any(), |any, column| any.add(column.like(pattern.clone())))
            .add(as_letters(Entity, Column::BizId, backend).like(pattern))
    });
    let mut all = Condition::all()
        .add_option(filter.biz_id.as_deref().map(|biz_id| Column::BizId.eq(biz_id)))
        .add_option(filter.email.as_deref().map(|email| Column::Email.eq(email)))
        .add_option(filter.tag.as_deref().map(|tag| Column::Tag.eq(tag)))
        .add_option(filter.account_type.as_deref().map(|kind| Column::AccountType.eq(kind)))
        .add_option(filter.state.map(|state| Column::State.eq(state.as_str())))
        .add_option(filter.enabled.map(|enabled| Column::Enabled.eq(enabled)))
        .add_option(filter.provider.as_deref().map(|provider| Column::Provider.eq(provider)))
        .add_option(within);
    if let Some(search) = search {
        all = all.add(search);
    }
    all
}
