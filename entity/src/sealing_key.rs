//! `sealing_key`: data keys, each sealed under the master key. The newest one seals; the others still open until the rotation deletes them.

use sea_orm::entity::prelude::*;

use crate::UtcMillis;

entity!("sealing_key");

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(comment = "Data keys, each sealed under the master key")]
pub struct Model {
    /// Identifier.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The data key in its box: base64 of nonce and AES-256-GCM ciphertext under the master key.
    pub sealed_key: String,
    /// When it was made.
    pub created_at: UtcMillis,
}

/// It points to no other row.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
