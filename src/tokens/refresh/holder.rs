//! Which data keys the journals still need.
//!
//! A journal is written when the database refuses, so nobody can ask it then which data key is the newest, and the
//! journal of another replica is on another disk. So every replica has a row that names the oldest data key its journal
//! may need; a foreign key keeps that one from being deleted, and with it those that came later.

use std::{path::PathBuf, sync::Arc, time::Duration};

use entity::{
    UtcMillis,
    key_holder::{ActiveModel, Column, Entity, Model},
    sealing_key,
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, sea_query::OnConflict,
};

use super::{Inner, journal::Journal};
use crate::base::{commit::Writer, error::Result, secret::Sealer};

/// How often a replica looks after its journal.
const LOOK: Duration = Duration::from_secs(2);

impl Inner {
    /// Looks after the journal until the service stops: follows the data keys, and brings what lies in it into the
    /// database as soon as that takes it. The job does so too, but it may run on another replica.
    pub(super) async fn look_after_the_journal(self: Arc<Self>) {
        while self.state.closing.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
            if let Err(error) = self.hold_keys().await {
                log::warn!("whether there is a newer data key is not known: {error}");
            } else if !self.journal.is_settled()
                && let Err(error) = self.replay().await
            {
                log::warn!("rotated tokens wait in the journal: the database refuses them: {error}");
            }
        }
    }

    /// Writes down the oldest data key that the journal may need, where that has changed.
    pub(super) async fn hold_keys(&self) -> Result<()> {
        let db = self.state.db.orm();
        let held = Entity::find_by_id(&self.instance).one(db).await?.map(|row| row.key_id);
        let newest: Option<i64> = ids().order_by_desc(sealing_key::Column::Id).into_tuple().one(db).await?;
        if held == newest {
            return Ok(());
        }
        let (sealer, journal) = (self.state.sealer.clone(), Arc::clone(&self.journal));
        let (instance, now) = (self.instance.clone(), self.state.clock.now());
        self.state.writer.write(async move |tx| hold(tx, &sealer, &journal, &instance, now).await).await
    }

    /// Nothing is written to the journal any more: a replica that leaves nothing behind needs no data key.
    pub(super) async fn let_go(&self) -> Result<()> {
        if self.journal.files()?.is_empty() {
            let instance = self.instance.clone();
            self.state.writer.write(async move |tx: &DatabaseTransaction| forget(tx, &instance).await).await?;
        }
        Ok(())
    }
}

fn ids() -> sea_orm::Select<sealing_key::Entity> {
    sealing_key::Entity::find().select_only().column(sealing_key::Column::Id)
}

/// From here on this process seals with the newest key; what it sealed with older ones is in the folder.
async fn hold(
    tx: &impl ConnectionTrait,
    sealer: &Sealer,
    journal: &Journal,
    instance: &str,
    now: UtcMillis,
) -> Result<()> {
    // Locked: none of them is deleted before the row points to it.
    let keys: Vec<i64> = ids().order_by_asc(sealing_key::Column::Id).lock_exclusive().into_tuple().all(tx).await?;
    sealer.sealing(tx).await?;
    let Some(oldest) = journal.oldest_key(&keys)? else { return Ok(()) };
    let row = ActiveModel { instance: Set(instance.to_owned()), key_id: Set(oldest), updated_at: Set(now) };
    let over = OnConflict::column(Column::Instance).update_columns([Column::KeyId, Column::UpdatedAt]).to_owned();
    Entity::insert(row).on_conflict(over).exec_without_returning(tx).await?;
    Ok(())
}

/// Takes a replica for gone for good, with its journal. False: it holds nothing.
///
/// # Errors
/// 503 when the database is out.
pub async fn forget(tx: &impl ConnectionTrait, instance: &str) -> Result<bool> {
    Ok(Entity::delete_by_id(instance).exec(tx).await?.rows_affected > 0)
}

/// The replicas whose journals may need a data key older than `key`.
///
/// # Errors
/// 503 when the database is out.
pub async fn holders(db: &impl ConnectionTrait, key: i64) -> Result<Vec<Model>> {
    Ok(Entity::find().filter(Column::KeyId.lt(key)).order_by_asc(Column::Instance).all(db).await?)
}

/// Seals the journal in `folder`, of the replica of that name, with the newest data key, and answers the files that do
/// not open. None: a server uses the folder; it follows by itself.
///
/// # Errors
/// When the folder cannot be used; 503 when the database is out.
pub async fn seal_journal_anew(
    writer: &Writer,
    sealer: &Sealer,
    folder: PathBuf,
    instance: &str,
    now: UtcMillis,
) -> Result<Option<Vec<PathBuf>>> {
    let Some(journal) = Journal::open_alone(folder)? else { return Ok(None) };
    let unopened = journal.seal_anew(sealer)?;
    let (sealer, instance) = (sealer.clone(), instance.to_owned());
    let work = async move |tx: &DatabaseTransaction| match journal.files()?.is_empty() {
        true => forget(tx, &instance).await.map(drop),
        false => hold(tx, &sealer, &journal, &instance, now).await,
    };
    writer.write(work).await?;
    Ok(Some(unopened))
}
