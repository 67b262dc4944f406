//! Latchkey: self-hosted credentials and small state for AI-backed apps.
//!
//! `ls src` tells what it does; each folder is a room. See docs/ARCHITECTURE.md.

/// Who may administer: login, sessions, scoped secrets, and the audit of what they did.
pub mod admin;
pub mod base;
pub mod config;
/// What runs on a schedule, and the tasks that go on in the background.
pub mod scheduler;
/// What an admin may change while the service runs.
pub mod settings;
