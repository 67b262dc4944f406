//! Installs: what a device granted to an app. The writer of table `app_install`.

use entity::{UtcMillis, app, app_install, device};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoActiveModel,
    PaginatorTrait, QueryFilter, QuerySelect, SqlErr, sea_query::Expr,
};

use super::{Call, Claim, INSTALL_NOT_FOUND, READ_ONLY, TOKEN_INVALID, TOKEN_MISSING};
use crate::base::{
    error::{Error, Result},
    secret::PlainToken,
    state::State,
};

/// What a good app token stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The install.
    pub install_id: i64,
    /// Whose store it opens.
    pub device_id: i64,
    /// Whether writes are refused.
    pub read_only: bool,
}

impl Grant {
    /// Passes tokens that may write.
    ///
    /// # Errors
    /// 403 `READ_ONLY`.
    pub fn require_write(&self) -> Result<()> {
        if self.read_only {
            return Err(READ_ONLY.error("This token may only read."));
        }
        Ok(())
    }
}

/// An install with its app and device.
#[derive(Clone, Debug)]
pub struct AppToken {
    /// The install.
    pub install: app_install::Model,
    /// Its device.
    pub device: device::Model,
    /// Its app.
    pub app: app::Model,
}

/// 401 for a call without a token.
#[must_use]
pub fn missing_token() -> Error {
    challenge(TOKEN_MISSING.error("An app token is required."))
}

/// 401 for a token that opens nothing.
#[must_use]
pub fn invalid_token() -> Error {
    challenge(TOKEN_INVALID.error("The app token is not valid."))
}

/// RFC 6750 §3.
fn challenge(error: Error) -> Error {
    error.header(actix_web::http::header::WWW_AUTHENTICATE, "Bearer")
}

/// The token a call presents.
///
/// # Errors
/// 401 when there is none.
pub fn claim(call: &Call) -> Result<&Claim> {
    call.claim.as_ref().ok_or_else(missing_token)
}

/// Looks the call's token up.
///
/// # Errors
/// 401 when there is none, or it is no good.
pub async fn authenticate(state: &State, call: &Call) -> Result<AppToken> {
    let hash = claim(call)?.hash();
    let found = app_install::Entity::find()
        .filter(app_install::Column::TokenHash.eq(hash.as_str()))
        .find_also_related(device::Entity)
        .find_also_related(app::Entity)
        .one(state.db.orm())
        .await?;
    match found {
        Some((install, Some(device), Some(app))) => Ok(AppToken { install, device, app }),
        _ => Err(invalid_token()),
    }
}

/// Whether the token opens something now.
///
/// # Errors
/// When the database is out.
pub async fn is_good(state: &State, claim: &Claim) -> Result<bool> {
    let hash = claim.hash();
    let found = app_install::Entity::find().filter(app_install::Column::TokenHash.eq(hash.as_str()));
    Ok(found.count(state.db.orm()).await? > 0)
}

/// The install of that plain token, or of that id.
///
/// # Errors
/// 404 when there is none.
pub async fn require(tx: &impl ConnectionTrait, which: &Which) -> Result<app_install::Model> {
    let query = app_install::Entity::find();
    let query = match which {
        Which::Token(token) => query.filter(app_install::Column::TokenHash.eq(token.hash().as_str())),
        Which::Id(id) => query.filter(app_install::Column::Id.eq(*id)),
    };
    query.one(tx).await?.ok_or_else(|| INSTALL_NOT_FOUND.error("There is no such install."))
}

/// How an install is named.
#[derive(Clone, Debug)]
pub enum Which {
    /// By its token, which is the right to it as well.
    Token(Claim),
    /// By its number.
    Id(i64),
}

impl Which {
    /// What a piece of a path names: 64 hex digits are a token, a shorter number an id.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text.parse() {
            Ok(id) if text.len() < 20 => Self::Id(id),
            _ => Self::Token(PlainToken::presented(text)),
        }
    }
}

/// A grant to make.
#[derive(Clone, Debug)]
pub struct NewInstall {
    /// To which app.
    pub app_id: i64,
    /// Of which device.
    pub device_id: i64,
    /// Its token.
    pub token: PlainToken,
    /// Whether writes are refused.
    pub read_only: bool,
    /// What the owner notes.
    pub note: String,
}

/// Grants access.
///
/// # Errors
/// `None` when the app or the device was deleted at the same moment.
pub async fn grant(tx: &impl ConnectionTrait, new: &NewInstall, now: UtcMillis) -> Result<Option<app_install::Model>> {
    let row = app_install::ActiveModel {
        app_id: Set(new.app_id),
        device_id: Set(new.device_id),
        token_hash: Set(new.token.hash().as_str().to_owned()),
        token_last4: Set(new.token.last4()),
        read_only: Set(new.read_only),
        note: Set(new.note.clone()),
        installed_at: Set(now),
        updated_at: Set(now),
        ..Default::default()
    };
    match row.insert(tx).await {
        Ok(install) => Ok(Some(install)),
        Err(error) if matches!(error.sql_err(), Some(SqlErr::ForeignKeyConstraintViolation(_))) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Changes the owner's note.
///
/// # Errors
/// When the database is out.
pub async fn set_note(
    tx: &impl ConnectionTrait,
    install: app_install::Model,
    note: String,
    now: UtcMillis,
) -> Result<app_install::Model> {
    let mut row = install.into_active_model();
    row.note = Set(note);
    row.updated_at = Set(now);
    match row.update(tx).await {
        Err(sea_orm::DbErr::RecordNotUpdated) => Err(INSTALL_NOT_FOUND.error("There is no such install.")),
        other => Ok(other?),
    }
}

/// Ends an install: its token fails from the next call on.
///
/// # Errors
/// 404 when it is gone already.
pub async fn revoke(tx: &impl ConnectionTrait, install_id: i64) -> Result<()> {
    let deleted = app_install::Entity::delete_by_id(install_id).exec(tx).await?;
    if deleted.rows_affected == 0 {
        return Err(INSTALL_NOT_FOUND.error("There is no such install."));
    }
    Ok(())
}

/// Ends every install of a device.
///
/// # Errors
/// When the database is out.
pub async fn revoke_all_of(tx: &impl ConnectionTrait, device_id: i64) -> Result<()> {
    app_install::Entity::delete_many().filter(app_install::Column::DeviceId.eq(device_id)).exec(tx).await?;
    Ok(())
}

/// Notes when tokens were last used: (install, when).
///
/// # Errors
/// When the database is out.
pub async fn record_use(tx: &impl ConnectionTrait, uses: &[(i64, UtcMillis)]) -> Result<()> {
    for (install_id, at) in uses {
        app_install::Entity::update_many()
            .col_expr(app_install::Column::LastUsedAt, Expr::value(*at))
            .filter(app_install::Column::Id.eq(*install_id))
            .filter(
                Condition::any()
                    .add(app_install::Column::LastUsedAt.is_null())
                    .add(app_install::Column::LastUsedAt.lt(*at)),
            )
            .exec(tx)
            .await?;
    }
    Ok(())
}

/// Those of the installs that still exist.
///
/// # Errors
/// When the database is out.
pub async fn existing(db: &impl ConnectionTrait, ids: &[i64]) -> Result<Vec<i64>> {
    let query = app_install::Entity::find().select_only().column(app_install::Column::Id);
    Ok(query.filter(app_install::Column::Id.is_in(ids.iter().copied())).into_tuple().all(db).await?)
}
