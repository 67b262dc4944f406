use futures_util::future::join_all;

use super::*;
use crate::base::{
    error::{Dialect, TOO_MANY_REQUESTS},
    scratch::{START, on_each},
    state::State,
};

const MINUTE: i64 = 60_000;
const FIVE: Limit = Limit { most: 5, window_ms: 15 * MINUTE, lock_ms: 15 * MINUTE, refusal: &TOO_MANY_REQUESTS };
const HOURLY: Limit = Limit { most: 3, window_ms: 60 * MINUTE, lock_ms: 0, refusal: &TOO_MANY_REQUESTS };

fn somebody(name: &str) -> Attempt {
    Attempt::from_address("admin-login", name, IpAddr::from([192, 0, 2, 7]))
}

async fn attempt(state: &State, attempt: &Attempt, limit: Limit, after_ms: i64) -> Result<()> {
    let (attempt, now) = (attempt.clone(), START.plus_millis(after_ms));
    state.writer.write(async move |tx| reserve(tx, &attempt, limit, now).await).await
}

fn retry_after(outcome: Result<()>) -> String {
    let response = outcome.unwrap_err().response("", Dialect::Plain);
    assert_eq!(response.status(), 429);
    response.headers().get("retry-after").unwrap().to_str().unwrap().to_owned()
}

#[tokio::test]
async fn five_wrong_tries_lock_the_pair_for_fifteen_minutes_and_nobody_else() {
    on_each(async |state| {
        for second in 0..5 {
            attempt(&state, &somebody("a"), FIVE, second * 1000).await.unwrap();
        }
        assert_eq!(retry_after(attempt(&state, &somebody("a"), FIVE, 5000).await), "899");
        assert_eq!(retry_after(attempt(&state, &somebody("a"), FIVE, 4000 + 15 * MINUTE - 1).await), "1");
        attempt(&state, &somebody("b"), FIVE, 5000).await.unwrap();
        let elsewhere = Attempt::from_address("admin-login", "a", IpAddr::from([192, 0, 2, 8]));
        attempt(&state, &elsewhere, FIVE, 5000).await.unwrap();
        for _ in 0..5 {
            attempt(&state, &somebody("a"), FIVE, 4000 + 15 * MINUTE).await.unwrap();
        }
        retry_after(attempt(&state, &somebody("a"), FIVE, 4000 + 15 * MINUTE).await);
    })
    .await;
}

#[tokio::test]
async fn failures_of_an_older_window_do_not_count() {
    on_each(async |state| {
        for _ in 0..4 {
            attempt(&state, &somebody("a"), FIVE, 0).await.unwrap();
        }
        for _ in 0..5 {
            attempt(&state, &somebody("a"), FIVE, 15 * MINUTE).await.unwrap();
        }
        retry_after(attempt(&state, &somebody("a"), FIVE, 15 * MINUTE).await);
    })
    .await;
}

#[tokio::test]
async fn without_a_lock_the_end_of_the_window_frees() {
    on_each(async |state| {
        let anywhere = Attempt::from_anywhere("admin-login", "a");
        for _ in 0..3 {
            attempt(&state, &anywhere, HOURLY, 0).await.unwrap();
        }
        assert_eq!(retry_after(attempt(&state, &anywhere, HOURLY, MINUTE).await), "3540");
        attempt(&state, &anywhere, HOURLY, 60 * MINUTE).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn of_forty_parallel_tries_five_are_looked_at() {
    on_each(async |state| {
        let name = somebody("a");
        let tries = (0..40).map(|_| attempt(&state, &name, FIVE, 0));
        let looked_at = join_all(tries).await.into_iter().filter(|outcome| match outcome {
            Ok(()) => true,
            Err(error) => {
                assert_eq!(error.status(), 429, "{error:?}");
                false
            }
        });
        assert_eq!(looked_at.count(), 5);
    })
    .await;
}

#[tokio::test]
async fn parallel_tries_after_a_lock_is_over_share_one_new_window() {
    on_each(async |state| {
        let name = somebody("a");
        for _ in 0..5 {
            attempt(&state, &name, FIVE, 0).await.unwrap();
        }
        let tries = (0..40).map(|_| attempt(&state, &name, FIVE, 15 * MINUTE));
        let looked_at = join_all(tries).await.into_iter().filter(Result::is_ok).count();
        assert_eq!(looked_at, 5);
    })
    .await;
}

#[tokio::test]
async fn a_good_try_forgives_the_failures_and_makes_the_address_known() {
    on_each(async |state| {
        let name = somebody("a");
        for _ in 0..5 {
            attempt(&state, &name, FIVE, 0).await.unwrap();
        }
        assert!(!is_known(state.db.orm(), &name).await.unwrap());
        let good = name.clone();
        state.writer.write(async move |tx| succeeded(tx, &good, START).await).await.unwrap();
        assert!(is_known(state.db.orm(), &name).await.unwrap());
        for _ in 0..5 {
            attempt(&state, &name, FIVE, 1).await.unwrap();
        }
        retry_after(attempt(&state, &name, FIVE, 1).await);
        assert!(is_known(state.db.orm(), &name).await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn a_try_given_back_counts_no_more_and_lifts_its_lock() {
    on_each(async |state| {
        let name = somebody("a");
        for _ in 0..5 {
            attempt(&state, &name, FIVE, 0).await.unwrap();
        }
        let unused = name.clone();
        state.writer.write(async move |tx| give_back(tx, &unused).await).await.unwrap();
        attempt(&state, &name, FIVE, 0).await.unwrap();
        retry_after(attempt(&state, &name, FIVE, 0).await);
    })
    .await;
}

#[tokio::test]
async fn forgiving_a_name_lifts_its_locks_everywhere() {
    on_each(async |state| {
        for _ in 0..5 {
            attempt(&state, &somebody("a"), FIVE, 0).await.unwrap();
            attempt(&state, &somebody("b"), FIVE, 0).await.unwrap();
        }
        state.writer.write(async move |tx| forgive(tx, "admin-login", "a").await).await.unwrap();
        attempt(&state, &somebody("a"), FIVE, 0).await.unwrap();
        retry_after(attempt(&state, &somebody("b"), FIVE, 0).await);
    })
    .await;
}

#[tokio::test]
async fn purging_keeps_running_windows_locks_and_known_addresses() {
    on_each(async |state| {
        const DAY: i64 = 24 * 60 * MINUTE;
        let locking = Limit { lock_ms: 3 * DAY, most: 1, ..FIVE };
        attempt(&state, &somebody("over"), FIVE, 0).await.unwrap();
        attempt(&state, &somebody("locked"), locking, 0).await.unwrap();
        attempt(&state, &somebody("running"), FIVE, DAY).await.unwrap();
        let good = somebody("known");
        state.writer.write(async move |tx| succeeded(tx, &good, START).await).await.unwrap();
        let purged = async |after_ms: i64| {
            state.writer.write(async move |tx| purge(tx, START.plus_millis(after_ms)).await).await.unwrap()
        };
        assert_eq!(purged(DAY).await, 1);
        assert!(find(state.db.orm(), &somebody("over")).await.unwrap().is_none());
        assert_eq!(purged(3 * DAY).await, 2);
        assert_eq!(purged(89 * DAY).await, 0);
        assert_eq!(purged(90 * DAY).await, 1);
    })
    .await;
}
