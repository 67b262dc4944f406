//! What app tokens use up: calls a minute, and when they were last used.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use entity::UtcMillis;

use super::install;
use crate::base::{
    error::Result,
    rate::{Quota, Subject, Windows},
    redis::Redis,
    state::State,
};

/// The kinds of calls that are limited separately.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Use {
    /// GET.
    Read,
    /// POST and PUT.
    Write,
    /// DELETE.
    Delete,
    /// Batches.
    Batch,
}

/// An install and a kind of its calls.
impl Subject for (i64, Use) {
    fn name(&self) -> String {
        let kind = match self.1 {
            Use::Read => "read",
            Use::Write => "write",
            Use::Delete => "delete",
            Use::Batch => "batch",
        };
        format!("{}:{kind}", self.0)
    }
}

/// Calls of each app token, and when each was last used (to the minute).
#[derive(Debug)]
pub struct Meter {
    calls: Windows<(i64, Use)>,
    used: [Mutex<HashMap<i64, UtcMillis>>; 16],
}

impl Meter {
    /// Counts calls in this process, or over all replicas where they share a Redis.
    #[must_use]
    pub fn new(redis: Option<&Redis>) -> Self {
        Self { calls: Windows::new("install", redis), used: Default::default() }
    }

    /// Counts a call of that install.
    ///
    /// # Errors
    /// 429 when `limit` was reached before.
    pub async fn count(&self, install_id: i64, kind: Use, limit: u32, now: UtcMillis) -> Result<Option<Quota>> {
        let minute = UtcMillis(now.0 - now.0.rem_euclid(60_000));
        let shard = usize::try_from(install_id).unwrap_or_default() % self.used.len();
        if let Some(shard) = self.used.get(shard) {
            shard.lock().unwrap_or_else(PoisonError::into_inner).insert(install_id, minute);
        }
        self.calls.count((install_id, kind), limit, now).await
    }

    /// Writes down when tokens were last used and forgets windows that are over. To be called now and then, and
    /// before the service stops.
    ///
    /// # Errors
    /// When the database is out; then the times are kept for the next call.
    pub async fn flush(&self, state: &State) -> Result<()> {
        self.calls.sweep(state.clock.now());
        for shard in &self.used {
            let uses: Vec<_> =
                std::mem::take(&mut *shard.lock().unwrap_or_else(PoisonError::into_inner)).into_iter().collect();
            if uses.is_empty() {
                continue;
            }
            let to_write = uses.clone();
            if let Err(error) = state.writer.write(async move |tx| install::record_use(tx, &to_write).await).await {
                let mut used = shard.lock().unwrap_or_else(PoisonError::into_inner);
                for (install_id, at) in uses {
                    used.entry(install_id).or_insert(at);
                }
                return Err(error);
            }
        }
        Ok(())
    }
}
