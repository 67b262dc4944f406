//! Integration tests: each starts a service of its own on a free port, on a database of its own, SQLite and MariaDB.
#![recursion_limit = "256"]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![expect(clippy::disallowed_methods, reason = "the tests' own clients call the service, not the world")]

#[macro_use]
mod kit;

mod admin;
mod apps;
mod apps_admin;
mod architecture;
mod changes;
mod classworks;
mod commands;
mod commands_tokens;
mod connections;
mod crash;
mod devices;
mod exchange;
mod exposure;
mod first_start;
mod frame;
mod hostile;
mod idempotency;
mod in_clear;
mod key_rotation;
mod kv;
mod kv_lists;
mod limits;
mod migrations;
mod notify;
mod openapi;
mod outage;
mod outbox;
mod providers;
mod quotas;
mod rates;
mod redis;
mod refresh;
mod refresh_metrics;
mod replicas;
mod revocation;
mod rotation;
mod running;
mod same_moment;
mod scheduler;
mod secrets;
mod settings;
mod settings_effect;
mod sinks;
mod sinks_order;
mod sinks_push;
mod site_key;
mod stopping;
mod sweep;
mod tokens;
mod tokens_batch;
mod tokens_import;
mod tokens_of_apps;
mod tokens_secrets;
