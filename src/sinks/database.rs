//! One-API's own database: table `channels`, of which only `key` is written, and only while it is as it was read.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior, params};
use sqlx::{
    ConnectOptions, Connection as _, MySqlConnection,
    mysql::{MySqlConnectOptions, MySqlSslMode},
};
use tokio::{task::spawn_blocking, time::timeout};

use super::{
    channel::{Channel, Meant},
    config::DatabaseConfig,
    dsn::Dsn,
    live::Ways,
    relay::no_answer,
};
use crate::{base::secret::Secret, outbox::Delivery};

/// How long SQLite waits for another writer; One-API itself waits 3 s.
const BUSY: Duration = Duration::from_secs(5);
/// Longest time for everything.
const PATIENCE: Duration = Duration::from_secs(20);
const TOO_SLOW: &str = "the database does not answer in time";
const CHANGED: &str = "the channel was changed at the same moment";

/// Puts a key into the channel, if it is the one that is meant.
pub(super) async fn deliver(ways: &Ways, config: &DatabaseConfig, meant: &Meant<'_>, key: &Secret) -> Delivery {
    let done = match locate(config) {
        Ok(Place::File(file)) => in_file(ways, file, meant, Some(key)).await.map(drop),
        Ok(Place::Server(dsn)) => on_server(ways, &dsn, meant, Some(key)).await.map(drop),
        Err(failed) => Err(failed),
    };
    done.err().unwrap_or(Delivery::Delivered)
}

/// What the database says of a channel; it is an error when that is not the one that is meant. Changes nothing.
pub(super) async fn look(ways: &Ways, config: &DatabaseConfig, meant: &Meant<'_>) -> Result<Channel, Delivery> {
    match locate(config)? {
        Place::File(file) => in_file(ways, file, meant, None).await,
        Place::Server(dsn) => on_server(ways, &dsn, meant, None).await,
    }
}

