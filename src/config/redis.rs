//! `redis`: shared counters for several replicas.

use serde::{Deserialize, Serialize};

use super::Secret;
use super::kind::Kind;
use super::table::Key;

/// Redis, needed only when several replicas run.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Redis {
    /// `redis://` or `rediss://` address, which may hold a password; empty: none, and then there may be one replica only.
    pub url: Secret,
}

pub(super) const KEYS: &[Key] = &[Key::new(
    "redis.url",
    Kind::Secret,
    "\"\"",
    "redis:// or rediss:// address of the Redis where replicas on one MySQL count rates together; one alone needs none.",
)];
