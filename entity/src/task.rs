//! `task`: work that goes on in the background after its request was answered.

use sea_orm::entity::prelude::*;

use crate::UtcMillis;

entity!("task");

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(comment = "Work that goes on in the background after its request was answered")]
pub struct Model {
    /// UUID v7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// What it does: `job:purge`.
    pub kind: String,
    /// `running`, `done` or `failed`.
    pub status: String,
    /// Result, or the reason of the failure.
    pub detail: Option<String>,
    /// How many items it has; 0: it is done as a whole.
    pub total: i64,
    /// How many of them are over.
    pub done: i64,
    /// When it was made.
    pub created_at: UtcMillis,
    /// When it was last changed.
    pub updated_at: UtcMillis,
    /// When it ended.
    pub finished_at: Option<UtcMillis>,
}

/// It points to no other row.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
