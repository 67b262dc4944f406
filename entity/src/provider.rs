//! `provider`: where refresh tokens are exchanged.

use sea_orm::entity::prelude::*;

use crate::UtcMillis;

entity!("provider");

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(comment = "Where refresh tokens are exchanged")]
pub struct Model {
    /// Identifier.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Lower-case letters, digits, hyphens.
    #[sea_orm(unique)]
    pub name: String,
    /// Token url.
    pub token_url: String,
    /// Json, form.
    pub body_format: String,
    /// Body, basic: how client_secret is sent.
    pub auth_method: String,
    /// Of accounts that name none.
    pub client_id: Option<String>,
    /// Sealed.
    pub client_secret: Option<String>,
    /// Sealed JSON object: more members of the body.
    pub extra_params: Option<String>,
    /// Sealed JSON object.
    pub headers: Option<String>,
    /// Seconds, where an answer tells no expiry.
    pub expires_in_default: i64,
    /// Null: as the settings say.
    pub refresh_margin_s: Option<i64>,
    /// Refresh at least that often.
    pub keepalive_days: Option<i64>,
    /// Null: as the settings say.
    pub timeout_ms: Option<i64>,
    /// Calls at once; null: as the settings say.
    pub max_concurrency: Option<i64>,
    /// Between two calls; null: as the settings say.
    pub min_interval_ms: Option<i64>,
    /// Whether a refresh ends the old refresh token.
    pub rotates: bool,
    /// JSON object: error code to failure class.
    pub error_map: String,
    /// Active, paused.
    pub state: String,
    /// Paused reason.
    pub paused_reason: Option<String>,
    /// Moves with every edit.
    pub version: i64,
    /// When it was made.
    pub created_at: UtcMillis,
    /// When it was last changed.
    pub updated_at: UtcMillis,
}

/// It points to no other row.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
