//! How the accounts stand, in numbers.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

/// Numbers of accounts.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(example = json!({"total": 12, "enabled": 11, "by_state": {"new": 1, "ok": 10, "failing": 0, "dead": 1, "uncertain": 0}, "by_provider": {"openai-ios": 12}, "by_type": {"plus": 9, "unknown": 3}, "expiring": {"within_1h": 1, "within_24h": 4}, "due": 0}))]
pub struct AccountStats {
    /// All there are.
    pub total: u64,
    /// Those that are enabled.
    pub enabled: u64,
    /// By how they stand; every state is listed.
    pub by_state: BTreeMap<String, u64>,
    /// By provider.
    pub by_provider: BTreeMap<String, u64>,
    /// By plan; `unknown` where it is not known.
    pub by_type: BTreeMap<String, u64>,
    /// Access tokens that live and end soon.
    pub expiring: ExpiringAccounts,
    /// Enabled ones whose time to be refreshed has come.
    pub due: u64,
}

/// Access tokens that live and end soon.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct ExpiringAccounts {
    /// Within an hour.
    pub within_1h: u64,
    /// Within a day, those within an hour included.
    pub within_24h: u64,
}
