//! `admin_user`: people who sign in to the web admin.

use sea_orm::entity::prelude::*;

use crate::UtcMillis;

entity!("admin_user");

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(comment = "People who sign in to the web admin")]
pub struct Model {
    /// Identifier.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Name to sign in with.
    #[sea_orm(unique)]
    pub username: String,
    /// Argon2id, PHC string.
    pub password_hash: String,
    /// When it was made.
    pub created_at: UtcMillis,
    /// When it was last changed.
    pub updated_at: UtcMillis,
}

/// It points to no other row.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
