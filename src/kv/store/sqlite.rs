//! Batches on SQLite: prepared statements on the writer's own connection, a row each.

use std::collections::HashMap;

use entity::{UtcMillis, table};
use rusqlite::{Connection, OptionalExtension, Row as SqlRow, params};

use super::trim_to;
use crate::{
    base::error::Result,
    kv::{
        plan::{Counters, Limits, Op, Overlay, Row, Slot},
        read::{grants_by_id, sqlite_grant},
    },
};

/// The statements, with the prefix of this installation in them.
pub(super) struct Statements {
    device: String,
    install: String,
    expired: String,
    row: String,
    insert: String,
    update: String,
    resize: String,
    replace: String,
    delete: String,
    log: String,
    count: String,
    trim: String,
}

impl Statements {
    pub(super) fn new() -> Self {
        let (device, store, change) = (table::name("device"), table::name("kv_store"), table::name("kv_change"));
        Self {
            device: format!("SELECT revision, key_count, byte_count FROM {device} WHERE id = ?1"),
            install: format!("{} = ?1", grants_by_id()),
            expired: format!(
                "SELECT COUNT(*), COALESCE(SUM(size), 0) FROM {store} WHERE device_id = ?1 AND expires_at <= ?2"
            ),
            row: format!(
                "SELECT revision, size, created_at, creator_ip, expires_at FROM {store} \
                 WHERE device_id = ?1 AND key = ?2"
            ),
            insert: format!(
                "INSERT INTO {store} (device_id, key, value, size, revision, expires_at, creator_ip, updater_ip, \
                 created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
            ),
            // Which indexes are written anew depends on the columns that are named.
            update: format!(
                "UPDATE {store} SET value = ?3, revision = ?4, expires_at = ?5, updater_ip = ?6, updated_at = ?7 \
                 WHERE device_id = ?1 AND key = ?2"
            ),
            resize: format!(
                "UPDATE {store} SET value = ?3, revision = ?4, expires_at = ?5, updater_ip = ?6, updated_at = ?7, \
                 size = ?8 WHERE device_id = ?1 AND key = ?2"
            ),
            replace: format!(
                "UPDATE {store} SET value = ?3, size = ?4, revision = ?5, expires_at = ?6, creator_ip = ?7, \
                 updater_ip = ?8, created_at = ?9, updated_at = ?10 WHERE device_id = ?1 AND key = ?2"
            ),
            delete: format!("DELETE FROM {store} WHERE device_id = ?1 AND key = ?2"),
            log: format!(
                "INSERT INTO {change} (device_id, revision, key, deleted, changed_at) VALUES (?1, ?2, ?3, ?4, ?5)"
            ),
            count: format!("UPDATE {device} SET revision = ?2, key_count = ?3, byte_count = ?4 WHERE id = ?1"),
            trim: format!("DELETE FROM {change} WHERE device_id = ?1 AND revision <= ?2"),
        }
    }

