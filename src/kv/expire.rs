//! Clearing up after expired keys.

use entity::{ByteText, kv_store};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::{
    etag::Precondition,
    key::Key,
    plan::{Action, Change, Op},
    store::Store,
};
use crate::base::{error::Result, state::State};

/// Most rows looked at in one step.
const STEP: u64 = 500;

/// Removes expired rows, logging a `delete` change for each. Answers how many.
///
/// # Errors
/// When the database is out; what was removed until then stays so.
pub async fn purge(state: &State, store: &Store) -> Result<u64> {
    let mut removed = 0;
    loop {
        let rows: Vec<(i64, ByteText)> = kv_store::Entity::find()
            .select_only()
            .columns([kv_store::Column::DeviceId, kv_store::Column::Key])
            .filter(kv_store::Column::ExpiresAt.lte(state.clock.now()))
            .order_by_asc(kv_store::Column::ExpiresAt)
            .limit(STEP)
            .into_tuple()
            .all(state.db.orm())
            .await?;
        let found = rows.len();
        for (device_id, changes) in by_device(rows) {
            let op = Op { device_id, install_id: None, ip: String::new(), changes, is_batch: true, record: None };
            let done = store.write(op).await;
            match done {
                Ok(done) => {
                    removed += u64::try_from(done.applied.iter().filter(|one| one.changed).count()).unwrap_or(0)
                }
                // The device was deleted meanwhile, and its keys with it.
                Err(error) if error.kind() == &crate::devices::TOKEN_INVALID => {}
                Err(error) => return Err(error),
            }
        }
        if u64::try_from(found).unwrap_or(0) < STEP || state.closing.is_cancelled() {
            return Ok(removed);
        }
    }
}

fn by_device(rows: Vec<(i64, ByteText)>) -> Vec<(i64, Vec<Change>)> {
    let mut devices: Vec<(i64, Vec<Change>)> = Vec::new();
    for (device_id, key) in rows {
        let Ok(key) = Key::new(key.as_str()) else { continue };
        let change = Change { key, action: Action::Expire, precondition: Precondition::default() };
        match devices.iter_mut().find(|(id, _)| *id == device_id) {
            Some((_, changes)) => changes.push(change),
            None => devices.push((device_id, vec![change])),
        }
    }
    devices
}
