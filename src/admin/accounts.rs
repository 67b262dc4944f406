//! Admins: the first one, and passwords set by others than themselves.

use entity::{
    UtcMillis,
    admin_user::{ActiveModel, Column, Entity, Model},
};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, NotSet, PaginatorTrait, QueryFilter, Set, sea_query::Expr};
use serde_json::json;

use super::{actor::Actor, audit, login, session};
use crate::base::{
    attempts,
    error::{NOT_FOUND, Result},
};

/// Makes the first admin if there is none; whether it did. `password_hash` is a PHC string.
///
/// Several servers may start at once: they have the same configuration, so the unique name leaves one row.
///
/// # Errors
/// When the database fails.
pub async fn seed_first_admin(
    tx: &impl ConnectionTrait,
    username: &str,
    password_hash: &str,
    now: UtcMillis,
) -> Result<bool> {
    if Entity::find().count(tx).await? > 0 {
        return Ok(false);
    }
    let user = ActiveModel {
        id: NotSet,
        username: Set(username.trim().to_owned()),
        password_hash: Set(password_hash.to_owned()),
        created_at: Set(now),
        updated_at: Set(now),
    };
    Entity::insert(user).on_conflict_do_nothing_on([Column::Username]).exec_without_returning(tx).await?;
    Ok(true)
}

/// Sets an admin's password from the command line, ends all sessions of that admin and lifts every lock on the name.
///
/// # Errors
/// 404 when nobody has that name.
pub async fn reset_password(
    tx: &impl ConnectionTrait,
    username: &str,
    password_hash: &str,
    now: UtcMillis,
) -> Result<()> {
    let user = find(tx, username).await?.ok_or_else(|| NOT_FOUND.error("There is no admin of that name."))?;
    Entity::update_many()
        .col_expr(Column::PasswordHash, Expr::val(password_hash))
        .col_expr(Column::UpdatedAt, Expr::val(now))
        .filter(Column::Id.eq(user.id))
        .exec(tx)
        .await?;
    let ended = session::end_all(tx, &user).await?;
    attempts::forgive(tx, login::SCOPE, &user.username).await?;
    audit::record(tx, &Actor::cli(), "reset_password", "admin_user", user.id, json!({ "sessions_ended": ended }), now)
        .await
}

/// The admin of that name.
///
/// # Errors
/// When the database fails.
pub(super) async fn find(db: &impl ConnectionTrait, username: &str) -> Result<Option<Model>> {
    Ok(Entity::find().filter(Column::Username.eq(username.trim())).one(db).await?)
}

/// Replaces the password that was looked at; `false` when it is not that one any more.
///
/// # Errors
/// When the database fails.
pub(super) async fn replace_password(
    tx: &impl ConnectionTrait,
    user: &Model,
    password_hash: &str,
    now: UtcMillis,
) -> Result<bool> {
    let replaced = Entity::update_many()
        .col_expr(Column::PasswordHash, Expr::val(password_hash))
        .col_expr(Column::UpdatedAt, Expr::val(now))
        .filter(Column::Id.eq(user.id))
        .filter(Column::PasswordHash.eq(&user.password_hash))
        .exec(tx)
        .await?;
    Ok(replaced.rows_affected > 0)
}
