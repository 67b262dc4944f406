//! The name of this instance among its replicas: a file beside the secrets, so that a start recognises its own former
//! life and takes over what that held.

use std::fs;

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
    let file = secrets::file_for(database).with_file_name(FILE);
    let known = fs::read_to_string(&file).ok().and_then(|text| text.trim().parse::<Uuid>().ok());
    if let Some(id) = known {
        return Ok(id.to_string());
    }
    let id = Uuid::now_v7().to_string();
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    }
    fs::write(&file, format!("{id}\n")).map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    Ok(id)
}
