//! The hot reads on SQLite: a connection of the calling thread, and a snapshot that lives on while nothing changes.
//!
//! To begin and end a read transaction costs more than a read: system calls, and a lock that all connections of the
//! process share. So the transaction stays open from one read to the next, until
//! - this process commits something: every commit moves the [`Generation`] on before its callers are answered, and each read
//!   compares. Who was answered, and whoever asks afterwards, sees the write;
//! - it is [`OLDEST`] old: another process (a command beside the server) may have written, and the write-ahead log must
//!   not wait for a reader. A task ends snapshots that nobody reads from any more.

use std::{
    cell::RefCell,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rusqlite::{Connection, OpenFlags};
use tokio::sync::Notify;

use crate::base::error::{Error, Result};

/// Longest life of a snapshot.
const OLDEST: Duration = Duration::from_millis(20);

/// Counts what this process has committed to SQLite. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Generation(Arc<AtomicU64>);

impl Generation {
    /// Something was committed, or may have been. To be called before its callers are answered.
    pub fn advance(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }

    fn now(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// The readers of all threads. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct SqliteReaders(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    /// Tells the databases of one process apart (in tests there are many).
    number: u64,
    generation: Generation,
    all: Mutex<Vec<Weak<Mutex<Reader>>>>,
    /// Told when a thread begins a snapshot after having had none.
    begun: Notify,
}

#[derive(Debug)]
struct Reader {
    connection: Connection,
    snapshot: Option<Snapshot>,
}

#[derive(Clone, Copy, Debug)]
struct Snapshot {
    generation: u64,
    begun: Instant,
}

thread_local! {
    static READERS: RefCell<Vec<(u64, Arc<Mutex<Reader>>)>> = const { RefCell::new(Vec::new()) };
}

impl SqliteReaders {
    /// Readers of that file, which this process writes as `generation` tells.
    pub(super) fn new(path: &str, generation: Generation) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let shared =
            Arc::new(Shared { path: path.into(), number, generation, all: Mutex::default(), begun: Notify::new() });
        tokio::spawn(end_old_snapshots(Arc::downgrade(&shared)));
        Self(shared)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0.path
    }

    /// Runs `read` on this thread's connection.
    pub(super) fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        READERS.with_borrow_mut(|readers| {
            let own = self.0.number;
            if !readers.iter().any(|(number, _)| *number == own) {
                readers.push((own, self.0.open()?));
            }
            let reader = readers.iter().find(|(number, _)| *number == own);
            let (_, reader) = reader.ok_or_else(|| Error::internal("the reader is gone"))?;
            let mut reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
            if reader.refresh(&self.0.generation)? {
                self.0.begun.notify_one();
            }
            let outcome = read(&reader.connection);
            if outcome.is_err() {
                reader.end();
            }
            Ok(outcome?)
        })
    }
}

impl Shared {
    fn open(&self) -> rusqlite::Result<Arc<Mutex<Reader>>> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.execute_batch("PRAGMA query_only = on; PRAGMA cache_size = -16000;")?;
        let reader = Arc::new(Mutex::new(Reader { connection, snapshot: None }));
        self.all.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&reader));
        Ok(reader)
    }

    /// Ends what is too old, and tells whether a snapshot is left.
    fn sweep(&self) -> bool {
        let mut left = false;
        self.all.lock().unwrap_or_else(PoisonError::into_inner).retain(|reader| {
            let Some(reader) = reader.upgrade() else { return false };
            let mut reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
            match reader.snapshot {
                Some(snapshot) if snapshot.begun.elapsed() < OLDEST => left = true,
                Some(_) => reader.end(),
                None => {}
            }
            true
        });
        left
    }
}

impl Reader {
    /// Makes sure of a snapshot that holds everything committed so far, and tells whether there was none at all.
    fn refresh(&mut self, generation: &Generation) -> rusqlite::Result<bool> {
        let generation = generation.now();
        let had = self.snapshot;
        if had.is_some_and(|snapshot| snapshot.generation == generation && snapshot.begun.elapsed() < OLDEST) {
            return Ok(false);
        }
        self.end();
        // Deferred: the snapshot is that of the first read after it.
        self.connection.prepare_cached("BEGIN")?.execute([])?;
        self.snapshot = Some(Snapshot { generation, begun: Instant::now() });
        Ok(had.is_none())
    }

    fn end(&mut self) {
        self.snapshot = None;
        if self.connection.is_autocommit() {
            return;
        }
        let ended = self.connection.prepare_cached("COMMIT").and_then(|mut end| end.execute([]));
        if let Err(error) = ended {
            log::warn!("a snapshot did not end: {error}");
        }
    }
}

async fn end_old_snapshots(shared: Weak<Shared>) {
    while let Some(shared) = shared.upgrade() {
        let left = shared.sweep();
        if !left {
            // Without one the wait would keep `shared` alive for ever.
            let _ = tokio::time::timeout(Duration::from_secs(60), shared.begun.notified()).await;
        }
        drop(shared);
        tokio::time::sleep(OLDEST).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A database with one number in it, its readers, and another connection to it.
    fn opened(name: &str) -> (SqliteReaders, Generation, Connection) {
        let folder = std::env::temp_dir().join(format!("latchkey_readers_{name}_{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir(&folder).unwrap();
        let path = folder.join("a.db");
        let other = Connection::open(&path).unwrap();
        other.busy_timeout(Duration::from_secs(60)).unwrap();
        other
            .execute_batch("PRAGMA journal_mode = wal; CREATE TABLE t (n INTEGER); INSERT INTO t VALUES (1);")
            .unwrap();
        let generation = Generation::default();
        (SqliteReaders::new(path.to_str().unwrap(), generation.clone()), generation, other)
    }

    fn number(readers: &SqliteReaders) -> i64 {
        readers.read(|db| db.query_row("SELECT n FROM t", [], |row| row.get(0))).unwrap()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn what_this_process_committed_is_seen_by_the_next_read() {
        let (readers, generation, writer) = opened("own");
        for round in 1..1000 {
            assert_eq!(number(&readers), round);
            writer.execute("UPDATE t SET n = n + 1", []).unwrap();
            generation.advance();
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn what_another_process_committed_is_seen_before_long() {
        let (readers, _, other) = opened("other");
        assert_eq!(number(&readers), 1);
        other.execute("UPDATE t SET n = 2", []).unwrap();
        let guard = Instant::now();
        while number(&readers) == 1 {
            assert!(guard.elapsed() < Duration::from_secs(60), "the snapshot lives for ever");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_snapshot_that_nobody_reads_from_does_not_hold_up_the_log() {
        let (readers, generation, writer) = opened("idle");
        assert_eq!(number(&readers), 1);
        writer.execute("UPDATE t SET n = 2", []).unwrap();
        generation.advance();
        // It waits for readers, and says 1 when it gave up.
        let busy: i64 = writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).unwrap();
        assert_eq!(busy, 0);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_read_that_fails_leaves_no_snapshot_behind() {
        let (readers, ..) = opened("failing");
        let failed = readers.read(|db| db.query_row("SELECT nothing FROM t", [], |row| row.get::<_, i64>(0)));
        assert!(failed.is_err());
        assert_eq!(number(&readers), 1);
    }
}
