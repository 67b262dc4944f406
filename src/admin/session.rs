//! Sessions: who is signed in.

use entity::{
    UtcMillis,
    admin_session::{ActiveModel, Column, Entity, Model},
    admin_user,
};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, sea_query::Expr};
use uuid::Uuid;

use crate::base::error::Result;

/// A session that goes on, and whose it is.
#[derive(Clone, Debug)]
pub struct Session {
    /// The token's `jti`.
    pub id: String,
    /// The admin.
    pub user: admin_user::Model,
    /// When it ends by itself.
    pub expires_at: UtcMillis,
}

/// Opens a session for `hours`, if the password is still the one that was looked at; otherwise somebody changed it
/// meanwhile, and `None` is the answer.
///
/// # Errors
/// When the database fails.
pub async fn open(
    tx: &impl ConnectionTrait,
    user: &admin_user::Model,
    ip: &str,
    hours: u32,
    now: UtcMillis,
) -> Result<Option<Session>> {
    if !hold(tx, user).await? {
        return Ok(None);
    }
    let expires_at = UtcMillis(now.plus_seconds(i64::from(hours) * 3600).0.div_euclid(1000) * 1000);
    let row = Model {
        id: Uuid::new_v4().to_string(),
        admin_user_id: user.id,
        ip: ip.to_owned(),
        created_at: now,
        expires_at,
    };
    Entity::insert(ActiveModel::from(row.clone())).exec_without_returning(tx).await?;
    Ok(Some(Session { id: row.id, user: user.clone(), expires_at }))
}

/// Whether the admin's password is still this one; then it stays so until the transaction ends.
async fn hold(tx: &impl ConnectionTrait, user: &admin_user::Model) -> Result<bool> {
    let held = admin_user::Entity::update_many()
        .col_expr(admin_user::Column::UpdatedAt, Expr::col(admin_user::Column::UpdatedAt))
        .filter(admin_user::Column::Id.eq(user.id))
        .filter(admin_user::Column::PasswordHash.eq(&user.password_hash))
        .exec(tx)
        .await?;
    Ok(held.rows_affected > 0)
}

/// The session of that id, unless it has ended.
///
/// # Errors
/// When the database fails.
pub async fn find(db: &impl ConnectionTrait, id: &str, now: UtcMillis) -> Result<Option<Session>> {
    let found =
        Entity::find_by_id(id).filter(Column::ExpiresAt.gt(now)).find_also_related(admin_user::Entity).one(db).await?;
    Ok(found.and_then(|(row, user)| Some(Session { id: row.id, user: user?, expires_at: row.expires_at })))
}

/// Ends one session; whether it was still there.
///
/// # Errors
/// When the database fails.
pub async fn end(tx: &impl ConnectionTrait, id: &str) -> Result<bool> {
    Ok(Entity::delete_by_id(id).exec(tx).await?.rows_affected > 0)
}

/// Ends all sessions of an admin.
///
/// # Errors
/// When the database fails.
pub async fn end_all(tx: &impl ConnectionTrait, user: &admin_user::Model) -> Result<u64> {
    let ended = Entity::delete_many().filter(Column::AdminUserId.eq(user.id)).exec(tx).await?;
    Ok(ended.rows_affected)
}

/// Deletes sessions whose time is over and answers how many.
///
/// # Errors
/// When the database fails.
pub async fn purge(tx: &impl ConnectionTrait, now: UtcMillis) -> Result<u64> {
    Ok(Entity::delete_many().filter(Column::ExpiresAt.lte(now)).exec(tx).await?.rows_affected)
}
