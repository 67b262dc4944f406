//! `refresh_token`: accounts: a refresh token and what it gives.

use sea_orm::entity::prelude::*;

use crate::{ByteText, UtcMillis};

entity!("refresh_token");

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(comment = "Accounts: a refresh token and what it gives")]
pub struct Model {
    /// Identifier.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// 1 to 191 characters, compared byte by byte.
    #[sea_orm(unique)]
    pub biz_id: ByteText,
    /// Name of the provider.
    pub provider: String,
    /// Email.
    pub email: Option<String>,
    /// User name.
    pub user_name: Option<String>,
    /// Free, plus, pro, team.
    pub account_type: Option<String>,
    /// Of the provider, from its tokens.
    pub account_id: Option<String>,
    /// Sealed.
    pub refresh_token: String,
    /// SHA-256, 64 hex digits.
    #[sea_orm(unique)]
    pub refresh_token_hash: String,
    /// Refresh token last6.
    pub refresh_token_last6: String,
    /// Sealed.
    pub previous_refresh_token: Option<String>,
    /// Sealed.
    pub access_token: Option<String>,
    /// Sealed.
    pub id_token: Option<String>,
    /// Access expires at.
    pub access_expires_at: Option<UtcMillis>,
    /// Null: that of the provider.
    pub client_id: Option<String>,
    /// Sealed URL; null: as the settings choose.
    pub proxy: Option<String>,
    /// Tag.
    pub tag: Option<String>,
    /// Memo.
    pub memo: Option<String>,
    /// Enabled.
    pub enabled: bool,
    /// New, ok, failing, dead, uncertain.
    pub state: String,
    /// Failure class.
    pub failure_class: Option<String>,
    /// Never a token.
    pub failure_detail: Option<String>,
    /// Failures in a row.
    pub failure_count: i64,
    /// Of the refresh token that was refused for good.
    pub dead_hash: Option<String>,
    /// No earlier attempt: the provider said so.
    pub retry_after: Option<UtcMillis>,
    /// Last success.
    pub last_refresh_at: Option<UtcMillis>,
    /// Null: not due by itself.
    pub next_refresh_at: Option<UtcMillis>,
    /// Moves with every new token.
    pub version: i64,
    /// Instance that refreshes.
    pub lease_owner: Option<String>,
    /// Moves with every lease.
    pub lease_epoch: i64,
    /// Lease until.
    pub lease_until: Option<UtcMillis>,
    /// When it was made.
    pub created_at: UtcMillis,
    /// When it was last changed.
    pub updated_at: UtcMillis,
}

impl Model {
    /// What people call the account: its e-mail address, else its `biz_id`.
    #[must_use]
    pub fn label(&self) -> &str {
        self.email.as_deref().filter(|email| !email.is_empty()).unwrap_or_else(|| self.biz_id.as_str())
    }
}

/// It points to no other row.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
