//! Who may administer, and what they did.
//!
//! - Three credentials: the root secret of the configuration, named secrets with scopes, and the token of somebody who
//!   signed in. The type among a handler's parameters is the permission: `Allowed` with a marker of `scope`.
//! - A token is good while its session's row is there, so signing out and changing a password end it at once.
//! - Tries at a password are counted before the password is looked at, by name and address and by name alone.
//! - Every write by an admin leaves an event, in the same transaction; secret values are never part of it.

mod accounts;
mod actor;
mod api;
pub mod audit;
mod credential;
mod dto;
mod extract;
mod login;
mod problems;
mod record;
pub mod scope;
mod secrets;
mod session;
#[cfg(test)]
mod tests;
mod token;
mod watch;

pub use accounts::{reset_password, seed_first_admin};
pub use actor::{Actor, ActorKind};
pub use api::routes;
pub use extract::{Admin, Allowed, SignedIn, optional};
pub use problems::PROBLEMS;
pub use record::Record;
pub use scope::Scope;
pub use session::purge as purge_sessions;
pub use watch::SecretWatch;
