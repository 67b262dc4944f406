//! Devices in the database. The writer of table `device`, but for the counters that belong to `kv`.

use entity::{ByteText, UtcMillis, app_install, device};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, ModelTrait,
    PaginatorTrait, QueryFilter, QuerySelect, SqlErr,
};

use super::{Claim, DEVICE_EXISTS, DEVICE_NOT_FOUND, DEVICE_PROOF_REQUIRED};
use crate::base::error::{CONFLICT, Result};

/// The device of that uuid, if there is one.
///
/// # Errors
/// When the database is out.
pub async fn find(db: &impl ConnectionTrait, uuid: &str) -> Result<Option<device::Model>> {
    Ok(device::Entity::find().filter(device::Column::Uuid.eq(ByteText::from(uuid))).one(db).await?)
}

/// The device of that uuid.
///
/// # Errors
/// 404 when there is none.
pub async fn require(db: &impl ConnectionTrait, uuid: &str) -> Result<device::Model> {
    find(db, uuid).await?.ok_or_else(|| DEVICE_NOT_FOUND.error("There is no such device."))
}

/// The device as it was seen, locked until the transaction ends.
///
/// # Errors
/// 404 when it is gone; 409 when its password changed since `seen`, which the caller's check was made against.
pub async fn lock(tx: &impl ConnectionTrait, seen: &device::Model) -> Result<device::Model> {
    let found = device::Entity::find_by_id(seen.id).lock_exclusive().one(tx).await?;
    let device = found.ok_or_else(|| DEVICE_NOT_FOUND.error("There is no such device."))?;
    if device.password_hash != seen.password_hash {
        return Err(CONFLICT.error("The device's password was changed at the same moment."));
    }
    Ok(device)
}

/// Registers a device.
///
/// # Errors
/// 409 when the uuid is taken.
pub async fn create(
    tx: &impl ConnectionTrait,
    uuid: &str,
    name: Option<String>,
    now: UtcMillis,
) -> Result<device::Model> {
    if !insert(tx, uuid, name, now).await? {
        return Err(DEVICE_EXISTS.error("A device with this uuid exists already."));
    }
    require(tx, uuid).await
}

/// The device of that uuid; made if there is none. Two calls at once get the same one.
///
/// # Errors
/// When the database is out.
pub async fn create_if_absent(tx: &impl ConnectionTrait, uuid: &str, now: UtcMillis) -> Result<device::Model> {
    if let Some(device) = find(tx, uuid).await? {
        return Ok(device);
    }
    insert(tx, uuid, None, now).await?;
    require(tx, uuid).await
}

/// Whether a row was made: the unique index decides between two at once.
async fn insert(tx: &impl ConnectionTrait, uuid: &str, name: Option<String>, now: UtcMillis) -> Result<bool> {
    let row = device::ActiveModel {
        uuid: Set(uuid.into()),
        name: Set(name),
        created_at: Set(now),
        updated_at: Set(now),
        ..Default::default()
    };
    match device::Entity::insert(row).exec_without_returning(tx).await {
        Ok(_) => Ok(true),
        // Not ON CONFLICT: MySQL counts a row that it found and left alone like one that it made.
        Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Gives the device another name.
///
/// # Errors
/// When the database is out.
pub async fn rename(
    tx: &impl ConnectionTrait,
    device: device::Model,
    name: Option<String>,
    now: UtcMillis,
) -> Result<device::Model> {
    let mut row = device.into_active_model();
    row.name = Set(name);
    row.updated_at = Set(now);
    Ok(row.update(tx).await?)
}

/// Sets, changes or (with no hash) takes away the password.
///
/// # Errors
/// When the database is out.
pub async fn set_password(
    tx: &impl ConnectionTrait,
    device: device::Model,
    hash: Option<String>,
    hint: Option<String>,
    now: UtcMillis,
) -> Result<device::Model> {
    let mut row = device.into_active_model();
    row.password_hash = Set(hash);
    row.password_hint = Set(hint);
    row.updated_at = Set(now);
    Ok(row.update(tx).await?)
}

/// Deletes the device, and with it its tokens and keys.
///
/// # Errors
/// When the database is out.
pub async fn delete(tx: &impl ConnectionTrait, device: device::Model) -> Result<()> {
    device.delete(tx).await?;
    Ok(())
}

/// Asks for one of the device's tokens that may write, where the device has no password and has given tokens:
/// knowing its uuid is no proof.
///
/// # Errors
/// 403 when no such token is shown.
pub async fn require_proof(tx: &impl ConnectionTrait, device: &device::Model, claim: Option<&Claim>) -> Result<()> {
    let installs = app_install::Entity::find().filter(app_install::Column::DeviceId.eq(device.id));
    if device.password_hash.is_some() || installs.clone().count(tx).await? == 0 {
        return Ok(());
    }
    if let Some(claim) = claim {
        let shown = installs
            .filter(app_install::Column::TokenHash.eq(claim.hash().as_str()))
            .filter(app_install::Column::ReadOnly.eq(false));
        if shown.count(tx).await? > 0 {
            return Ok(());
        }
    }
    Err(DEVICE_PROOF_REQUIRED.error("Show one of this device's app tokens that may write."))
}
