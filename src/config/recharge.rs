//! `recharge`: buying quota with WeChat Pay.

use serde::{Deserialize, Serialize};

use super::Amount;
use super::kind::Kind;
use super::table::Key;

/// What can be bought, where, and what it gives.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Recharge {
    /// Whether orders are taken. Default false.
    pub enabled: bool,
    /// Smallest amount in yuan, at most 2 decimals. Default 1.
    pub min_amount: Amount,
    /// Largest amount in yuan, at most 2 decimals. Default 5000.
    pub max_amount: Amount,
    /// The amounts offered, in yuan. Default 10, 50, 100, 200, 500, 1000.
    pub amounts: Vec<Amount>,
    /// Whether other amounts may be entered. Default true.
    pub allow_custom: bool,
    /// Quota in `keys.currency` per yuan. Default 1.
    pub quota_per_yuan: Amount,
    /// The platforms that may buy, as the mini-program names them. Default android.
    pub platforms: Vec<String>,
}

pub(super) const KEYS: &[Key] = &[
    Key::new("recharge.enabled", Kind::Bool, "false", "Take orders."),
    Key::new("recharge.min_amount", Kind::price(), "1", "Smallest amount in yuan."),
    Key::new("recharge.max_amount", Kind::price(), "5000", "Largest amount in yuan."),
    Key::new("recharge.amounts", Kind::Prices, "[10, 50, 100, 200, 500, 1000]", "The amounts offered, in yuan."),
    Key::new("recharge.allow_custom", Kind::Bool, "true", "Let other amounts be entered."),
    Key::new("recharge.quota_per_yuan", Kind::positive(), "1", "Quota per yuan, in keys.currency; at most 6 decimals."),
    Key::new(
        "recharge.platforms",
        Kind::Texts,
        "[android]",
        "The platforms that may buy; WeChat allows no such sales on ios.",
    ),
];
