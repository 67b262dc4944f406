//! `database`: where the data is kept.

use serde::{Deserialize, Serialize};

use super::Secret;
use super::kind::Kind;
use super::table::Key;

/// The database and its connection pool.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// The database system (key `database.type`). Default sqlite.
    #[serde(rename = "type")]
    pub kind: DatabaseKind,
    /// SQLite: the file's path, relative to the working directory. MySQL: the database's name.
    /// Default `./data/latchkey.db`.
    pub database: String,
    /// MySQL: host. Default localhost.
    pub host: String,
    /// MySQL: port. Default 3306.
    pub port: u16,
    /// MySQL: user. Default root.
    pub user: String,
    /// MySQL: password. Default none.
    pub password: Secret,
    /// Put before the name of every table and index: up to 16 of `[A-Za-z0-9_]`. Default none.
    pub table_prefix: String,
    /// Connections kept open while idle. Default 10.
    pub max_idle_conns: u32,
    /// Most connections open at once. Default 100.
    pub max_open_conns: u32,
    /// Seconds after which a connection is replaced; 0 is never. Default 3600.
    pub conn_max_lifetime: u32,
    /// SQLite: how far a commit is written before it counts. Default full.
    pub synchronous: Synchronous,
    /// Whether pending migrations run at start. Default true.
    pub auto_migrate: bool,
}

/// The database systems.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DatabaseKind {
    /// An embedded SQLite file.
    Sqlite,
    /// MySQL 8 or MariaDB 10.6 and later.
    Mysql,
}

/// SQLite's `PRAGMA synchronous`. `off` is not offered: it can corrupt the file when power fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Synchronous {
    /// A power failure may lose the last commits.
    Normal,
    /// A commit that was answered survives a power failure.
    Full,
    /// As full, and the directory entry is synced too.
    Extra,
}

pub(super) const KEYS: &[Key] = &[
    Key::new("database.type", Kind::Choice(&["sqlite", "mysql"]), "sqlite", "`sqlite` or `mysql` (MariaDB too)."),
    Key::new(
        "database.database",
        Kind::Text,
        "./data/latchkey.db",
        "SQLite: path of the file, secrets.yml lies beside it; MySQL: name of the database.",
    ),
    Key::new("database.host", Kind::Text, "localhost", "MySQL: host."),
    Key::new("database.port", Kind::integer(1, 65_535), "3306", "MySQL: port."),
    Key::new("database.user", Kind::Text, "root", "MySQL: user."),
    Key::new("database.password", Kind::Secret, "\"\"", "MySQL: password."),
    Key::new(
        "database.table_prefix",
        Kind::Text,
        "\"\"",
        "Put before the name of every table and index: up to 16 letters, digits and underscores.",
    ),
    Key::new("database.max_idle_conns", Kind::integer(0, 10_000), "10", "Connections kept open while idle."),
    Key::new("database.max_open_conns", Kind::integer(1, 10_000), "100", "Most connections open at once."),
    Key::new(
        "database.conn_max_lifetime",
        Kind::integer(0, 604_800),
        "3600",
        "Seconds after which a connection is replaced; 0 is never.",
    ),
    Key::new(
        "database.synchronous",
        Kind::Choice(&["normal", "full", "extra"]),
        "full",
        "SQLite: `full` keeps every answered write through a power failure, `normal` is faster and may lose the last.",
    ),
    Key::new("database.auto_migrate", Kind::Bool, "true", "Run pending migrations at start."),
];
