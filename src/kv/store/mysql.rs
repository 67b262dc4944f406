//! Batches on MySQL: a handful of statements over many rows. The device rows are locked first, in the order of their
//! ids, and every writer of a device's keys holds that lock, so what is read after it cannot change.

use std::collections::HashMap;

use entity::{UtcMillis, table};
use sqlx::{AssertSqlSafe, MySql, MySqlConnection, QueryBuilder, Row as _};

use super::trim_to;
use crate::{
    base::error::{Error, Result},
    kv::{
        key::Key,
        plan::{Counters, Limits, Op, Overlay, Row, Slot},
        read::{grants_by_id, mysql_grant},
    },
};

/// Most rows of one statement.
const ROWS: usize = 256;
/// Most bytes of values of one statement: well below `max_allowed_packet` (16 MiB on MariaDB).
const BYTES: usize = 4 * 1024 * 1024;

/// One of a device's counters.
type CounterOf = fn(&Counters) -> i64;

/// The tables' names.
pub(super) struct Statements {
    device: &'static str,
    store: &'static str,
    change: &'static str,
}

impl Statements {
    pub(super) fn new() -> Self {
        Self { device: table::name("device"), store: table::name("kv_store"), change: table::name("kv_change") }
    }

    /// Locks every device the ops touch and reads their keys.
    pub(super) async fn load(
        &self,
        db: &mut MySqlConnection,
        ops: &[Op],
        limits: Limits,
        now: UtcMillis,
    ) -> Result<Overlay> {
        let mut overlay = Overlay::default();
        let mut growth: HashMap<i64, (i64, i64)> = HashMap::new();
        for op in ops {
            let (keys, bytes) = op.growth();
            let sum = growth.entry(op.device_id).or_default();
            *sum = (sum.0 + keys, sum.1 + bytes);
            overlay.devices.insert(op.device_id, None);
            for change in &op.changes {
                overlay.slots.entry((op.device_id, change.key.clone())).or_default();
            }
        }
        self.load_devices(db, &mut overlay).await?;
        Self::load_installs(db, ops, &mut overlay).await?;
        for (device_id, growth) in growth {
            let Some(Some(counters)) = overlay.devices.get_mut(&device_id) else { continue };
            if counters.near(growth, limits) {
                (counters.expired_keys, counters.expired_bytes) = self.expired(db, device_id, now).await?;
            }
        }
        self.load_rows(db, &mut overlay).await?;
        Ok(overlay)
    }

    async fn load_devices(&self, db: &mut MySqlConnection, overlay: &mut Overlay) -> Result<()> {
        let mut ids: Vec<i64> = overlay.devices.keys().copied().collect();
        ids.sort_unstable();
        for ids in ids.chunks(ROWS) {
            let mut sql = QueryBuilder::<MySql>::new(format!(
                "SELECT id, revision, key_count, byte_count FROM {} WHERE id IN (",
                self.device
            ));
            push_list(&mut sql, ids);
            sql.push(" ORDER BY id FOR UPDATE");
            for row in sql.build().fetch_all(&mut *db).await? {
                let counters = Counters {
                    revision: row.try_get(1)?,
                    keys: row.try_get(2)?,
                    bytes: row.try_get(3)?,
                    ..Counters::default()
                };
                overlay.devices.insert(row.try_get(0)?, Some(counters));
            }
        }
        Ok(())
    }

    async fn load_installs(db: &mut MySqlConnection, ops: &[Op], overlay: &mut Overlay) -> Result<()> {
        let mut ids: Vec<i64> = ops.iter().filter_map(|op| op.install_id).collect();
        ids.sort_unstable();
        ids.dedup();
        for ids in ids.chunks(ROWS) {
            let mut sql = QueryBuilder::<MySql>::new(format!("{} IN (", grants_by_id()));
            push_list(&mut sql, ids);
            for row in sql.build().fetch_all(&mut *db).await? {
                let grant = mysql_grant(&row)?;
                overlay.installs.insert(grant.install_id, grant);
            }
        }
        Ok(())
    }

