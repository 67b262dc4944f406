//! A new master key.

use std::path::Path;

use entity::{UtcMillis, meta, sealing_key};
use sea_orm::{
    ActiveValue::{Set, Unchanged},
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::Expr,
};
use serde_json::json;

use crate::{
    admin::{Actor, audit},
    base::{
        clock::Clock,
        commit::Writer,
        db::{ServerLock, StartError},
        error::{Error, Result},
        secret::MasterKey,
    },
    config::{Config, DatabaseKind, Secret, secrets},
    server::{
        proof::{MASTER_KEY, master_key_fingerprint},
        replica,
    },
};

/// That no server runs on a SQLite file, as long as this is held. For MySQL see [`rotate_master_key`].
///
/// # Errors
/// When one runs.
pub fn servers_are_stopped(config: &Config) -> Result<Option<ServerLock>, StartError> {
    ServerLock::take(&config.database).map_err(|error| format!("{error}. Stop the service first"))
}

/// Puts every data key into a box of `new` instead of the configuration's master key, and answers how many. With
/// `file`, the new key is put there: beside it before the database has it, in its place after that. The caller holds
/// what [`servers_are_stopped`] gave.
///
/// # Errors
/// When a server runs, a data key does not open, or the file cannot be written: then nothing was changed.
pub async fn rotate_master_key(config: &Config, writer: &Writer, new: &Secret, file: Option<&Path>) -> Result<usize> {
    let now = Clock::System.now();
    let is_mysql = config.database.kind == DatabaseKind::Mysql;
    let (old, next, beside) = (config.security.master_key.clone(), new.clone(), file.map(Path::to_owned));
    let work = async move |tx: &DatabaseTransaction| {
        if is_mysql && let Some(replica) = replica::anybody(tx).await? {
            let lives =
                format!("{replica} serves this database, or died less than 15 seconds ago. Stop the service first");
            return Err(Error::internal(lives));
        }
        let count = take_over(tx, &old, &next, now).await?;
        if let Some(file) = &beside {
            secrets::write_next(file, &next).map_err(Error::internal)?;
        }
        Ok(count)
    };
    let count = writer.write(work).await?;
    if let Some(file) = file {
        secrets::adopt_next(file, new).map_err(Error::internal)?;
    }
    Ok(count)
}

async fn take_over(tx: &impl ConnectionTrait, old: &Secret, new: &Secret, now: UtcMillis) -> Result<usize> {
    let changed = meta::Entity::update_many()
        .col_expr(meta::Column::Value, Expr::value(master_key_fingerprint(new)))
        .filter(meta::Column::Name.eq(MASTER_KEY))
        .filter(meta::Column::Value.eq(master_key_fingerprint(old)))
        .exec(tx)
        .await?;
    if changed.rows_affected != 1 {
        return Err(Error::internal("the database has another master key by now, or was not initialised yet"));
    }
    let (old, new) = (MasterKey::parse(old.expose())?, MasterKey::parse(new.expose())?);
    let keys = sealing_key::Entity::find().order_by_asc(sealing_key::Column::Id).lock_exclusive().all(tx).await?;
    for key in &keys {
        let sealed_key = Set(new.take_over(&old, &key.sealed_key)?);
        let row = sealing_key::ActiveModel { id: Unchanged(key.id), sealed_key, ..Default::default() };
        sealing_key::Entity::update(row).exec(tx).await?;
    }
    let what = json!({ "data_keys": keys.len() });
    audit::record(tx, &Actor::cli(), "rotate", "master_key", "security.master_key", what, now).await?;
    Ok(keys.len())
}
