//! Letting an app in.

use entity::{app, device};

use super::{
    app as registry,
    dto::{Authorize, Authorized},
};
use crate::{
    base::{
        error::{CONFLICT, Error, Result},
        secret::PlainToken,
        state::State,
    },
    devices::{
        self, Toll, check_text, check_uuid, clean_name,
        install::{self, NewInstall},
        require_password,
    },
};

/// What the owner notes unless told otherwise.
const DEFAULT_NOTE: &str = "授权访问";

/// Gives an app access to a device, which is made if there is none of that uuid. Every call gives a new token.
///
/// # Errors
/// 400 for a bad uuid or note, 401 for the device's password, 404 for an unknown app (then nothing is made), 429 after
/// too many wrong passwords.
pub async fn authorize(state: &State, app_id: i64, request: Authorize, toll: &Toll) -> Result<Authorized> {
    check_uuid(&request.device_uuid)?;
    let note = clean_name("The note", request.note.as_deref())?.unwrap_or_else(|| DEFAULT_NOTE.to_owned());
    check_text("The note", &note)?;
    let app = registry::require(state.db.orm(), app_id).await?;
    let seen = devices::find(state.db.orm(), &request.device_uuid).await?;
    if let Some(device) = &seen {
        require_password(toll, device, request.password.as_ref()).await?;
    }
    let token = PlainToken::generate()?;
    let (now, plain) = (state.clock.now(), token.expose().to_owned());
    let new = NewInstall { app_id, device_id: 0, token, read_only: request.read_only.unwrap_or(false), note };
    let uuid = request.device_uuid;
    let granted = state
        .writer
        .write(async move |tx| {
            let device = admit(tx, seen.as_ref(), &uuid, now).await?;
            let new = NewInstall { device_id: device.id, ..new.clone() };
            match install::grant(tx, &new, now).await? {
                Some(install) => Ok((device, install)),
                None => Err(missing(tx, app_id).await),
            }
        })
        .await?;
    Ok(answer(app, granted.0, granted.1, plain))
}

/// The device to open: as it was when its password was checked, or one without a password.
async fn admit(
    tx: &impl sea_orm::ConnectionTrait,
    seen: Option<&device::Model>,
    uuid: &str,
    now: entity::UtcMillis,
) -> Result<device::Model> {
    if let Some(seen) = seen {
        return devices::lock(tx, seen).await;
    }
    let device = devices::create_if_absent(tx, uuid, now).await?;
    // Somebody else may have made it, and given it a password, since we looked.
    if device.password_hash.is_some() {
        return Err(devices::DEVICE_PASSWORD_REQUIRED.error("This device has a password."));
    }
    Ok(device)
}

/// Which of the two an install points to is gone.
async fn missing(tx: &impl sea_orm::ConnectionTrait, app_id: i64) -> Error {
    match registry::require(tx, app_id).await {
        Ok(_) => CONFLICT.error("The device was deleted at the same moment."),
        Err(error) => error,
    }
}

fn answer(app: app::Model, device: device::Model, install: entity::app_install::Model, token: String) -> Authorized {
    Authorized {
        token,
        app_id: app.id,
        app_name: app.name,
        device_uuid: device.uuid.0,
        device_name: device.name,
        read_only: install.read_only,
        note: install.note,
        authorized_at: install.installed_at,
    }
}
