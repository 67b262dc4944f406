//! Windows in this process's memory, which is bounded by the subjects of the last minute.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
    sync::{Mutex, MutexGuard, PoisonError},
};

use entity::UtcMillis;

use super::{Quota, WINDOW};

/// Independent maps, so that workers seldom wait for each other.
const SHARDS: usize = 16;

/// Calls of each subject in its present window.
#[derive(Debug)]
pub struct Memory<K> {
    shards: [Mutex<HashMap<K, Window>>; SHARDS],
    hasher: RandomState,
    /// Most subjects of a shard.
    most: usize,
}

#[derive(Debug)]
struct Window {
    start: i64,
    calls: u32,
}

impl Window {
    fn is_open(&self, now: UtcMillis) -> bool {
        (0..WINDOW).contains(&now.0.saturating_sub(self.start))
    }
}

impl<K: Hash + Eq> Memory<K> {
    /// With room for about that many subjects.
    pub(super) fn new(subjects: usize) -> Self {
        let shards = std::array::from_fn(|_| Mutex::default());
        Self { shards, hasher: RandomState::new(), most: subjects.div_ceil(SHARDS) }
    }

    fn shard(&self, subject: &K) -> MutexGuard<'_, HashMap<K, Window>> {
        let [first, ..] = &self.shards;
        let nth = usize::try_from(self.hasher.hash_one(subject) % SHARDS as u64).unwrap_or_default();
        self.shards.get(nth).unwrap_or(first).lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call. Err: the limit was reached before.
    pub(super) fn take(&self, subject: K, limit: u32, now: UtcMillis) -> Result<Quota, Quota> {
        let mut windows = self.shard(&subject);
        if windows.len() >= self.most && !windows.contains_key(&subject) {
            windows.retain(|_, window| window.is_open(now));
            if windows.len() >= self.most {
                windows.clear();
            }
        }
        let window = windows.entry(subject).or_insert(Window { start: now.0, calls: 0 });
        if !window.is_open(now) {
            *window = Window { start: now.0, calls: 0 };
        }
        let reset = UtcMillis(window.start.saturating_add(WINDOW)).seconds_after(now);
        if window.calls >= limit {
            return Err(Quota { limit, remaining: 0, reset });
        }
        window.calls += 1;
        Ok(Quota { limit, remaining: limit - window.calls, reset })
    }

    /// Forgets windows that are over.
    pub(super) fn sweep(&self, now: UtcMillis) {
        for shard in &self.shards {
            shard.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, window| window.is_open(now));
        }
    }

    /// How many subjects it remembers.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap().len()).sum()
    }
}
