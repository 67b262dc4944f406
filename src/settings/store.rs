//! The rows of the settings.

use std::collections::BTreeMap;

use entity::{
    UtcMillis,
    setting::{ActiveModel, Column, Entity, Model},
};
use sea_orm::{ActiveValue::Set, ConnectionTrait, EntityTrait, QuerySelect, sea_query::OnConflict};
use serde_json::Value;

use super::{
    proxies::Proxies,
    table::{self, Entry, Given, Kind},
    values::Values,
};
use crate::{
    admin::{Actor, audit},
    base::{
        error::{Error, FieldError, Result},
        http_client::HttpClient,
        sealed::Place,
        secret::{Sealer, Sealing, Secret},
    },
};

/// What a patch does to a setting: a value, or back to the configuration.
pub(super) type Change = (&'static Entry, Option<Given>);

/// What an admin set. Rows of settings that this version does not know, or whose value does not fit, do not count.
///
/// # Errors
/// 503 when the database is out.
pub(super) async fn rows(db: &impl ConnectionTrait) -> Result<Vec<Model>> {
    Ok(Entity::find().all(db).await?)
}

/// Puts what was set over what is configured.
pub(super) fn overlaid(mut values: Values, rows: &[Model], sealer: &Sealer) -> Values {
    for (entry, given) in rows.iter().filter_map(|row| read(row, sealer)) {
        entry.put(&mut values, given);
    }
    values
}

/// The setting of a row, and its value.
pub(super) fn read(row: &Model, sealer: &Sealer) -> Option<(&'static Entry, Given)> {
    let entry = table::find(&row.name)?;
    if let Kind::Proxies(_) = entry.kind {
        let proxies = unsealed(row, sealer).inspect_err(|error| {
            log::error!("setting {}: what is stored does not open ({error}); no call gets through", row.name);
        });
        return Some((entry, Given::Proxies(proxies.unwrap_or_else(|_| Proxies::unreadable()))));
    }
    let value: Value = serde_json::from_str(&row.value).ok()?;
    // No proxy is among the values here, so nothing is asked of the client.
    Some((entry, entry.check(&value, &HttpClient::new(false)).ok()?))
}

fn place(name: &str) -> Place<'_, &str> {
    Place { table: "setting", id: name, column: "value" }
}

fn unsealed(row: &Model, sealer: &Sealer) -> Result<Proxies> {
    let plain = place(&row.name).unseal(sealer, &row.value)?;
    let urls: Vec<String> = serde_json::from_str(plain.expose()).map_err(Error::internal)?;
    Ok(Proxies::new(urls.into_iter().map(Secret::new).collect()))
}

/// As the column holds it.
fn stored(entry: &Entry, given: &Given, sealing: &Sealing) -> Result<String> {
    match given {
        Given::Proxies(proxies) => {
            let plain = Secret::new(serde_json::to_string(&proxies.exposed()).map_err(Error::internal)?);
            place(entry.name).seal(sealing, &plain)
        }
        given => Ok(given.shown().to_string()),
    }
}

/// Checks a merge patch by name; null clears.
///
/// # Errors
/// 422 with every field that is unknown or does not fit.
pub(super) fn check(patch: &BTreeMap<String, Value>, http: &HttpClient) -> Result<Vec<Change>> {
    let (mut wrong, mut changes) = (Vec::new(), Vec::new());
    for (name, value) in patch {
        let Some(entry) = table::find(name) else {
            wrong.push(FieldError::new(name.as_str(), "unknown_field", "is not a setting"));
            continue;
        };
        match (!value.is_null()).then(|| entry.check(value, http)).transpose() {
            Ok(given) => changes.push((entry, given)),
            Err(errors) => wrong.extend(errors),
        }
    }
    if wrong.is_empty() { Ok(changes) } else { Err(Error::invalid(wrong)) }
}

/// Sets and clears, with an audit event for each setting that changes.
///
/// # Errors
/// 422 when credentials are to stay that are not stored; 503 when the database is out.
pub(super) async fn change(
    tx: &impl ConnectionTrait,
    sealer: &Sealer,
    actor: &Actor,
    changes: &[Change],
    now: UtcMillis,
) -> Result<()> {
    let sealing = sealer.sealing(tx).await?;
    for (entry, given) in changes {
        let row = Entity::find_by_id(entry.name).lock_exclusive().one(tx).await?;
        let old = row.as_ref().and_then(|row| read(row, sealer)).map(|(_, old)| old);
        let new = completed(entry, given.clone(), old.as_ref())?;
        match &new {
            Some(new) => set(tx, entry, stored(entry, new, &sealing)?, now).await?,
            None => clear(tx, entry).await?,
        }
        if old != new {
            let shown = |given: Option<Given>| given.map(|given| given.shown());
            let changes = serde_json::json!({ "value": { "old": shown(old), "new": shown(new) } });
            audit::record(tx, actor, "update", "setting", entry.name, changes, now).await?;
        }
    }
    Ok(())
}

/// With the credentials that are to stay.
fn completed(entry: &Entry, given: Option<Given>, old: Option<&Given>) -> Result<Option<Given>> {
    let Some(Given::Proxies(proxies)) = given else { return Ok(given) };
    let none = Proxies::default();
    let old = if let Some(Given::Proxies(old)) = old { old } else { &none };
    let completed = proxies.with_credentials_of(entry.name, old).map_err(Error::invalid)?;
    Ok(Some(Given::Proxies(completed)))
}

async fn clear(tx: &impl ConnectionTrait, entry: &Entry) -> Result<()> {
    Entity::delete_by_id(entry.name).exec(tx).await?;
    Ok(())
}

async fn set(tx: &impl ConnectionTrait, entry: &Entry, value: String, now: UtcMillis) -> Result<()> {
    let row = ActiveModel { name: Set(entry.name.to_owned()), value: Set(value), updated_at: Set(now) };
    let over = OnConflict::column(Column::Name).update_columns([Column::Value, Column::UpdatedAt]).to_owned();
    Entity::insert(row).on_conflict(over).exec_without_returning(tx).await?;
    Ok(())
}
