//! The lock of the one server of a SQLite file.

use std::{
    fs::{File, TryLockError},
    path::Path,
};

use super::StartError;
use crate::config::{self, DatabaseKind};

/// Held by the one server of a SQLite file; the operating system lets go of it when the process ends, however.
#[derive(Debug)]
pub struct ServerLock {
    _file: File,
}

impl ServerLock {
    /// Takes the lock, `<database>.lock` beside the file.
    ///
    /// # Errors
    /// When another process has it.
    pub fn take(config: &config::Database) -> Result<Option<Self>, StartError> {
        if config.kind != DatabaseKind::Sqlite {
            return Ok(None);
        }
        let path = format!("{}.lock", config.database);
        if let Some(folder) = Path::new(&path).parent() {
            std::fs::create_dir_all(folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
        }
        let file = File::create(&path).map_err(|error| format!("cannot open {path}: {error}"))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => {
                Err(format!("another latchkey is using {}: only one server may run on a SQLite file", config.database))
            }
            Err(TryLockError::Error(error)) => Err(format!("cannot lock {path}: {error}")),
        }
    }
}
