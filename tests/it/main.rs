//! Integration tests: each starts a service of its own on a free port, on a database of its own, SQLite and MariaDB.
#![recursion_limit = "256"]

#[macro_use]
mod kit;

mod frame;
mod kv;
mod running;
