//! Integration tests: each starts a service of its own on a free port, on a database of its own, SQLite and MariaDB.
#![recursion_limit = "256"]

#[macro_use]
mod kit;

mod apps;
mod apps_admin;
mod changes;
mod classworks;
mod devices;
mod frame;
mod kv;
mod kv_lists;
mod limits;
mod quotas;
mod revocation;
mod site_key;
mod tokens_of_apps;
