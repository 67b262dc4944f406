//! `attempt`: tries at a password, counted before it is looked at, so that parallel guesses cannot slip past the limit.

use sea_orm::entity::prelude::*;

use crate::UtcMillis;

entity!("attempt");

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(
    comment = "Tries at a password, counted before it is looked at, so that parallel guesses cannot slip past the limit"
)]
pub struct Model {
    /// What was tried: `admin-login`, `device-password`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub scope: String,
    /// SHA-256 of the name that was tried, 64 hex digits.
    #[sea_orm(primary_key, auto_increment = false)]
    pub subject: String,
    /// IP address, or `*` for all addresses together.
    #[sea_orm(primary_key, auto_increment = false)]
    pub address: String,
    /// When counting began.
    pub window_start: UtcMillis,
    /// Tries in the window that were not (yet) good.
    pub failures: i32,
    /// Until when no try is looked at.
    pub locked_until: Option<UtcMillis>,
    /// The last good try.
    pub succeeded_at: Option<UtcMillis>,
}

/// It points to no other row.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
