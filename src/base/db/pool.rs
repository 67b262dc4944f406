//! The pools of connections that sea-orm uses, and what holds for every connection.

use std::{path::PathBuf, time::Duration};

use sea_orm::{ConnectOptions, Database, DatabaseConnection, DbErr};
use sqlx::{Connection as _, Executor, MySqlConnection, mysql::MySqlConnectOptions};

use super::StartError;
use crate::{
    base::patience::Patience,
    config::{self, DatabaseKind, Synchronous},
};

/// How the connections are shared out.
pub(super) struct PoolSizes {
    pub(super) readers: u32,
    pub(super) writers: u32,
    /// On MySQL, those of each thread that serves requests.
    pub(super) of_each_thread: usize,
}

impl PoolSizes {
    /// For a process whose requests are served by so many threads.
    pub(super) fn of(config: &config::Database, threads: usize) -> Self {
        if config.kind == DatabaseKind::Sqlite {
            return Self { readers: 4, writers: 1, of_each_thread: 0 };
        }
        let writers = (config.max_open_conns / 4).clamp(1, 16);
        let rest = config.max_open_conns.saturating_sub(writers);
        let of_threads = usize::try_from(rest / 2).unwrap_or_default();
        let of_each_thread = (of_threads / threads.max(1)).clamp(1, 32);
        Self { readers: (rest - rest / 2).max(1), writers, of_each_thread }
    }
}

/// The pool for writing through sea-orm: one connection on SQLite.
///
/// # Errors
/// When the database cannot be reached.
pub(in crate::base) async fn open_writers(
    config: &config::Database,
) -> Result<(DatabaseConnection, Patience), StartError> {
    open(config, PoolSizes::of(config, 1).writers, false).await
}

/// A connection for a few reads beside everything else.
///
/// # Errors
/// When the database cannot be reached.
pub async fn open_readers(config: &config::Database) -> Result<DatabaseConnection, StartError> {
    Ok(open(config, 1, true).await?.0)
}

pub(super) async fn open(
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

pub(super) async fn settle(connection: &mut MySqlConnection) -> sqlx::Result<()> {
    for setting in SESSION {
        connection.execute(setting).await?;
    }
    Ok(())
}

pub(super) fn mysql_options(config: &config::Database) -> MySqlConnectOptions {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_connections_together_stay_within_their_limit_however_many_threads_there_are() {
        for (most, threads) in [(100, 1), (100, 2), (100, 16), (100, 40), (20, 2), (8, 2), (400, 64)] {
            let config = config::Database {
                kind: DatabaseKind::Mysql,
                max_open_conns: most,
                ..config::Config::default().database
            };
            let PoolSizes { readers, writers, of_each_thread } = PoolSizes::of(&config, threads);
            let all = usize::try_from(readers + writers).unwrap() + threads * of_each_thread;
            assert!(all <= usize::try_from(most).unwrap(), "{all} of {most} over {threads}");
        }
    }
}
