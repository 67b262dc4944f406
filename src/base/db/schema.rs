//! The schema: brought up to date by one process at a time.

use std::path::Path;

use migration::{Migrator, MigratorTrait};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, Statement};

use super::{StartError, open};
use crate::config::{self, DatabaseKind};

/// One connection of its own for migrations: SQLite switches foreign keys off and on for one, which must not hit
/// different connections of a pool, and MySQL's lock belongs to a connection.
///
/// # Errors
/// When the database cannot be reached.
pub async fn open_for_migration(config: &config::Database) -> Result<DatabaseConnection, StartError> {
    if config.kind == DatabaseKind::Sqlite
        && let Some(folder) = Path::new(&config.database).parent()
    {
        std::fs::create_dir_all(folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    }
    Ok(open(config, 1, false).await?.0)
}

/// Brings the schema up to date, one process at a time; refuses a database that is newer than this binary.
///
/// # Errors
/// When another process holds the lock for a minute, a migration fails, or the schema is newer, or `up` is false
/// and the schema is older.
pub async fn migrate(config: &config::Database, up: bool) -> Result<(), StartError> {
    with_migration_lock(config, async |db| migrate_alone(db, up).await).await
}

/// Runs `work` on a connection of its own, while no other process migrates this database. On SQLite the caller holds
/// the [`ServerLock`], so nothing more is needed there.
///
/// # Errors
/// What `work` answers; when another process holds the lock for a minute.
pub async fn with_migration_lock<T>(
    config: &config::Database,
    work: impl AsyncFnOnce(&DatabaseConnection) -> Result<T, StartError>,
) -> Result<T, StartError> {
    let connection = open_for_migration(config).await?;
    let result = match lock_migrations(&connection, config).await {
        Ok(()) => work(&connection).await,
        Err(error) => Err(error),
    };
    let _ = connection.close().await; // MySQL lets go of the lock with the connection
    result
}

async fn lock_migrations(db: &DatabaseConnection, config: &config::Database) -> Result<(), StartError> {
    if config.kind != DatabaseKind::Mysql {
        return Ok(());
    }
    let name = format!("latchkey-migrate:{}:{}", config.database, config.table_prefix);
    let lock =
        Statement::from_sql_and_values(db.get_database_backend(), "SELECT GET_LOCK(LEFT(?, 64), 60)", [name.into()]);
    let row = db.query_one_raw(lock).await.map_err(not_current)?;
    match row.and_then(|row| row.try_get_by_index::<Option<i64>>(0).ok().flatten()) {
        Some(1) => Ok(()),
        _ => Err("another process has been migrating this database for a minute".to_owned()),
    }
}

fn not_current(error: DbErr) -> StartError {
    format!("the schema cannot be brought up to date: {error}")
}

async fn migrate_alone(db: &DatabaseConnection, up: bool) -> Result<(), StartError> {
    let unknown = Migrator::unknown(db).await.map_err(not_current)?;
    if !unknown.is_empty() {
        return Err(format!(
            "the database is newer than this binary: it has {}. Run a newer latchkey.",
            unknown.join(", ")
        ));
    }
    if up {
        return Migrator::up(db, None).await.map_err(not_current);
    }
    match Migrator::get_pending_migrations(db).await.map_err(not_current)?.len() {
        0 => Ok(()),
        pending => {
            Err(format!("{pending} migrations are pending and database.auto_migrate is off: run 'latchkey migrate up'"))
        }
    }
}
