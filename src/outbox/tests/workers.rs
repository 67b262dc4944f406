use super::*;
use crate::{
    base::scratch::on_each,
    outbox::claim::{LEASE_MS, claim, lapse},
};

#[actix_web::test]
async fn two_workers_never_deliver_to_one_target_at_once_and_nothing_twice() {
    on_each(async |state| {
        let (first, probe) = outbox(&state);
        let second = first.beside("second");
        for version in 1..=6 {
            for target in 0..10 {
                put(&state, &format!("t{target}"), version, false).await;
            }
        }
        let work = async |outbox: Outbox| {
            let mut idle = 0;
            while idle < 3 {
                // The courier fails the test when two are under way for one target.
                let begun = outbox.deliver_due().await.unwrap();
                outbox.settled().await;
                idle = if begun == 0 { idle + 1 } else { 0 };
            }
        };
        futures_util::future::join(work(first.clone()), work(second)).await;
        deliver_all(&first).await;
        for target in 0..10 {
            let target = format!("t{target}");
            assert_eq!(probe.versions(&target), [1, 2, 3, 4, 5, 6]);
            assert!(rows(&state, &target).await.iter().all(|row| row.state == "delivered" && row.attempts == 1));
        }
    })
    .await;
}

#[actix_web::test]
async fn who_has_lost_the_lease_notes_nothing() {
    on_each(async |state| {
        let (late, probe) = outbox(&state);
        let next = late.beside("second");
        probe.hold("a");
        probe.answer("a", [Delivery::later("busy"), Delivery::later("busy")]);
        put(&state, "a", 1, true).await;
        late.deliver_due().await.unwrap();
        probe.has_begun("a").await;
        assert_eq!(next.deliver_due().await.unwrap(), 0, "the lease holds");
        state.clock.advance_millis(LEASE_MS);
        // The probe would refuse two at once, but this is the case in which the first is believed dead.
        probe.0.under_way.lock().unwrap().clear();
        next.deliver_due().await.unwrap();
        probe.has_begun("a").await;
        probe.release("a");
        probe.release("a");
        next.settled().await;
        late.settled().await;
        let row = rows(&state, "a").await.remove(0);
        assert_eq!(row.attempts, 2);
        assert_eq!(noted(&state, "a").await.len(), 1, "one of the two ends is noted, that of the holder");
    })
    .await;
}

#[actix_web::test]
async fn what_an_earlier_life_was_delivering_is_taken_over_at_once() {
    on_each(async |state| {
        let (outbox, probe) = outbox(&state);
        put(&state, "a", 1, true).await;
        put(&state, "b", 1, true).await;
        let now = state.clock.now();
        let died = state.writer.write(async move |tx| {
            claim(tx, "a", "first", now).await?;
            claim(tx, "b", "another", now).await
        });
        assert!(died.await.unwrap().is_some());
        // Superseded by a newer one while it was under way, in that earlier life.
        put(&state, "a", 2, true).await;
        deliver_all(&outbox).await;
        assert!(probe.brought().is_empty());
        state.writer.write(async |tx| lapse(tx, Some("first")).await).await.unwrap();
        deliver_all(&outbox).await;
        assert_eq!(probe.brought(), [("a".to_owned(), 2)], "that of the other replica is still its own");
        assert_eq!(states(&state, "a").await, named(&[(1, "superseded"), (2, "delivered")]));
        assert_eq!(rows(&state, "a").await[0].next_attempt_at, None);
        state.clock.advance_millis(LEASE_MS);
        deliver_all(&outbox).await;
        assert_eq!(states(&state, "b").await, named(&[(1, "delivered")]));
    })
    .await;
}

#[actix_web::test]
async fn a_lane_in_which_all_hang_leaves_the_others_their_places() {
    on_each(async |state| {
        let (outbox, probe) = outbox(&state);
        let hanging: Vec<String> = (0..300).map(|nth| format!("h{nth}")).collect();
        for target in &hanging {
            probe.hold(target);
            put_in(&state, "hanging", target, 1, true).await;
        }
        put_in(&state, "other", "a", 1, true).await;
        assert_eq!(outbox.deliver_due().await.unwrap(), 5);
        probe.has_begun("a").await;
        let begun = probe.brought();
        assert_eq!(begun.iter().filter(|(target, _)| target.starts_with('h')).count(), 4);
        for (target, _) in begun.iter().filter(|(target, _)| target.starts_with('h')) {
            probe.release(target);
        }
        outbox.settled().await;
    })
    .await;
}

#[actix_web::test]
async fn a_courier_that_panics_has_the_message_tried_again() {
    struct Clumsy;
    impl Courier for Clumsy {
        async fn deliver(&self, _: &Model) -> Delivery {
            panic!("it slipped")
        }
    }
    on_each(async |state| {
        let couriers = Couriers::default().with("probe", Clumsy);
        let outbox = Outbox::new(state.clone(), "first", couriers).unwrap();
        put(&state, "a", 1, true).await;
        outbox.deliver_due().await.unwrap();
        outbox.settled().await;
        let row = rows(&state, "a").await.remove(0);
        assert_eq!((row.state.as_str(), row.attempts, row.lease_owner), ("pending", 1, None));
    })
    .await;
}

#[actix_web::test]
async fn a_kind_that_no_courier_here_brings_is_left_alone() {
    on_each(async |state| {
        let outbox = Outbox::new(state.clone(), "first", Couriers::default()).unwrap();
        put(&state, "a", 1, true).await;
        assert_eq!(outbox.deliver_due().await.unwrap(), 0);
        assert_eq!(states(&state, "a").await, named(&[(1, "pending")]));
    })
    .await;
}
