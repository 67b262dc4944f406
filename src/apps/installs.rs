//! Lists of installs, and who may end or change one.

use actix_web::HttpRequest;
use entity::{app, app_install, device};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};

use super::dto::{DeviceName, Installation, InstallationList, OwnToken, TokenList, TokenView, Window};
use crate::{
    base::{error::Result, secret::masked, state::State},
    devices::{
        self, AppToken, Call, INSTALL_NOT_FOUND, Toll,
        install::{self, Which},
        require_password,
    },
};

impl From<device::Model> for DeviceName {
    fn from(device: device::Model) -> Self {
        Self { uuid: device.uuid.0, name: device.name }
    }
}

impl Installation {
    fn new(install: app_install::Model, device: device::Model) -> Self {
        Self {
            id: install.id,
            token: masked(&install.token_last4),
            read_only: install.read_only,
            device: device.into(),
            note: install.note,
            installed_at: install.installed_at,
            updated_at: install.updated_at,
            last_used_at: install.last_used_at,
        }
    }
}

impl TokenView {
    /// The install with its app.
    pub fn new(install: app_install::Model, app: app::Model) -> Self {
        Self {
            id: install.id,
            token: masked(&install.token_last4),
            app: app.into(),
            read_only: install.read_only,
            note: install.note,
            installed_at: install.installed_at,
            updated_at: install.updated_at,
            last_used_at: install.last_used_at,
        }
    }
}

impl From<AppToken> for OwnToken {
    fn from(AppToken { install, device, app }: AppToken) -> Self {
        Self {
            id: install.id,
            token: masked(&install.token_last4),
            app_id: app.id,
            read_only: install.read_only,
            note: install.note,
            installed_at: install.installed_at,
            updated_at: install.updated_at,
            last_used_at: install.last_used_at,
            device: device.into(),
        }
    }
}

/// An app's installs, newest first; with a device, only that device's.
///
/// # Errors
/// When the database is out.
pub async fn of_app(
    db: &impl ConnectionTrait,
    app_id: i64,
    device: Option<&device::Model>,
    window: Window,
) -> Result<InstallationList> {
    let mut installs = app_install::Entity::find().filter(app_install::Column::AppId.eq(app_id));
    if let Some(device) = device {
        installs = installs.filter(app_install::Column::DeviceId.eq(device.id));
    }
    let total = installs.clone().count(db).await?;
    let rows = installs
        .find_also_related(device::Entity)
        .order_by_desc(app_install::Column::InstalledAt)
        .order_by_desc(app_install::Column::Id)
        .offset(window.skip)
        .limit(window.limit)
        .all(db)
        .await?;
    let installations =
        rows.into_iter().filter_map(|(install, device)| Some(Installation::new(install, device?))).collect();
    Ok(InstallationList { app_id, installations, total, limit: window.limit, skip: window.skip })
}

/// A device's tokens, newest first.
///
/// # Errors
/// When the database is out.
pub async fn of_device(db: &impl ConnectionTrait, device: device::Model) -> Result<TokenList> {
    let rows = app_install::Entity::find()
        .filter(app_install::Column::DeviceId.eq(device.id))
        .find_also_related(app::Entity)
        .order_by_desc(app_install::Column::InstalledAt)
        .order_by_desc(app_install::Column::Id)
        .all(db)
        .await?;
    let tokens: Vec<_> = rows.into_iter().filter_map(|(install, app)| Some(TokenView::new(install, app?))).collect();
    let total = u64::try_from(tokens.len()).unwrap_or(u64::MAX);
    Ok(TokenList { device_uuid: device.uuid.0, device_name: device.name, tokens, total })
}

/// The install a path names, if the caller may manage it: whoever holds the token itself, an admin, or the owner of
/// its device (uuid, and password once set). To everybody else it does not exist.
///
/// # Errors
/// 404, 401 for the device's password.
pub async fn managed(
    state: &State,
    req: &HttpRequest,
    which: &Which,
    is_admin: bool,
    toll: &Toll,
) -> Result<app_install::Model> {
    let found = install::require(state.db.orm(), which).await;
    if is_admin || matches!(which, Which::Token(_)) {
        return found;
    }
    let unknown = || INSTALL_NOT_FOUND.error("There is no such install.");
    let uuid = Call::device_uuid(req)?.ok_or_else(unknown)?;
    let device = devices::find(state.db.orm(), &uuid).await?.ok_or_else(unknown)?;
    let install = found?;
    if install.device_id != device.id {
        return Err(unknown());
    }
    require_password(toll, &device, Call::device_password(req)?.as_ref()).await?;
    Ok(install)
}
