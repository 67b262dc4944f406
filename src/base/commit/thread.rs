//! The writer's thread: it owns the connections for writing and runs everything that writes.

use std::sync::Arc;

use futures_util::future::LocalBoxFuture;
use tokio::{
    runtime,
    sync::{Mutex, mpsc, oneshot},
    task::LocalSet,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Starter, general, general::Job};
use crate::{
    base::{
        db::{self, Generation, StartError},
        error::{Class, Result},
        metrics::CommitMetrics,
        patience::Patience,
    },
    config::{self, DatabaseKind},
};

/// The right to write. On SQLite one connection for hand-written statements, whose lock is also the turn of the
/// sea-orm connection: fair, first come, first served. On MySQL everybody's turn is always.
pub(super) enum Turn {
    Sqlite(Mutex<rusqlite::Connection>, Generation),
    MySql(sqlx::MySqlPool, Patience),
}

/// Whether the database was out: the disk may be full.
pub(super) fn is_out<T>(outcome: &Result<T>) -> bool {
    outcome.as_ref().is_err_and(|error| error.kind().class == Class::Unavailable)
}

/// Gives back what the write-ahead log occupies, which is a good deal: pages that the file has already need no more room.
/// True when it did.
pub(super) fn make_room(connection: &rusqlite::Connection) -> bool {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).is_ok_and(|busy: i64| busy == 0)
}

/// The thread's body. Tells `ready` when connections are open or why not, and ends after everything was written.
pub(super) fn run(
    config: &config::Database,
    jobs: mpsc::Receiver<Box<dyn Job>>,
    mut to_start: mpsc::UnboundedReceiver<Starter>,
    closing: CancellationToken,
    ready: oneshot::Sender<Result<(), StartError>>,
    (commits, generation): (CommitMetrics, Generation),
) {
    let runtime = match runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = ready.send(Err(format!("cannot start the writer's runtime: {error}")));
            return;
        }
    };
    let local = LocalSet::new();
    local.block_on(&runtime, async move {
        let (orm, turn) = match open(config, generation).await {
            Ok((orm, turn)) => (orm, Arc::new(turn)),
            Err(error) => {
                let _ = ready.send(Err(error));
                return;
            }
        };
        let _ = ready.send(Ok(()));
        let running = TaskTracker::new();
        running.spawn_local(general::serve(jobs, orm.clone(), Arc::clone(&turn), closing.clone(), commits.clone()));
        loop {
            tokio::select! {
                biased;
                starter = to_start.recv() => match starter {
                    Some(start) => {
                        let lane: LocalBoxFuture<'static, ()> = start(Arc::clone(&turn), closing.clone());
                        running.spawn_local(lane);
                    }
                    None => break,
                },
                () = closing.cancelled() => break,
            }
        }
        // Without `close` (the last Writer was dropped) the queues end by themselves.
        running.close();
        running.wait().await;
        if let Turn::Sqlite(connection, _) = turn.as_ref() {
            let connection = connection.lock().await;
            make_room(&connection);
        }
        let _ = orm.close().await;
    });
}

async fn open(
    config: &config::Database,
    generation: Generation,
) -> Result<(sea_orm::DatabaseConnection, Turn), StartError> {
    let (orm, patience) = db::open_writers(config).await?;
    let turn = match config.kind {
        DatabaseKind::Sqlite => {
            let connection = db::open_sqlite_writer(config)
                .map_err(|error| format!("cannot open {}: {:?}", config.database, error.cause()))?;
            Turn::Sqlite(Mutex::new(connection), generation)
        }
        DatabaseKind::Mysql => Turn::MySql(orm.get_mysql_connection_pool().clone(), patience),
    };
    Ok((orm, turn))
}