    /// Reads every device and key the ops touch.
    pub(super) fn load(&self, db: &Connection, ops: &[Op], limits: Limits, now: UtcMillis) -> Result<Overlay> {
        let mut overlay = Overlay::default();
        let mut growth: HashMap<i64, (i64, i64)> = HashMap::new();
        for op in ops {
            let (keys, bytes) = op.growth();
            let sum = growth.entry(op.device_id).or_default();
            *sum = (sum.0 + keys, sum.1 + bytes);
        }
        for (device_id, growth) in growth {
            let counters = db.prepare_cached(&self.device)?.query_row([device_id], counters).optional()?;
            let counters = match counters {
                Some(counters) if counters.near(growth, limits) => {
                    let mut expired = db.prepare_cached(&self.expired)?;
                    let (expired_keys, expired_bytes) =
                        expired.query_row([device_id, now.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
                    Some(Counters { expired_keys, expired_bytes, ..counters })
                }
                other => other,
            };
            overlay.devices.insert(device_id, counters);
        }
        let (mut install, mut select) = (db.prepare_cached(&self.install)?, db.prepare_cached(&self.row)?);
        for op in ops {
            if let Some(id) = op.install_id
                && !overlay.installs.contains_key(&id)
                && let Some(grant) = install.query_row([id], sqlite_grant).optional()?
            {
                overlay.installs.insert(id, grant);
            }
            for change in &op.changes {
                let place = (op.device_id, change.key.clone());
                if overlay.slots.contains_key(&place) {
                    continue;
                }
                let stored = select.query_row(params![op.device_id, change.key.as_str()], row).optional()?;
                let slot = Slot { row: stored.clone(), stored, ..Slot::default() };
                overlay.slots.insert(place, slot);
            }
        }
        Ok(overlay)
    }

    /// Writes what was decided.
    pub(super) fn store(&self, db: &Connection, overlay: &Overlay, now: UtcMillis) -> Result<()> {
        for ((device_id, key), slot) in overlay.slots.iter().filter(|(_, slot)| slot.dirty) {
            self.store_slot(db, *device_id, key.as_str(), slot, now)?;
        }
        let mut first_logged: HashMap<i64, i64> = HashMap::new();
        let mut log = db.prepare_cached(&self.log)?;
        for line in &overlay.log {
            log.execute(params![line.device_id, line.revision, line.key.as_str(), line.deleted, now.0])?;
            first_logged.entry(line.device_id).or_insert(line.revision);
        }
        let mut count = db.prepare_cached(&self.count)?;
        for (device_id, first) in first_logged {
            let Some(Some(after)) = overlay.devices.get(&device_id) else { continue };
            count.execute([device_id, after.revision, after.keys, after.bytes])?;
            if let Some(revision) = trim_to(first - 1, after) {
                db.prepare_cached(&self.trim)?.execute([device_id, revision])?;
            }
        }
        Ok(())
    }

    fn store_slot(&self, db: &Connection, device: i64, key: &str, slot: &Slot, now: UtcMillis) -> Result<()> {
        let (Some(row), Some(value)) = (&slot.row, &slot.value) else {
            if slot.stored.is_some() {
                db.prepare_cached(&self.delete)?.execute(params![device, key])?;
            }
            return Ok(());
        };
        let (value, expires) = (value.as_str(), row.expires_at.map(|at| at.0));
        let (creator, updater) = (row.creator_ip.as_str(), slot.updater_ip.as_str());
        match &slot.stored {
            None => db.prepare_cached(&self.insert)?.execute(params![
                device,
                key,
                value,
                row.size,
                row.revision,
                expires,
                creator,
                updater,
                row.created_at.0,
                now.0
            ])?,
            Some(old) if old.created_at == row.created_at && old.creator_ip == row.creator_ip => {
                if old.size == row.size {
                    db.prepare_cached(&self.update)?.execute(params![
                        device,
                        key,
                        value,
                        row.revision,
                        expires,
                        updater,
                        now.0
                    ])?
                } else {
                    db.prepare_cached(&self.resize)?.execute(params![
                        device,
                        key,
                        value,
                        row.revision,
                        expires,
                        updater,
                        now.0,
                        row.size
                    ])?
                }
            }
            Some(_) => db.prepare_cached(&self.replace)?.execute(params![
                device,
                key,
                value,
                row.size,
                row.revision,
                expires,
                creator,
                updater,
                row.created_at.0,
                now.0
            ])?,
        };
        Ok(())
    }
}

fn counters(row: &SqlRow<'_>) -> rusqlite::Result<Counters> {
    Ok(Counters { revision: row.get(0)?, keys: row.get(1)?, bytes: row.get(2)?, ..Counters::default() })
}

fn row(row: &SqlRow<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        revision: row.get(0)?,
        size: row.get(1)?,
        created_at: UtcMillis(row.get(2)?),
        creator_ip: row.get(3)?,
        expires_at: row.get::<_, Option<i64>>(4)?.map(UtcMillis),
    })
}
