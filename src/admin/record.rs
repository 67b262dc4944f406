//! Audit events of writes that do not go through sea-orm: the store's batches.

use entity::{UtcMillis, table};
use rusqlite::params;
use serde_json::Value;
use sqlx::{AssertSqlSafe, MySqlConnection};

use super::{actor::Actor, audit::clipped};
use crate::base::{commit::Session, error::Result};

/// What an admin does to the store, to be recorded in the transaction that does it.
#[derive(Clone, Debug)]
pub struct Record {
    actor: Actor,
    action: &'static str,
    entity: &'static str,
    entity_id: String,
}

impl Record {
    /// See [`super::audit::record`].
    #[must_use]
    pub fn new(actor: Actor, action: &'static str, entity: &'static str, entity_id: &str) -> Self {
        Self { actor, action, entity, entity_id: clipped(entity_id, 191) }
    }

    /// Writes the event.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn write(&self, session: &mut Session<'_>, changes: &Value, now: UtcMillis) -> Result<()> {
        let sql = format!(
            "INSERT INTO {} (actor, action, entity, entity_id, changes, ip, request_id, created_at) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            table::name("audit_event")
        );
        let (actor, request_id) = (clipped(&self.actor.name, 191), clipped(&self.actor.request_id, 128));
        let (changes, ip) = (changes.to_string(), &self.actor.ip);
        match session {
            Session::Sqlite(db) => {
                let mut insert = db.prepare_cached(&sql)?;
                insert.execute(params![
                    actor,
                    self.action,
                    self.entity,
                    self.entity_id,
                    changes,
                    ip,
                    request_id,
                    now.0
                ])?;
            }
            Session::MySql(db) => {
                let db: &mut MySqlConnection = db;
                let insert = sqlx::query(AssertSqlSafe(sql)).bind(actor).bind(self.action).bind(self.entity);
                let insert = insert.bind(&self.entity_id).bind(changes).bind(ip).bind(request_id).bind(now.0);
                insert.execute(db).await?;
            }
        }
        Ok(())
    }
}
