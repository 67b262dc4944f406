//! Named secrets with scopes.

use entity::{
    UtcMillis,
    api_secret::{ActiveModel, Column, Entity, Model},
    table,
};
use rusqlite::OptionalExtension;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, ExprTrait, NotSet, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect, Select, Set, SqlErr, sea_query::Expr,
};
use serde_json::{Value, json};

use super::{
    actor::Actor,
    audit::{self, Changes},
    dto::{NewSecret, SecretChange},
    problems::SECRET_NAME_TAKEN,
    scope::{self, Scope},
};
use crate::base::{
    commit::Writer,
    db::Db,
    error::{Error, NOT_FOUND, Result},
    page::{Page, PageQuery},
    secret::{HashedToken, PlainToken, Secret, same},
};

/// Whether the secret is the root secret of the configuration.
#[must_use]
pub fn is_root(root: &Secret, presented: &PlainToken) -> bool {
    !root.is_empty() && same(root.expose(), presented.expose())
}

/// A scoped secret that may be used now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Valid {
    /// Its row.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
}

/// The secret with that hash, unless it is revoked or has expired. Gateways ask at every call, so on SQLite this is
/// read on the caller's thread.
///
/// # Errors
/// When the database fails.
pub async fn find_valid(db: &Db, hash: &HashedToken, now: UtcMillis) -> Result<Option<Valid>> {
    let found = if db.is_sqlite() {
        let sql = format!(
            "SELECT id, name, scopes, expires_at FROM \"{}\" WHERE secret_hash = ?1 AND revoked_at IS NULL",
            table::name("api_secret")
        );
        let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get::<_, Option<i64>>(3)?));
        db.sqlite_read(|connection| connection.prepare_cached(&sql)?.query_row([hash.as_str()], row).optional())?
    } else {
        let usable = Entity::find().filter(Column::SecretHash.eq(hash.as_str())).filter(Column::RevokedAt.is_null());
        let row = usable.one(db.orm()).await?;
        row.map(|row| (row.id, row.name, row.scopes, row.expires_at.map(|time| time.0)))
    };
    let valid = found.filter(|(.., expires_at)| expires_at.is_none_or(|time| time > now.0));
    Ok(valid.map(|(id, name, scopes, _): (i64, String, String, _)| Valid { id, name, scopes: scope::split(&scopes) }))
}

/// Records the minute of a use, in the background: the request neither waits for it nor fails with it.
pub fn record_use(writer: &Writer, id: i64, minute: UtcMillis) {
    let writer = writer.clone();
    tokio::spawn(async move {
        let recorded = writer.write(async move |tx| note_use(tx, id, minute).await).await;
        if let Err(error) = recorded {
            log::warn!("the use of secret {id} was not recorded: {error}");
        }
    });
}

/// The last use never moves backwards, whichever server is late.
async fn note_use(tx: &impl ConnectionTrait, id: i64, minute: UtcMillis) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::LastUsedAt, Expr::val(minute))
        .filter(Column::Id.eq(id))
        .filter(Column::LastUsedAt.is_null().or(Column::LastUsedAt.lt(minute)))
        .exec(tx)
        .await?;
    Ok(())
}

/// Secrets in the order they were made; revoked ones only when asked for.
///
/// # Errors
/// 422 for a page that cannot be.
pub async fn list(db: &impl ConnectionTrait, revoked: bool, page: &PageQuery) -> Result<Page<Model>> {
    let limit = page.limit()?;
    let after: Option<i64> = page.position()?;
    let shown = Condition::all().add_option((!revoked).then(|| Column::RevokedAt.is_null()));
    let all = Entity::find().filter(shown);
    let total = all.clone().count(db).await?;
    let rows = all.filter(Column::Id.gt(after.unwrap_or(0))).order_by_asc(Column::Id).limit(limit + 1).all(db).await?;
    Page::cut(rows, limit, Some(total), |row| row.id)
}

/// The secret of that id that is not revoked.
///
/// # Errors
/// 404.
pub async fn get(db: &impl ConnectionTrait, id: i64) -> Result<Model> {
    usable(id).one(db).await?.ok_or_else(unknown)
}

/// The same, and nobody else changes it before the transaction ends (SQLite has one writer anyway).
async fn hold(tx: &impl ConnectionTrait, id: i64) -> Result<Model> {
    usable(id).lock_exclusive().one(tx).await?.ok_or_else(unknown)
}

fn usable(id: i64) -> Select<Entity> {
    Entity::find_by_id(id).filter(Column::RevokedAt.is_null())
}

