//! Rate limits: calls counted in fixed windows of one minute, in memory.
//!
//! A window opens with the first call of a key and lasts a minute. Memory is bounded by the keys of the last minute.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
    sync::{Mutex, PoisonError},
};

use actix_web::{
    HttpResponse,
    http::header::{HeaderName, HeaderValue},
};
use entity::UtcMillis;

use super::error::{Error, Result};

/// Length of a window in milliseconds.
const WINDOW: i64 = 60_000;
/// Independent maps, so that workers seldom wait for each other.
const SHARDS: usize = 16;

/// Calls of each key in its present window.
#[derive(Debug)]
pub struct Rates<K> {
    shards: Vec<Mutex<HashMap<K, Window>>>,
    hasher: RandomState,
}

#[derive(Debug)]
struct Window {
    start: i64,
    calls: u32,
}

/// What a call used up: the `RateLimit` headers (draft-ietf-httpapi-ratelimit-headers-07 and its predecessor's
/// `RateLimit-Policy`, as express-rate-limit sends them).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Calls allowed in a minute.
    pub limit: u32,
    /// Calls left.
    pub remaining: u32,
    /// Seconds until the window ends.
    pub reset: i64,
}

impl<K> Default for Rates<K> {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), hasher: RandomState::new() }
    }
}

impl<K: Hash + Eq> Rates<K> {
    /// Counts a call. `None` when `limit` is 0: then nothing is limited.
    ///
    /// # Errors
    /// 429 when the limit was reached before.
    pub fn count(&self, key: K, limit: u32, now: UtcMillis) -> Result<Option<Quota>> {
        if limit == 0 {
            return Ok(None);
        }
        let shard = usize::try_from(self.hasher.hash_one(&key)).unwrap_or_default() % SHARDS;
        let Some(shard) = self.shards.get(shard) else { return Ok(None) };
        let mut windows = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let window = windows.entry(key).or_insert(Window { start: now.0, calls: 0 });
        if !(0..WINDOW).contains(&(now.0 - window.start)) {
            *window = Window { start: now.0, calls: 0 };
        }
        let reset = UtcMillis(window.start + WINDOW).seconds_after(now);
        if window.calls >= limit {
            let quota = Quota { limit, remaining: 0, reset };
            let error = Error::too_many(format!("Only {limit} calls a minute are allowed here."), reset);
            return Err(quota.on_error(error));
        }
        window.calls += 1;
        Ok(Some(Quota { limit, remaining: limit - window.calls, reset }))
    }

    /// Forgets windows that are over.
    pub fn sweep(&self, now: UtcMillis) {
        for shard in &self.shards {
            let mut windows = shard.lock().unwrap_or_else(PoisonError::into_inner);
            windows.retain(|_, window| (0..WINDOW).contains(&(now.0 - window.start)));
        }
    }
}

impl Quota {
    fn headers(self) -> [(HeaderName, String); 2] {
        let Self { limit, remaining, reset } = self;
        [
            (HeaderName::from_static("ratelimit"), format!("limit={limit}, remaining={remaining}, reset={reset}")),
            (HeaderName::from_static("ratelimit-policy"), format!("{limit};w=60")),
        ]
    }

    fn on_error(self, error: Error) -> Error {
        self.headers().into_iter().fold(error, |error, (name, value)| error.header(name, value))
    }

    /// Adds the headers to the outcome of a limited call, be it good or bad.
    ///
    /// # Errors
    /// The one given.
    pub fn tell(quota: Option<Self>, outcome: Result<HttpResponse>) -> Result<HttpResponse> {
        let Some(quota) = quota else { return outcome };
        match outcome {
            Ok(mut response) => {
                for (name, value) in quota.headers() {
                    if let Ok(value) = HeaderValue::try_from(value) {
                        response.headers_mut().insert(name, value);
                    }
                }
                Ok(response)
            }
            Err(error) => Err(quota.on_error(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_allows_its_limit_and_opens_anew_after_a_minute() {
        let rates = Rates::default();
        let at = |millis: i64| UtcMillis(1_000_000 + millis);
        assert_eq!(rates.count("a", 2, at(0)).unwrap(), Some(Quota { limit: 2, remaining: 1, reset: 60 }));
        assert_eq!(rates.count("a", 2, at(30_001)).unwrap(), Some(Quota { limit: 2, remaining: 0, reset: 30 }));
        assert!(rates.count("a", 2, at(59_999)).is_err());
        assert!(rates.count("b", 2, at(59_999)).is_ok(), "another key has its own window");
        assert_eq!(rates.count("a", 2, at(60_000)).unwrap().unwrap().remaining, 1);
        assert_eq!(rates.count("a", 0, at(60_000)).unwrap(), None, "0 switches the limit off");
    }
}
