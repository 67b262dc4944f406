//! `job`: what runs on a schedule.

use sea_orm::entity::prelude::*;

use crate::UtcMillis;

entity!("job");

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(comment = "What runs on a schedule")]
pub struct Model {
    /// Name of the job.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// Schedule set by an admin; null: as configured.
    pub schedule: Option<String>,
    /// Switched on or off by an admin; null: as configured.
    pub enabled: Option<bool>,
    /// Start of the last run.
    pub last_started_at: Option<UtcMillis>,
    /// End of the last run.
    pub last_finished_at: Option<UtcMillis>,
    /// `ok`, `failed` or `panicked`.
    pub last_status: Option<String>,
    /// One line on the last run.
    pub last_result: Option<String>,
    /// When it is due next.
    pub next_run_at: Option<UtcMillis>,
    /// When it was last changed.
    pub updated_at: UtcMillis,
}

/// It points to no other row.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