fn unknown() -> Error {
    NOT_FOUND.error("There is no such secret.")
}

/// Makes a secret. `plain` is shown by the caller, once.
///
/// # Errors
/// 409 `SECRET_NAME_TAKEN`.
pub async fn create(
    tx: &impl ConnectionTrait,
    actor: &Actor,
    new: &NewSecret,
    plain: &PlainToken,
    now: UtcMillis,
) -> Result<Model> {
    let NewSecret { name, scopes, expires_at } = new;
    let row = ActiveModel {
        id: NotSet,
        name: Set(name.clone()),
        secret_hash: Set(plain.hash().as_str().to_owned()),
        last4: Set(plain.last4()),
        scopes: Set(scope::join(scopes)),
        expires_at: Set(*expires_at),
        revoked_at: Set(None),
        last_used_at: Set(None),
        created_at: Set(now),
        updated_at: Set(now),
    };
    let made = row.insert(tx).await.map_err(taken)?;
    let changes = json!({ "name": made.name, "scopes": names(&made), "expires_at": made.expires_at });
    audit::record(tx, actor, "create", "api_secret", made.id, changes, now).await?;
    Ok(made)
}

/// Changes name, scopes or end of a secret.
///
/// # Errors
/// 404, 409 `SECRET_NAME_TAKEN`.
pub async fn change(
    tx: &impl ConnectionTrait,
    actor: &Actor,
    id: i64,
    change: &SecretChange,
    now: UtcMillis,
) -> Result<Model> {
    let old = hold(tx, id).await?;
    let SecretChange { name, scopes, expires_at } = change;
    let mut new = old.clone();
    new.name = name.clone().unwrap_or(new.name);
    new.scopes = scopes.as_ref().map_or(new.scopes, |scopes| scope::join(scopes));
    new.expires_at = expires_at.unwrap_or(new.expires_at);
    if new == old {
        return Ok(old);
    }
    new.updated_at = now;
    Entity::update_many()
        .col_expr(Column::Name, Expr::val(new.name.as_str()))
        .col_expr(Column::Scopes, Expr::val(new.scopes.as_str()))
        .col_expr(Column::ExpiresAt, Expr::val(new.expires_at))
        .col_expr(Column::UpdatedAt, Expr::val(now))
        .filter(Column::Id.eq(id))
        .exec(tx)
        .await
        .map_err(taken)?;
    let changes = Changes::default()
        .field("name", &old.name, &new.name)
        .field("scopes", &names(&old), &names(&new))
        .field("expires_at", &old.expires_at, &new.expires_at);
    audit::record(tx, actor, "update", "api_secret", id, changes, now).await?;
    Ok(new)
}

/// Revokes a secret: the row stays, the name is free for another.
///
/// # Errors
/// 404 when it is not there or is revoked already.
pub async fn revoke(tx: &impl ConnectionTrait, actor: &Actor, id: i64, now: UtcMillis) -> Result<()> {
    let old = hold(tx, id).await?;
    Entity::update_many()
        .col_expr(Column::Name, Expr::val(name_of_revoked(id, &old.name)))
        .col_expr(Column::RevokedAt, Expr::val(now))
        .col_expr(Column::UpdatedAt, Expr::val(now))
        .filter(Column::Id.eq(id))
        .exec(tx)
        .await?;
    audit::record(tx, actor, "delete", "api_secret", id, json!({ "name": old.name }), now).await
}

/// What a revoked secret is called in the table. A name in use never begins with a blank, so this one is in nobody's
/// way; the end of a very long name is lost.
fn name_of_revoked(id: i64, name: &str) -> String {
    format!(" {id} {name}").chars().take(64).collect()
}

/// The name a secret has or had.
#[must_use]
pub fn shown_name(row: &Model) -> &str {
    row.name.strip_prefix(&format!(" {} ", row.id)).unwrap_or(&row.name)
}

fn names(row: &Model) -> Vec<Value> {
    row.scopes.split(' ').map(Value::from).collect()
}

fn taken(error: DbErr) -> Error {
    match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => SECRET_NAME_TAKEN.error("Another secret has this name."),
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_root_secret_is_nobodys() {
        assert!(!is_root(&Secret::default(), &PlainToken::presented("")));
        assert!(is_root(&Secret::new("root"), &PlainToken::presented("root")));
        assert!(!is_root(&Secret::new("root"), &PlainToken::presented("Root")));
    }

    #[test]
    fn the_name_of_a_revoked_secret_fits_its_column() {
        let name = name_of_revoked(i64::MAX, &"钥".repeat(64));
        assert_eq!(name.chars().count(), 64);
    }
}
