//! Several replicas on one database.

use super::*;
use crate::base::scratch::{START, on_each};
use crate::scheduler::live::LEASE_MS;

async fn two(state: &State, schedule: &str, probes: [&Probe; 2], does: Does) -> [Scheduler; 2] {
    let first = started(state, vec![probes[0].job("purge", schedule, does)]).await;
    [first, scheduler(state, "second", vec![probes[1].job("purge", schedule, does)])]
}

#[actix_web::test]
async fn one_of_two_replicas_runs_a_job() {
    on_each(async |state| {
        let probe = Probe::free();
        let [first, second] = two(&state, "every 1h", [&probe, &probe], Does::Something).await;
        for _ in 0..3 {
            state.clock.advance_millis(3_600_000);
            tokio::join!(first.tick(state.clock.now()), second.tick(state.clock.now()));
            tokio::join!(first.settle(), second.settle());
            // The one that came late must not find it due once more.
            tokio::join!(tick_after(&first, 10_000), tick_after(&second, 0));
            tokio::join!(first.settle(), second.settle());
            state.clock.advance_millis(-10_000);
        }
        assert_eq!(probe.runs(), 3);
    })
    .await;
}

#[actix_web::test]
async fn a_frequent_job_stays_with_its_replica_and_goes_to_the_other_when_that_stops() {
    on_each(async |state| {
        let (here, there) = (Probe::free(), Probe::free());
        let [first, second] = two(&state, "every 2s", [&here, &there], Does::Nothing).await;
        for _ in 0..60 {
            tick_after(&first, 2000).await;
            first.settle().await;
            tick_after(&second, 0).await;
            second.settle().await;
        }
        assert_eq!((here.runs(), there.runs()), (60, 0));
        first.stop(std::time::Duration::from_secs(60)).await;
        tick_after(&second, 6000).await;
        second.settle().await;
        assert_eq!(there.runs(), 1);
    })
    .await;
}

#[actix_web::test]
async fn a_run_whose_lease_is_lost_is_told_to_stop_and_notes_nothing() {
    on_each(async |state| {
        let (late, next) = (Probe::held(), Probe::free());
        let [first, second] = two(&state, "every 1h", [&late, &next], Does::Something).await;
        tick_after(&first, 3_600_000).await;
        late.has_begun().await;
        // The first one does not tick any more: it hangs.
        tick_after(&second, LEASE_MS).await;
        second.settle().await;
        assert_eq!(next.runs(), 1);
        let noted = row(&state, "purge").await;
        assert_eq!(noted.last_started_at, Some(START.plus_seconds(3690)));
        tick_after(&first, 0).await;
        let stopped = tokio::time::timeout(std::time::Duration::from_secs(60), first.settle()).await;
        assert!(stopped.is_ok(), "the late run goes on");
        assert_eq!(late.stopped.load(Ordering::SeqCst), 1);
        assert_eq!(row(&state, "purge").await, noted);
    })
    .await;
}

#[actix_web::test]
async fn what_a_late_run_writes_is_fenced() {
    on_each(async |state| {
        let result = Arc::new(std::sync::Mutex::new(None));
        let (probe, kept) = (Probe::held(), Arc::clone(&result));
        let held = probe.clone();
        let writing = Job::new("purge", Schedule::parse("every 1h").unwrap(), move |context: JobContext| {
            let (held, kept) = (held.clone(), Arc::clone(&kept));
            async move {
                held.begun.add_permits(1);
                held.go_on.acquire().await.unwrap().forget();
                let state = context.state.clone();
                let written = state.writer.write(async move |tx| context.still_ours(tx).await).await;
                *kept.lock().unwrap() = Some(written.is_ok());
                Ok(None)
            }
        });
        let first = started(&state, vec![writing]).await;
        let second = scheduler(&state, "second", vec![Probe::free().job("purge", "every 1h", Does::Nothing)]);
        for (hang, allowed) in [(0, true), (LEASE_MS, false)] {
            tick_after(&first, 3_600_000).await;
            probe.has_begun().await;
            tick_after(&second, hang).await;
            second.settle().await;
            probe.release();
            first.settle().await;
            assert_eq!(result.lock().unwrap().take(), Some(allowed));
        }
    })
    .await;
}
