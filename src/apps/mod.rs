//! Apps: the programs registered here, and how a device's owner lets one in.
//!
//! - `POST /apps/{id}/authorize` makes the device if it is new, checks its password if it has one, and gives a token
//!   that is shown once.
//! - Lists show masked tokens only.
//! - Deleting an app ends its installs with it.

mod api;
mod app;
mod authorize;
mod dto;
mod installs;

use crate::base::error::{Class, Kind};

pub use api::routes;
pub use app::{create, delete, list};
pub use dto::{NewApp, OwnDevice, OwnToken, clean};

/// There is no such app.
pub static APP_NOT_FOUND: Kind =
    Kind::new(Class::NotFound, "APP_NOT_FOUND", "There is no such app", "No app is registered under this number.");

/// The problems of this room.
pub static PROBLEMS: &[&Kind] = &[&APP_NOT_FOUND];
