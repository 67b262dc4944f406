//! How long is waited for a MySQL that may have fallen silent: connections stay open, but nothing comes back.
//!
//! TCP itself notices after a quarter of an hour. So who has waited for [`SUSPICIOUS`] asks the server over a new
//! connection. If that is answered, the work is only slow and is waited for, up to [`LONGEST`]; if not, the database
//! counts as out. For a while after that, connections are tested before they are used, so that one failure is not
//! followed by one for each connection of the pool.
//!
//! SQLite answers or fails: nothing is watched there.

use std::{
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use sea_orm::{ConnAcquireErr, DbErr};
use sqlx::{ConnectOptions, Connection, MySql, MySqlConnection, mysql::MySqlConnectOptions, pool::PoolOptions};
use tokio::time::timeout;

use super::error::{DATABASE_UNAVAILABLE, Error, db_is_outage, sqlx_is_outage};

/// After this time the server is asked whether it lives.
const SUSPICIOUS: Duration = Duration::from_secs(6);
/// Longest time for one piece of work, however alive the server is.
const LONGEST: Duration = Duration::from_secs(120);
/// Longest time for the answer to a sign of life.
const LIFE: Duration = Duration::from_secs(2);
/// How long an answer about the server's life is good for all who ask.
const FRESH: Duration = Duration::from_secs(2);
/// For how long after a failure connections are tested before every use.
const DOUBT: Duration = Duration::from_secs(30);
/// Connections that were idle for longer are tested in any case: the server may have closed them.
const IDLE: Duration = Duration::from_secs(10);

/// Waits for the work of one pool. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Patience(Option<Arc<Server>>);

#[derive(Debug)]
struct Server {
    options: MySqlConnectOptions,
    /// When it was last asked, and whether it lived. Locked while somebody asks, so that the others share the answer.
    life: tokio::sync::Mutex<Option<(Instant, bool)>>,
    failed: Mutex<Option<Instant>>,
}

impl Patience {
    /// For SQLite: waits as long as it takes.
    #[must_use]
    pub fn endless() -> Self {
        Self(None)
    }

    /// For a pool of connections to this server.
    #[must_use]
    pub fn with(options: MySqlConnectOptions) -> Self {
        Self(Some(Arc::new(Server { options, life: tokio::sync::Mutex::default(), failed: Mutex::default() })))
    }

    /// Waits for `work`. When it is given up, it is dropped, and its connection is closed.
    ///
    /// # Errors
    /// What `work` answers; an outage when the server has fallen silent.
    pub async fn wait<T, E: Failure>(&self, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let Some(server) = &self.0 else { return work.await };
        let mut work = pin!(work);
        // Dropped before `work`, so that the pool doubts its connection when it gets it back.
        let mut leaving = Leaving { server, is_over: false };
        let start = Instant::now();
        loop {
            if let Ok(outcome) = timeout(SUSPICIOUS, work.as_mut()).await {
                leaving.is_over = !outcome.as_ref().is_err_and(E::is_outage);
                return outcome;
            }
            if start.elapsed() > LONGEST || !server.lives().await {
                log::warn!("the database has not answered for {:?}: given up", start.elapsed());
                return Err(E::silence());
            }
        }
    }

    /// Whether a connection that lay idle for so long has to be tested before it is used.
    pub(super) fn doubts(&self, idle_for: Duration) -> bool {
        self.0.as_ref().is_some_and(|server| idle_for > IDLE || server.is_in_doubt())
    }

    /// Tests the pool's connections where there is doubt.
    #[must_use]
    pub fn guard(&self, pool: PoolOptions<MySql>) -> PoolOptions<MySql> {
        let Some(server) = &self.0 else { return pool };
        let (before, after) = (self.clone(), Arc::clone(server));
        pool.before_acquire(move |connection, meta| {
            let is_in_doubt = before.doubts(meta.idle_for);
            Box::pin(async move { if is_in_doubt { test(connection).await } else { Ok(true) } })
        })
        .after_release(move |connection, _| {
            let is_in_doubt = after.is_in_doubt();
            Box::pin(async move { if is_in_doubt { test(connection).await } else { Ok(true) } })
        })
    }
}

/// How work with the database fails.
pub trait Failure {
    /// Whether the database is out.
    fn is_outage(&self) -> bool;
    /// What is said when it does not answer.
    fn silence() -> Self;
}

impl Failure for Error {
    fn is_outage(&self) -> bool {
        self.kind() == &DATABASE_UNAVAILABLE
    }

    fn silence() -> Self {
        sqlx::Error::silence().into()
    }
}

impl Failure for DbErr {
    fn is_outage(&self) -> bool {
        db_is_outage(self)
    }

    fn silence() -> Self {
        Self::ConnectionAcquire(ConnAcquireErr::Timeout)
    }
}

impl Failure for sqlx::Error {
    fn is_outage(&self) -> bool {
        sqlx_is_outage(self)
    }

    fn silence() -> Self {
        Self::PoolTimedOut
    }
}

/// Asks for a sign of life. An error makes the pool close the connection without farewells.
///
/// # Errors
/// When there is none.
pub(super) async fn test(connection: &mut MySqlConnection) -> sqlx::Result<bool> {
    match timeout(LIFE, connection.ping()).await {
        Ok(answer) => answer.map(|()| true),
        Err(_) => Err(sqlx::Error::PoolTimedOut),
    }
}

impl Server {
    async fn lives(&self) -> bool {
        let mut life = self.life.lock().await;
        if let Some((at, lives)) = *life
            && at.elapsed() < FRESH
        {
            return lives;
        }
        let ask = async {
            let mut connection = self.options.connect().await?;
            connection.ping().await?;
            connection.close().await
        };
        let lives = matches!(timeout(LIFE, ask).await, Ok(Ok(())));
        *life = Some((Instant::now(), lives));
        lives
    }

    fn is_in_doubt(&self) -> bool {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.is_some_and(|at| at.elapsed() < DOUBT)
    }
}

/// Notes a failure, unless the work came to an end: it was given up, or nobody waits for it any more.
struct Leaving<'a> {
    server: &'a Server,
    is_over: bool,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            *self.server.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
    }
}
