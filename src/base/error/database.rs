//! What a database's error means: an outage, a race that was lost, or a bug of ours.

use std::error::Error as StdError;

use sea_orm::{DbErr, RuntimeErr};

use super::{DATABASE_UNAVAILABLE, Error};

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        match &error {
            DbErr::Exec(RuntimeErr::SqlxError(inner)) | DbErr::Query(RuntimeErr::SqlxError(inner)) => from_sqlx(inner),
            _ => database(db_is_outage(&error), &error),
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        from_sqlx(&error)
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        let outage =
            matches!(&error, rusqlite::Error::SqliteFailure(failure, _) if sqlite_is_outage(failure.extended_code));
        database(outage, &error)
    }
}

fn from_sqlx(error: &sqlx::Error) -> Error {
    let mut problem = database(sqlx_is_outage(error), error);
    problem.0.lost_race = mysql_number(error).is_some_and(|number| matches!(number, 1020 | 1205 | 1213));
    problem
}

fn database(unavailable: bool, cause: &dyn StdError) -> Error {
    if unavailable {
        Error::new(&DATABASE_UNAVAILABLE, "The database does not answer at the moment.").retry_after(5).caused_by(cause)
    } else {
        Error::internal(cause)
    }
}

/// Whether the database is out, rather than the statement wrong.
pub(in crate::base) fn db_is_outage(error: &DbErr) -> bool {
    match error {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => true,
        DbErr::Exec(RuntimeErr::SqlxError(inner)) | DbErr::Query(RuntimeErr::SqlxError(inner)) => sqlx_is_outage(inner),
        _ => false,
    }
}

/// The same for sqlx.
pub(in crate::base) fn sqlx_is_outage(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::Protocol(_)
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(inner) => match mysql_number(error) {
            Some(number) => mysql_is_outage(number),
            None => inner.code().and_then(|code| code.parse().ok()).is_some_and(sqlite_is_outage),
        },
        _ => false,
    }
}

fn mysql_number(error: &sqlx::Error) -> Option<u16> {
    let sqlx::Error::Database(inner) = error else { return None };
    Some(inner.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()?.number())
}

/// Codes of MySQL and MariaDB for: too many connections, shutting down, killed, idle for too long, out of disk or locks,
/// read-only, a Galera node that is not ready, no access any more, lock wait timeout, deadlock, record changed since
/// last read (after the retries are used up).
fn mysql_is_outage(number: u16) -> bool {
    matches!(
        number,
        1020 | 1021
            | 1037
            | 1038
            | 1040
            | 1041
            | 1044
            | 1045
            | 1047
            | 1053
            | 1114
            | 1203
            | 1205
            | 1206
            | 1213
            | 1290
            | 1317
            | 1836
            | 1927
            | 3024
            | 3100
            | 4031
    )
}

/// Primary result codes of SQLite for: busy, locked, out of memory, read-only, I/O error, full, cannot open.
fn sqlite_is_outage(code: i32) -> bool {
    matches!(code & 0xff, 5 | 6 | 7 | 8 | 10 | 13 | 14)
}
