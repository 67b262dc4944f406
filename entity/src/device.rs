//! `device`: a person's or classroom's installation.

use sea_orm::entity::prelude::*;

use crate::{ByteText, UtcMillis};

entity!("device");

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(comment = "A person's or classroom's installation")]
pub struct Model {
    /// Identifier.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The name it goes by: 1 to 191 printable characters.
    #[sea_orm(unique)]
    pub uuid: ByteText,
    /// Name its owner gave it.
    pub name: Option<String>,
    /// Argon2id, PHC string; null: no password.
    pub password_hash: Option<String>,
    /// Hint shown to anyone who asks.
    pub password_hint: Option<String>,
    /// Number of the last change of its keys.
    pub revision: i64,
    /// Rows in `kv_store`, expired ones included.
    pub key_count: i64,
    /// Sum of their sizes, in bytes.
    pub byte_count: i64,
    /// When it was made.
    pub created_at: UtcMillis,
    /// When it was last changed.
    pub updated_at: UtcMillis,
}

/// It points to no other row.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
