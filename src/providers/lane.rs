//! How many calls a provider gets at once from this process, and how closely one follows another.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep_until, timeout_at},
};

use super::pace::Pace;

/// Longest wait for a turn.
const PATIENCE: Duration = Duration::from_secs(60);

/// The lanes of all providers, by id.
#[derive(Clone, Debug, Default)]
pub(super) struct Lanes(Arc<Mutex<HashMap<i64, Lane>>>);

#[derive(Clone, Debug)]
struct Lane {
    /// `max_concurrency` at the time it was made.
    width: i64,
    places: Arc<Semaphore>,
    /// Before this time no call begins.
    next: Instant,
}

/// No turn within [`PATIENCE`]: try again in so many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Crowded(pub(super) i64);

impl Lanes {
    /// Waits for a turn, which lasts as long as the permit. Calls that began under another `max_concurrency` are not
    /// counted against the new one.
    pub(super) async fn turn(&self, provider: i64, pace: Pace) -> Result<OwnedSemaphorePermit, Crowded> {
        let places = self.lane(provider, pace.max_concurrency);
        let permit = timeout_at(Instant::now() + PATIENCE, places.acquire_owned()).await;
        let permit = permit.ok().and_then(Result::ok).ok_or(Crowded(seconds(PATIENCE)))?;
        if pace.min_interval_ms > 0 {
            sleep_until(self.slot(provider, pace)?).await;
        }
        Ok(permit)
    }

    fn lane(&self, provider: i64, width: i64) -> Arc<Semaphore> {
        let mut lanes = self.lock();
        let lane = lanes.entry(provider).or_insert_with(|| Lane::new(width, Instant::now()));
        if lane.width != width {
            *lane = Lane::new(width, lane.next);
        }
        Arc::clone(&lane.places)
    }

    /// Takes the next time at which a call may begin.
    fn slot(&self, provider: i64, pace: Pace) -> Result<Instant, Crowded> {
        let interval = Duration::from_millis(pace.min_interval_ms.try_into().unwrap_or(0));
        let (now, mut lanes) = (Instant::now(), self.lock());
        let lane = lanes.entry(provider).or_insert_with(|| Lane::new(pace.max_concurrency, now));
        let slot = lane.next.max(now);
        if slot > now + PATIENCE {
            return Err(Crowded(seconds(slot - now)));
        }
        lane.next = slot + interval;
        Ok(slot)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i64, Lane>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lane {
    fn new(width: i64, next: Instant) -> Self {
        let places = usize::try_from(width).unwrap_or(1).clamp(1, Semaphore::MAX_PERMITS);
        Self { width, places: Arc::new(Semaphore::new(places)), next }
    }
}

fn seconds(wait: Duration) -> i64 {
    wait.as_secs().try_into().unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn pace(max_concurrency: i64, min_interval_ms: i64) -> Pace {
        Pace { margin_s: 900, timeout_ms: 20_000, max_concurrency, min_interval_ms }
    }

    #[tokio::test]
    async fn no_more_than_its_width_get_a_turn_at_once() {
        let (lanes, narrow) = (Lanes::default(), pace(2, 0));
        let first = lanes.turn(1, narrow).await.unwrap();
        let _second = lanes.turn(1, narrow).await.unwrap();
        assert!(lanes.turn(1, narrow).now_or_never().is_none());
        let _of_another = lanes.turn(7, narrow).await.unwrap();
        drop(first);
        let _third = lanes.turn(1, narrow).await.unwrap();
        assert!(lanes.turn(1, pace(3, 0)).now_or_never().unwrap().is_ok(), "it was widened");
    }

    #[tokio::test]
    async fn calls_keep_their_distance_and_a_wait_beyond_patience_is_refused() {
        let (lanes, slow) = (Lanes::default(), pace(8, 25_000));
        let first = lanes.slot(1, slow).unwrap();
        let second = lanes.slot(1, slow).unwrap();
        assert_eq!(second - first, Duration::from_secs(25));
        assert!(lanes.turn(1, slow).now_or_never().is_none(), "its time is 50 s away");
        let Crowded(seconds) = lanes.slot(1, slow).unwrap_err();
        assert!(seconds > 60, "{seconds}");
        // Given up, that turn has used up its time; nobody comes too early by it.
        assert!(lanes.turn(1, pace(9, 25_000)).now_or_never().unwrap().is_err(), "another width, the same distance");
    }
}
