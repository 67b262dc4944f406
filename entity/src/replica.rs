//! `replica`: processes that serve this database, each with its last sign of life. Times are by the database's clock.

use sea_orm::entity::prelude::*;

use crate::UtcMillis;

entity!("replica");

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(comment = "Processes that serve this database")]
pub struct Model {
    /// UUID of the data folder: the same at every start.
    #[sea_orm(primary_key, auto_increment = false)]
    pub instance: String,
    /// UUID of the process: another one at every start.
    pub life: String,
    /// Name of its machine.
    pub host: String,
    /// Number of the process there.
    pub pid: i64,
    /// Whether it shares its counts with others.
    pub has_redis: bool,
    /// When it began.
    pub started_at: UtcMillis,
    /// Its last sign of life.
    pub beat_at: UtcMillis,
}

/// It points to no other row.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
