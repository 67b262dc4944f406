//! What the operator decides: every value with its type, its default and where it came from.
//!
//! - Command line over environment over file over `secrets.yml` over defaults (`load`).
//! - One table of keys (`Key`), a section per file, drives reading, showing and the example; a value that is not in it
//!   does not exist, and an unknown name is an error with its place.
//! - Plain data: nothing here opens a connection or knows another room.
//! - A secret is a `Secret`; no error and no listing holds one.

mod amount;
mod auth;
mod checkin;
mod database;
mod error;
pub mod example;
mod keys;
mod kind;
mod kv;
mod load;
mod log;
mod network;
mod recharge;
mod redis;
mod refresh;
mod secret;
pub mod secrets;
mod security;
mod server;
pub mod show;
mod span;
mod table;
#[cfg(test)]
mod tests;
pub mod validate;
mod wechat;

pub use amount::Amount;
pub use auth::Auth;
pub use checkin::Checkin;
pub use database::{Database, DatabaseKind, Synchronous};
pub use error::{ConfigError, Origin};
pub use keys::{Keys, OnCounterFailure};
pub use kind::Kind;
pub use kv::Kv;
pub use load::{CONFIG_FILE, Loaded, Sources, load};
pub use log::{Log, LogFormat, LogLevel};
pub use network::Network;
pub use recharge::Recharge;
pub use redis::Redis;
pub use refresh::Refresh;
pub use secret::{REDACTED, Secret};
pub use security::Security;
pub use server::{Mode, Server};
pub use span::Span;
pub use table::{Key, Older, all as all_keys};
pub use wechat::Wechat;

use serde::{Deserialize, Serialize};

/// The whole configuration. [`Default`] is the table's defaults, with every secret empty.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where and how the service is reached.
    pub server: Server,
    /// Where the data is kept.
    pub database: Database,
    /// The first admin and the secrets of the admin API.
    pub auth: Auth,
    /// Encryption at rest and guards.
    pub security: Security,
    /// The store's limits.
    pub kv: Kv,
    /// API keys, usage and cost.
    pub keys: Keys,
    /// Token refresh.
    pub refresh: Refresh,
    /// The mini-program and WeChat Pay.
    pub wechat: Wechat,
    /// The daily check-in.
    pub checkin: Checkin,
    /// Buying quota.
    pub recharge: Recharge,
    /// Seconds of its past that the mini-program's quota history shows. Default 43 200.
    pub quota_history_ttl: u32,
    /// Shared counters for several replicas.
    pub redis: Redis,
    /// The log.
    pub log: Log,
}

/// The values outside all sections.
const KEYS: &[Key] = &[Key::new(
    "quota_history_ttl",
    Kind::integer(1, 315_360_000),
    "43200",
    "Seconds of its past that the mini-program's quota history shows.",
)
.older("QUOTA_HISTORY_TTL")];

impl Default for Config {
    #[expect(clippy::expect_used, reason = "the defaults are constants, and a test loads them")]
    fn default() -> Self {
        load::defaults().expect("the defaults are valid")
    }
}
