//! The database, opened for one command. On SQLite this works beside a running server.

use super::{Global, explained, runtime};
use crate::{
    base::{
        commit::Writer,
        db::{self, Db},
        error::Result,
        metrics::CommitMetrics,
    },
    config::Config,
    server::prove_master_key,
};

/// For reading and for writing.
pub(super) struct Session {
    pub(super) db: Db,
    pub(super) writer: Writer,
    pub(super) config: Config,
}

/// Opens the database with an up-to-date schema, does the work, and closes it.
pub(super) fn with_database<T>(
    global: &Global,
    work: impl AsyncFnOnce(&Session) -> Result<T>,
) -> Result<T, super::Failure> {
    let config = global.load_for_database()?;
    let done = runtime()?.block_on(async {
        let session = open(config).await?;
        let done = work(&session).await.map_err(|error| explained(&error));
        session.close().await;
        done
    });
    Ok(done?)
}

impl Session {
    pub(super) async fn close(&self) {
        self.writer.close().await;
        self.db.close().await;
    }
}

/// Opens the database, with an up-to-date schema and the proof that the master key is its own.
pub(super) async fn open(mut config: Config) -> Result<Session, String> {
    prove_master_key(&mut config).await?;
    db::migrate(&config.database, config.database.auto_migrate).await?;
    let commits = CommitMetrics::new().map_err(|error| error.to_string())?;
    let writer = Writer::start(&config.database, commits).await?;
    Ok(Session { db: Db::connect(&config.database, 1, writer.generation()).await?, writer, config })
}
