//! What an admin may change while the service runs.
//!
//! - A setting outranks the configuration value of the same meaning, or a default, until it is null again.
//! - Proxies hold passwords: they are stored sealed, and no answer, audit event or log shows them.
//! - [`Settings`] is what the rooms read: no query, no waiting.
//! - A change holds at once on the replica that made it, and within a second on every other one.

mod api;
mod dto;
mod live;
mod proxies;
mod store;
mod table;
#[cfg(test)]
mod tests;
mod values;

use crate::base::error::Kind;

pub use self::{
    api::routes,
    live::Settings,
    proxies::{Proxies, ProxyChoice},
    values::{Language, Values},
};

/// The problems this room answers: none of its own.
pub static PROBLEMS: &[&Kind] = &[];
