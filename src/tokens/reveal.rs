//! A token in clear, on record.

use entity::{UtcMillis, refresh_token::Model};
use sea_orm::ConnectionTrait;
use serde_json::json;

use super::{account, dto::TokenField, events, problems::NOTHING_TO_REVEAL};
use crate::{
    admin::{Actor, audit},
    base::{
        error::Result,
        sealed::Place,
        secret::{Sealer, Secret},
    },
};

/// One of an account's tokens. That it was shown is on record before it is.
///
/// # Errors
/// 404; 409 when the account has none of the kind.
pub async fn reveal(
    tx: &impl ConnectionTrait,
    sealer: &Sealer,
    actor: &Actor,
    id: i64,
    field: TokenField,
    now: UtcMillis,
) -> Result<Secret> {
    let row = account::require(tx, id).await?;
    let none = || NOTHING_TO_REVEAL.error(format!("The account has no {}.", field.as_str()));
    let sealed = column(&row, field).ok_or_else(none)?;
    let token = Place { table: "refresh_token", id, column: field.as_str() }.unseal(sealer, sealed)?;
    events::add(tx, [id], "revealed", Some(field.as_str()), now).await?;
    audit::record(tx, actor, "reveal", "refresh_token", id, json!({ "field": field }), now).await?;
    Ok(token)
}

fn column(row: &Model, field: TokenField) -> Option<&str> {
    match field {
        TokenField::Refresh => Some(row.refresh_token.as_str()),
        TokenField::Access => row.access_token.as_deref(),
        TokenField::Id => row.id_token.as_deref(),
        TokenField::Previous => row.previous_refresh_token.as_deref(),
    }
}
