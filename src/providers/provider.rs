//! Providers in the database. The writer of table `provider`.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use entity::{
    UtcMillis,
    provider::{ActiveModel, Column, Entity, Model},
    refresh_token,
};
use sea_orm::{
    ActiveModelTrait, ActiveValue::NotSet, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, ExprTrait,
    IntoActiveModel, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, SqlErr, sea_query::Expr,
};
use serde_json::json;

use super::{
    PROVIDER_IN_USE, PROVIDER_NAME_TAKEN, PROVIDER_NOT_FOUND, PROVIDER_NOT_PAUSED, PROVIDER_PAUSED,
    dto::{ProviderPatch, ProviderView, changes},
    edit::blank,
    fields::is_name,
    redact::clipped,
    sealed::Secrets,
};
use crate::{
    admin::{Actor, audit},
    base::{
        error::{Error, Result},
        page::{Page, PageQuery},
        secret::Sealer,
    },
    settings::Values,
};

/// What rows are read and shown with.
#[derive(Clone, Debug)]
pub(super) struct Desk {
    pub(super) sealer: Sealer,
    /// They give the numbers that a provider has not of its own.
    pub(super) settings: Arc<Values>,
}

/// State of a provider that is used.
pub(super) const ACTIVE: &str = "active";
/// State of a provider to which nothing is sent.
pub(super) const PAUSED: &str = "paused";
/// When to ask again about a paused provider, in seconds: somebody has to do something first.
const ASK_AGAIN_S: i64 = 60;

/// The provider of that name.
///
/// # Errors
/// When the database is out.
pub async fn find(db: &impl ConnectionTrait, name: &str) -> Result<Option<Model>> {
    // What cannot be a name is no provider's, whatever a database thinks of blanks at the end.
    if !is_name(name) {
        return Ok(None);
    }
    Ok(Entity::find().filter(Column::Name.eq(name)).one(db).await?)
}

/// The providers of these names that are there.
///
/// # Errors
/// When the database is out.
pub async fn named<'a>(
    db: &impl ConnectionTrait,
    names: impl Iterator<Item = &'a str>,
) -> Result<HashMap<String, Model>> {
    let names: BTreeSet<&str> = names.collect();
    let rows = Entity::find().filter(Column::Name.is_in(names)).all(db).await?;
    Ok(rows.into_iter().map(|row| (row.name.clone(), row)).collect())
}

/// The same, which has to be there.
///
/// # Errors
/// 404 `PROVIDER_NOT_FOUND`.
pub async fn require(db: &impl ConnectionTrait, name: &str) -> Result<Model> {
    find(db, name).await?.ok_or_else(unknown)
}

/// The same, which has to be active too.
///
/// # Errors
/// 404 `PROVIDER_NOT_FOUND`, 503 `PROVIDER_PAUSED`.
pub async fn require_active(db: &impl ConnectionTrait, name: &str) -> Result<Model> {
    let row = require(db, name).await?;
    if row.state == ACTIVE {
        return Ok(row);
    }
    let reason = row.paused_reason.unwrap_or_default();
    Err(PROVIDER_PAUSED.error(format!("The provider '{name}' is paused: {reason}")).retry_after(ASK_AGAIN_S))
}

/// The provider, which nobody deletes or changes before the transaction ends: for who writes a row that names it.
///
/// # Errors
/// 404 `PROVIDER_NOT_FOUND`.
pub async fn hold(tx: &impl ConnectionTrait, name: &str) -> Result<Model> {
    let named = Entity::find().filter(Column::Name.eq(name)).lock_exclusive();
    let row = if is_name(name) { named.one(tx).await? } else { None };
    row.ok_or_else(unknown)
}

/// Pauses a provider as it was when it was called: not one that was edited since. Answers true to who paused it, and
/// false to everybody after, so that there is one alert. `reason` must not hold a secret.
///
/// # Errors
/// When the database is out.
pub async fn pause(tx: &impl ConnectionTrait, called: &Model, reason: &str, now: UtcMillis) -> Result<bool> {
    let paused = Entity::update_many()
        .col_expr(Column::State, Expr::val(PAUSED))
        .col_expr(Column::PausedReason, Expr::val(clipped(reason, 500)))
        .col_expr(Column::UpdatedAt, Expr::val(now))
        .filter(Column::Id.eq(called.id).and(Column::Version.eq(called.version)).and(Column::State.eq(ACTIVE)))
        .exec(tx)
        .await?;
    Ok(paused.rows_affected == 1)
}

/// Providers by name.
///
/// # Errors
/// 422 for a bad limit or cursor.
pub(super) async fn list(db: &impl ConnectionTrait, desk: &Desk, page: &PageQuery) -> Result<Page<ProviderView>> {
    let limit = page.limit()?;
    let after: Option<String> = page.position()?;
    let total = Entity::find().count(db).await?;
    let rows = Entity::find().filter(Column::Name.gt(after.unwrap_or_default()));
    let rows = rows.order_by_asc(Column::Name).limit(limit + 1).all(db).await?;
    let views = rows.into_iter().map(|row| ProviderView::of(desk, row)).collect::<Result<_>>()?;
    Page::cut(views, limit, Some(total), |view: &ProviderView| view.name.clone())
}

