//! The journal: rotated tokens that reached us while the database refused them.
//!
//! One file for each answer, sealed, written under another name, synced, renamed, and its folder synced. It goes when
//! the database holds what is in it.

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};

use crate::base::{
    error::{Error, Result},
    secret::{Sealer, Secret},
};

const ENDING: &str = "sealed";
/// Locked by those that use the folder: shared by servers, alone by a command that seals the files anew.
const LOCK: &str = "lock";

/// The folder, and what is known to be in it.
#[derive(Debug)]
pub(super) struct Journal {
    folder: PathBuf,
    /// Answers the database does not hold yet: attempt and account. Their refresh tokens in the database are spent.
    waiting: Mutex<HashMap<String, i64>>,
    /// Held from the choice of the data key until the file is there.
    writing: Mutex<()>,
    /// Dropped last.
    _lock: File,
}

/// An answer, as it has to reach the database.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) token_id: i64,
    /// Of the account when its refresh token was read.
    pub(super) version: i64,
    pub(super) epoch: i64,
    pub(super) attempt: String,
    pub(super) cause: String,
    /// The refresh token that was exchanged was the previous one.
    pub(super) used_previous: bool,
    /// None: the answer held a new refresh token and nothing else; then `failure` tells how it is understood.
    pub(super) access_token: Option<String>,
    pub(super) failure: Option<(String, String)>,
    pub(super) refresh_token: Option<String>,
    pub(super) id_token: Option<String>,
    pub(super) expires_at: i64,
    pub(super) email: Option<String>,
    pub(super) user_name: Option<String>,
    pub(super) account_type: Option<String>,
    pub(super) account_id: Option<String>,
    pub(super) duration_ms: i64,
}

impl Journal {
    /// For a server.
    pub(super) fn open(folder: PathBuf) -> Result<Self> {
        let lock = lock_file(&folder).map_err(Error::internal)?;
        lock.lock_shared().map_err(Error::internal)?;
        Ok(Self::new(folder, lock))
    }

    /// For a command, while no server uses the folder. None: one does.
    pub(super) fn open_alone(folder: PathBuf) -> Result<Option<Self>> {
        let lock = lock_file(&folder).map_err(Error::internal)?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Self::new(folder, lock))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(Error::internal(error)),
        }
    }

    fn new(folder: PathBuf, lock: File) -> Self {
        Self { folder, waiting: Mutex::default(), writing: Mutex::default(), _lock: lock }
    }

    /// Puts an answer where a crash cannot reach it. The account counts as waiting even if that fails.
    pub(super) fn write(&self, sealer: &Sealer, entry: &Entry) -> Result<()> {
        self.waiting().insert(entry.attempt.clone(), entry.token_id);
        let text = Secret::new(serde_json::to_string(entry).map_err(Error::internal)?);
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let sealed = sealer.seal_file(&purpose(&entry.attempt), text.expose().as_bytes())?;
        self.put(&self.path(&entry.attempt), sealed.as_bytes()).map_err(Error::internal)
    }

    fn put(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let draft = path.with_extension("draft");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        super::fault::reached("drafted");
        fs::rename(&draft, path)?;
        File::open(&self.folder)?.sync_all()?;
        super::fault::reached("journalled");
        Ok(())
    }

    /// How many answers lie here.
    pub(super) fn len(&self) -> Result<usize> {
        Ok(self.files()?.len())
    }

    /// The answers that lie here. What does not open stays, and is told.
    pub(super) fn read(&self, sealer: &Sealer) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for path in self.files()? {
            match unsealed(sealer, &path).and_then(|plain| serde_json::from_slice::<Entry>(&plain).ok()) {
                Some(entry) => {
                    self.waiting().insert(entry.attempt.clone(), entry.token_id);
                    entries.push(entry);
                }
                None if !path.exists() => {} // it was settled since
                None => log::error!("{} does not open with this master key; it is left alone", path.display()),
            }
        }
        Ok(entries)
    }

    /// The files that count. A draft does not: its writer died before anybody relied on it.
    pub(super) fn files(&self) -> Result<Vec<PathBuf>> {
        let paths = fs::read_dir(&self.folder).and_then(|files| files.map(|file| Ok(file?.path())).collect());
        let mut paths: Vec<PathBuf> = paths.map_err(Error::internal)?;
        paths.retain(|path| path.extension().is_some_and(|ending| ending == ENDING));
        Ok(paths)
    }

    /// The oldest of these data keys (oldest first) that a file is sealed with, or may be from now on.
    pub(super) fn oldest_key(&self, keys: &[i64]) -> Result<Option<i64>> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let used: Vec<i64> = self.files()?.iter().filter_map(|path| key_of(path)).collect();
        Ok(keys.iter().find(|key| used.contains(key)).or(keys.last()).copied())
    }

    /// Seals every file with the newest data key, and answers those that do not open.
    pub(super) fn seal_anew(&self, sealer: &Sealer) -> Result<Vec<PathBuf>> {
        let mut unopened = Vec::new();
        for path in self.files()?.into_iter().filter(|path| key_of(path) != sealer.newest()) {
            let (Some(attempt), Some(plain)) = (attempt_of(&path), unsealed(sealer, &path)) else {
                unopened.push(path);
                continue;
            };
            let sealed = sealer.seal_file(&purpose(attempt), &plain)?;
            self.put(&path, sealed.as_bytes()).map_err(Error::internal)?;
        }
        Ok(unopened)
    }

    /// Whether the database holds everything.
    pub(super) fn is_settled(&self) -> bool {
        self.waiting().is_empty()
    }

    /// Whether an answer for that account waits.
    pub(super) fn holds(&self, token_id: i64) -> bool {
        self.waiting().values().any(|id| *id == token_id)
    }

    /// Its content is in the database, or belongs to nobody any more.
    pub(super) fn remove(&self, attempt: &str) {
        let removed = fs::remove_file(self.path(attempt));
        if let Err(error) = removed.or_else(gone) {
            log::warn!("a journal file could not be removed; it will be found to be settled: {error}");
        }
        self.waiting().remove(attempt);
    }

    fn path(&self, attempt: &str) -> PathBuf {
        self.folder.join(attempt).with_extension(ENDING)
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<String, i64>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Another one that brought it into the database was faster.
fn gone(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

fn lock_file(folder: &Path) -> io::Result<File> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(folder.join(LOCK))
}

fn attempt_of(path: &Path) -> Option<&str> {
    path.file_stem()?.to_str()
}

/// The data key that a file was sealed with.
fn key_of(path: &Path) -> Option<i64> {
    fs::read_to_string(path).ok()?.split_once('.')?.0.parse().ok()
}

fn unsealed(sealer: &Sealer, path: &Path) -> Option<zeroize::Zeroizing<Vec<u8>>> {
    let sealed = fs::read_to_string(path).ok()?;
    sealer.unseal(&purpose(attempt_of(path)?), &sealed).ok()
}

fn purpose(attempt: &str) -> String {
    format!("rotation-journal/{attempt}")
}
