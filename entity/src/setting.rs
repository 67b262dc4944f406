//! `setting`: what an admin changed at run time; it outranks the configuration.

use sea_orm::entity::prelude::*;

use crate::UtcMillis;

entity!("setting");

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(comment = "What an admin changed at run time")]
pub struct Model {
    /// Name, as in the configuration: `kv.rate_read`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// Sealed where it is a list of proxies, else JSON.
    pub value: String,
    /// When it was last changed.
    pub updated_at: UtcMillis,
}

/// It points to no other row.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
