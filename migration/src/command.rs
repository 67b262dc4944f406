//! The commands shared by `latchkey migrate` and this crate's own binary.

use std::fmt::Write;

use sea_orm_migration::{
    MigrationStatus,
    prelude::*,
    sea_orm::{ConnectionTrait, DatabaseConnection},
};

use crate::{Migrator, sql, table_prefix};

/// What can be done to the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Apply what is pending.
    Up,
    /// Undo the last migration.
    Down,
    /// List migrations and whether they are applied.
    Status,
    /// Drop Latchkey's tables, whatever state they are in, and make them anew.
    Fresh,
    /// Undo every migration, then apply them all.
    Refresh,
    /// Undo every migration.
    Reset,
}

impl Command {
    /// The command of that name.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "up" => Self::Up,
            "down" => Self::Down,
            "status" => Self::Status,
            "fresh" => Self::Fresh,
            "refresh" => Self::Refresh,
            "reset" => Self::Reset,
            _ => return None,
        })
    }

    /// Whether rows are lost, so that the caller has to ask first.
    #[must_use]
    pub fn destroys_data(self) -> bool {
        matches!(self, Self::Down | Self::Fresh | Self::Refresh | Self::Reset)
    }
}

impl Migrator {
    /// Carries the command out and answers the state afterwards, a line each migration.
    ///
    /// # Errors
    /// Whatever the database answers; SQLite keeps a failed migration out as a whole.
    pub async fn run(command: Command, db: &DatabaseConnection) -> Result<String, DbErr> {
        match command {
            Command::Up => Self::up(db, None).await?,
            Command::Down => Self::down(db, Some(1)).await?,
            Command::Refresh => Self::refresh(db).await?,
            Command::Reset => Self::reset(db).await?,
            Command::Fresh => {
                drop_own_tables(db).await?;
                Self::up(db, None).await?;
            }
            Command::Status => {}
        }
        let mut report = String::new();
        for migration in Self::get_migration_with_status(db).await? {
            let state = match migration.status() {
                MigrationStatus::Applied => "applied",
                MigrationStatus::Pending => "pending",
            };
            let _ = writeln!(report, "{state}  {}", migration.name());
        }
        Ok(report)
    }

    /// Names of migrations that the database has and this binary does not: then the database is newer.
    ///
    /// # Errors
    /// Whatever the database answers.
    pub async fn unknown(db: &DatabaseConnection) -> Result<Vec<String>, DbErr> {
        Self::install(db).await?;
        let applied = Self::get_migration_models(db).await?;
        let known = |name: &str| sql::ALL.iter().any(|script| script.name == name);
        Ok(applied.into_iter().map(|row| row.version).filter(|name| !known(name)).collect())
    }
}

/// sea-orm's own `fresh` drops every table of the database, other programs' included; this one only ours.
async fn drop_own_tables(db: &DatabaseConnection) -> Result<(), DbErr> {
    let ours = sql::ALL.iter().flat_map(|script| script.tables).rev().copied();
    for table in ours.chain(["seaql_migrations"]) {
        let name = Alias::new(format!("{}{table}", table_prefix()));
        db.execute(&Table::drop().table(name).if_exists().to_owned()).await?;
    }
    Ok(())
}
