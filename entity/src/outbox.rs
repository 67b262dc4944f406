//! `outbox`: what has to be told to others, written in the transaction of its cause.

use sea_orm::entity::prelude::*;

use crate::UtcMillis;

entity!("outbox");

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(comment = "What has to be told to others, written in the transaction of its cause")]
pub struct Model {
    /// Identifier.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Sink, notify.
    pub kind: String,
    /// What is delivered in order: link:7, channel:3.
    pub target: String,
    /// What targets share: sink:3; only a few of a lane are delivered at once.
    pub lane: String,
    /// One row each for a target; a newer one supersedes.
    pub version: i64,
    /// JSON without secrets.
    pub payload: String,
    /// Pending, delivered, superseded, failed.
    pub state: String,
    /// Attempts.
    pub attempts: i64,
    /// Null: over; a superseded one that is under way is over when that ends.
    pub next_attempt_at: Option<UtcMillis>,
    /// Instance that delivers it.
    pub lease_owner: Option<String>,
    /// Lease until.
    pub lease_until: Option<UtcMillis>,
    /// Never a secret.
    pub last_error: Option<String>,
    /// When it was made.
    pub created_at: UtcMillis,
    /// When it was last changed.
    pub updated_at: UtcMillis,
    /// Delivered at.
    pub delivered_at: Option<UtcMillis>,
}

/// It points to no other row.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
