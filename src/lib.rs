//! Latchkey: self-hosted credentials and small state for AI-backed apps.
//!
//! `ls src` tells what it does; each folder is a room. See docs/ARCHITECTURE.md.

pub mod admin;
pub mod base;
pub mod config;
pub mod scheduler;
pub mod settings;
