//! A new data key.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use entity::{UtcMillis, sealing_key};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect,
};
use serde_json::json;

use super::{
    columns::{any_older, seal_anew},
    journal_folder,
};
use crate::{
    admin::{Actor, audit},
    base::{
        clock::Clock,
        commit::Writer,
        db::Db,
        error::{Error, Result},
        secret::{MasterKey, Sealer},
    },
    config::Config,
    server::{first_start::open_sealer, instance},
    tokens::refresh::{forget, holders, seal_journal_anew},
};

/// How long running servers are waited for to take the new key: several times what they need.
const WAIT: Duration = Duration::from_secs(15);
/// Time between two looks at that.
const LOOK: Duration = Duration::from_millis(500);

/// What came of it.
#[derive(Debug, Default)]
pub struct Rotated {
    /// The new data key.
    pub key: i64,
    /// Whether it was made by an earlier call that was cut off.
    pub resumed: bool,
    /// Boxes that were sealed anew by this call.
    pub replaced: u64,
    /// Data keys that were deleted.
    pub deleted: u64,
    /// Boxes and files that do not open. While there are any, the old key stays.
    pub unopened: Vec<String>,
    /// Replicas whose journals may need the old key, which stays for them.
    pub held_by: Vec<String>,
}

/// How a try to delete the old keys ends.
enum End {
    Deleted(u64),
    /// Somebody who began before the new key was there has written a box of the old one.
    BoxesLeft,
    HeldBy(Vec<String>),
}

/// Makes a new data key, or goes on with the last one, and seals everything with it. `forgotten` is the name of a
/// replica that is gone for good, with its journal. `progress` is told how many boxes of how many are done.
///
/// # Errors
/// When the database was not initialised; 503 when it is out. Whatever was done until then stays done.
pub async fn rotate_data_key(
    (config, db, writer): (&Config, &Db, &Writer),
    forgotten: Option<String>,
    progress: impl Fn(u64, u64),
) -> Result<Rotated> {
    let master = MasterKey::parse(config.security.master_key.expose())?;
    let sealer = open_sealer(config, db).await.map_err(Error::internal)?;
    let now = Clock::System.now();
    let begin = async move |tx: &DatabaseTransaction| begin(tx, &master, forgotten.as_deref(), now).await;
    let (key, resumed) = writer.write(begin).await?;
    let mut rotated = Rotated { key, resumed, ..Rotated::default() };
    let (since, mut boxes_left) = (Instant::now(), true);
    loop {
        if boxes_left {
            let done = seal_anew(db, writer, &sealer, key, &progress).await?;
            rotated.replaced += done.replaced;
            rotated.unopened = done.unopened;
            rotated.unopened.extend(journal(config, writer, &sealer, now).await?);
        }
        if !rotated.unopened.is_empty() {
            return Ok(rotated);
        }
        let is_sqlite = db.is_sqlite();
        match writer.write(async move |tx: &DatabaseTransaction| end(tx, key, is_sqlite, now).await).await? {
            End::Deleted(deleted) => return Ok(Rotated { deleted, held_by: Vec::new(), ..rotated }),
            End::BoxesLeft => boxes_left = true,
            End::HeldBy(names) => (boxes_left, rotated.held_by) = (false, names),
        }
        if since.elapsed() > WAIT {
            return Ok(rotated);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The new key, and whether it was there already: as long as there are two, a rotation is under way.
async fn begin(
    tx: &impl ConnectionTrait,
    master: &MasterKey,
    forgotten: Option<&str>,
    now: UtcMillis,
) -> Result<(i64, bool)> {
    if let Some(instance) = forgotten
        && !forget(tx, instance).await?
    {
        return Err(Error::internal(format!("no replica {instance} holds a data key")));
    }
    let keys = sealing_key::Entity::find().order_by_asc(sealing_key::Column::Id).lock_exclusive().all(tx).await?;
    match keys.as_slice() {
        [] => Err(Error::internal("the database has not been initialised: start the service once")),
        [_] => {
            let sealed_key = Set(master.new_data_key()?);
            let row = sealing_key::ActiveModel { sealed_key, created_at: Set(now), ..Default::default() };
            let key = sealing_key::Entity::insert(row).exec(tx).await?.last_insert_id;
            audit::record(tx, &Actor::cli(), "create", "sealing_key", key, json!({}), now).await?;
            Ok((key, false))
        }
        [.., newest] => Ok((newest.id, true)),
    }
}

/// The journal of this machine's own replica. A server that runs follows by itself.
async fn journal(config: &Config, writer: &Writer, sealer: &Sealer, now: UtcMillis) -> Result<Vec<String>> {
    let folder = journal_folder(&config.database);
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let instance = instance::name(&config.database).map_err(Error::internal)?;
    let unopened: Option<Vec<PathBuf>> = seal_journal_anew(writer, sealer, folder, &instance, now).await?;
    Ok(unopened.unwrap_or_default().iter().map(|path| path.display().to_string()).collect())
}

/// Deletes the old keys if nothing needs them.
async fn end(tx: &impl ConnectionTrait, key: i64, is_sqlite: bool, now: UtcMillis) -> Result<End> {
    let old = || sealing_key::Column::Id.lt(key);
    // Who sealed with one of them holds its row until the commit: after this, all of that can be seen.
    sealing_key::Entity::find().filter(old()).order_by_asc(sealing_key::Column::Id).lock_exclusive().all(tx).await?;
    let held = holders(tx, key).await?;
    if !held.is_empty() {
        return Ok(End::HeldBy(held.into_iter().map(|holder| holder.instance).collect()));
    }
    // On SQLite whoever wrote after the new key was there knew it; and a long look would stop all writers.
    if !is_sqlite && any_older(tx, key).await? {
        return Ok(End::BoxesLeft);
    }
    let deleted = sealing_key::Entity::delete_many().filter(old()).exec(tx).await?.rows_affected;
    audit::record(tx, &Actor::cli(), "rotate", "sealing_key", key, json!({ "deleted": deleted }), now).await?;
    Ok(End::Deleted(deleted))
}
