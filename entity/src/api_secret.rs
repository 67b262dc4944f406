//! `api_secret`: named secrets with scopes for gateways and scripts; the secret itself is never stored.

use sea_orm::entity::prelude::*;

use crate::UtcMillis;

entity!("api_secret");

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(comment = "Named secrets with scopes for gateways and scripts")]
pub struct Model {
    /// Identifier.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Unique name.
    #[sea_orm(unique)]
    pub name: String,
    /// SHA-256 of the secret, 64 hex digits.
    #[sea_orm(unique)]
    pub secret_hash: String,
    /// Its last four characters, to tell it from others.
    pub last4: String,
    /// Scope names, separated by a blank.
    pub scopes: String,
    /// From when it is refused; null: never.
    pub expires_at: Option<UtcMillis>,
    /// When it was revoked.
    pub revoked_at: Option<UtcMillis>,
    /// Last use, to the minute.
    pub last_used_at: Option<UtcMillis>,
    /// When it was made.
    pub created_at: UtcMillis,
    /// When it was last changed.
    pub updated_at: UtcMillis,
}

/// It points to no other row.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
