//! Rate limits: calls counted in fixed windows of one minute, over all replicas where they share a Redis.
//!
//! A window opens with the first call of a subject and lasts a minute. Calls that are refused are not counted. While
//! Redis is away, each process counts for itself: limits go on, a little wider.

mod memory;
mod quota;
mod shared;
#[cfg(test)]
mod tests;

use std::{hash::Hash, net::IpAddr};

use entity::UtcMillis;

use self::{memory::Memory, shared::Shared};
use super::{
    error::{Error, Result},
    redis::Redis,
    secret::sha256_hex,
};

pub use self::quota::Quota;

/// Length of a window in milliseconds.
const WINDOW: i64 = 60_000;

/// What calls are counted by.
pub trait Subject: Hash + Eq {
    /// Its name among the keys of a shared Redis: of bounded length, not a secret.
    fn name(&self) -> String;
}

impl Subject for IpAddr {
    fn name(&self) -> String {
        let mut hash = sha256_hex(self.to_string().as_bytes());
        hash.truncate(32);
        hash
    }
}

/// Calls of each subject in its present window.
#[derive(Debug)]
pub enum Windows<K> {
    /// Counted in this process, which is alone.
    Memory(Memory<K>),
    /// Counted by all replicas together.
    Redis(Shared<K>),
}

impl<K: Subject> Windows<K> {
    /// Windows of this kind of calls; `kind` is part of the keys in Redis.
    #[must_use]
    pub fn new(kind: &'static str, redis: Option<&Redis>) -> Self {
        Self::bounded(kind, redis, usize::MAX)
    }

    /// The same, with memory for about so many subjects at a time. When more come within a minute, some are forgotten.
    #[must_use]
    pub fn bounded(kind: &'static str, redis: Option<&Redis>, subjects: usize) -> Self {
        let memory = Memory::new(subjects);
        match redis {
            None => Self::Memory(memory),
            Some(redis) => Self::Redis(Shared::new(kind, redis.clone(), memory)),
        }
    }

    /// Counts a call. `None` when `limit` is 0: then nothing is limited.
    ///
    /// # Errors
    /// 429 when the limit was reached before.
    pub async fn count(&self, subject: K, limit: u32, now: UtcMillis) -> Result<Option<Quota>> {
        if limit == 0 {
            return Ok(None);
        }
        match self.take(subject, limit, now).await {
            Ok(quota) => Ok(Some(quota)),
            Err(spent) => {
                let detail = format!("Only {limit} calls a minute are allowed here.");
                Err(spent.on_error(Error::too_many(detail, spent.reset)))
            }
        }
    }

    /// Counts a call against a limit that is not 0.
    ///
    /// # Errors
    /// The quota when it was used up before.
    pub async fn take(&self, subject: K, limit: u32, now: UtcMillis) -> std::result::Result<Quota, Quota> {
        match self {
            Self::Memory(memory) => memory.take(subject, limit, now),
            // Boxed, so that those who count in memory do not carry its future.
            Self::Redis(shared) => Box::pin(shared.take(subject, limit, now)).await,
        }
    }

    /// Forgets windows that are over.
    pub fn sweep(&self, now: UtcMillis) {
        match self {
            Self::Memory(memory) => memory.sweep(now),
            Self::Redis(shared) => shared.sweep(now),
        }
    }
}
