//! `keys`: API keys, their usage and its cost.

use serde::{Deserialize, Serialize};

use super::kind::Kind;
use super::table::Key;
use super::{Amount, Secret, Span};

/// API keys and usage.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// How often expired keys are disabled. Default 1h.
    pub cleanup_interval: Span,
    /// Seconds after which an unsettled reservation lapses. Default 300.
    pub lease_seconds: u32,
    /// Days for which single usage records are kept; sums are kept for ever. Default 400.
    pub usage_retention_days: u32,
    /// The one currency of limits and costs, ISO 4217. Default USD.
    pub currency: String,
    /// How much of the currency one US dollar of list price costs. Default 1.
    pub cost_per_usd: Amount,
    /// Path of a price file that replaces the built-in prices; empty: none.
    pub price_file: String,
    /// The encryption key of an adopted claude-relay-service, with which its key hashes were salted. Default none.
    pub crs_encryption_key: Secret,
    /// Day on which weekly limits start anew, 1 Monday to 7 Sunday. Default 1.
    pub weekly_reset_day: u32,
    /// Hour of that day, 0 to 23, in `server.timezone`. Default 0.
    pub weekly_reset_hour: u32,
    /// What verify answers while the counters cannot be reached. Default closed.
    pub on_counter_failure: OnCounterFailure,
}

/// What a verify does without its counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnCounterFailure {
    /// Refuses: no limit is ever overrun.
    Closed,
    /// Lets pass: calls go on without rate and concurrency limits.
    Open,
}

pub(super) const KEYS: &[Key] = &[
    Key::new("keys.cleanup_interval", Kind::Span, "1h", "How often expired keys are disabled: 30s, 2m, 1h, 1d.")
        .older_in_milliseconds("CLEANUP_INTERVAL"),
    Key::new(
        "keys.lease_seconds",
        Kind::integer(1, 86_400),
        "300",
        "Seconds after which an unsettled reservation lapses.",
    ),
    Key::new(
        "keys.usage_retention_days",
        Kind::integer(1, 36_500),
        "400",
        "Days for which single usage records are kept; sums are kept for ever.",
    ),
    Key::new("keys.currency", Kind::Text, "USD", "The one currency of limits and costs, as its ISO 4217 code."),
    Key::new(
        "keys.cost_per_usd",
        Kind::positive(),
        "1",
        "How much of the currency one US dollar of list price costs; at most 6 decimals.",
    ),
    Key::new("keys.price_file", Kind::Text, "\"\"", "JSON file with model prices that come before the built-in ones."),
    Key::new(
        "keys.crs_encryption_key",
        Kind::Secret,
        "\"\"",
        "Encryption key of the claude-relay-service that was adopted; needed as long as keys from there are in use.",
    ),
    Key::new(
        "keys.weekly_reset_day",
        Kind::integer(1, 7),
        "1",
        "Day on which weekly limits start anew: 1 is Monday, 7 is Sunday.",
    ),
    Key::new("keys.weekly_reset_hour", Kind::integer(0, 23), "0", "Hour of that day, in server.timezone."),
    Key::new(
        "keys.on_counter_failure",
        Kind::Choice(&["closed", "open"]),
        "closed",
        "While rate counters cannot be reached, `closed` refuses calls and `open` lets them pass.",
    ),
];
