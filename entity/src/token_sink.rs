//! `token_sink`: where fresh access tokens are pushed.

use sea_orm::entity::prelude::*;

use crate::UtcMillis;

entity!("token_sink");

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(comment = "Where fresh access tokens are pushed")]
pub struct Model {
    /// Identifier.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Name.
    #[sea_orm(unique)]
    pub name: String,
    /// One_api_http, new_api_http, one_api_db, codex_channel, webhook, file.
    pub kind: String,
    /// Enabled.
    pub enabled: bool,
    /// JSON object without secrets.
    pub config: String,
    /// Sealed JSON object.
    pub secrets: Option<String>,
    /// How long the target goes on with an old token.
    pub sync_delay_s: i64,
    /// When it was made.
    pub created_at: UtcMillis,
    /// When it was last changed.
    pub updated_at: UtcMillis,
}

/// It points to no other row.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
