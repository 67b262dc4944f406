//! What every room stands on. It knows no room and imports only `config` and `entity`.

pub mod attempts;
pub mod clock;
pub mod commit;
pub mod db;
pub mod error;
pub mod event;
pub mod http_client;
pub mod idempotency;
pub mod input;
pub mod job;
pub mod json_text;
pub mod lease;
pub mod master_key;
pub mod metrics;
pub mod page;
pub mod patience;
pub mod rate;
pub mod readers;
pub mod redis;
#[cfg(test)]
pub(crate) mod scratch;
pub mod sealed;
pub mod sealer;
pub mod search;
pub mod secret;
pub mod spread;
pub mod standard_webhooks;
pub mod state;
pub mod wake;