/// Makes a provider, without a word in the audit.
///
/// # Errors
/// 409 `PROVIDER_NAME_TAKEN`.
pub(super) async fn insert(
    tx: &impl ConnectionTrait,
    sealer: &Sealer,
    name: String,
    patch: &ProviderPatch,
    now: UtcMillis,
) -> Result<(Model, Secrets)> {
    let (mut row, mut secrets) = (blank(name, now), Secrets::default());
    patch.apply(&mut row, &mut secrets)?;
    let mut new = row.into_active_model();
    new.id = NotSet;
    let row = new.reset_all().insert(tx).await.map_err(taken)?;
    // The boxes open only in a row of that id, which is known from here on.
    Ok((store(tx, sealer, row, &secrets).await?, secrets))
}

/// The same, with its event.
///
/// # Errors
/// 409 `PROVIDER_NAME_TAKEN`.
pub(super) async fn create(
    tx: &impl ConnectionTrait,
    desk: &Desk,
    actor: &Actor,
    (name, patch): &(String, ProviderPatch),
    now: UtcMillis,
) -> Result<ProviderView> {
    let (row, secrets) = insert(tx, &desk.sealer, name.clone(), patch, now).await?;
    let made = ProviderView::new(row, &secrets, &desk.settings);
    let fields = json!({ "token_url": made.token_url, "client_id": made.client_id });
    audit::record(tx, actor, "create", "provider", &made.name, fields, now).await?;
    Ok(made)
}

/// Writes all columns of a row that is held.
async fn store(tx: &impl ConnectionTrait, sealer: &Sealer, mut row: Model, secrets: &Secrets) -> Result<Model> {
    let boxes = secrets.seal(&sealer.sealing(tx).await?, row.id)?;
    row.client_secret = boxes.client_secret;
    row.extra_params = boxes.extra_params;
    row.headers = boxes.headers;
    let all: ActiveModel = row.into_active_model().reset_all();
    Ok(all.update(tx).await?)
}

/// Changes a provider, and resumes a paused one. A patch that names nothing changes nothing.
///
/// # Errors
/// 404; 422 when a map grows beyond what it may hold.
pub(super) async fn change(
    tx: &impl ConnectionTrait,
    desk: &Desk,
    actor: &Actor,
    name: &str,
    patch: &ProviderPatch,
    now: UtcMillis,
) -> Result<ProviderView> {
    let mut row = hold(tx, name).await?;
    let mut secrets = Secrets::open(&desk.sealer, &row)?;
    let old = ProviderView::new(row.clone(), &secrets, &desk.settings);
    if patch.is_empty() {
        return Ok(old);
    }
    patch.apply(&mut row, &mut secrets)?;
    row.version += 1;
    row.updated_at = now;
    (row.state, row.paused_reason) = (ACTIVE.to_owned(), None);
    let row = store(tx, &desk.sealer, row, &secrets).await?;
    let new = ProviderView::new(row, &secrets, &desk.settings);
    audit::record(tx, actor, "update", "provider", name, changes(&old, &new, patch)?, now).await?;
    Ok(new)
}

/// Stops sending anything to a provider until somebody resumes or edits it. One that is paused stays as it is.
///
/// # Errors
/// 404.
pub async fn pause_by_hand(
    tx: &impl ConnectionTrait,
    actor: &Actor,
    name: &str,
    reason: &str,
    now: UtcMillis,
) -> Result<()> {
    let row = hold(tx, name).await?;
    if pause(tx, &row, reason, now).await? {
        let changes = json!({ "paused_reason": clipped(reason, 500) });
        audit::record(tx, actor, "pause", "provider", name, changes, now).await?;
    }
    Ok(())
}

/// Takes a provider into use again.
///
/// # Errors
/// 404; 409 `PROVIDER_NOT_PAUSED`.
pub async fn resume(tx: &impl ConnectionTrait, actor: &Actor, name: &str, now: UtcMillis) -> Result<Model> {
    let mut row = hold(tx, name).await?;
    if row.state != PAUSED {
        return Err(PROVIDER_NOT_PAUSED.error("This provider is active."));
    }
    let reason = row.paused_reason.take();
    ACTIVE.clone_into(&mut row.state);
    row.updated_at = now;
    let row = row.into_active_model().reset_all().update(tx).await?;
    audit::record(tx, actor, "resume", "provider", name, json!({ "paused_reason": reason }), now).await?;
    Ok(row)
}

/// Deletes a provider that no account uses. Who makes an account holds its provider, so none comes in between.
///
/// # Errors
/// 404; 409 `PROVIDER_IN_USE`.
pub(super) async fn delete(tx: &impl ConnectionTrait, actor: &Actor, name: &str, now: UtcMillis) -> Result<()> {
    let row = hold(tx, name).await?;
    let accounts = refresh_token::Entity::find().filter(refresh_token::Column::Provider.eq(name));
    let count = accounts.count(tx).await?;
    if count > 0 {
        return Err(PROVIDER_IN_USE.error(format!("{count} accounts use this provider.")).with("accounts", count));
    }
    Entity::delete_by_id(row.id).exec(tx).await?;
    audit::record(tx, actor, "delete", "provider", name, json!({ "token_url": row.token_url }), now).await
}

fn unknown() -> Error {
    PROVIDER_NOT_FOUND.error("There is no such provider.")
}

fn taken(error: DbErr) -> Error {
    match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => PROVIDER_NAME_TAKEN.error("Another provider has this name."),
        _ => error.into(),
    }
}
