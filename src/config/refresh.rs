//! `refresh`: the renewal of stored OAuth tokens.

use serde::{Deserialize, Serialize};

use super::kind::Kind;
use super::table::Key;

/// Token refresh.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Refresh {
    /// Whether the job refreshes by itself; refreshing by hand works either way. Default true.
    pub enabled: bool,
    /// Refreshes at once. Default 16.
    pub concurrency: usize,
    /// Seconds for which the storing of a new token is tried again. Default 60.
    pub commit_retry_s: u32,
    /// Whether disabled accounts are refreshed too. Default false.
    pub keep_disabled_fresh: bool,
}

pub(super) const KEYS: &[Key] = &[
    Key::new("refresh.enabled", Kind::Bool, "true", "Let the job refresh tokens; by hand it works either way."),
    Key::new("refresh.concurrency", Kind::integer(1, 1024), "16", "Refreshes at once."),
    Key::new(
        "refresh.commit_retry_s",
        Kind::integer(1, 3600),
        "60",
        "Seconds for which the storing of a new token is tried again when the database fails.",
    ),
    Key::new("refresh.keep_disabled_fresh", Kind::Bool, "false", "Refresh the tokens of disabled accounts too."),
];
