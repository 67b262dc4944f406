//! The sealer: what it seals is `<data key id>.<base64 of nonce and box>`.
//!
//! Data keys come and go while the service runs (`latchkey rotate-data-key`), also by another process. So
//!
//! - who seals for the database asks it, in the transaction of the write, which data key is the newest ([`Sealing`]),
//!   and holds a lock on that key's row until the commit: a key is not deleted before what it sealed can be seen;
//! - who meets a box of a key that this process does not know reads the keys again.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError, RwLock},
    thread,
    time::{Duration, Instant},
};

use entity::{sealing_key, table};
use sea_orm::{ConnectionTrait, DbBackend, EntityTrait, Statement};
use tokio::runtime;
use zeroize::Zeroizing;

use super::{
    db::open_readers,
    error::{Error, Result},
    master_key::{Key, MasterKey},
};
use crate::config;

/// How long a process that found no such key does not look again: a box that was damaged must not cost a connection
/// each time.
const PAUSE: Duration = Duration::from_secs(1);

/// Opens what any of the data keys sealed, and seals with the newest. Cheap to clone.
#[derive(Clone)]
pub struct Sealer(Arc<Inner>);

struct Inner {
    master: MasterKey,
    /// Where keys that are not known yet are read.
    source: Option<config::Database>,
    /// A key that was known once stays: what was read before it was deleted may be opened after that.
    keys: RwLock<BTreeMap<i64, Key>>,
    /// The last look in vain, and for which key. Who holds it looks; the others wait for what is found.
    looked: Mutex<Option<(i64, Instant)>>,
}

/// The newest data key, as a transaction found it. It must not outlive that transaction.
pub struct Sealing(i64, Key);

impl Sealer {
    /// Opens the data keys (id and box) with the master key. `source` is where later ones are read.
    ///
    /// # Errors
    /// When a box does not open: the master key is not the one they were sealed with.
    pub fn open(master: &MasterKey, data_keys: &[(i64, String)], source: Option<&config::Database>) -> Result<Self> {
        let keys = data_keys.iter().map(|(id, sealed)| Ok((*id, master.open(sealed)?))).collect::<Result<_>>()?;
        let (master, source) = (master.clone(), source.cloned());
        Ok(Self(Arc::new(Inner { master, source, keys: RwLock::new(keys), looked: Mutex::default() })))
    }

    /// The newest data key, which nobody deletes before `tx` ends.
    ///
    /// # Errors
    /// When there is none, or it does not open; 503 when the database is out.
    pub async fn sealing(&self, tx: &impl ConnectionTrait) -> Result<Sealing> {
        let backend = tx.get_database_backend();
        // MariaDB does not know FOR SHARE; on SQLite there is one writer.
        let lock = if backend == DbBackend::MySql { " LOCK IN SHARE MODE" } else { "" };
        let newest =
            format!("SELECT id, sealed_key FROM {} ORDER BY id DESC LIMIT 1{lock}", table::name("sealing_key"));
        let row = tx.query_one_raw(Statement::from_string(backend, newest)).await?;
        let row = row.ok_or_else(|| Error::internal("there is no data key"))?;
        let (id, sealed_key): (i64, String) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
        if let Some(key) = self.known(id) {
            return Ok(Sealing(id, key));
        }
        let key = self.0.master.open(&sealed_key)?;
        self.add([(id, key.clone())]);
        Ok(Sealing(id, key))
    }

    /// `plain` in a box for a file, which no transaction guards, sealed with the newest key that this process knows.
    /// The caller sees to it that this key is kept, see [`Self::newest`].
    ///
    /// # Errors
    /// When there is no data key, or the random source fails.
    pub fn seal_file(&self, purpose: &str, plain: &[u8]) -> Result<String> {
        let newest = self.newest().and_then(|id| Some((id, self.known(id)?)));
        let (id, key) = newest.ok_or_else(|| Error::internal("there is no data key"))?;
        Sealing(id, key).seal(purpose, plain)
    }

    /// What is in the box.
    ///
    /// # Errors
    /// When its data key is unknown, it was sealed for another purpose, or it was changed.
    pub fn unseal(&self, purpose: &str, sealed: &str) -> Result<Zeroizing<Vec<u8>>> {
        let opened = sealed.split_once('.').and_then(|(id, boxed)| {
            let id = id.parse().ok()?;
            let key = self.known(id).or_else(|| self.look_for(id))?;
            key.open(purpose, boxed)
        });
        opened.ok_or_else(|| Error::internal("a sealed value does not open"))
    }

    /// The newest data key that this process knows. It only grows.
    #[must_use]
    pub fn newest(&self) -> Option<i64> {
        self.0.keys.read().unwrap_or_else(PoisonError::into_inner).last_key_value().map(|(id, _)| *id)
    }

    fn known(&self, id: i64) -> Option<Key> {
        self.0.keys.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    fn add(&self, new: impl IntoIterator<Item = (i64, Key)>) {
        self.0.keys.write().unwrap_or_else(PoisonError::into_inner).extend(new);
    }

    /// A key that came after this process read them. It happens once a rotation, so the thread may wait: everything
    /// that opens boxes would else have to be able to.
    fn look_for(&self, id: i64) -> Option<Key> {
        let source = self.0.source.as_ref()?;
        let mut looked = self.0.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = self.known(id) {
            return Some(key);
        }
        if looked.is_some_and(|(other, at)| other == id && at.elapsed() < PAUSE) {
            return None;
        }
        match read_apart(source) {
            Ok(rows) => {
                self.add(rows.into_iter().filter_map(|(id, sealed)| Some((id, self.0.master.open(&sealed).ok()?))))
            }
            Err(error) => log::error!("the data keys cannot be read: {error}"),
        }
        let found = self.known(id);
        *looked = found.is_none().then(|| (id, Instant::now()));
        found
    }
}

/// The data keys, read on a thread and a connection of its own: the caller's thread may be one that must not wait for
/// its own runtime.
fn read_apart(source: &config::Database) -> std::result::Result<Vec<(i64, String)>, String> {
    let read = || {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
        runtime.block_on(async {
            let database = open_readers(source).await?;
            let rows = sealing_key::Entity::find().all(&database).await.map_err(|error| error.to_string());
            let _ = database.close().await;
            Ok(rows?.into_iter().map(|row| (row.id, row.sealed_key)).collect())
        })
    };
    thread::scope(|scope| scope.spawn(read).join()).unwrap_or_else(|_| Err("the thread panicked".to_owned()))
}

impl Sealing {
    /// `plain` in a box that opens only for the same purpose.
    ///
    /// # Errors
    /// When the random source fails.
    pub(super) fn seal(&self, purpose: &str, plain: &[u8]) -> Result<String> {
        Ok(format!("{}.{}", self.0, self.1.seal(purpose, plain)?))
    }
}

impl fmt::Debug for Sealing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealing(key {})", self.0)
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealer(up to key {})", self.newest().unwrap_or_default())
    }
}
