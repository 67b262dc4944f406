//! The journal: rotated tokens that reached us while the database refused them.
//!
//! One file for each answer, sealed, written under another name, synced, renamed, and its folder synced. It goes when
//! the database holds what is in it.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::base::{
    error::{Error, Result},
    secret::{Sealer, Secret},
};

const ENDING: &str = "sealed";

/// The folder.
#[derive(Debug)]
pub(super) struct Journal(PathBuf);

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
        Ok(Self(folder))
    }

    /// Puts an answer where a crash cannot reach it.
    pub(super) fn write(&self, sealer: &Sealer, entry: &Entry) -> Result<()> {
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
        fs::rename(&draft, path)?;
        File::open(&self.0)?.sync_all()
    }

    /// How many answers lie here.
    pub(super) fn len(&self) -> Result<usize> {
        let files = fs::read_dir(&self.0).map_err(Error::internal)?;
        Ok(files.flatten().filter(|file| file.path().extension().is_some_and(|ending| ending == ENDING)).count())
    }

    /// The answers that lie here. What does not open stays, and is told.
    pub(super) fn read(&self, sealer: &Sealer) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for file in fs::read_dir(&self.0).map_err(Error::internal)? {
            let path = file.map_err(Error::internal)?.path();
            if path.extension().is_none_or(|ending| ending != ENDING) {
                continue; // a draft: its writer died before anybody relied on it
            }
            match entry(sealer, &path) {
                Some(entry) => entries.push(entry),
                None => log::error!("{} does not open with this master key; it is left alone", path.display()),
            }
        }
        Ok(entries)
    }

    /// Its content is in the database.
    pub(super) fn remove(&self, attempt: &str) {
        if let Err(error) = fs::remove_file(self.path(attempt)) {
            log::warn!("a journal file could not be removed; it will be found to be settled: {error}");
        }
    }

    fn path(&self, attempt: &str) -> PathBuf {
        self.0.join(attempt).with_extension(ENDING)
    }
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
