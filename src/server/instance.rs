//! The name of this instance among its replicas: a file beside the secrets, so that a start recognises its own former
//! life and takes over what that held.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, Write},
};

use uuid::Uuid;

use crate::{
    base::db::StartError,
    config::{self, secrets},
};

const FILE: &str = "instance_id";

/// The name in the file; a new one when there is none.
///
/// # Errors
/// When the file can be neither read nor written.
pub(super) fn name(database: &config::Database) -> Result<String, StartError> {
    let path = secrets::file_for(database).with_file_name(FILE);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    }
    match File::open(&path).and_then(known) {
        Ok(Some(id)) => Ok(id),
        _ => new(&path).map_err(|error| format!("cannot write {}: {error}", path.display())),
    }
}

fn known(mut file: File) -> io::Result<Option<String>> {
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(text.trim().parse::<Uuid>().ok().map(|id| id.to_string()))
}

/// Writes a new name, unless another process does so at this moment: then it is that one's.
fn new(path: &std::path::Path) -> io::Result<String> {
    let mut file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
    let _ = file.lock(); // where there are no locks, two first starts at the same moment are the operator's to avoid
    if let Some(id) = known(file.try_clone()?)? {
        return Ok(id);
    }
    let id = Uuid::now_v7().to_string();
    file.rewind()?;
    file.set_len(0)?;
    writeln!(file, "{id}")?;
    file.sync_all()?;
    Ok(id)
}
