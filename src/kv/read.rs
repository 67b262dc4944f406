//! The hot read: token and value in one query, so that no cache of tokens can be stale.

use entity::{UtcMillis, kv_store, table};
use rusqlite::OptionalExtension;
use sea_orm::{ConnectionTrait, EntityTrait};
use sqlx::{AssertSqlSafe, Row as _};

use super::{KEY_NOT_FOUND, key::Key, store::Store};
use crate::{
    base::{error::Result, secret::HashedToken, state::State},
    devices::{Claim, Grant, install::invalid_token},
};

/// A value with what its headers need.
#[derive(Debug)]
pub struct Found {
    /// JSON text.
    pub value: String,
    /// Of its last change.
    pub revision: i64,
    /// When that was.
    pub updated_at: UtcMillis,
}

type Parts = (Grant, Option<(Found, Option<i64>)>);

impl Store {
    /// The grant of a token, and the value of a key in its device's store, if it is there.
    ///
    /// # Errors
    /// 401 when the token is no good.
    pub async fn read(&self, state: &State, claim: &Claim, key: &Key) -> Result<(Grant, Option<Found>)> {
        let hash = claim.hash();
        let parts = if state.db.is_sqlite() {
            state.db.sqlite_read(|db| {
                let mut query = db.prepare_cached(&self.read_value)?;
                query.query_row([key.as_str(), hash.as_str()], sqlite_parts).optional()
            })?
        } else {
            let row = state.db.mysql_read(async |own| {
                let query = sqlx::query(AssertSqlSafe(self.read_value.as_str()));
                query.bind(key.as_str().as_bytes()).bind(hash.as_str()).fetch_optional(own).await
            });
            let row = row.await?;
            row.as_ref().map(mysql_parts).transpose()?
        };
        let (grant, stored) = parts.ok_or_else(invalid_token)?;
        let now = state.clock.now();
        let live = stored.filter(|(_, expires)| expires.is_none_or(|at| at > now.0)).map(|(found, _)| found);
        Ok((grant, live))
    }

    /// The grant of a token.
    ///
    /// # Errors
    /// 401 when the token is no good.
    pub async fn grant(&self, state: &State, token: &HashedToken) -> Result<Grant> {
        let grant = if state.db.is_sqlite() {
            state.db.sqlite_read(|db| {
                let mut query = db.prepare_cached(&self.read_grant)?;
                query.query_row([token.as_str()], sqlite_grant).optional()
            })?
        } else {
            let row = state.db.mysql_read(async |own| {
                let query = sqlx::query(AssertSqlSafe(self.read_grant.as_str()));
                query.bind(token.as_str()).fetch_optional(own).await
            });
            let row = row.await?;
            row.as_ref().map(mysql_grant).transpose()?
        };
        match grant {
            Some(grant) => self.hints.learn(token.clone(), grant),
            None => self.hints.forget(token),
        }
        grant.ok_or_else(invalid_token)
    }

    /// What the token stood for when it was last looked up; whoever acts on it has to make sure.
    #[must_use]
    pub fn hint(&self, token: &HashedToken) -> Option<Grant> {
        self.hints.get(token)
    }
}

/// The beginning of a query for the grants of certain installs; what their ids are comes after it.
pub(super) fn grants_by_id() -> String {
    format!("SELECT id, device_id, read_only FROM {} WHERE id", table::name("app_install"))
}

/// Columns `id, device_id, read_only` of an install.
pub(super) fn sqlite_grant(row: &rusqlite::Row<'_>) -> rusqlite::Result<Grant> {
    Ok(Grant { install_id: row.get(0)?, device_id: row.get(1)?, read_only: row.get(2)? })
}

fn sqlite_parts(row: &rusqlite::Row<'_>) -> rusqlite::Result<Parts> {
    let Some(value) = row.get::<_, Option<String>>(3)? else { return Ok((sqlite_grant(row)?, None)) };
    let found = Found { value, revision: row.get(4)?, updated_at: UtcMillis(row.get(5)?) };
    Ok((sqlite_grant(row)?, Some((found, row.get(6)?))))
}

/// Columns `id, device_id, read_only` of an install.
pub(super) fn mysql_grant(row: &sqlx::mysql::MySqlRow) -> sqlx::Result<Grant> {
    Ok(Grant { install_id: row.try_get(0)?, device_id: row.try_get(1)?, read_only: row.try_get(2)? })
}

fn mysql_parts(row: &sqlx::mysql::MySqlRow) -> sqlx::Result<Parts> {
    let Some(value) = row.try_get::<Option<String>, _>(3)? else { return Ok((mysql_grant(row)?, None)) };
    let found = Found { value, revision: row.try_get(4)?, updated_at: UtcMillis(row.try_get(5)?) };
    Ok((mysql_grant(row)?, Some((found, row.try_get(6)?))))
}

/// A live row, value and all, for admins.
///
/// # Errors
/// 404 when the key is absent.
pub async fn row(db: &impl ConnectionTrait, device_id: i64, key: &Key, now: UtcMillis) -> Result<kv_store::Model> {
    let row = kv_store::Entity::find_by_id((device_id, key.as_str().into())).one(db).await?;
    row.filter(|row| row.expires_at.is_none_or(|at| at > now))
        .ok_or_else(|| KEY_NOT_FOUND.error("There is no such key."))
}
