//! MySQL connections of the calling thread, for the hot reads.
//!
//! A worker's sockets are watched by the worker's own runtime. A connection of a shared pool is watched by whichever
//! worker opened it, so that every answer would wake the one thread to wake the other; and giving it back costs a task.
//! Here a connection is taken off a list of the thread and put back.

use std::{
    cell::RefCell,
    collections::HashMap,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use sqlx::{ConnectOptions, MySqlConnection, mysql::MySqlConnectOptions};
use tokio::{sync::Semaphore, time::timeout};

use super::pool::settle;
use crate::base::{
    error::sqlx_is_outage,
    patience::{Patience, test},
};

/// Longest time for opening a connection, and for waiting for one.
const ACQUIRE: Duration = Duration::from_secs(5);

/// How the threads open their connections.
#[derive(Clone, Debug)]
pub(super) struct OwnConnections {
    options: MySqlConnectOptions,
    /// Tells the databases of one process apart (in tests there are many).
    number: u64,
    /// Most connections of one thread.
    most: usize,
    lifetime: Duration,
    patience: Patience,
    closed: Arc<AtomicBool>,
}

struct Idle {
    connection: MySqlConnection,
    opened: Instant,
    since: Instant,
}

/// One thread's connections to one database.
struct Shelf {
    idle: RefCell<Vec<Idle>>,
    places: Semaphore,
}

thread_local! {
    static SHELVES: RefCell<HashMap<u64, Rc<Shelf>>> = RefCell::default();
}

impl OwnConnections {
    pub(super) fn new(options: MySqlConnectOptions, most: usize, lifetime: Duration, patience: Patience) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        Self {
            options,
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
            most,
            lifetime,
            patience,
            closed: Arc::default(),
        }
    }

    /// Lets no more reads in. Connections are closed when they are next looked at, or with their thread.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Runs `read` on one of this thread's connections. After an error, or when it is dropped half-way, the connection
    /// is closed: what is still to come on it belongs to nobody. One that died while nobody used it is no failure: the
    /// read is run again on a new one.
    pub(super) async fn read<T>(&self, read: impl AsyncFn(&mut MySqlConnection) -> sqlx::Result<T>) -> sqlx::Result<T> {
        if self.closed.load(Ordering::Acquire) {
            return Err(sqlx::Error::PoolClosed);
        }
        let shelf = self.shelf();
        let place = timeout(ACQUIRE, shelf.places.acquire()).await;
        let _place = place.map_err(|_| sqlx::Error::PoolTimedOut)?.map_err(|_| sqlx::Error::PoolClosed)?;
        let (mut connection, mut opened, was_idle) = self.take(&shelf).await?;
        let outcome = match read(&mut connection).await {
            Err(error) if was_idle && sqlx_is_outage(&error) => {
                shelf.idle.borrow_mut().clear(); // they died with it
                (connection, opened) = self.open().await?;
                read(&mut connection).await?
            }
            outcome => outcome?,
        };
        shelf.idle.borrow_mut().push(Idle { connection, opened, since: Instant::now() });
        Ok(outcome)
    }

    /// The connection used last, or a new one; and whether it was idle.
    async fn take(&self, shelf: &Shelf) -> sqlx::Result<(MySqlConnection, Instant, bool)> {
        loop {
            let last = shelf.idle.borrow_mut().pop();
            let Some(Idle { mut connection, opened, since }) = last else { break };
            if opened.elapsed() > self.lifetime {
                continue;
            }
            if !self.patience.doubts(since.elapsed()) || test(&mut connection).await.is_ok() {
                return Ok((connection, opened, true));
            }
        }
        let (connection, opened) = self.open().await?;
        Ok((connection, opened, false))
    }

    async fn open(&self) -> sqlx::Result<(MySqlConnection, Instant)> {
        let opening = async {
            let mut connection = self.options.connect().await?;
            settle(&mut connection).await?;
            Ok((connection, Instant::now()))
        };
        timeout(ACQUIRE, opening).await.map_err(|_| sqlx::Error::PoolTimedOut)?
    }

    fn shelf(&self) -> Rc<Shelf> {
        SHELVES.with_borrow_mut(|shelves| {
            let shelf = shelves.entry(self.number);
            Rc::clone(
                shelf.or_insert_with(|| Rc::new(Shelf { idle: RefCell::default(), places: Semaphore::new(self.most) })),
            )
        })
    }
}
