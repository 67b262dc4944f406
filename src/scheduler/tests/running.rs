//! One replica: what is due, what is noted, what is left alone.

use super::*;
use crate::base::{
    input::Patch,
    scratch::{START, on_each},
};
use crate::scheduler::{jobs, live::LEASE_MS};

#[actix_web::test]
async fn a_job_runs_when_it_is_due_and_not_before() {
    on_each(async |state| {
        let probe = Probe::free();
        let scheduler = started(&state, vec![probe.job("purge", "every 1h", Does::Something)]).await;
        tick_after(&scheduler, 3_599_999).await;
        scheduler.settle().await;
        assert_eq!(probe.runs(), 0);
        tick_after(&scheduler, 1).await;
        scheduler.settle().await;
        assert_eq!(probe.runs(), 1);
        let row = row(&state, "purge").await;
        assert_eq!(row.last_started_at, Some(START.plus_seconds(3600)));
        assert_eq!((row.last_status.as_deref(), row.last_result.as_deref()), (Some("ok"), Some("did it")));
        assert_eq!(seconds_after(START, row.next_run_at), Some(7200));
    })
    .await;
}

#[actix_web::test]
async fn ticks_that_overlap_start_a_run_once() {
    on_each(async |state| {
        let probe = Probe::held();
        let scheduler = started(&state, vec![probe.job("purge", "every 1h", Does::Something)]).await;
        state.clock.advance_millis(3_600_000);
        futures_util::future::join_all((0..5).map(|_| scheduler.tick(state.clock.now()))).await;
        probe.has_begun().await;
        tick_after(&scheduler, 3_600_000).await;
        assert_eq!(probe.runs(), 1);
        probe.release();
        scheduler.settle().await;
        probe.release();
        tick_after(&scheduler, 3_600_000).await;
        scheduler.settle().await;
        assert_eq!(probe.runs(), 2);
    })
    .await;
}

#[actix_web::test]
async fn a_run_that_was_missed_happens_once_at_start() {
    on_each(async |state| {
        started(&state, vec![Probe::free().job("purge", "every 1h", Does::Something)]).await;
        state.clock.advance_millis(5 * 3_600_000 + 60_000);
        let probe = Probe::free();
        let scheduler = started(&state, vec![probe.job("purge", "every 1h", Does::Something)]).await;
        for _ in 0..3 {
            tick_after(&scheduler, 1000).await;
            scheduler.settle().await;
        }
        assert_eq!(probe.runs(), 1);
        assert_eq!(seconds_after(START, row(&state, "purge").await.next_run_at), Some(6 * 3600));
    })
    .await;
}

#[actix_web::test]
async fn a_panic_or_a_failure_is_recorded_and_stops_neither_its_schedule_nor_other_jobs() {
    on_each(async |state| {
        let (panics, fails, other) = (Probe::free(), Probe::free(), Probe::free());
        let early: Job = Job::new("early", Schedule::parse("every 2h").unwrap(), |_| -> std::future::Ready<Outcome> {
            panic!("before there is a future")
        });
        let scheduler = started(
            &state,
            vec![
                panics.job("a-panics", "every 2h", Does::Panic),
                fails.job("b-fails", "every 2h", Does::Fail),
                other.job("c-works", "every 2h", Does::Something),
                early,
            ],
        )
        .await;
        for _ in 0..2 {
            tick_after(&scheduler, 7_200_000).await;
            scheduler.settle().await;
        }
        assert_eq!([panics.runs(), fails.runs(), other.runs()], [2, 2, 2]);
        let status = async |name: &str| row(&state, name).await.last_status.unwrap();
        assert_eq!(status("a-panics").await, "panicked");
        assert_eq!(status("b-fails").await, "failed");
        assert_eq!(status("early").await, "panicked");
        assert_eq!(row(&state, "b-fails").await.last_result.unwrap(), "MALFORMED_REQUEST: It went wrong.");
    })
    .await;
}

#[actix_web::test]
async fn people_are_told_of_a_job_that_fails_and_again_after_an_hour_of_failing_alike() {
    on_each(async |state| {
        let (fails, works) = (Probe::free(), Probe::free());
        let jobs = vec![fails.job("fails", "every 10m", Does::Fail), works.job("works", "every 10m", Does::Something)];
        let scheduler = started(&state, jobs).await;
        for _ in 0..6 {
            tick_after(&scheduler, 600_000).await;
            scheduler.settle().await;
        }
        let told = async || entity::notification::Entity::find().all(state.db.orm()).await.unwrap();
        let first = told().await;
        assert_eq!(first.len(), 1, "{first:?}");
        assert_eq!((first[0].event.as_str(), first[0].subject.as_str()), ("job.failed", "job:fails"));
        assert!(first[0].params.contains("It went wrong."), "{}", first[0].params);
        // Nothing ran for an hour.
        state.clock.advance_millis(3_600_000);
        scheduler.tick(scheduler.now()).await;
        scheduler.settle().await;
        assert_eq!((fails.runs(), told().await.len()), (7, 2));
    })
    .await;
}

#[actix_web::test]
async fn runs_that_find_nothing_to_do_write_at_most_once_a_minute() {
    on_each(async |state| {
        let probe = Probe::free();
        let scheduler = started(&state, vec![probe.job("outbox", "every 2s", Does::Nothing)]).await;
        let mut written = Vec::new();
        for _ in 0..90 {
            tick_after(&scheduler, 2000).await;
            scheduler.settle().await;
            written.push((row(&state, "outbox").await.updated_at, lease(&state, "job:outbox").await.expires_at));
        }
        assert_eq!(probe.runs(), 90);
        let changes = |values: Vec<UtcMillis>| 1 + values.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert_eq!(changes(written.iter().map(|(row, _)| *row).collect()), 3, "rows in three minutes");
        assert!(changes(written.iter().map(|(_, lease)| *lease).collect()) <= 5, "leases in three minutes");
    })
    .await;
}

