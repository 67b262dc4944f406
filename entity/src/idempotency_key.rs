//! `idempotency_key`: first answers of requests that carried an Idempotency-Key, kept for 24 hours.

use sea_orm::entity::prelude::*;

use crate::UtcMillis;

entity!("idempotency_key");

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(comment = "First answers of requests that carried an Idempotency-Key, kept for 24 hours")]
pub struct Model {
    /// SHA-256 of caller, method, path and key, 64 hex digits.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// SHA-256 of the body, 64 hex digits.
    pub request_hash: String,
    /// UUID of the request that works on it.
    pub mark: String,
    /// Status of the first answer; null while it is running.
    pub status: Option<i32>,
    /// Sealed headers and body of the first answer.
    pub answer: Option<String>,
    /// When it was made.
    pub created_at: UtcMillis,
}

/// It points to no other row.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
