//! Integration tests: each starts a service of its own on a free port, on a database of its own, SQLite and MariaDB.

#[macro_use]
mod kit;

mod kv;
