//! Accounts in the database: with `refresh`, the writer of table `refresh_token`.

mod edit;
mod insert;

use std::collections::HashSet;

use entity::{
    UtcMillis, provider,
    refresh_token::{Column, Entity, Model},
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{CaseStatement, Expr, ExprTrait},
};

pub use self::{
    edit::{edit, edit_many},
    insert::{Clash, insert},
};
use super::{
    dto::{AccountFilter, MOST, Selection},
    list::condition,
    problems::ACCOUNT_NOT_FOUND,
};
use crate::base::{
    error::{Error, FieldError, Result},
    sealed::Place,
    secret::{Sealing, Secret},
};

/// Most rows of one statement.
pub const CHUNK: usize = 500;

/// The account of that number.
///
/// # Errors
/// 404 when there is none.
pub async fn require(db: &impl ConnectionTrait, id: i64) -> Result<Model> {
    Entity::find_by_id(id).one(db).await?.ok_or_else(unknown)
}

/// The same, which nobody else changes before the transaction ends.
async fn locked(tx: &impl ConnectionTrait, id: i64) -> Result<Model> {
    Entity::find_by_id(id).lock_exclusive().one(tx).await?.ok_or_else(unknown)
}

fn unknown() -> Error {
    ACCOUNT_NOT_FOUND.error("There is no such account.")
}

/// Deletes an account, its events and its links to sinks.
///
/// # Errors
/// 404 when there is none.
pub async fn delete(tx: &impl ConnectionTrait, id: i64) -> Result<()> {
    match Entity::delete_by_id(id).exec(tx).await?.rows_affected {
        0 => Err(unknown()),
        _ => Ok(()),
    }
}

/// Deletes those of the accounts that are there.
///
/// # Errors
/// 503 when the database is out.
pub async fn delete_many(tx: &impl ConnectionTrait, ids: &[i64]) -> Result<()> {
    for chunk in ids.chunks(CHUNK) {
        Entity::delete_many().filter(Column::Id.is_in(chunk.iter().copied())).exec(tx).await?;
    }
    Ok(())
}

/// The numbers that are selected: all of a list, whether there is such an account or not; those that fit a filter, in
/// order.
///
/// # Errors
/// 422 when more than 10 000 fit.
pub async fn selected(db: &impl ConnectionTrait, selection: &Selection, now: UtcMillis) -> Result<Vec<i64>> {
    match selection {
        Selection::Ids(ids) => Ok(ids.clone()),
        Selection::Filter(filter) => fitting(db, filter, now).await,
    }
}

async fn fitting(db: &impl ConnectionTrait, filter: &AccountFilter, now: UtcMillis) -> Result<Vec<i64>> {
    let ids: Vec<i64> = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(condition(filter, db.get_database_backend(), now))
        .order_by_asc(Column::Id)
        .limit(MOST as u64 + 1)
        .into_tuple()
        .all(db)
        .await?;
    if ids.len() > MOST {
        let message = format!("fits more than {MOST} accounts; narrow it");
        return Err(Error::invalid(vec![FieldError::new("filter", "range", message)]));
    }
    Ok(ids)
}

/// Those of the accounts that are there, which nobody else changes before the transaction ends.
///
/// # Errors
/// 503 when the database is out.
pub async fn present(tx: &impl ConnectionTrait, ids: &[i64]) -> Result<HashSet<i64>> {
    let mut found = HashSet::new();
    for chunk in ids.chunks(CHUNK) {
        let here = Entity::find().select_only().column(Column::Id).filter(Column::Id.is_in(chunk.iter().copied()));
        // In the same order by everybody, so that two batches wait for each other and never in a circle.
        let here: Vec<i64> = here.order_by_asc(Column::Id).lock_exclusive().into_tuple().all(tx).await?;
        found.extend(here);
    }
    Ok(found)
}

/// Those of the names that are a provider's. They stay so until the transaction ends.
///
/// # Errors
/// 503 when the database is out.
pub async fn providers(tx: &impl ConnectionTrait, names: HashSet<&str>) -> Result<HashSet<String>> {
    let rows: Vec<String> = provider::Entity::find()
        .select_only()
        .column(provider::Column::Name)
        .filter(provider::Column::Name.is_in(names))
        .order_by_asc(provider::Column::Id)
        .lock_exclusive()
        .into_tuple()
        .all(tx)
        .await?;
    Ok(rows.into_iter().collect())
}

/// 422 for a provider that is not there.
pub fn unknown_provider(field: &str) -> Error {
    Error::invalid(vec![FieldError::new(field, "unknown", "is no provider's name")])
}

/// `secret` as this column of this account holds it.
fn sealed(sealing: &Sealing, id: i64, column: &str, secret: &Secret) -> Result<String> {
    Place { table: "refresh_token", id, column }.seal(sealing, secret)
}

/// A value for each row: boxes differ from row to row, since the row is part of them.
fn by_row(column: Column, boxes: Vec<(i64, String)>) -> Expr {
    let case = boxes
        .into_iter()
        .fold(CaseStatement::new(), |case, (id, sealed)| case.case(Expr::col(Column::Id).eq(id), Expr::value(sealed)));
    case.finally(Expr::col(column)).into()
}
