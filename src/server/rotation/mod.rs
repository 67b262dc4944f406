//! New keys: a new master key for the data keys, or a new data key for everything that is sealed.
//!
//! - [`rotate_master_key`] is one transaction, while no server runs. Where the key is kept in `secrets.yml`, the new one
//!   lies beside it on the disk before the commit and takes its place after it; a start in between finds it there.
//! - [`rotate_data_key`] works beside running servers. The new key is there in one short transaction; from then on
//!   everything is sealed with it, since who seals asks for the newest (`base/sealer.rs`). Every older box is replaced
//!   by one of the new key, if it is still that box. The old key goes when no column holds a box of it, and no
//!   replica's journal may need it. As long as there are two keys, the command goes on with the rotation begun.

mod columns;
mod data_key;
mod master_key;

use std::path::PathBuf;

pub use self::{
    data_key::{Rotated, rotate_data_key},
    master_key::{rotate_master_key, servers_are_stopped},
};
use crate::config::{self, secrets};

/// Where rotated tokens lie that the database has not got yet.
pub(super) fn journal_folder(database: &config::Database) -> PathBuf {
    secrets::file_for(database).with_file_name("rotation-journal")
}
