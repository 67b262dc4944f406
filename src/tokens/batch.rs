//! What is done to many accounts at once: all of it in one transaction, or, for refreshes, by a task.

use entity::{UtcMillis, task};
use sea_orm::ConnectionTrait;
use serde_json::json;

use super::{
    account,
    dto::{AccountDone, Edit, Selection},
    events,
    problems::ACCOUNT_NOT_FOUND,
    runner::KIND,
};
use crate::{
    admin::{Actor, audit},
    base::{error::Result, secret::Sealer},
    scheduler,
};

/// Who does it, and when.
#[derive(Clone, Copy, Debug)]
pub struct By<'a> {
    /// Who.
    pub actor: &'a Actor,
    /// When.
    pub now: UtcMillis,
}

/// Deletes accounts, and answers what came of each.
///
/// # Errors
/// 422 when a filter fits too many.
pub async fn delete(tx: &impl ConnectionTrait, by: By<'_>, selection: &Selection) -> Result<Vec<AccountDone>> {
    let (ids, results) = sorted_out(tx, by, selection, 204).await?;
    account::delete_many(tx, &ids).await?;
    record(tx, by, "batch_delete", json!({ "ids": ids })).await?;
    Ok(results)
}

/// Sets the same of many accounts, and answers what came of each.
///
/// # Errors
/// 422 when a filter fits too many, or there is no such provider.
pub async fn update(
    tx: &impl ConnectionTrait,
    by: By<'_>,
    sealer: &Sealer,
    selection: &Selection,
    edit: &Edit,
) -> Result<Vec<AccountDone>> {
    let (ids, results) = sorted_out(tx, by, selection, 200).await?;
    let set = account::edit_many(tx, sealer, &ids, edit, by.now).await?;
    let names = set.as_object().map(|set| set.keys().cloned().collect::<Vec<_>>().join(", "));
    events::add(tx, ids.iter().copied(), "edited", names.as_deref(), by.now).await?;
    record(tx, by, "batch_update", json!({ "set": set, "ids": ids })).await?;
    Ok(results)
}

/// Starts a task that refreshes accounts.
///
/// # Errors
/// 422 when a filter fits too many.
pub async fn refresh(tx: &impl ConnectionTrait, by: By<'_>, selection: &Selection) -> Result<task::Model> {
    let ids = account::selected(tx, selection, by.now).await?;
    let task = scheduler::begin_items(tx, KIND, &ids, by.now).await?;
    record(tx, by, "batch_refresh", json!({ "task_id": task.id, "ids": ids })).await?;
    Ok(task)
}

/// The accounts that are there, and a result for each that was named: `status`, or that it is not there.
async fn sorted_out(
    tx: &impl ConnectionTrait,
    by: By<'_>,
    selection: &Selection,
    status: u16,
) -> Result<(Vec<i64>, Vec<AccountDone>)> {
    let ids = account::selected(tx, selection, by.now).await?;
    let here = account::present(tx, &ids).await?;
    let result = |id: &i64| match here.contains(id) {
        true => AccountDone::done(*id, status),
        false => AccountDone::failed(*id, &ACCOUNT_NOT_FOUND),
    };
    let results = ids.iter().map(result).collect();
    Ok((ids.into_iter().filter(|id| here.contains(id)).collect(), results))
}

async fn record(tx: &impl ConnectionTrait, by: By<'_>, action: &str, changes: serde_json::Value) -> Result<()> {
    audit::record(tx, by.actor, action, "refresh_token", "*", changes, by.now).await
}
