//! What an admin may change while the service runs.
//!
//! - A setting has the name, the range and the default of a configuration value, and outranks it until it is null again.
//! - [`Settings`] is what the rooms read: no query, no waiting.
//! - A change holds at once on the replica that made it, and within a second on every other one.

mod api;
mod dto;
mod live;
mod store;
#[cfg(test)]
mod tests;
mod values;

use crate::base::error::Kind;

pub use self::{api::routes, live::Settings, values::Values};

/// The problems this room answers: none of its own.
pub static PROBLEMS: &[&Kind] = &[];