    async fn expired(&self, db: &mut MySqlConnection, device_id: i64, now: UtcMillis) -> Result<(i64, i64)> {
        let sql = format!(
            "SELECT COUNT(*), CAST(COALESCE(SUM(size), 0) AS SIGNED) FROM {} WHERE device_id = ? AND expires_at <= ?",
            self.store
        );
        // The text holds nothing but table names of ours.
        let row = sqlx::query(AssertSqlSafe(sql)).bind(device_id).bind(now.0).fetch_one(db).await?;
        Ok((row.try_get(0)?, row.try_get(1)?))
    }

    async fn load_rows(&self, db: &mut MySqlConnection, overlay: &mut Overlay) -> Result<()> {
        let places: Vec<(i64, Key)> = overlay.slots.keys().cloned().collect();
        for places in places.chunks(ROWS) {
            let mut sql = QueryBuilder::<MySql>::new(format!(
                "SELECT device_id, `key`, revision, size, created_at, creator_ip, expires_at FROM {} {PRIMARY} WHERE ",
                self.store
            ));
            push_places(&mut sql, places);
            for row in sql.build().fetch_all(&mut *db).await? {
                let stored = Row {
                    revision: row.try_get(2)?,
                    size: row.try_get(3)?,
                    created_at: UtcMillis(row.try_get(4)?),
                    creator_ip: row.try_get(5)?,
                    expires_at: row.try_get::<Option<i64>, _>(6)?.map(UtcMillis),
                };
                let key = String::from_utf8(row.try_get(1)?).map_err(Error::internal)?;
                let key = Key::new(&key).map_err(|_| Error::internal("a stored key is not a key"))?;
                let slot = Slot { row: Some(stored.clone()), stored: Some(stored), ..Slot::default() };
                overlay.slots.insert((row.try_get(0)?, key), slot);
            }
        }
        Ok(())
    }

    /// Writes what was decided.
    pub(super) async fn store(&self, db: &mut MySqlConnection, overlay: &Overlay, now: UtcMillis) -> Result<()> {
        self.put(db, overlay, now).await?;
        self.delete(db, overlay).await?;
        for lines in overlay.log.chunks(ROWS) {
            let mut sql = QueryBuilder::<MySql>::new(format!(
                "INSERT INTO {} (device_id, revision, `key`, deleted, changed_at) ",
                self.change
            ));
            sql.push_values(lines, |mut row, line| {
                row.push_bind(line.device_id).push_bind(line.revision).push_bind(line.key.as_str().as_bytes());
                row.push_bind(line.deleted).push_bind(now.0);
            });
            sql.build().execute(&mut *db).await?;
        }
        self.count(db, overlay).await
    }

    async fn put(&self, db: &mut MySqlConnection, overlay: &Overlay, now: UtcMillis) -> Result<()> {
        let mut chunk = Vec::with_capacity(ROWS);
        let mut bytes = 0;
        for ((device_id, key), slot) in overlay.slots.iter().filter(|(_, slot)| slot.dirty) {
            let (Some(row), Some(value)) = (&slot.row, &slot.value) else { continue };
            if chunk.len() == ROWS || bytes + value.as_str().len() > BYTES {
                self.put_chunk(db, &std::mem::take(&mut chunk), now).await?;
                bytes = 0;
            }
            bytes += value.as_str().len();
            chunk.push((*device_id, key.as_str(), value.as_str(), row, slot.updater_ip.as_str()));
        }
        self.put_chunk(db, &chunk, now).await
    }

