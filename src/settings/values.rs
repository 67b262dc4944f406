//! The settings' values, as the rooms read them.

use super::proxies::{Proxies, ProxyChoice};
use crate::config::Config;

/// What holds now: settings over configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Values {
    /// Reads a minute and token; 0 is unlimited.
    pub kv_rate_read: u32,
    /// Writes a minute and token; 0 is unlimited.
    pub kv_rate_write: u32,
    /// Deletions a minute and token; 0 is unlimited.
    pub kv_rate_delete: u32,
    /// Batch calls a minute and token; 0 is unlimited.
    pub kv_rate_batch: u32,
    /// Authorizations, new devices and password checks a minute and address; 0 is unlimited.
    pub kv_rate_address: u32,
    /// Whether the job refreshes accounts that are due.
    pub auto_refresh: bool,
    /// Refreshes at once, of the job and of batches each.
    pub refresh_concurrency: u32,
    /// The least margin in seconds, for providers without one of their own.
    pub refresh_margin_s: u32,
    /// Longest time for an answer in milliseconds, for providers without one of their own.
    pub provider_timeout_ms: u32,
    /// Calls at once from each process, for providers without a number of their own.
    pub provider_max_concurrency: u32,
    /// Milliseconds between the beginnings of two calls, for providers without a number of their own.
    pub provider_min_interval_ms: u32,
    /// Proxies for the accounts that have none of their own.
    pub proxy_list: Proxies,
    /// Which of them a call goes through.
    pub proxy_choice: ProxyChoice,
    /// The language of notifications.
    pub language: Language,
    /// Days for which events of accounts and deliveries that are over are kept.
    pub log_retention_days: u32,
}

/// A language that the service speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// Simplified Chinese.
    #[default]
    ZhCn,
    /// English.
    En,
}

impl Language {
    /// Their names.
    pub(super) const WORDS: &[&str] = &["zh-CN", "en"];

    /// Its name (BCP 47).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ZhCn => "zh-CN",
            Self::En => "en",
        }
    }

    /// The language of that name, else the default one.
    pub(super) fn of(word: &str) -> Self {
        if word == Self::En.as_str() { Self::En } else { Self::ZhCn }
    }
}

impl Values {
    /// As configured; where the configuration has no such value, the default.
    #[must_use]
    pub fn configured(config: &Config) -> Self {
        Self {
            kv_rate_read: config.kv.rate_read,
            kv_rate_write: config.kv.rate_write,
            kv_rate_delete: config.kv.rate_delete,
            kv_rate_batch: config.kv.rate_batch,
            kv_rate_address: config.kv.rate_address,
            auto_refresh: config.refresh.enabled,
            refresh_concurrency: u32::try_from(config.refresh.concurrency).unwrap_or(u32::MAX),
            refresh_margin_s: 900,
            provider_timeout_ms: 20_000,
            provider_max_concurrency: 8,
            provider_min_interval_ms: 0,
            proxy_list: Proxies::default(),
            proxy_choice: ProxyChoice::Fixed,
            language: Language::ZhCn,
            log_retention_days: 90,
        }
    }
}
