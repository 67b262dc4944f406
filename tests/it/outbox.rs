//! The outbox in a running service: what waits is delivered, whatever happens to the service and to its targets.

use entity::outbox;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder};
use serde_json::{Value, json};

use crate::kit::{Database, Flavour, Mood, Relay, TestApp, block_on, eventually};

const HOUR: i64 = 3_600_000;

fn open(config: &mut latchkey::config::Config) {
    config.security.allow_private_targets = true;
}

/// A sink of that relay.
async fn sink(app: &TestApp, relay: &Relay, name: &str) -> i64 {
    let config = json!({"base_url": relay.url, "access_token": Relay::TOKEN});
    let body = json!({"name": name, "kind": "one_api_http", "config": config});
    app.post("/public-api/sinks", &body).root().send().await.expect(201)["id"].as_i64().unwrap()
}

async fn link(app: &TestApp, sink: i64, token_id: i64, channel: i64) -> i64 {
    let body = json!({"token_id": token_id, "channel_id": channel});
    let path = format!("/public-api/sinks/{sink}/links");
    app.post(&path, &body).root().send().await.expect(201)["id"].as_i64().unwrap()
}

async fn deliveries(app: &TestApp, sink: i64) -> Vec<Value> {
    let path = format!("/public-api/sinks/{sink}/deliveries");
    app.get(&path).root().send().await.expect(200)["items"].as_array().unwrap().clone()
}

async fn all_have_arrived(app: &TestApp) -> bool {
    let waiting = outbox::Entity::find().filter(outbox::Column::NextAttemptAt.is_not_null());
    waiting.count(app.state.db.orm()).await.unwrap() == 0
}

on_both_with! {
    open;
    async fn what_is_put_is_delivered_by_the_job_without_a_nudge(app: TestApp) {
        let relay = Relay::start(Flavour::OneApi).await;
        let account = app.vault_account("rt-1", None).await;
        let sink = sink(&app, &relay, "relay").await;
        link(&app, sink, account.id, 12).await;
        assert!(deliveries(&app, sink).await.is_empty(), "there is no token yet");
        app.refreshed(&account, "at-1").await;
        app.clock.advance_millis(2_000);
        eventually("the job has delivered it", async || relay.key(12) == "at-1").await;
        eventually("and noted it", async || all_have_arrived(&app).await).await;
    }

    async fn a_target_that_hangs_delays_no_other(app: TestApp) {
        let (hanging, well) = (Relay::start(Flavour::OneApi).await, Relay::start(Flavour::OneApi).await);
        hanging.be(Mood::Hangs);
        let (first, second) = (sink(&app, &hanging, "hanging").await, sink(&app, &well, "well").await);
        let account = app.vault_account("rt-1", Some("at-1")).await;
        for channel in 1..=20 {
            link(&app, first, account.id, channel).await;
        }
        eventually("as many as may are waiting for the one that hangs", async || hanging.asked().len() == 4).await;
        link(&app, second, account.id, 12).await;
        eventually("the other one has its key", async || well.key(12) == "at-1").await;
        assert!(deliveries(&app, first).await.iter().all(|one| one["state"] == "pending"));
        assert_eq!(hanging.asked().len(), 4);
    }

    async fn the_metrics_tell_how_much_waits_and_how_long(app: TestApp) {
        let relay = Relay::start(Flavour::OneApi).await;
        relay.be(Mood::Fails(500));
        let sink = sink(&app, &relay, "relay").await;
        let account = app.vault_account("rt-1", Some("at-1")).await;
        let gauge = async |name: &str| {
            let text = app.get("/metrics").send().await.text();
            let line = text.lines().find(|line| line.starts_with(&format!("{name}{{kind=\"sink\"}}"))).map(str::to_owned);
            line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).expect("the gauge")
        };
        assert_eq!((gauge("latchkey_outbox_pending").await, gauge("latchkey_outbox_oldest_seconds").await), (0.0, 0.0));
        link(&app, sink, account.id, 12).await;
        eventually("it was tried", async || deliveries(&app, sink).await[0]["attempts"] == 1).await;
        app.clock.advance_millis(1_500);
        assert_eq!((gauge("latchkey_outbox_pending").await, gauge("latchkey_outbox_oldest_seconds").await), (1.0, 1.5));
        relay.be(Mood::Well);
        app.deliver_later(HOUR).await;
        eventually("it has arrived", async || all_have_arrived(&app).await).await;
        assert_eq!(gauge("latchkey_outbox_pending").await, 0.0);
        assert!(app.get("/metrics").send().await.text().contains("latchkey_outbox_tries_total{kind=\"sink\",outcome=\"delivered\"} 1"));
    }

    async fn old_deliveries_are_purged_by_the_job(app: TestApp) {
        let relay = Relay::start(Flavour::OneApi).await;
        let sink = sink(&app, &relay, "relay").await;
        let account = app.vault_account("rt-1", Some("at-1")).await;
        link(&app, sink, account.id, 12).await;
        eventually("it has arrived", async || all_have_arrived(&app).await).await;
        let purge = async || {
            let task = app.call("POST", "/public-api/jobs/purge/run").root().send().await;
            // It may just be running on its schedule.
            assert!(matches!(task.status, 202 | 409), "{}", task.text());
        };
        app.clock.advance_millis(90 * 24 * HOUR - 1);
        purge().await;
        assert_eq!(deliveries(&app, sink).await.len(), 1);
        app.clock.advance_millis(2);
        eventually("it is gone", async || {
            purge().await;
            deliveries(&app, sink).await.is_empty()
        })
        .await;
    }
}

on_each_database! {
    async fn a_restart_goes_on_with_what_was_waiting_and_what_was_under_way(database: Database) {
        let relay = Relay::start(Flavour::OneApi).await;
        let app = TestApp::start_with(database, |config| {
            open(config);
            config.server.shutdown_timeout = 1; // what hangs is left behind
        })
        .await;
        relay.set_channel(13, |_| {});
        let sink = sink(&app, &relay, "relay").await;
        let (first, second) = (app.vault_account("rt-1", Some("at-1")).await, app.vault_account("rt-2", Some("at-2")).await);
        relay.be(Mood::Hangs);
        link(&app, sink, first.id, 12).await;
        eventually("it is under way", async || relay.asked().len() == 1).await;
        relay.be(Mood::Fails(503));
        link(&app, sink, second.id, 13).await;
        eventually("it was tried", async || deliveries(&app, sink).await[0]["attempts"] == 1).await;
        let app = app.restart().await;
        relay.be(Mood::Well);
        app.deliver_later(10_000).await;
        eventually("both have arrived", async || relay.key(12) == "at-1" && relay.key(13) == "at-2").await;
        eventually("and are noted", async || all_have_arrived(&app).await).await;
        let rows = outbox::Entity::find().order_by_asc(outbox::Column::Id).all(app.state.db.orm()).await.unwrap();
        let ended: Vec<_> = rows.iter().map(|row| (row.state.as_str(), row.attempts)).collect();
        assert_eq!(ended, [("delivered", 2), ("delivered", 2)]);
        app.stop().await;
    }
}

#[test]
fn the_metrics_answer_without_a_database() {
    block_on(async {
        let app = TestApp::start(Database::mysql().await).await;
        app.state.db.close().await;
        assert_eq!(app.get("/metrics").send().await.status, 200);
        app.stop().await;
    });
}
