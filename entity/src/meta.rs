//! `meta`: facts about this database itself: when it was initialised, fingerprints of the secrets it belongs to.

use sea_orm::entity::prelude::*;

entity!("meta");

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(comment = "Facts about this database itself")]
pub struct Model {
    /// Which fact.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// The fact as text.
    pub value: String,
}

/// It points to no other row.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
