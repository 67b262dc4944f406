//! Latchkey: self-hosted credentials and small state for AI-backed apps.
//!
//! `ls src` tells what it does; each folder is a room. See docs/ARCHITECTURE.md.

/// Who may administer: login, sessions, scoped secrets, and the audit of what they did.
pub mod admin;
/// Apps and where they are installed.
pub mod apps;
/// What every room stands on: errors, clock, secrets, database, commits, metrics.
pub mod base;
/// The command line: one file a command.
pub mod cli;
/// What the operator decides: every value, its default and its source.
pub mod config;
/// Devices, their owners and what is installed on them.
pub mod devices;
/// The key-value store.
pub mod kv;
/// Tells people what happened: channels, quiet hours, templates, eleven kinds of service.
pub mod notify;
/// What has to be told to others, delivered after the commit of its cause.
pub mod outbox;
/// Providers: where refresh tokens are exchanged, and the exchange.
pub mod providers;
/// What runs on a schedule, and the tasks that go on in the background.
pub mod scheduler;
/// The composition root: starts everything, serves, stops everything.
pub mod server;
/// What an admin may change while the service runs.
pub mod settings;
/// Where fresh access tokens are pushed.
pub mod sinks;
/// Accounts: refresh tokens, and the access tokens they give.
pub mod tokens;
