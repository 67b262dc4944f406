//! `checkin`: the daily check-in.

use serde::{Deserialize, Serialize};

use super::Amount;
use super::kind::Kind;
use super::table::Key;

/// The daily check-in and its reward.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Checkin {
    /// Whether check-ins are taken. Default true.
    pub enabled: bool,
    /// What a check-in adds to the key's total limit, in `keys.currency`. Default 100.
    pub reward_amount: Amount,
    /// Check-ins a user may make a day, over all keys. Default 5.
    pub limit_per_user_per_day: u32,
    /// The total limit up to which check-ins can raise a key, in `keys.currency`; `None`: no cap.
    pub max_total_cost_limit: Option<Amount>,
    /// The key must have been used within so many days; 0 asks for no use. Default 0.
    pub require_usage_days: u32,
}

pub(super) const KEYS: &[Key] = &[
    Key::new("checkin.enabled", Kind::Bool, "true", "Take check-ins."),
    Key::new("checkin.reward_amount", Kind::positive(), "100", "What a check-in adds to the key's total limit.")
        .older("CHECKIN_REWARD_AMOUNT"),
    Key::new(
        "checkin.limit_per_user_per_day",
        Kind::integer(1, 1_000_000),
        "5",
        "Check-ins a user may make a day, over all keys.",
    )
    .older("CHECKIN_LIMIT_PER_USER_PER_DAY"),
    Key::new(
        "checkin.max_total_cost_limit",
        Kind::optional_amount(),
        "null",
        "The total limit up to which check-ins can raise a key; null is no cap.",
    ),
    Key::new(
        "checkin.require_usage_days",
        Kind::integer(0, 3650),
        "0",
        "The key must have been used within so many days; 0 asks for no use.",
    ),
];
