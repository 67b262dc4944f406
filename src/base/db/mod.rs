//! The database: connections for reading, the lock of the one server, migrations.
//!
//! On SQLite reads go through a small pool, or, on the hot paths, through a connection of the calling thread
//! ([`Db::sqlite_read`]); writes go through [`super::commit`] only.

mod lock;
mod own;
mod pool;
mod schema;
mod sqlite;

use std::{path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags};
use sqlx::MySqlConnection;

use super::{
    error::{Error, Result},
    readers::Readers,
};
use crate::config::{self, DatabaseKind, Synchronous};

pub(super) use self::pool::open_writers;
pub use self::{
    lock::ServerLock,
    pool::open_readers,
    schema::{migrate, open_for_migration, with_migration_lock},
    sqlite::Generation,
};
use self::{
    own::OwnConnections,
    pool::{PoolSizes, mysql_options, open},
    sqlite::SqliteReaders,
};

/// What can go wrong before the service runs: a sentence for whoever started it.
pub type StartError = String;

/// The database, for reading.
#[derive(Clone, Debug)]
pub struct Db {
    readers: Readers,
    hot: Hot,
}

/// Where the hot reads go.
#[derive(Clone, Debug)]
enum Hot {
    Sqlite(SqliteReaders),
    MySql(Box<OwnConnections>),
}

impl Db {
    /// Opens the readers. The schema must be there already. `threads` serve requests, and each may
    /// hold connections of its own; `generation` is that of the process's writer.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn connect(
        config: &config::Database,
        threads: usize,
        generation: Generation,
    ) -> Result<Self, StartError> {
        let sizes = PoolSizes::of(config, threads);
        let (orm, patience) = open(config, sizes.readers, true).await?;
        let hot = match config.kind {
            DatabaseKind::Sqlite => Hot::Sqlite(SqliteReaders::new(&config.database, generation)),
            DatabaseKind::Mysql => {
                let lifetime = Duration::from_secs(config.conn_max_lifetime.into());
                let own = OwnConnections::new(mysql_options(config), sizes.of_each_thread, lifetime, patience.clone());
                Hot::MySql(Box::new(own))
            }
        };
        Ok(Self { readers: Readers { orm, patience }, hot })
    }

    /// For queries through sea-orm. Never write through it.
    #[must_use]
    pub fn orm(&self) -> &Readers {
        &self.readers
    }

    /// Whether this is SQLite; else it is MySQL or MariaDB.
    #[must_use]
    pub fn is_sqlite(&self) -> bool {
        matches!(self.hot, Hot::Sqlite(_))
    }

    /// The file of a SQLite database.
    #[must_use]
    pub fn sqlite_path(&self) -> Option<&Path> {
        match &self.hot {
            Hot::Sqlite(readers) => Some(readers.path()),
            Hot::MySql(_) => None,
        }
    }

    /// Runs a short read (microseconds) on this thread's own connection to the SQLite file: no hop to another
    /// thread, no pool. Statements should be prepared with `prepare_cached`.
    ///
    /// # Errors
    /// What `read` answers; 503 when the file cannot be opened.
    pub fn sqlite_read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        let Hot::Sqlite(readers) = &self.hot else { return Err(Error::internal("not a SQLite database")) };
        readers.read(read)
    }

    /// Runs a short read on a connection to the MySQL server that belongs to this thread. It may be run twice.
    ///
    /// # Errors
    /// What `read` answers; 503 when the server is out.
    pub async fn mysql_read<T>(&self, read: impl AsyncFn(&mut MySqlConnection) -> sqlx::Result<T>) -> Result<T> {
        let Hot::MySql(own) = &self.hot else { return Err(Error::internal("not a MySQL database")) };
        Ok(self.readers.patience.wait(own.read(read)).await?)
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

    /// Lets no more reads in, and closes the pool.
    pub async fn close(&self) {
        if let Hot::MySql(own) = &self.hot {
            own.close();
        }
        let _ = self.readers.orm.clone().close().await;
    }
}

/// Pages after which the write-ahead log is copied into the file: 32 MiB. A page that was written often meanwhile is
/// copied once.
const CHECKPOINT: u32 = 8192;

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
         PRAGMA journal_size_limit = 67108864; PRAGMA wal_autocheckpoint = {CHECKPOINT}; PRAGMA temp_store = memory;",
        pragma(config.synchronous)
    ))?;
    Ok(connection)
}

fn pragma(synchronous: Synchronous) -> &'static str {
    match synchronous {
        Synchronous::Normal => "normal",
        Synchronous::Full => "full",
        Synchronous::Extra => "extra",
    }
}
