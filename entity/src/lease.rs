//! `lease`: exclusive rights of limited duration. The fence grows with every new holder, so a late one can be told.

use sea_orm::entity::prelude::*;

use crate::UtcMillis;

entity!("lease");

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(comment = "Exclusive rights of limited duration")]
pub struct Model {
    /// What it is a right to.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// Who holds it.
    pub holder: String,
    /// Grows with every new holder.
    pub fence: i64,
    /// When it lapses unless renewed.
    pub expires_at: UtcMillis,
}

/// It points to no other row.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