    async fn put_chunk(
        &self,
        db: &mut MySqlConnection,
        rows: &[(i64, &str, &str, &Row, &str)],
        now: UtcMillis,
    ) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut sql = QueryBuilder::<MySql>::new(format!(
            "INSERT INTO {} (device_id, `key`, value, size, revision, expires_at, creator_ip, updater_ip, created_at, \
             updated_at) ",
            self.store
        ));
        sql.push_values(rows, |mut line, (device_id, key, value, row, updater_ip)| {
            line.push_bind(*device_id).push_bind(key.as_bytes()).push_bind(*value).push_bind(row.size);
            line.push_bind(row.revision).push_bind(row.expires_at.map(|at| at.0)).push_bind(row.creator_ip.as_str());
            line.push_bind(*updater_ip).push_bind(row.created_at.0).push_bind(now.0);
        });
        sql.push(
            " ON DUPLICATE KEY UPDATE value = VALUES(value), size = VALUES(size), revision = VALUES(revision), \
             expires_at = VALUES(expires_at), creator_ip = VALUES(creator_ip), updater_ip = VALUES(updater_ip), \
             created_at = VALUES(created_at), updated_at = VALUES(updated_at)",
        );
        sql.build().execute(db).await?;
        Ok(())
    }

    async fn delete(&self, db: &mut MySqlConnection, overlay: &Overlay) -> Result<()> {
        let gone = |slot: &Slot| slot.dirty && slot.row.is_none() && slot.stored.is_some();
        let places: Vec<(i64, Key)> =
            overlay.slots.iter().filter(|(_, slot)| gone(slot)).map(|(place, _)| place.clone()).collect();
        for places in places.chunks(ROWS) {
            let mut sql = QueryBuilder::<MySql>::new(format!("DELETE k FROM {} k {PRIMARY} WHERE ", self.store));
            push_places(&mut sql, places);
            sql.build().execute(&mut *db).await?;
        }
        Ok(())
    }

    /// Brings the devices' counters up to date and trims their logs.
    async fn count(&self, db: &mut MySqlConnection, overlay: &Overlay) -> Result<()> {
        let mut first_logged: HashMap<i64, i64> = HashMap::new();
        for line in &overlay.log {
            first_logged.entry(line.device_id).or_insert(line.revision);
        }
        let changed: Vec<(i64, i64, Counters)> = first_logged
            .into_iter()
            .filter_map(|(id, first)| Some((id, first - 1, (*overlay.devices.get(&id)?)?)))
            .collect();
        for devices in changed.chunks(ROWS) {
            let mut sql = QueryBuilder::<MySql>::new(format!("UPDATE {} SET ", self.device));
            let columns: [(&str, CounterOf); 3] =
                [("revision", |c| c.revision), ("key_count", |c| c.keys), ("byte_count", |c| c.bytes)];
            for (nth, (column, value)) in columns.into_iter().enumerate() {
                sql.push(if nth == 0 { "" } else { ", " }).push(column).push(" = CASE id");
                for (id, _, after) in devices {
                    sql.push(" WHEN ").push_bind(*id).push(" THEN ").push_bind(value(after));
                }
                sql.push(" END");
            }
            sql.push(" WHERE id IN (");
            let mut list = sql.separated(", ");
            devices.iter().for_each(|(id, ..)| {
                list.push_bind(*id);
            });
            sql.push(")");
            sql.build().execute(&mut *db).await?;
        }
        for (device_id, before, after) in changed {
            let Some(revision) = trim_to(before, &after) else { continue };
            let sql = format!("DELETE FROM {} WHERE device_id = ? AND revision <= ?", self.change);
            sqlx::query(AssertSqlSafe(sql)).bind(device_id).bind(revision).execute(&mut *db).await?;
        }
        Ok(())
    }
}

/// The end of a list of numbers that was opened.
fn push_list(sql: &mut QueryBuilder<MySql>, ids: &[i64]) {
    let mut list = sql.separated(", ");
    ids.iter().for_each(|id| {
        list.push_bind(*id);
    });
    sql.push(")");
}

/// Without the hint the optimizer looks for every pair into each index that begins with the device, which on a large
/// table takes a hundred times as long as the rows themselves.
const PRIMARY: &str = "FORCE INDEX (PRIMARY)";

/// `(device_id, key) IN ((?, ?), …)`: with the hint both servers look these up in the primary key, one by one.
fn push_places(sql: &mut QueryBuilder<MySql>, places: &[(i64, Key)]) {
    sql.push("(device_id, `key`) IN (");
    for (nth, (device_id, key)) in places.iter().enumerate() {
        sql.push(if nth == 0 { "(" } else { ", (" }).push_bind(*device_id);
        sql.push(", ").push_bind(key.as_str().as_bytes().to_vec()).push(")");
    }
    sql.push(")");
}
