use super::*;
use crate::{base::scratch::on_each, outbox::put_again};

#[actix_web::test]
async fn the_same_version_of_a_target_twice_is_one_message() {
    on_each(async |state| {
        let (outbox, probe) = outbox(&state);
        put(&state, "a", 1, true).await;
        put(&state, "a", 1, true).await;
        deliver_all(&outbox).await;
        put(&state, "a", 1, true).await;
        deliver_all(&outbox).await;
        assert_eq!(probe.brought(), [("a".to_owned(), 1)]);
        assert_eq!(noted(&state, "a").await, ["Delivered"]);
    })
    .await;
}

#[actix_web::test]
async fn what_is_put_in_a_transaction_that_fails_is_never_delivered() {
    on_each(async |state| {
        let (outbox, probe) = outbox(&state);
        let now = state.clock.now();
        let failed: Result<()> = state
            .writer
            .write(async move |tx| {
                let payload = serde_json::json!({});
                let message = Message { kind: "probe", target: "a".to_owned(), version: 1, payload, supersedes: true };
                super::super::put(tx, &message, now).await?;
                Err(crate::base::error::Error::malformed("the cause did not happen"))
            })
            .await;
        assert!(failed.is_err());
        deliver_all(&outbox).await;
        assert!(probe.brought().is_empty() && rows(&state, "a").await.is_empty());
    })
    .await;
}

#[actix_web::test]
async fn messages_of_a_target_arrive_in_order_and_wait_for_one_that_fails() {
    on_each(async |state| {
        let (outbox, probe) = outbox(&state);
        for version in [1, 2, 3] {
            put(&state, "a", version, false).await;
            put(&state, "b", version, false).await;
        }
        probe.answer("a", [Delivery::later("busy")]);
        deliver_all(&outbox).await;
        assert_eq!((probe.versions("a"), probe.versions("b")), (vec![1], vec![1, 2, 3]));
        state.clock.advance_millis(7_000);
        deliver_all(&outbox).await;
        assert_eq!(probe.versions("a"), [1, 1, 2, 3]);
        // One that can never arrive does not hold up those behind it.
        probe.answer("a", [Delivery::never("gone")]);
        put(&state, "a", 4, false).await;
        put(&state, "a", 5, false).await;
        deliver_all(&outbox).await;
        assert_eq!(states(&state, "a").await[3..], named(&[(4, "failed"), (5, "delivered")]));
    })
    .await;
}

#[actix_web::test]
async fn a_newer_message_supersedes_those_that_wait_and_no_others() {
    on_each(async |state| {
        let (outbox, probe) = outbox(&state);
        put(&state, "a", 1, true).await;
        deliver_all(&outbox).await;
        put(&state, "b", 1, true).await;
        put(&state, "a", 2, true).await;
        put(&state, "a", 3, true).await;
        deliver_all(&outbox).await;
        assert_eq!(states(&state, "a").await, named(&[(1, "delivered"), (2, "superseded"), (3, "delivered")]));
        assert_eq!((probe.versions("a"), probe.versions("b")), (vec![1, 3], vec![1]));
        // An older one that comes late changes nothing.
        put(&state, "b", 0, true).await;
        deliver_all(&outbox).await;
        assert_eq!(states(&state, "b").await, named(&[(1, "delivered"), (0, "superseded")]));
    })
    .await;
}

#[actix_web::test]
async fn a_newer_message_waits_for_an_older_one_that_is_under_way() {
    on_each(async |state| {
        let (outbox, probe) = outbox(&state);
        probe.hold("a");
        put(&state, "a", 1, true).await;
        outbox.deliver_due().await.unwrap();
        probe.has_begun("a").await;
        put(&state, "a", 2, true).await;
        assert_eq!(outbox.deliver_due().await.unwrap(), 0, "one at a time");
        probe.answer("a", [Delivery::later("busy")]);
        probe.release("a");
        outbox.settled().await;
        assert_eq!(states(&state, "a").await, named(&[(1, "superseded"), (2, "pending")]), "not tried again");
        probe.release("a");
        deliver_all(&outbox).await;
        assert_eq!(probe.versions("a"), [1, 2]);
        assert_eq!(noted(&state, "a").await, ["Superseded", "Delivered"]);

        // One that arrived although it was superseded counts as delivered: that is what the target has.
        put(&state, "a", 3, true).await;
        outbox.deliver_due().await.unwrap();
        probe.has_begun("a").await;
        put(&state, "a", 4, true).await;
        probe.release("a");
        outbox.settled().await;
        assert_eq!(states(&state, "a").await[2..], named(&[(3, "delivered"), (4, "pending")]));
    })
    .await;
}

#[actix_web::test]
async fn what_is_put_again_begins_anew_and_what_was_under_way_does_not_count() {
    on_each(async |state| {
        let (outbox, probe) = outbox(&state);
        let again = async || {
            let now = state.clock.now();
            let payload = serde_json::json!({});
            let message = Message { kind: "probe", target: "a".to_owned(), version: 1, payload, supersedes: true };
            state.writer.write(async move |tx| put_again(tx, "a", &message, now).await).await.unwrap();
        };
        again().await;
        deliver_all(&outbox).await;
        again().await;
        deliver_all(&outbox).await;
        assert_eq!(probe.versions("a"), [1, 1], "although it was delivered");
        probe.hold("a");
        again().await;
        outbox.deliver_due().await.unwrap();
        probe.has_begun("a").await;
        again().await;
        probe.release("a");
        outbox.settled().await;
        assert_eq!(states(&state, "a").await, named(&[(1, "pending")]));
        assert_eq!(noted(&state, "a").await.len(), 2, "the end that does not count is not noted");
        probe.release("a");
        deliver_all(&outbox).await;
        assert_eq!(
            states(&state, "a").await,
            named(&[(1, "delivered")]),
            "at once, without waiting for the lease to lapse"
        );
    })
    .await;
}
