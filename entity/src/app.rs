//! `app`: programs that may ask a device for access.

use sea_orm::entity::prelude::*;

use crate::UtcMillis;

entity!("app");

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(comment = "Programs that may ask a device for access")]
pub struct Model {
    /// Identifier.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Name shown to device owners.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Who makes it.
    pub developer_name: String,
    /// Their page.
    pub developer_link: Option<String>,
    /// Its page.
    pub homepage_link: Option<String>,
    /// Hash of its icon.
    pub icon_hash: Option<String>,
    /// Where its source is.
    pub repository_url: Option<String>,
    /// Any JSON.
    pub metadata: Option<String>,
    /// When it was made.
    pub created_at: UtcMillis,
    /// When it was last changed.
    pub updated_at: UtcMillis,
}

/// It points to no other row.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
