use super::*;
use crate::{
    base::scratch::{START, on_each},
    outbox::{drop_lane, drop_target, find, hurry_lane, purge, retry},
};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

#[actix_web::test]
async fn what_fails_is_tried_again_after_growing_pauses_for_a_week_and_has_failed_then() {
    on_each(async |state| {
        let (outbox, probe) = outbox(&state);
        put(&state, "a", 1, true).await;
        probe.answer("a", vec![Delivery::later("no connection"); 100]);
        let (mut pauses, mut tries) = (Vec::new(), 0);
        loop {
            deliver_all(&outbox).await;
            tries += 1;
            let row = rows(&state, "a").await.remove(0);
            assert_eq!((row.attempts, row.last_error.as_deref()), (tries, Some("no connection")));
            let Some(next) = row.next_attempt_at else { break };
            let pause = next.0 - state.clock.now().0;
            pauses.push(pause);
            state.clock.advance_millis(pause - 1);
            assert_eq!(outbox.deliver_due().await.unwrap(), 0, "not a moment too early");
            state.clock.advance_millis(1);
        }
        assert!((5_000..=6_250).contains(&pauses[0]), "{pauses:?}");
        assert!(pauses.windows(2).all(|two| two[1] > two[0] || two[0] == DAY), "{pauses:?}");
        assert!(pauses.contains(&DAY) && pauses.iter().all(|pause| *pause <= DAY), "{pauses:?}");
        let row = rows(&state, "a").await.remove(0);
        assert_eq!(row.state, "failed");
        assert!((7 * DAY..9 * DAY).contains(&(state.clock.now().0 - START.0)));
        let noted = noted(&state, "a").await;
        assert!(noted.iter().rev().skip(1).all(|end| end == "Again") && noted.last().unwrap() == "Failed");
    })
    .await;
}

#[actix_web::test]
async fn what_can_never_arrive_fails_at_once_and_can_be_tried_again_by_hand() {
    on_each(async |state| {
        let (outbox, probe) = outbox(&state);
        put(&state, "a", 1, true).await;
        probe.answer("a", [Delivery::never("wrong channel")]);
        deliver_all(&outbox).await;
        let row = rows(&state, "a").await.remove(0);
        assert_eq!((row.state.as_str(), row.next_attempt_at, row.lease_until), ("failed", None, None));
        state.clock.advance_millis(8 * DAY);
        deliver_all(&outbox).await;
        assert_eq!(probe.versions("a"), [1]);
        let by_hand = async |id: i64| {
            let now = state.clock.now();
            state.writer.write(async move |tx| retry(tx, "probe", id, now).await).await
        };
        assert_eq!(by_hand(row.id).await.unwrap().state, "pending");
        deliver_all(&outbox).await;
        assert_eq!(states(&state, "a").await, named(&[(1, "delivered")]));
        assert_eq!(by_hand(row.id).await.unwrap_err().kind().code, "DELIVERY_OVER");
        assert_eq!(by_hand(row.id + 1000).await.unwrap_err().status(), 404);
        assert_eq!(find(state.db.orm(), "another kind", row.id).await.unwrap_err().status(), 404);
        // One that waits is tried at once, one that was overtaken is not.
        probe.answer("a", [Delivery::later("busy"), Delivery::never("gone")]);
        put(&state, "a", 2, true).await;
        deliver_all(&outbox).await;
        let waiting = rows(&state, "a").await.remove(1);
        by_hand(waiting.id).await.unwrap();
        deliver_all(&outbox).await;
        assert_eq!(states(&state, "a").await[1..], named(&[(2, "failed")]));
        put(&state, "a", 3, true).await;
        assert_eq!(by_hand(waiting.id).await.unwrap_err().kind().code, "DELIVERY_OVER");
    })
    .await;
}

#[actix_web::test]
async fn what_nobody_wants_any_more_is_taken_back() {
    on_each(async |state| {
        let (outbox, probe) = outbox(&state);
        for target in ["a", "b", "c", "d"] {
            put_in(&state, "lane", target, 1, true).await;
        }
        probe.answer("a", [Delivery::obsolete("the link is gone")]);
        probe.answer("b", [Delivery::later("busy")]);
        probe.hold("c");
        probe.answer("c", [Delivery::never("broken")]);
        let now = state.clock.now();
        state.writer.write(async move |tx| drop_target(tx, "d", "the link was deleted", now).await).await.unwrap();
        outbox.deliver_due().await.unwrap();
        probe.has_begun("c").await;
        state.writer.write(async move |tx| drop_lane(tx, "lane", "switched off", now).await).await.unwrap();
        probe.release("c");
        outbox.settled().await;
        for (target, why) in
            [("a", "the link is gone"), ("b", "switched off"), ("c", "switched off"), ("d", "the link was deleted")]
        {
            let row = rows(&state, target).await.remove(0);
            // "b" may have ended before or after it was taken back.
            assert_eq!((row.state.as_str(), row.next_attempt_at), ("superseded", None), "{target}");
            assert_eq!(row.last_error.as_deref(), Some(why), "{target}");
        }
        state.clock.advance_millis(DAY);
        deliver_all(&outbox).await;
        assert!(probe.versions("d").is_empty() && probe.versions("b").len() == 1);
    })
    .await;
}

#[actix_web::test]
async fn a_lane_whose_way_is_free_again_does_not_wait() {
    on_each(async |state| {
        let (outbox, probe) = outbox(&state);
        put_in(&state, "lane", "a", 1, true).await;
        put_in(&state, "other", "b", 1, true).await;
        for target in ["a", "b"] {
            probe.answer(target, [Delivery::Later { error: "busy".to_owned(), retry_after_s: Some(3600) }]);
        }
        deliver_all(&outbox).await;
        let now = state.clock.now();
        assert_eq!(rows(&state, "a").await[0].next_attempt_at, Some(now.plus_millis(HOUR)));
        state.writer.write(async move |tx| hurry_lane(tx, "lane", now).await).await.unwrap();
        deliver_all(&outbox).await;
        assert_eq!(states(&state, "a").await, named(&[(1, "delivered")]));
        assert_eq!(states(&state, "b").await, named(&[(1, "pending")]));
    })
    .await;
}

#[actix_web::test]
async fn only_what_has_been_over_for_long_enough_is_purged() {
    on_each(async |state| {
        let (outbox, probe) = outbox(&state);
        probe.answer("b", vec![Delivery::later("busy"); 100]);
        put(&state, "a", 1, true).await;
        put(&state, "b", 1, true).await;
        deliver_all(&outbox).await;
        let purged =
            async |until: UtcMillis| state.writer.write(async move |tx| purge(tx, until, 100).await).await.unwrap();
        assert_eq!(purged(START).await, 0);
        assert_eq!(purged(START.plus_millis(1)).await, 1);
        assert!(rows(&state, "a").await.is_empty());
        assert_eq!(states(&state, "b").await, named(&[(1, "pending")]));
    })
    .await;
}
