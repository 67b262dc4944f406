//! Schema migrations of Latchkey, for SQLite and for MySQL 8 / MariaDB 10.6+.
//!
//! Each migration is a folder with its SQL for both databases, readable by whoever has to review it before it runs.
//! `{p}` stands for `database.table_prefix`. The crate stands alone: it imports neither the entities nor the service,
//! so a migration keeps meaning what it meant on the day it was written.

mod command;
mod m20261121_000001_house;
mod m20261121_000002_store;
mod m20261121_000003_replica;
mod m20261121_000004_vault;

mod sql;

use sea_orm_migration::prelude::*;

pub use command::Command;
pub use sea_orm_migration::MigratorTrait;
pub use sql::{Dialect, set_table_prefix, table_prefix};

/// All migrations, in order.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        sql::ALL.iter().map(|script| Box::new(script) as Box<dyn MigrationTrait>).collect()
    }

    fn migration_table_name() -> DynIden {
        Alias::new(format!("{}seaql_migrations", table_prefix())).into_iden()
    }
}

/// The full schema with its comments, as the migrations make it.
#[must_use]
pub fn schema(dialect: Dialect) -> String {
    sql::ALL.iter().map(|script| script.up(dialect)).collect::<Vec<_>>().join("\n")
}
