//! How a provider is called: its own numbers, else those of the settings.

use entity::provider::Model;

use crate::settings::Values;

/// The numbers that hold for a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Seconds before its end at which an access token is due, at least.
    pub margin_s: i64,
    /// Longest time for an answer, in milliseconds.
    pub timeout_ms: i64,
    /// Calls at once, from each process.
    pub max_concurrency: i64,
    /// Milliseconds between the beginnings of two calls, in each process.
    pub min_interval_ms: i64,
}

impl Pace {
    /// Of this provider, under these settings.
    #[must_use]
    pub fn of(provider: &Model, settings: &Values) -> Self {
        Self {
            margin_s: provider.refresh_margin_s.unwrap_or(settings.refresh_margin_s.into()),
            timeout_ms: provider.timeout_ms.unwrap_or(settings.provider_timeout_ms.into()),
            max_concurrency: provider.max_concurrency.unwrap_or(settings.provider_max_concurrency.into()),
            min_interval_ms: provider.min_interval_ms.unwrap_or(settings.provider_min_interval_ms.into()),
        }
    }
}

/// Those of its numbers that the settings give.
pub(super) fn inherited(provider: &Model) -> Vec<&'static str> {
    [
        ("refresh_margin_s", provider.refresh_margin_s),
        ("timeout_ms", provider.timeout_ms),
        ("max_concurrency", provider.max_concurrency),
        ("min_interval_ms", provider.min_interval_ms),
    ]
    .into_iter()
    .filter_map(|(name, own)| own.is_none().then_some(name))
    .collect()
}
