//! Circuit breakers: a host that fails again and again is left alone for a while.
//!
//! There is one for each host and way there (directly, or through a certain proxy), so that a bad proxy does not cut off
//! those who do not use it. [`IN_A_ROW`] failures open it; then one call is let through at a time to see, and each that
//! fails doubles the wait.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use entity::UtcMillis;

use crate::base::{clock::Clock, secret::Secret, secret::sha256_hex};

/// So many failures in a row open a breaker.
const IN_A_ROW: u32 = 5;
/// For how long at first, in milliseconds.
const FIRST_MS: i64 = 30_000;
/// And at most.
const LONGEST_MS: i64 = 600_000;

/// A host, and how it is reached.
type Path = (String, Option<String>);

/// All breakers of this process. Only those of paths that failed last take room.
#[derive(Clone, Debug, Default)]
pub(super) struct Breakers(Arc<Mutex<HashMap<Path, Breaker>>>);

#[derive(Clone, Copy, Debug, Default)]
struct Breaker {
    failures: u32,
    /// While it is open, or one call is let through to see.
    open: Option<Open>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    until: UtcMillis,
    wait_ms: i64,
    /// A call is under way to see.
    trying: bool,
}

/// How a call went, as far as the host is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    /// It answered.
    Good,
    /// No connection, one that broke, no answer, or a failure of its own.
    Bad,
    /// That is not known: the proxy failed, or the call was given up.
    Unknown,
}

/// A call that was let through. Dropped without [`Self::end`], it tells nothing about the host.
pub(super) struct Pass {
    breakers: Breakers,
    path: Path,
    clock: Clock,
    ended: bool,
}

impl Breakers {
    /// The host of a URL with its port, and the proxy by its hash.
    pub(super) fn path(url: &str, proxy: Option<&Secret>) -> Path {
        let parsed = url::Url::parse(url).ok();
        let host = parsed.and_then(|url| Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?)));
        (host.unwrap_or_default(), proxy.map(|proxy| sha256_hex(proxy.expose().as_bytes())))
    }

    /// Seconds until a call may be let through; none when one may now.
    pub(super) fn closed_for(&self, path: &Path, now: UtcMillis) -> Option<i64> {
        self.lock().get(path)?.open?.wait(now)
    }

    /// Lets a call through, or tells in how many seconds to ask again.
    pub(super) fn pass(&self, path: &Path, clock: &Clock) -> Result<Pass, i64> {
        if let Some(open) = self.lock().get_mut(path).and_then(|breaker| breaker.open.as_mut()) {
            open.wait(clock.now()).map_or(Ok(()), Err)?;
            open.trying = true;
        }
        Ok(Pass { breakers: self.clone(), path: path.clone(), clock: clock.clone(), ended: false })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Path, Breaker>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, path: &Path, health: Health, now: UtcMillis) {
        let mut all = self.lock();
        match health {
            Health::Good => drop(all.remove(path)),
            Health::Bad => all.entry(path.clone()).or_default().fail(now),
            Health::Unknown => {
                if let Some(open) = all.get_mut(path).and_then(|breaker| breaker.open.as_mut()) {
                    open.trying = false;
                }
            }
        }
    }
}

impl Breaker {
    fn fail(&mut self, now: UtcMillis) {
        self.failures = self.failures.saturating_add(1);
        self.open = match self.open {
            Some(open) if open.trying => Some(Open::after((open.wait_ms * 2).min(LONGEST_MS), now)),
            None if self.failures >= IN_A_ROW => Some(Open::after(FIRST_MS, now)),
            // Closed still; or open already, and this call began before.
            same => same,
        };
    }
}

impl Open {
    fn after(wait_ms: i64, now: UtcMillis) -> Self {
        Self { until: now.plus_millis(wait_ms), wait_ms, trying: false }
    }

    /// Seconds to wait; while another call is under way to see, one at a time.
    fn wait(self, now: UtcMillis) -> Option<i64> {
        match self.until.seconds_after(now) {
            0 => self.trying.then_some(1),
            seconds => Some(seconds),
        }
    }
}

impl Pass {
    /// Tells how the call went.
    pub(super) fn end(mut self, health: Health) {
        self.ended = true;
        self.breakers.note(&self.path, health, self.clock.now());
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if !self.ended {
            self.breakers.note(&self.path, Health::Unknown, self.clock.now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Host {
        breakers: Breakers,
        clock: Clock,
        path: Path,
    }

    impl Host {
        fn new() -> Self {
            let path = Breakers::path("https://auth.example.com/token", None);
            Self { breakers: Breakers::default(), clock: Clock::manual(UtcMillis(0)), path }
        }

        fn ask(&self) -> Result<Pass, i64> {
            self.breakers.pass(&self.path, &self.clock)
        }

        fn call(&self, health: Health) {
            self.ask().unwrap_or_else(|_| panic!("it is open")).end(health);
        }

        fn opened() -> Self {
            let host = Self::new();
            (0..5).for_each(|_| host.call(Health::Bad));
            host
        }

        #[track_caller]
        fn is_open_for(&self, seconds: i64) {
            assert_eq!(self.ask().err(), Some(seconds));
        }
    }

    #[test]
    fn five_failures_in_a_row_open_it_and_an_answer_begins_the_row_anew() {
        let host = Host::new();
        for _ in 0..3 {
            (0..4).for_each(|_| host.call(Health::Bad));
            host.call(Health::Good);
        }
        (0..5).for_each(|_| host.call(Health::Bad));
        host.is_open_for(30);
    }

    #[test]
    fn half_open_lets_one_through_and_each_failure_doubles_the_wait_up_to_ten_minutes() {
        let host = Host::opened();
        for seconds in [30, 60, 120, 240, 480, 600, 600] {
            host.clock.advance_millis(seconds * 1000 - 1);
            host.is_open_for(1);
            host.clock.advance_millis(1);
            let one = host.ask().unwrap_or_else(|_| panic!("half open"));
            host.is_open_for(1);
            one.end(Health::Bad);
        }
        host.is_open_for(600);
        host.clock.advance_millis(600_000);
        host.call(Health::Good);
        (0..4).for_each(|_| host.call(Health::Bad));
        host.call(Health::Bad);
        host.is_open_for(30);
    }

    #[test]
    fn a_call_that_tells_nothing_or_is_given_up_frees_its_place() {
        let host = Host::opened();
        host.clock.advance_millis(30_000);
        host.call(Health::Unknown);
        drop(host.ask());
        host.call(Health::Good);
        assert!(host.breakers.lock().is_empty());
    }

    #[test]
    fn calls_that_began_before_it_opened_do_not_prolong_it() {
        let host = Host::new();
        let passes: Vec<Pass> = (0..8).filter_map(|_| host.ask().ok()).collect();
        passes.into_iter().for_each(|pass| pass.end(Health::Bad));
        host.is_open_for(30);
    }

    #[test]
    fn hosts_and_ways_there_are_told_apart() {
        let host = Host::opened();
        let proxy = Secret::new("http://user:secret@proxy.example");
        let others = [
            Breakers::path("https://other.example.com/token", None),
            Breakers::path("https://auth.example.com:8443/token", None),
            Breakers::path("https://auth.example.com/token", Some(&proxy)),
        ];
        for other in &others {
            assert!(host.breakers.pass(other, &host.clock).is_ok(), "{other:?}");
            assert!(!format!("{other:?}").contains("secret"));
        }
        host.is_open_for(30);
        assert_eq!(Breakers::path("https://auth.example.com:443/other", None), host.path);
    }
}