/// That the database can be read and has the table. Changes nothing.
pub(super) async fn reach(ways: &Ways, config: &DatabaseConfig) -> Result<(), Delivery> {
    match locate(config)? {
        Place::File(file) => {
            let own = ways.own_database.clone();
            blocking(move || {
                let connection = open(&file, own.as_deref(), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
                connection
                    .prepare("SELECT id, name, type, `key` FROM channels")
                    .map(drop)
                    .map_err(|error| sqlite(&error))
            })
            .await
        }
        Place::Server(dsn) => {
            let work = async {
                let mut connection = connect(ways, &dsn).await?;
                let found = sqlx::query("SELECT id, name, type, `key` FROM channels LIMIT 1");
                found.fetch_optional(&mut connection).await.map(drop).map_err(|error| mysql(&error))?;
                close(connection).await;
                Ok(())
            };
            timeout(PATIENCE, work).await.unwrap_or_else(|_| Err(Delivery::later(TOO_SLOW)))
        }
    }
}

enum Place {
    File(PathBuf),
    Server(Dsn),
}

fn locate(config: &DatabaseConfig) -> Result<Place, Delivery> {
    match (&config.sqlite_file, &config.dsn) {
        (Some(file), None) => Ok(Place::File(PathBuf::from(file))),
        (None, Some(dsn)) => {
            Dsn::parse(dsn).map(Place::Server).map_err(|why| Delivery::never(format!("the DSN {why}")))
        }
        _ => Err(Delivery::never("the sink names no database")),
    }
}

/// A row of `channels`.
struct Row {
    channel: Channel,
    key: Secret,
}

impl Row {
    fn new((id, name, kind, key): (i64, Option<String>, Option<i64>, Option<String>)) -> Self {
        let key = key.unwrap_or_default();
        let has_several_keys = key.trim().lines().count() > 1;
        let channel = Channel { id, name: name.unwrap_or_default(), kind: kind.unwrap_or(0), has_several_keys };
        Self { channel, key: Secret::new(key) }
    }
}

fn missing(id: i64) -> Delivery {
    Delivery::never(format!("there is no channel {id}: nothing was written"))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Delivery> + Send + 'static,
) -> Result<T, Delivery> {
    let done = timeout(PATIENCE, spawn_blocking(work)).await;
    match done {
        Ok(Ok(done)) => done,
        Ok(Err(_)) => Err(Delivery::later("something went wrong on our side; the log tells more")),
        Err(_) => Err(Delivery::later(TOO_SLOW)),
    }
}

async fn in_file(ways: &Ways, file: PathBuf, meant: &Meant<'_>, key: Option<&Secret>) -> Result<Channel, Delivery> {
    let (own, id) = (ways.own_database.clone(), meant.id);
    let read = file.clone();
    let own_too = own.clone();
    let row = blocking(move || {
        let connection = open(&read, own_too.as_deref(), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        find(&connection, id)?.ok_or_else(|| missing(id))
    })
    .await?;
    meant.check(&row.channel).map_err(Delivery::never)?;
    let Some(key) = key.cloned().filter(|key| *key != row.key) else { return Ok(row.channel) };
    blocking(move || {
        let mut connection = open(&file, own.as_deref(), OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let tx =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(|error| sqlite(&error))?;
        // The row is still the one that was looked at, name and type included.
        let same = find(&tx, id)?.is_some_and(|now| now.channel == row.channel);
        let sql = "UPDATE channels SET `key` = ? WHERE id = ? AND `key` = ?";
        let changed = if same { tx.execute(sql, params![key.expose(), id, row.key.expose()]) } else { Ok(0) };
        if changed.map_err(|error| sqlite(&error))? != 1 {
            return Err(Delivery::later(CHANGED));
        }
        tx.commit().map_err(|error| sqlite(&error))?;
        Ok(row.channel)
    })
    .await
}

fn open(file: &Path, own: Option<&Path>, access: OpenFlags) -> Result<Connection, Delivery> {
    let real = fs::canonicalize(file).map_err(|_| Delivery::later("there is no such file, or it may not be read"))?;
    if own.and_then(|own| fs::canonicalize(own).ok()).is_some_and(|own| own == real) {
        return Err(Delivery::never("the file is Latchkey's own database"));
    }
    if !fs::metadata(&real).is_ok_and(|metadata| metadata.is_file()) {
        return Err(Delivery::never("the path does not lead to a file"));
    }
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&real, flags).map_err(|error| sqlite(&error))?;
    connection.busy_timeout(BUSY).map_err(|error| sqlite(&error))?;
    Ok(connection)
}

fn find(connection: &Connection, id: i64) -> Result<Option<Row>, Delivery> {
    let sql = "SELECT id, name, type, `key` FROM channels WHERE id = ?";
    let read = |row: &rusqlite::Row<'_>| Ok(Row::new((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)));
    connection.query_row(sql, [id], read).optional().map_err(|error| sqlite(&error))
}

/// By code: the library's texts may hold values.
fn sqlite(error: &rusqlite::Error) -> Delivery {
    let text = match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => "the database is locked",
        Some(rusqlite::ErrorCode::ReadOnly | rusqlite::ErrorCode::PermissionDenied) => {
            "the database may not be written"
        }
        Some(rusqlite::ErrorCode::CannotOpen) => "the database cannot be opened",
        Some(rusqlite::ErrorCode::NotADatabase) => "the file is no SQLite database",
        Some(rusqlite::ErrorCode::DiskFull) => "the disk is full",
        _ => "the database has no fitting table 'channels', or answers with an error",
    };
    Delivery::later(text)
}

async fn on_server(ways: &Ways, dsn: &Dsn, meant: &Meant<'_>, key: Option<&Secret>) -> Result<Channel, Delivery> {
    let work = async {
        let mut connection = connect(ways, dsn).await?;
        let sql = "SELECT CAST(id AS SIGNED), name, CAST(type AS SIGNED), `key` FROM channels WHERE id = ?";
        let found = sqlx::query_as(sql).bind(meant.id).fetch_optional(&mut connection).await;
        let row = Row::new(found.map_err(|error| mysql(&error))?.ok_or_else(|| missing(meant.id))?);
        meant.check(&row.channel).map_err(Delivery::never)?;
        if let Some(key) = key.filter(|key| **key != row.key) {
            let sql = "UPDATE channels SET `key` = ? WHERE id = ? AND `key` = ?";
            let change = sqlx::query(sql).bind(key.expose()).bind(meant.id).bind(row.key.expose());
            let changed = change.execute(&mut connection).await.map_err(|error| mysql(&error))?;
            if changed.rows_affected() != 1 {
                return Err(Delivery::later(CHANGED));
            }
        }
        close(connection).await;
        Ok(row.channel)
    };
    timeout(PATIENCE, work).await.unwrap_or_else(|_| Err(Delivery::later(TOO_SLOW)))
}

async fn connect(ways: &Ways, dsn: &Dsn) -> Result<MySqlConnection, Delivery> {
    let addresses = ways.net.addresses(&dsn.host, dsn.port).await.map_err(no_answer)?;
    let mut options = MySqlConnectOptions::new()
        .port(dsn.port)
        .username(&dsn.user)
        .database(&dsn.database)
        .ssl_mode(if dsn.needs_tls { MySqlSslMode::Required } else { MySqlSslMode::Preferred })
        .disable_statement_logging();
    if !dsn.password.is_empty() {
        // An empty password is not the same as none.
        options = options.password(dsn.password.expose());
    }
    let mut failed = Delivery::later("the database cannot be reached");
    for address in addresses {
        // The address that was checked, not the name, which may lead elsewhere the next time.
        match options.clone().host(&address.ip().to_string()).connect().await {
            Ok(connection) => return Ok(connection),
            Err(error) => failed = mysql(&error),
        }
    }
    Err(failed)
}

async fn close(connection: MySqlConnection) {
    let _ = connection.close().await; // what was to be done is done
}

/// By code: the server's texts may hold values and names.
fn mysql(error: &sqlx::Error) -> Delivery {
    let code = match error {
        sqlx::Error::Database(error) => {
            error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>().map(sqlx::mysql::MySqlDatabaseError::number)
        }
        _ => None,
    };
    Delivery::later(match code {
        Some(1044 | 1045 | 1142 | 1143) => "the database refuses this user".to_owned(),
        Some(1049) => "there is no such database".to_owned(),
        Some(1054 | 1146) => "the database has no fitting table 'channels'".to_owned(),
        Some(code) => format!("the database answers with error {code}"),
        None => "the database cannot be reached".to_owned(),
    })
}
