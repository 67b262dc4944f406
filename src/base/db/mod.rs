//! The database: connections for reading, the lock of the one server, migrations.
//!
//! On SQLite reads go through a small pool, or, on the hot paths, through a connection of the calling thread
//! ([`Db::sqlite_read`]); writes go through [`super::commit`] only.

mod lock;
mod schema;

use std::{
    cell::RefCell,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};
use sea_orm::{ConnectOptions, Database, DatabaseConnection, DbErr};
use sqlx::{Connection as _, Executor, MySqlConnection, mysql::MySqlConnectOptions};

use super::{
    error::{Error, Result},
    patience::Patience,
    readers::Readers,
};
use crate::config::{self, DatabaseKind, Synchronous};

pub use self::{
    lock::ServerLock,
    schema::{migrate, open_for_migration, with_migration_lock},
};

/// What can go wrong before the service runs: a sentence for whoever started it.
pub type StartError = String;

/// The database, for reading.
#[derive(Clone, Debug)]
pub struct Db {
    readers: Readers,
    sqlite: Option<SqliteFile>,
}

#[derive(Clone, Debug)]
struct SqliteFile {
    path: PathBuf,
    /// Tells the databases of one process apart (in tests there are many).
    number: u64,
}

thread_local! {
    static READERS: RefCell<Vec<(u64, Connection)>> = const { RefCell::new(Vec::new()) };
}

impl Db {
    /// Opens the readers. The schema must be there already.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn connect(config: &config::Database) -> Result<Self, StartError> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let (readers, _) = pool_sizes(config);
        let (orm, patience) = open(config, readers, true).await?;
        let sqlite = (config.kind == DatabaseKind::Sqlite).then(|| SqliteFile {
            path: PathBuf::from(&config.database),
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
        });
        Ok(Self { readers: Readers { orm, patience }, sqlite })
    }

    /// For queries through sea-orm. Never write through it.
    #[must_use]
    pub fn orm(&self) -> &Readers {
        &self.readers
    }

    /// Whether this is SQLite; else it is MySQL or MariaDB.
    #[must_use]
    pub fn is_sqlite(&self) -> bool {
        self.sqlite.is_some()
    }

    /// The file of a SQLite database.
    #[must_use]
    pub fn sqlite_path(&self) -> Option<&Path> {
        self.sqlite.as_ref().map(|file| file.path.as_path())
    }

    /// Runs a short read (microseconds) on this thread's own connection to the SQLite file: no hop to another
    /// thread, no pool. Statements should be prepared with `prepare_cached`.
    ///
    /// # Errors
    /// What `read` answers; 503 when the file cannot be opened.
    pub fn sqlite_read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        let Some(file) = &self.sqlite else { return Err(Error::internal("not a SQLite database")) };
        READERS.with_borrow_mut(|readers| {
            if !readers.iter().any(|(number, _)| *number == file.number) {
                readers.push((file.number, open_reader(&file.path)?));
            }
            let reader = readers.iter().find(|(number, _)| *number == file.number);
            let (_, connection) = reader.ok_or_else(|| Error::internal("the reader is gone"))?;
            Ok(read(connection)?)
        })
    }

    /// Runs a short read on a connection of the pool to the MySQL server.
    ///
    /// # Errors
    /// What `read` answers; 503 when the server is out.
    pub async fn mysql_read<T>(&self, read: impl AsyncFnOnce(&sqlx::MySqlPool) -> sqlx::Result<T>) -> Result<T> {
        if self.is_sqlite() {
            return Err(Error::internal("not a MySQL database"));
        }
        Ok(self.readers.patience.wait(read(self.readers.orm.get_mysql_connection_pool())).await?)
    }

    /// Connections of the pool: (all, idle).
    #[must_use]
    pub fn connections(&self) -> (u32, usize) {
        let orm = &self.readers.orm;
        if self.is_sqlite() {
            let pool = orm.get_sqlite_connection_pool();
            (pool.size(), pool.num_idle())
        } else {
            let pool = orm.get_mysql_connection_pool();
            (pool.size(), pool.num_idle())
        }
    }

    /// Closes the pool.
    pub async fn close(&self) {
        let _ = self.readers.orm.clone().close().await;
    }
}

fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.execute_batch("PRAGMA query_only = on; PRAGMA cache_size = -8000;")?;
    Ok(connection)
}

/// The connection on which SQLite is written by hand-written statements.
///
/// # Errors
/// When the file cannot be opened.
pub(super) fn open_sqlite_writer(config: &config::Database) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&config.database, flags)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.execute_batch(&format!(
        "PRAGMA journal_mode = wal; PRAGMA synchronous = {}; PRAGMA foreign_keys = on; PRAGMA cache_size = -32000; \
         PRAGMA journal_size_limit = 67108864; PRAGMA temp_store = memory;",
        pragma(config.synchronous)
    ))?;
    Ok(connection)
}

