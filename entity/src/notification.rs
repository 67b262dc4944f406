//! `notification`: what people are to be told.

use sea_orm::entity::prelude::*;

use crate::UtcMillis;

entity!("notification");

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(comment = "What people are to be told")]
pub struct Model {
    /// Identifier.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Event.
    pub event: String,
    /// What it is about: token:7, provider:claude.
    pub subject: String,
    /// Those of one cause make one message.
    pub cause: String,
    /// JSON object without secrets.
    pub params: String,
    /// When it was handed to the channels.
    pub dispatched_at: Option<UtcMillis>,
    /// When it was made.
    pub created_at: UtcMillis,
}

/// It points to no other row.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
