//! The way in for writes: one lane, whose batches are loaded, decided and stored together.

mod mysql;
mod sqlite;

use entity::{UtcMillis, table};
use serde_json::json;

use super::{
    hints::Hints,
    plan::{Counters, Done, Limits, Op, Overlay},
};
use crate::base::{
    clock::Clock,
    commit::{Batch, Lane, Session},
    error::Result,
    state::State,
    wake::Wakeups,
};

/// Most ops of one commit.
const MOST: usize = 256;
/// Lines of the change log that are kept for each device.
pub(super) const KEPT_CHANGES: i64 = 4096;
/// The log is trimmed whenever a device's revision passes a multiple of this.
const TRIM_EVERY: i64 = 256;

/// The key-value store's live half: its lane, and the texts of its hot queries.
#[derive(Debug)]
pub struct Store {
    lane: Lane<Op, Done>,
    /// Install and value in one: `token hash, key` in; see `read.rs`.
    pub(super) read_value: String,
    /// Install alone: `token hash` in.
    pub(super) read_grant: String,
    pub(super) hints: Hints,
}

impl Store {
    /// Opens the lane.
    #[must_use]
    pub fn new(state: &State) -> Self {
        let kv = &state.config.kv;
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let writes = Writes {
            clock: state.clock.clone(),
            wakeups: state.wakeups.clone(),
            limits: Limits { keys: i64::from(kv.max_keys_per_device), bytes: number(kv.max_device_bytes) },
            sqlite: sqlite::Statements::new(),
            mysql: mysql::Statements::new(),
        };
        let (install, kv_store) = (table::name("app_install"), table::name("kv_store"));
        let read_value = format!(
            "SELECT i.id, i.device_id, i.read_only, k.value, k.revision, k.updated_at, k.expires_at FROM {install} i \
             LEFT JOIN {kv_store} k ON k.device_id = i.device_id AND k.`key` = ? WHERE i.token_hash = ?"
        );
        let read_grant = format!("SELECT id, device_id, read_only FROM {install} WHERE token_hash = ?");
        Self { lane: state.writer.lane("kv", MOST, writes), read_value, read_grant, hints: Hints::default() }
    }

    /// Carries an op out and answers after its commit.
    ///
    /// # Errors
    /// 404, 409, 412, 413 as the op is refused; 401 when the device is gone; 503 when the database is out.
    pub async fn write(&self, op: Op) -> Result<Done> {
        self.lane.write(op).await
    }
}

/// How the lane's ops reach the database.
struct Writes {
    clock: Clock,
    wakeups: Wakeups,
    limits: Limits,
    sqlite: sqlite::Statements,
    mysql: mysql::Statements,
}

impl Batch for Writes {
    type Op = Op;
    type Out = Done;

    async fn apply(&self, mut session: Session<'_>, ops: &[Op]) -> Result<Vec<Result<Done>>> {
        let now = self.clock.now();
        let outcomes = match &mut session {
            Session::Sqlite(connection) => {
                let mut overlay = self.sqlite.load(connection, ops, self.limits, now)?;
                let outcomes = self.decide(&mut overlay, ops, now);
                self.sqlite.store(connection, &overlay, now)?;
                outcomes
            }
            Session::MySql(connection) => {
                let mut overlay = self.mysql.load(connection, ops, self.limits, now).await?;
                let outcomes = self.decide(&mut overlay, ops, now);
                self.mysql.store(connection, &overlay, now).await?;
                outcomes
            }
        };
        for (op, outcome) in ops.iter().zip(&outcomes) {
            if let (Some(record), Ok(done)) = (&op.record, outcome) {
                let keys: Vec<&str> = op.changes.iter().map(|change| change.key.as_str()).collect();
                let changes = json!({ "key": keys.join(", "), "revision": done.revision });
                record.write(&mut session, &changes, now).await?;
            }
        }
        Ok(outcomes)
    }

    fn committed(&self, ops: &[Op], outcomes: &[Result<Done>]) {
        for (op, outcome) in ops.iter().zip(outcomes) {
            if outcome.is_ok() {
                self.wakeups.wake(op.device_id);
            }
        }
    }
}

impl Writes {
    fn decide(&self, overlay: &mut Overlay, ops: &[Op], now: UtcMillis) -> Vec<Result<Done>> {
        ops.iter().map(|op| overlay.decide(op, self.limits, now)).collect()
    }
}

/// Up to which revision the log of a device is to be trimmed, if it is time to.
fn trim_to(before: i64, after: &Counters) -> Option<i64> {
    let due = before / TRIM_EVERY != after.revision / TRIM_EVERY;
    (due && after.revision > KEPT_CHANGES).then_some(after.revision - KEPT_CHANGES)
}
