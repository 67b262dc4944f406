//! Changes by hand. They touch their own columns only, so that they and a refresh never undo each other.

use std::collections::HashSet;

use entity::{
    UtcMillis,
    refresh_token::{ActiveModel, Column, Entity, Model},
};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{Set, Unchanged},
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, SqlErr,
    sea_query::Expr,
};

use super::{CHUNK, Clash, by_row, locked, providers, sealed, unknown_provider};
use crate::{
    admin::audit::Changes,
    base::{
        error::Result,
        http_client::without_credentials,
        sealed::Place,
        secret::{Sealer, Sealing, Secret},
    },
    tokens::dto::{Edit, last6, shown_proxy, token_hash},
};

/// Changes an account, and answers it with what changed, for the audit.
///
/// # Errors
/// 404; 409 when token or name are another's; 422 when there is no such provider.
pub async fn edit(
    tx: &impl ConnectionTrait,
    sealer: &Sealer,
    id: i64,
    edit: &Edit,
    now: UtcMillis,
) -> Result<(Model, Changes)> {
    let old = locked(tx, id).await?;
    check_provider(tx, edit, "provider").await?;
    let sealing = sealer.sealing(tx).await?;
    let mut row = plain(edit);
    row.id = Unchanged(id);
    if let Some(proxy) = &edit.proxy {
        row.proxy = Set(proxy.as_ref().map(|proxy| sealed(&sealing, id, "proxy", proxy)).transpose()?);
    }
    let token = edit.refresh_token.as_ref().filter(|token| token_hash(token) != old.refresh_token_hash);
    if let Some(token) = token {
        replace(&mut row, (sealer, &sealing), &old, token)?;
    }
    row.updated_at = Set(now);
    let changed = match row.update(tx).await {
        Ok(changed) => changed,
        Err(error) => return Err(clash(tx, edit, error).await?),
    };
    let changes = changes(&old, &changed, sealer);
    Ok((changed, changes))
}

/// The columns that are set to the same for whatever account.
fn plain(edit: &Edit) -> ActiveModel {
    let mut row: ActiveModel = Default::default();
    macro_rules! set {
        ($($column:ident)*) => { $(if let Some(value) = &edit.$column { row.$column = Set(value.clone()); })* };
    }
    set! { provider email user_name account_type client_id tag memo enabled }
    if let Some(biz_id) = &edit.biz_id {
        row.biz_id = Set(biz_id.as_str().into());
    }
    row
}

/// A new refresh token: the account begins anew, and what a refresh under way brings is not written any more, since the
/// version has moved.
fn replace(row: &mut ActiveModel, (sealer, sealing): (&Sealer, &Sealing), old: &Model, token: &Secret) -> Result<()> {
    let place = Place { table: "refresh_token", id: old.id, column: "refresh_token" };
    // One that does not open any more is of no use as the previous one either.
    let previous = place.unseal(sealer, &old.refresh_token).ok();
    let previous = previous.map(|token| sealed(sealing, old.id, "previous_refresh_token", &token)).transpose()?;
    row.refresh_token = Set(place.seal(sealing, token)?);
    row.refresh_token_hash = Set(token_hash(token));
    row.refresh_token_last6 = Set(last6(token));
    row.previous_refresh_token = Set(previous);
    row.version = Set(old.version + 1);
    row.state = Set("new".to_owned());
    row.failure_class = Set(None);
    row.failure_detail = Set(None);
    row.failure_count = Set(0);
    row.dead_hash = Set(None);
    row.retry_after = Set(None);
    row.next_refresh_at = Set(None);
    Ok(())
}

async fn check_provider(tx: &impl ConnectionTrait, edit: &Edit, field: &str) -> Result<()> {
    let Some(name) = &edit.provider else { return Ok(()) };
    let known = providers(tx, HashSet::from([name.as_str()])).await?;
    if known.contains(name) { Ok(()) } else { Err(unknown_provider(field)) }
}

/// What a unique index refused.
async fn clash(tx: &impl ConnectionTrait, edit: &Edit, error: DbErr) -> Result<crate::base::error::Error> {
    if !matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) {
        return Ok(error.into());
    }
    if let Some(token) = &edit.refresh_token {
        let same = Entity::find().filter(Column::RefreshTokenHash.eq(token_hash(token))).one(tx).await?;
        if let Some(other) = same {
            return Ok(Clash::Token { id: other.id, biz_id: other.biz_id.0 }.error());
        }
    }
    let name = edit.biz_id.clone().unwrap_or_default();
    let other = Entity::find().filter(Column::BizId.eq(name.as_str())).one(tx).await?;
    Ok(other.map_or_else(|| error.into(), |other| Clash::BizId { id: other.id, biz_id: other.biz_id.0 }.error()))
}

fn changes(old: &Model, new: &Model, sealer: &Sealer) -> Changes {
    Changes::default()
        .field("biz_id", &old.biz_id.0, &new.biz_id.0)
        .field("provider", &old.provider, &new.provider)
        .field("email", &old.email, &new.email)
        .field("user_name", &old.user_name, &new.user_name)
        .field("type", &old.account_type, &new.account_type)
        .field("refresh_token_last6", &old.refresh_token_last6, &new.refresh_token_last6)
        .field("client_id", &old.client_id, &new.client_id)
        .field("proxy", &shown_proxy(old, sealer), &shown_proxy(new, sealer))
        .field("tag", &old.tag, &new.tag)
        .field("memo", &old.memo, &new.memo)
        .field("enabled", &old.enabled, &new.enabled)
        .field("version", &old.version, &new.version)
}

/// Sets the same of many accounts, and answers what, for the audit.
///
/// # Errors
/// 422 when there is no such provider.
pub async fn edit_many(
    tx: &impl ConnectionTrait,
    sealer: &Sealer,
    ids: &[i64],
    edit: &Edit,
    now: UtcMillis,
) -> Result<serde_json::Value> {
    check_provider(tx, edit, "set.provider").await?;
    let mut row = plain(edit);
    row.updated_at = Set(now);
    let sealing = sealer.sealing(tx).await?;
    for chunk in ids.chunks(CHUNK) {
        let mut update = Entity::update_many().set(row.clone());
        match &edit.proxy {
            Some(Some(proxy)) => {
                let seal = |id: &i64| Ok((*id, sealed(&sealing, *id, "proxy", proxy)?));
                let boxes = chunk.iter().map(seal).collect::<Result<_>>()?;
                update = update.col_expr(Column::Proxy, by_row(Column::Proxy, boxes));
            }
            Some(None) => update = update.col_expr(Column::Proxy, Expr::value(None::<String>)),
            None => {}
        }
        update.filter(Column::Id.is_in(chunk.iter().copied())).exec(tx).await?;
    }
    Ok(set_of(edit))
}

fn set_of(edit: &Edit) -> serde_json::Value {
    let mut set = serde_json::Map::new();
    macro_rules! tell {
        ($($column:ident)*) => {
            $(if let Some(value) = &edit.$column { set.insert(stringify!($column).to_owned(), serde_json::json!(value)); })*
        };
    }
    tell! { provider client_id tag memo enabled }
    if let Some(proxy) = &edit.proxy {
        set.insert("proxy".to_owned(), serde_json::json!(proxy.as_ref().map(without_credentials)));
    }
    set.into()
}
