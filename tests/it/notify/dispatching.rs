//! From what happened to what people are told: collected, held, spaced out, and never lost.

use entity::{UtcMillis, outbox};
use sea_orm::EntityTrait;

use super::*;

async fn outbox(app: &TestApp) -> Vec<outbox::Model> {
    outbox::Entity::find().all(app.state.db.orm()).await.unwrap()
}

/// A channel whose messages come as data.
async fn hook(app: &TestApp, stubs: &Notifiers, more: Value) -> i64 {
    channel(app, "webhook", config_for("webhook", stubs), more).await
}

/// What was told: kind and count.
fn told_to(stubs: &Notifiers) -> Vec<(String, u64)> {
    let one = |one: crate::kit::Received| {
        (one.body["type"].as_str().unwrap().to_owned(), one.body["data"]["count"].as_u64().unwrap())
    };
    let mut all: Vec<_> = stubs.take().into_iter().map(one).collect();
    all.sort();
    all
}

fn expect(stubs: &Notifiers, expected: &[(&str, u64)]) {
    let expected: Vec<_> = expected.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect();
    assert_eq!(told_to(stubs), expected);
}

on_both_with! { near;
    async fn a_hundred_accounts_that_die_of_one_cause_make_one_message(app: TestApp) {
        let stubs = Notifiers::start().await;
        hook(&app, &stubs, json!({})).await;
        for nth in 0..100 {
            dead(&app, nth, "permanent.revoked").await;
        }
        dead(&app, 3, "permanent.revoked").await; // once more
        dead(&app, 200, "permanent.expired").await;
        later(&app, 4_999).await;
        expect(&stubs, &[]);
        later(&app, 1).await;
        let received = stubs.received();
        expect(&stubs, &[("token.dead", 1), ("token.dead", 100)]);
        let hundred = received.iter().find(|one| one.body["data"]["count"] == 100).unwrap();
        assert!(hundred.body["data"]["title"].as_str().unwrap().contains("100"));
        assert_eq!(hundred.body["data"]["subjects"].as_array().unwrap().len(), 5);
        assert_eq!(hundred.body["data"]["params"], json!({"provider": "claude", "class": "permanent.revoked"}), "what they have in common");
        later(&app, MINUTE).await;
        expect(&stubs, &[]);
    }

    async fn a_channel_is_told_what_it_wants(app: TestApp) {
        let stubs = Notifiers::start().await;
        hook(&app, &stubs, json!({"name": "default"})).await;
        hook(&app, &stubs, json!({"name": "jobs", "events": ["job.failed", "token.refreshed"]})).await;
        hook(&app, &stubs, json!({"name": "off", "enabled": false})).await;
        told(&app, EventKind::TokenRefreshed, "token:1", "ok", json!({"name": "a"})).await;
        told(&app, EventKind::TokenRecovered, "token:1", "ok", json!({"name": "a"})).await;
        told(&app, EventKind::JobFailed, "job:purge", "x", json!({"name": "purge"})).await;
        later(&app, 5_000).await;
        expect(&stubs, &[("job.failed", 1), ("job.failed", 1), ("token.recovered", 1), ("token.refreshed", 1)]);
    }

    async fn what_is_off_by_default_leaves_no_trace_while_nobody_asks_for_it(app: TestApp) {
        use sea_orm::PaginatorTrait;
        let stubs = Notifiers::start().await;
        let id = hook(&app, &stubs, json!({})).await;
        let rows = async || entity::notification::Entity::find().count(app.state.db.orm()).await.unwrap();
        told(&app, EventKind::TokenRefreshed, "token:1", "ok", json!({"name": "a"})).await;
        assert_eq!(rows().await, 0);
        let patch = json!({"events": ["token.refreshed"]});
        app.patch(&format!("{PATH}/{id}"), &patch).root().send().await.expect(200);
        told(&app, EventKind::TokenRefreshed, "token:1", "ok", json!({"name": "a"})).await;
        assert_eq!(rows().await, 1);
        later(&app, 5_000).await;
        expect(&stubs, &[("token.refreshed", 1)]);
    }

    async fn the_same_of_the_same_subject_is_told_again_after_the_interval_only(app: TestApp) {
        let stubs = Notifiers::start().await;
        hook(&app, &stubs, json!({"min_interval_s": 3600})).await;
        // Every ten minutes for two hours and a bit: told at 0, 60 and 120 minutes.
        let mut told_at = Vec::new();
        for minute in (0..=120).step_by(10) {
            told(&app, EventKind::TokenFailing, "token:1", "transient.timeout", json!({"name": "a", "failures": minute})).await;
            later(&app, 10 * MINUTE).await;
            if !told_to(&stubs).is_empty() {
                told_at.push(minute);
            }
        }
        assert_eq!(told_at, [0, 60, 120], "what is not told does not count");
        told(&app, EventKind::TokenFailing, "token:1", "transient.timeout", json!({"name": "a"})).await;
        told(&app, EventKind::TokenFailing, "token:2", "transient.timeout", json!({"name": "b"})).await;
        told(&app, EventKind::TokenDead, "token:1", "permanent.expired", json!({"name": "a"})).await;
        later(&app, 5_000).await;
        let received = stubs.received();
        expect(&stubs, &[("token.dead", 1), ("token.failing", 1)]);
        assert!(received.iter().any(|one| one.body["data"]["subjects"][0]["subject"] == "token:2"));
    }

    async fn what_falls_into_quiet_hours_is_told_in_one_summary_when_they_are_over(app: TestApp) {
        let stubs = Notifiers::start().await;
        // In Shanghai it is 12:31.
        hook(&app, &stubs, json!({"quiet_hours": "12:00-13:00", "break_through": ["security.login_locked"]})).await;
        hook(&app, &stubs, json!({"name": "awake", "events": ["job.failed"], "quiet_hours": "22:00-08:00"})).await;
        for nth in 0..3 {
            dead(&app, nth, "permanent.revoked").await;
        }
        told(&app, EventKind::JobFailed, "job:purge", "x", json!({"name": "purge"})).await;
        told(&app, EventKind::LoginLocked, "admin:root", "x", json!({"name": "root"})).await;
        later(&app, 5_000).await;
        expect(&stubs, &[("job.failed", 1), ("security.login_locked", 1)]);
        dead(&app, 9, "permanent.revoked").await;
        later(&app, 28 * MINUTE).await;
        expect(&stubs, &[]);
        later(&app, 55_000).await; // 13:00:00
        let received = stubs.received();
        expect(&stubs, &[("summary", 5)]);
        let groups = received[0].body["data"]["groups"].as_array().unwrap();
        assert_eq!(groups.iter().map(|group| (group["event"].clone(), group["count"].clone())).collect::<Vec<_>>(), [(json!("token.dead"), json!(4)), (json!("job.failed"), json!(1))]);
        let text = received[0].body["data"]["text"].as_str().unwrap();
        assert!(text.contains("2026-11-21 12:31 · 4 个账号"), "{text}");
        dead(&app, 10, "permanent.revoked").await;
        later(&app, 5_000).await;
        expect(&stubs, &[("token.dead", 1)]);
    }

    async fn pushplus_that_restricts_the_account_is_left_alone_until_tomorrow(app: TestApp) {
        let stubs = Notifiers::start().await;
        let id = channel(&app, "pushplus", config_for("pushplus", &stubs), json!({})).await;
        stubs.answer_next("200 OK", r#"{"code":900,"msg":"用户账号使用受限","data":null}"#);
        dead(&app, 1, "permanent.revoked").await;
        later(&app, 5_000).await;
        assert_eq!(stubs.take().len(), 1);
        let view = app.get(&format!("{PATH}/{id}")).root().send().await.expect(200);
        assert_eq!(view["paused_until"], "2026-11-21T16:00:00.000Z", "midnight in Shanghai");
        let (delivered, detail) = tried(&app, id).await;
        assert!(!delivered && detail.contains("paused until 2026-11-21T16:00:00.000Z"), "{detail}");
        told(&app, EventKind::JobFailed, "job:purge", "x", json!({"name": "purge"})).await;
        dead(&app, 2, "permanent.expired").await;
        later(&app, 11 * HOUR).await; // 23:31
        assert_eq!(stubs.take().len(), 0, "nothing at all goes there today");
        later(&app, 30 * MINUTE).await;
        let titles: Vec<_> = stubs.take().iter().map(|one| one.body["title"].as_str().unwrap().to_owned()).collect();
        assert_eq!(titles, ["账号 u1@example.com 的刷新令牌已失效", "免打扰期间有 2 条通知"]);
    }

    async fn a_new_token_ends_the_pause(app: TestApp) {
        let stubs = Notifiers::start().await;
        let id = channel(&app, "pushplus", config_for("pushplus", &stubs), json!({})).await;
        stubs.answer_next("200 OK", r#"{"code":900,"msg":"用户账号使用受限","data":null}"#);
        assert!(!tried(&app, id).await.0);
        app.patch(&format!("{PATH}/{id}"), &json!({"min_interval_s": 5})).root().send().await.expect(200);
        assert!(!tried(&app, id).await.0);
        app.patch(&format!("{PATH}/{id}"), &json!({"config": {"topic": "ops"}})).root().send().await.expect(200);
        assert!(tried(&app, id).await.0);
    }

    async fn a_robot_gets_twenty_messages_a_minute(app: TestApp) {
        let stubs = Notifiers::start().await;
        channel(&app, "wecom", config_for("wecom", &stubs), json!({})).await;
        for nth in 0..25 {
            dead(&app, nth, &format!("cause {nth}")).await;
        }
        later(&app, 5_000).await;
        assert_eq!(stubs.take().len(), 20);
        later(&app, 59_000).await;
        assert_eq!(stubs.take().len(), 0);
        later(&app, 1_000).await;
        assert_eq!(stubs.take().len(), 5);
    }

    async fn a_service_that_asks_to_wait_is_not_called_before(app: TestApp) {
        let stubs = Notifiers::start().await;
        hook(&app, &stubs, json!({"events": ["token.dead"]})).await;
        channel(&app, "telegram", config_for("telegram", &stubs), json!({"events": ["job.failed"]})).await;
        stubs.answer_next("429 Too Many Requests\r\nRetry-After: 120", "");
        dead(&app, 1, "permanent.revoked").await;
        later(&app, 5_000).await;
        expect(&stubs, &[("token.dead", 1)]);
        let body = r#"{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 90","parameters":{"retry_after":90}}"#;
        stubs.answer_next("429 Too Many Requests", body);
        told(&app, EventKind::JobFailed, "job:purge", "x", json!({"name": "purge"})).await;
        later(&app, 5_000).await;
        assert_eq!(stubs.take().len(), 1);
        let now = app.clock.now();
        let waits: Vec<i64> = outbox(&app).await.iter().map(|row| row.next_attempt_at.unwrap().0 - now.0).collect();
        assert!(waits[0] >= 115_000 && waits[1] >= 90_000, "{waits:?}");
        later(&app, 89_000).await;
        assert_eq!(stubs.take().len(), 0);
        later(&app, 30_000).await;
        assert_eq!(stubs.take().len(), 2);
    }

    async fn what_cannot_be_delivered_now_is_delivered_later_with_the_same_id(app: TestApp) {
        let stubs = Notifiers::start().await;
        hook(&app, &stubs, json!({})).await;
        stubs.answer_next("503 Service Unavailable", "");
        dead(&app, 1, "permanent.revoked").await;
        later(&app, 5_000).await;
        later(&app, 2 * HOUR).await;
        let received = stubs.take();
        assert_eq!(received.len(), 2);
        assert_eq!(received[0].header("webhook-id"), received[1].header("webhook-id"), "so that the receiver knows it again");
        later(&app, 2 * HOUR).await;
        assert_eq!(stubs.take().len(), 0);
    }

    async fn what_is_tried_again_keeps_the_quiet_hours_and_holds_up_nothing_that_breaks_through(app: TestApp) {
        let stubs = Notifiers::start().await;
        // In Shanghai it is 12:31.
        hook(&app, &stubs, json!({"quiet_hours": "13:00-14:00", "break_through": ["job.failed"]})).await;
        stubs.answer_next("503 Service Unavailable\r\nRetry-After: 1800", "");
        dead(&app, 1, "permanent.revoked").await;
        later(&app, 5_000).await;
        expect(&stubs, &[("token.dead", 1)]);
        later(&app, 31 * MINUTE).await;
        expect(&stubs, &[]);
        told(&app, EventKind::JobFailed, "job:purge", "x", json!({"name": "purge"})).await;
        later(&app, 5_000).await;
        expect(&stubs, &[("job.failed", 1)]);
        later(&app, 56 * MINUTE).await; // 13:58
        expect(&stubs, &[]);
        later(&app, 3 * MINUTE).await;
        expect(&stubs, &[("token.dead", 1)]);
    }

    async fn a_channel_that_is_gone_or_off_gets_nothing_more(app: TestApp) {
        let stubs = Notifiers::start().await;
        let gone = hook(&app, &stubs, json!({"name": "gone"})).await;
        let off = hook(&app, &stubs, json!({"name": "off"})).await;
        let quiet = hook(&app, &stubs, json!({"name": "quiet", "quiet_hours": "12:00-13:00"})).await;
        dead(&app, 1, "permanent.revoked").await;
        app.clock.advance_millis(5_000);
        run(&app, "dispatch-notifications").await;
        app.delete(&format!("{PATH}/{gone}")).root().send().await.expect(204);
        for id in [off, quiet] {
            app.patch(&format!("{PATH}/{id}"), &json!({"enabled": false})).root().send().await.expect(200);
        }
        // The job may have delivered by itself between the two.
        run(&app, "deliver-outbox").await;
        stubs.take();
        later(&app, 2 * HOUR).await;
        app.patch(&format!("{PATH}/{quiet}"), &json!({"enabled": true})).root().send().await.expect(200);
        later(&app, 2 * HOUR).await;
        expect(&stubs, &[]);
        assert!(outbox(&app).await.iter().all(|row| row.state != "pending"));
    }

    async fn events_of_long_ago_are_purged(app: TestApp) {
        use sea_orm::PaginatorTrait;
        let stubs = Notifiers::start().await;
        hook(&app, &stubs, json!({"min_interval_s": 60})).await;
        dead(&app, 1, "permanent.revoked").await;
        later(&app, 29 * 24 * HOUR).await;
        dead(&app, 2, "permanent.revoked").await;
        later(&app, 2 * 24 * HOUR).await;
        run(&app, "purge").await;
        let db = app.state.db.orm();
        assert_eq!(entity::notification::Entity::find().count(db).await.unwrap(), 1);
        assert_eq!(entity::notification_told::Entity::find().count(db).await.unwrap(), 1);
    }
}

on_both_with! { |config: &mut Config| { near(config); config.server.timezone = "Europe/Berlin".parse().unwrap(); };
    async fn quiet_hours_end_on_the_clock_in_the_night_that_the_clocks_change(app: TestApp) {
        let stubs = Notifiers::start().await;
        hook(&app, &stubs, json!({"quiet_hours": "22:00-08:00"})).await;
        let at = async |text: &str| {
            let time: UtcMillis = serde_json::from_value(text.into()).unwrap();
            later(&app, time.0 - app.clock.now().0).await;
        };
        at("2027-03-27T21:30:00Z").await; // 22:30 +01:00
        dead(&app, 1, "permanent.revoked").await;
        at("2027-03-28T05:59:59Z").await; // 07:59:59 +02:00
        expect(&stubs, &[]);
        at("2027-03-28T06:00:00Z").await;
        expect(&stubs, &[("summary", 1)]);
        at("2027-10-30T20:30:00Z").await; // 22:30 +02:00
        dead(&app, 1, "permanent.revoked").await;
        at("2027-10-31T06:59:59Z").await; // 07:59:59 +01:00
        expect(&stubs, &[]);
        at("2027-10-31T07:00:00Z").await;
        expect(&stubs, &[("summary", 1)]);
    }
}

on_each_database! {
    async fn what_was_told_is_delivered_after_a_restart(database: Database) {
        let app = TestApp::start_with(database, near).await;
        let stubs = Notifiers::start().await;
        hook(&app, &stubs, json!({})).await;
        dead(&app, 1, "permanent.revoked").await;
        let app = app.restart().await;
        later(&app, 5_000).await;
        expect(&stubs, &[("token.dead", 1)]);
        app.stop().await;
    }
}