/// Connections for (readers, writers).
fn pool_sizes(config: &config::Database) -> (u32, u32) {
    match config.kind {
        DatabaseKind::Sqlite => (4, 1),
        DatabaseKind::Mysql => {
            let writers = (config.max_open_conns / 4).clamp(1, 16);
            (config.max_open_conns.saturating_sub(writers).max(1), writers)
        }
    }
}

/// The pool for writing through sea-orm: one connection on SQLite.
///
/// # Errors
/// When the database cannot be reached.
pub(super) async fn open_writers(config: &config::Database) -> Result<(DatabaseConnection, Patience), StartError> {
    open(config, pool_sizes(config).1, false).await
}

async fn open(
    config: &config::Database,
    connections: u32,
    read_only: bool,
) -> Result<(DatabaseConnection, Patience), StartError> {
    let patience = match config.kind {
        DatabaseKind::Sqlite => Patience::endless(),
        DatabaseKind::Mysql => Patience::with(mysql_options(config)),
    };
    let mut options = ConnectOptions::new(match config.kind {
        DatabaseKind::Sqlite => "sqlite::memory:".to_owned(), // the real file is named in the options below
        DatabaseKind::Mysql => "mysql://localhost".to_owned(),
    });
    options
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(Duration::from_secs(5))
        .connect_timeout(Duration::from_secs(10))
        .sqlx_logging(false)
        .record_stmt_in_spans(false)
        .test_before_acquire(false);
    match config.kind {
        DatabaseKind::Sqlite => {
            let (path, synchronous) = (PathBuf::from(&config.database), config.synchronous);
            options.idle_timeout(None::<Duration>).max_lifetime(None::<Duration>);
            options.map_sqlx_sqlite_opts(move |sqlite| {
                sqlite
                    .filename(&path)
                    .in_memory(false)
                    .shared_cache(false)
                    .create_if_missing(true)
                    .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal)
                    .synchronous(match synchronous {
                        Synchronous::Normal => sqlx::sqlite::SqliteSynchronous::Normal,
                        Synchronous::Full => sqlx::sqlite::SqliteSynchronous::Full,
                        Synchronous::Extra => sqlx::sqlite::SqliteSynchronous::Extra,
                    })
                    .busy_timeout(Duration::from_secs(5))
                    .foreign_keys(true)
                    .pragma("query_only", if read_only { "on" } else { "off" })
                    .pragma("cache_size", "-4000")
            });
            // A full disk may make SQLite undo a transaction by itself. sqlx then cannot undo it, counts it as open for
            // ever, and what comes after is never committed: such a connection is not used again.
            options.map_sqlx_sqlite_pool_opts(|pool| {
                pool.after_release(|connection, _| {
                    Box::pin(async move {
                        connection.ping().await?; // after the rollbacks that wait
                        Ok(!connection.is_in_transaction())
                    })
                })
            });
        }
        DatabaseKind::Mysql => {
            options.max_lifetime(Duration::from_secs(config.conn_max_lifetime.into()));
            let (config, guard) = (config.clone(), patience.clone());
            options.map_sqlx_mysql_opts(move |_| mysql_options(&config));
            // Not `ConnectOptions::after_connect`, which sees one connection of the pool.
            options
                .map_sqlx_mysql_pool_opts(move |pool| guard.guard(pool).after_connect(|new, _| Box::pin(settle(new))));
        }
    }
    let orm = Database::connect(options).await.map_err(|error| cannot_connect(config, &error))?;
    Ok((orm, patience))
}

/// What is set on every MySQL connection: no gaps locked, and never a decision on a snapshot older than the lock that
/// guards it; and a wait for a lock so short that all retries together stay within a client's patience.
const SESSION: [&str; 2] =
    ["SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", "SET SESSION innodb_lock_wait_timeout = 2"];

async fn settle(connection: &mut MySqlConnection) -> sqlx::Result<()> {
    for setting in SESSION {
        connection.execute(setting).await?;
    }
    Ok(())
}

fn mysql_options(config: &config::Database) -> MySqlConnectOptions {
    let mut options = MySqlConnectOptions::new();
    if !config.password.is_empty() {
        // An empty password is not the same as none: the server refuses it.
        options = options.password(config.password.expose());
    }
    options
        .host(&config.host)
        .port(config.port)
        .username(&config.user)
        .database(&config.database)
        .charset("utf8mb4")
        .collation("utf8mb4_bin")
        .statement_cache_capacity(512)
}

fn cannot_connect(config: &config::Database, error: &DbErr) -> StartError {
    match config.kind {
        DatabaseKind::Sqlite => format!("cannot open the SQLite database {}: {error}", config.database),
        DatabaseKind::Mysql => {
            format!("cannot reach MySQL at {}:{} as {}: {error}", config.host, config.port, config.user)
        }
    }
}

fn pragma(synchronous: Synchronous) -> &'static str {
    match synchronous {
        Synchronous::Normal => "normal",
        Synchronous::Full => "full",
        Synchronous::Extra => "extra",
    }
}
