//! The rows of the settings.

use std::collections::BTreeMap;

use entity::{
    UtcMillis,
    setting::{ActiveModel, Column, Entity, Model},
};
use sea_orm::{ActiveValue::Set, ConnectionTrait, EntityTrait, QuerySelect, sea_query::OnConflict};
use serde_json::Value;

use super::values::{self, Values};
use crate::{
    admin::{Actor, audit},
    base::error::{Error, FieldError, Result},
};

/// What an admin set. Rows of settings that this version does not know, or whose value does not fit, do not count.
///
/// # Errors
/// 503 when the database is out.
pub(super) async fn rows(db: &impl ConnectionTrait) -> Result<Vec<Model>> {
    Ok(Entity::find().all(db).await?)
}

/// Puts what was set over what is configured.
pub(super) fn overlaid(mut values: Values, rows: &[Model]) -> Values {
    for (entry, value) in rows.iter().filter_map(read) {
        entry.set(&mut values, value);
    }
    values
}

/// The setting of a row, and its value.
pub(super) fn read(row: &Model) -> Option<(&'static values::Entry, u32)> {
    let entry = values::find(&row.name)?;
    let value: Value = serde_json::from_str(&row.value).ok()?;
    Some((entry, entry.read(&value).ok()?))
}

/// Checks a merge patch by name; null clears.
///
/// # Errors
/// 422 with every field that is unknown or does not fit.
pub(super) fn check(patch: &BTreeMap<String, Value>) -> Result<BTreeMap<&'static str, Option<u32>>> {
    let mut wrong = Vec::new();
    let mut changes = BTreeMap::new();
    for (name, value) in patch {
        let Some(entry) = values::find(name) else {
            wrong.push(FieldError::new(name.as_str(), "unknown_field", "is not a setting"));
            continue;
        };
        match (!value.is_null()).then(|| entry.read(value)).transpose() {
            Ok(value) => {
                changes.insert(entry.name, value);
            }
            Err(error) => wrong.push(error),
        }
    }
    if wrong.is_empty() { Ok(changes) } else { Err(Error::invalid(wrong)) }
}

/// Sets and clears, with an audit event for each setting that changes.
///
/// # Errors
/// 503 when the database is out.
pub(super) async fn change(
    tx: &impl ConnectionTrait,
    actor: &Actor,
    changes: &BTreeMap<&'static str, Option<u32>>,
    now: UtcMillis,
) -> Result<()> {
    for (name, value) in changes {
        let row = Entity::find_by_id(*name).lock_exclusive().one(tx).await?;
        let old = row.as_ref().and_then(read).map(|(_, value)| value);
        match value {
            Some(value) => set(tx, name, *value, now).await?,
            None => clear(tx, name).await?,
        }
        if old != *value {
            let changes = audit::Changes::default().field("value", &old, value);
            audit::record(tx, actor, "update", "setting", *name, changes, now).await?;
        }
    }
    Ok(())
}

async fn set(tx: &impl ConnectionTrait, name: &str, value: u32, now: UtcMillis) -> Result<()> {
    let row = ActiveModel { name: Set(name.to_owned()), value: Set(value.to_string()), updated_at: Set(now) };
    let over = OnConflict::column(Column::Name).update_columns([Column::Value, Column::UpdatedAt]).to_owned();
    Entity::insert(row).on_conflict(over).exec_without_returning(tx).await?;
    Ok(())
}

async fn clear(tx: &impl ConnectionTrait, name: &str) -> Result<()> {
    Entity::delete_by_id(name).exec(tx).await?;
    Ok(())
}
