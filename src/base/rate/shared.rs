//! Windows in Redis, so that a limit holds over all replicas. Their minute is measured by Redis.

use std::sync::LazyLock;

use entity::UtcMillis;
use redis::Script;

use super::{Quota, Subject, WINDOW, memory::Memory};
use crate::base::redis::Redis;

/// Counts a call unless the limit is reached. In: the window's key; the limit, the window's length in milliseconds.
/// Out: whether it was counted, calls in the window, milliseconds until its end. Redis runs it alone, so no call of
/// another replica comes between.
static TAKE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local left = redis.call('PTTL', KEYS[1])
         local calls = 0
         if left > 0 then
           calls = tonumber(redis.call('GET', KEYS[1]))
         else
           left = tonumber(ARGV[2])
           redis.call('SET', KEYS[1], 0, 'PX', left)
         end
         if calls >= tonumber(ARGV[1]) then return {0, calls, left} end
         return {1, redis.call('INCR', KEYS[1]), left}",
    )
});

/// Calls of each subject in its present window, over all replicas.
#[derive(Debug)]
pub struct Shared<K> {
    kind: &'static str,
    redis: Redis,
    /// Counts while Redis is away.
    meanwhile: Memory<K>,
}

impl<K: Subject> Shared<K> {
    pub(super) fn new(kind: &'static str, redis: Redis, meanwhile: Memory<K>) -> Self {
        Self { kind, redis, meanwhile }
    }

    /// The key of a subject's window.
    pub(super) fn key(&self, subject: &K) -> String {
        self.redis.key(&format!("rate:{}:{}", self.kind, subject.name()))
    }

    /// Counts a call. Err: the limit was reached before.
    pub(super) async fn take(&self, subject: K, limit: u32, now: UtcMillis) -> Result<Quota, Quota> {
        let mut script = TAKE.key(self.key(&subject));
        script.arg(limit).arg(WINDOW);
        let Some((counted, calls, left)) = self.redis.run::<(bool, u32, i64)>(&script).await else {
            return self.meanwhile.take(subject, limit, now);
        };
        let quota =
            Quota { limit, remaining: limit.saturating_sub(calls), reset: UtcMillis(left).seconds_after(UtcMillis(0)) };
        if counted { Ok(quota) } else { Err(quota) }
    }

    /// Forgets windows that are over; Redis does so by itself.
    pub(super) fn sweep(&self, now: UtcMillis) {
        self.meanwhile.sweep(now);
    }
}
