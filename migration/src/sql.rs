//! A migration written in SQL: how its statements are prefixed, split, run and undone.

use std::sync::OnceLock;

use sea_orm_migration::{prelude::*, sea_orm::DatabaseBackend};

use crate::{m20261121_000001_house, m20261121_000002_store, m20261121_000003_replica, m20261121_000004_vault};

/// Every script, oldest first.
pub(crate) const ALL: &[Script] = &[
    m20261121_000001_house::SCRIPT,
    m20261121_000002_store::SCRIPT,
    m20261121_000003_replica::SCRIPT,
    m20261121_000004_vault::SCRIPT,
];

static TABLE_PREFIX: OnceLock<String> = OnceLock::new();

/// Sets the prefix of every table and index name. To be called once, before the first migration; later calls
/// change nothing.
pub fn set_table_prefix(prefix: &str) {
    let _ = TABLE_PREFIX.set(prefix.to_owned());
}

/// The prefix in force; empty unless one was set.
pub fn table_prefix() -> &'static str {
    TABLE_PREFIX.get().map_or("", String::as_str)
}

/// The two kinds of SQL spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite 3.35 or newer.
    Sqlite,
    /// MySQL 8 or MariaDB 10.6 and newer.
    MySql,
}

/// One migration: what it creates on each database, and the tables to drop again, children last.
pub(crate) struct Script {
    pub(crate) name: &'static str,
    pub(crate) sqlite: &'static str,
    pub(crate) mysql: &'static str,
    pub(crate) tables: &'static [&'static str],
}

impl Script {
    /// The SQL with the prefix put in.
    pub(crate) fn up(&self, dialect: Dialect) -> String {
        let text = match dialect {
            Dialect::Sqlite => self.sqlite,
            Dialect::MySql => self.mysql,
        };
        text.replace("{p}", table_prefix())
    }
}

impl MigrationName for &'static Script {
    fn name(&self) -> &str {
        self.name
    }
}

#[async_trait::async_trait]
impl MigrationTrait for &'static Script {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let dialect = match manager.get_database_backend() {
            DatabaseBackend::Sqlite => Dialect::Sqlite,
            _ => Dialect::MySql,
        };
        let sql = Script::up(self, dialect);
        for statement in sql.split(";\n").map(str::trim).filter(|statement| !statement.is_empty()) {
            manager.get_connection().execute_unprepared(statement).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in self.tables.iter().rev() {
            let name = Alias::new(format!("{}{table}", table_prefix()));
            manager.drop_table(Table::drop().table(name).if_exists().to_owned()).await?;
        }
        Ok(())
    }

    /// SQLite runs the script as a whole or not at all. MySQL commits at every DDL statement: there each
    /// statement is `IF NOT EXISTS`, so that a migration that was cut off can simply be run again.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
