//! `audit_event`: every write by an admin.

use sea_orm::entity::prelude::*;

use crate::UtcMillis;

entity!("audit_event");

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(comment = "Every write by an admin")]
pub struct Model {
    /// Identifier.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Who: `root`, `admin:<name>`, `secret:<name>` or `cli`.
    pub actor: String,
    /// What was done.
    pub action: String,
    /// Kind of thing it was done to.
    pub entity: String,
    /// Which one.
    pub entity_id: String,
    /// JSON object of what changed, without secret values.
    pub changes: String,
    /// Address it came from.
    pub ip: String,
    /// Request it came in.
    pub request_id: String,
    /// When it was made.
    pub created_at: UtcMillis,
}

/// It points to no other row.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
