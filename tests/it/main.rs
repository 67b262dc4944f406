//! Integration tests: each starts a service of its own on a free port, on a database of its own, SQLite and MariaDB.
#![recursion_limit = "256"]

#[macro_use]
mod kit;

mod admin;
mod architecture;
mod commands;
mod exposure;
mod first_start;
mod frame;
mod idempotency;
mod kv;
mod limits;
mod migrations;
mod openapi;
mod scheduler;
mod secrets;
mod settings;
mod stopping;