#[actix_web::test]
async fn a_long_run_keeps_its_lease() {
    on_each(async |state| {
        let probe = Probe::held();
        let scheduler = started(&state, vec![probe.job("purge", "every 1h", Does::Something)]).await;
        tick_after(&scheduler, 3_600_000).await;
        probe.has_begun().await;
        for _ in 0..6 {
            tick_after(&scheduler, LEASE_MS / 3).await;
            assert!(lease(&state, "job:purge").await.expires_at > state.clock.now());
        }
        probe.release();
        scheduler.settle().await;
        assert_eq!(probe.stopped.load(Ordering::SeqCst), 0);
        assert_eq!(lease(&state, "job:purge").await.expires_at, UtcMillis(0));
    })
    .await;
}

async fn change(scheduler: &Scheduler, schedule: Patch<&str>, enabled: Patch<bool>) {
    let schedule = match schedule {
        Patch::Absent => Patch::Absent,
        Patch::Null => Patch::Null,
        Patch::Value(text) => Patch::Value(text.to_owned()),
    };
    let (place, now, zone) = (Arc::clone(scheduler.place("purge").unwrap()), scheduler.now(), scheduler.zone());
    let write = scheduler.inner().state.writer.write(async move |tx| {
        jobs::change(tx, &place.job, &schedule, &enabled, now, zone).await?;
        Ok(())
    });
    write.await.unwrap();
}

#[actix_web::test]
async fn what_an_admin_sets_outranks_the_configuration_until_it_is_null() {
    on_each(async |state| {
        let probe = Probe::free();
        let scheduler = started(&state, vec![probe.job("purge", "every 1h", Does::Nothing)]).await;
        let next = async || seconds_after(START, row(&state, "purge").await.next_run_at);
        change(&scheduler, Patch::Value("every 10s"), Patch::Absent).await;
        assert_eq!(next().await, Some(10));
        tick_after(&scheduler, 10_000).await;
        scheduler.settle().await;
        assert_eq!(probe.runs(), 1);
        // 04:31 UTC is 12:31 in Shanghai. The lease that the job kept must not bring the old schedule back.
        change(&scheduler, Patch::Value("0 0 13 * * *"), Patch::Absent).await;
        tick_after(&scheduler, 10_000).await;
        scheduler.settle().await;
        assert_eq!((probe.runs(), next().await), (1, Some(29 * 60)));
        change(&scheduler, Patch::Absent, Patch::Value(false)).await;
        tick_after(&scheduler, 3_600_000).await;
        scheduler.settle().await;
        assert_eq!((probe.runs(), next().await), (1, None));
        change(&scheduler, Patch::Null, Patch::Null).await;
        assert_eq!(next().await, Some(20 + 3600 + 3600));
    })
    .await;
}

#[actix_web::test]
async fn a_change_during_a_run_sets_the_next_one() {
    on_each(async |state| {
        let probe = Probe::held();
        let scheduler = started(&state, vec![probe.job("purge", "every 1h", Does::Something)]).await;
        tick_after(&scheduler, 3_600_000).await;
        probe.has_begun().await;
        change(&scheduler, Patch::Value("every 3h"), Patch::Absent).await;
        probe.release();
        scheduler.settle().await;
        assert_eq!(seconds_after(START, row(&state, "purge").await.next_run_at), Some(4 * 3600));
    })
    .await;
}

#[actix_web::test]
async fn a_new_default_schedule_holds_from_the_next_start() {
    on_each(async |state| {
        let next = async |schedule: &str| {
            started(&state, vec![Probe::free().job("purge", schedule, Does::Nothing)]).await;
            seconds_after(START, row(&state, "purge").await.next_run_at)
        };
        assert_eq!(next("every 1h").await, Some(3600));
        assert_eq!(next("every 30s").await, Some(30));
        assert_eq!(next("every 1h").await, Some(30));
        assert_eq!(next("0 0 13 * * *").await, Some(29 * 60));
    })
    .await;
}

#[actix_web::test]
async fn stopping_tells_the_runs_waits_for_them_and_starts_no_more() {
    on_each(async |state| {
        let (held, free) = (Probe::held(), Probe::free());
        let jobs = vec![held.job("held", "every 1h", Does::Something), free.job("outbox", "every 2s", Does::Nothing)];
        let scheduler = started(&state, jobs).await;
        tick_after(&scheduler, 3_600_000).await;
        held.has_begun().await;
        scheduler.stop(std::time::Duration::from_secs(60)).await;
        assert_eq!(held.stopped.load(Ordering::SeqCst), 1);
        assert_eq!(row(&state, "held").await.last_status.as_deref(), Some("ok"));
        for name in ["job:held", "job:outbox"] {
            assert_eq!(lease(&state, name).await.expires_at, UtcMillis(0), "{name}");
        }
        let before = free.runs();
        tick_after(&scheduler, 10_000).await;
        scheduler.settle().await;
        assert_eq!(free.runs(), before);
    })
    .await;
}

#[actix_web::test]
async fn the_ticker_ticks() {
    on_each(async |state| {
        let probe = Probe::free();
        let scheduler = scheduler(&state, "first", vec![probe.job("purge", "every 1h", Does::Nothing)]);
        scheduler.start().await.unwrap();
        state.clock.advance_millis(3_600_000);
        probe.has_begun().await;
        scheduler.stop(std::time::Duration::from_secs(60)).await;
        assert_eq!(probe.runs(), 1);
    })
    .await;
}
