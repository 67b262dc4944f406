//! The journal: rotated tokens that reached us while the database refused them.
//!
//! One file for each answer, sealed, written under another name, synced, renamed, and its folder synced. It goes when
//! the database holds what is in it.

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Write},
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

/// The folder, and what is known to be in it.
#[derive(Debug)]
pub(super) struct Journal {
    folder: PathBuf,
    /// Answers the database does not hold yet: attempt and account. Their refresh tokens in the database are spent.
    waiting: Mutex<HashMap<String, i64>>,
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
    pub(super) fn open(folder: PathBuf) -> Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(Error::internal)?;
        Ok(Self { folder, waiting: Mutex::default() })
    }

    /// Puts an answer where a crash cannot reach it. The account counts as waiting even if that fails.
    pub(super) fn write(&self, sealer: &Sealer, entry: &Entry) -> Result<()> {
        self.waiting().insert(entry.attempt.clone(), entry.token_id);
        let text = Secret::new(serde_json::to_string(entry).map_err(Error::internal)?);
        let sealed = sealer.seal(&purpose(&entry.attempt), text.expose().as_bytes())?;
        let path = self.path(&entry.attempt);
        self.put(&path, sealed.as_bytes()).map_err(Error::internal)
    }

    fn put(&self, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
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

    /// The answers that lie here. What does not open stays, and is told.
    pub(super) fn read(&self, sealer: &Sealer) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for file in fs::read_dir(&self.folder).map_err(Error::internal)? {
            let path = file.map_err(Error::internal)?.path();
            if path.extension().is_none_or(|ending| ending != ENDING) {
                continue; // a draft: its writer died before anybody relied on it
            }
            match entry(sealer, &path) {
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

fn entry(sealer: &Sealer, path: &Path) -> Option<Entry> {
    let attempt = path.file_stem()?.to_str()?;
    let sealed = fs::read_to_string(path).ok()?;
    let plain = sealer.unseal(&purpose(attempt), &sealed).ok()?;
    serde_json::from_slice(&plain).ok()
}

fn purpose(attempt: &str) -> String {
    format!("rotation-journal/{attempt}")
}
