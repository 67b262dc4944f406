//! Sinks while something goes wrong: processes that die, answers that make no sense, rows that go away, others who write.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use entity::outbox;
use latchkey::base::clock::Clock;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, Statement};
use serde_json::{Value, json};

use crate::kit::{
    Call, Database, Flavour, Mood, OneApiDatabase, Process, Provider, Receiver, Relay, TestApp, eventually,
};

const SINKS: &str = "/public-api/sinks";
const LEASE_MS: i64 = 120_000;

fn open(config: &mut latchkey::config::Config) {
    config.security.allow_private_targets = true;
}

fn relay_config(relay: &Relay) -> Value {
    json!({"base_url": relay.url, "access_token": Relay::TOKEN})
}

async fn made(call: Call, body: &Value) -> i64 {
    call.json(body).root().send().await.expect(201)["id"].as_i64().unwrap()
}

async fn sink(app: &TestApp, kind: &str, config: &Value) -> i64 {
    made(app.call("POST", SINKS), &json!({"name": uuid::Uuid::new_v4(), "kind": kind, "config": config})).await
}

async fn link(app: &TestApp, sink: i64, token_id: i64, channel: i64) -> i64 {
    let path = format!("{SINKS}/{sink}/links");
    made(app.call("POST", &path), &json!({"token_id": token_id, "channel_id": channel})).await
}

async fn newest(app: &TestApp, sink: i64) -> Value {
    app.get(&format!("{SINKS}/{sink}/deliveries")).root().send().await.expect(200)["items"][0].clone()
}

async fn nothing_waits(app: &TestApp) -> bool {
    let waiting = outbox::Entity::find().filter(outbox::Column::NextAttemptAt.is_not_null());
    waiting.count(app.state.db.orm()).await.unwrap() == 0
}

/// Which of its access tokens that is: the stub provider counts them.
fn nth(access_token: &str) -> u64 {
    let payload = URL_SAFE_NO_PAD.decode(access_token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice::<Value>(&payload).unwrap()["jti"].as_u64().unwrap()
}

async fn serve(database: &Database) -> Process {
    serve_at(database, "warn").await
}

async fn serve_at(database: &Database, level: &str) -> Process {
    Process::serve_logged(database, |command| {
        command.env("LATCHKEY__SECURITY__ALLOW_PRIVATE_TARGETS", "true").env("LATCHKEY__LOG__LEVEL", level);
    })
    .await
}

on_each_database! {
    async fn no_secret_of_a_sink_and_no_token_is_logged_at_any_level(database: Database) {
        let (relay, receiver) = (Relay::start(Flavour::OneApi).await, Receiver::start().await);
        let (stub, there) = (Provider::start(&Clock::default()), OneApiDatabase::mysql().await);
        relay.set_channel(57, |channel| channel.kind = 57);
        let process = serve_at(&database, "trace").await;
        let provider = json!({"name": "stub", "token_url": stub.url(), "client_id": "c"});
        process.call("POST", "/public-api/providers").json(&provider).root().send().await.expect(201);
        let account = json!({"biz_id": "a", "provider": "stub", "refresh_token": stub.issue("a")});
        let account = made(process.call("POST", "/public-api/tokens"), &account).await;
        let folder = database.folder.join("tokens");
        std::fs::create_dir(&folder).unwrap();
        let mut sinks = Vec::new();
        for (kind, config, channel) in [
            ("one_api_http", relay_config(&relay), json!(12)),
            ("codex_channel", relay_config(&relay), json!(57)),
            ("one_api_db", there.config(), json!(12)),
            ("one_api_db", json!({"dsn": "planted:pw-planted-91d3@tcp(127.0.0.1:3306)/oneapi"}), json!(12)),
            ("webhook", json!({"url": receiver.url, "secret": Receiver::SECRET, "include_access_token": true}), json!("x")),
            ("file", json!({"directory": folder}), json!("token")),
        ] {
            let body = json!({"name": uuid::Uuid::new_v4(), "kind": kind, "config": config});
            let sink = made(process.call("POST", SINKS), &body).await;
            let link = json!({"token_id": account, "channel_id": channel});
            made(process.call("POST", &format!("{SINKS}/{sink}/links")), &link).await;
            sinks.push(sink);
        }
        let refresh = process.call("POST", "/public-api/refresh").json(&json!({"biz_id": "a"}));
        let data = refresh.root().send().await.expect(200)["data"].clone();
        for sink in sinks {
            let list = format!("{SINKS}/{sink}/deliveries");
            eventually("it was tried", async || {
                let one = process.call("GET", &list).root().send().await.expect(200)["items"][0].clone();
                one["state"] == "delivered" || one["last_error"].is_string()
            })
            .await;
            process.call("POST", &format!("{SINKS}/{sink}/test")).root().send().await.expect(200);
        }
        assert_eq!(std::fs::read_to_string(folder.join("token")).unwrap(), data["access_token"].as_str().unwrap());
        process.signal("TERM");
        assert_eq!(process.wait(), Some(0));
        let log = Process::log(&database);
        assert!(log.contains("TRACE") || log.contains("trace"), "it is logged at this level");
        let planted = [Relay::TOKEN, &Receiver::SECRET[6..], "pw-planted-91d3"];
        let tokens = ["access_token", "refresh_token"].map(|name| data[name].as_str().unwrap());
        for secret in planted.into_iter().chain(tokens) {
            let line = log.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "{secret} is in the log");
        }
        there.drop().await;
        database.drop().await;
    }

    async fn a_kill_in_the_middle_of_a_delivery_repeats_it_and_no_older_token_follows_a_newer_one(database: Database) {
        let (relay, stub) = (Relay::start(Flavour::OneApi).await, Provider::start(&Clock::default()));
        let process = serve(&database).await;
        let provider = json!({"name": "stub", "token_url": stub.url(), "client_id": "c"});
        process.call("POST", "/public-api/providers").json(&provider).root().send().await.expect(201);
        let account = json!({"biz_id": "a", "provider": "stub", "refresh_token": stub.issue("a")});
        let account = made(process.call("POST", "/public-api/tokens"), &account).await;
        let sink = json!({"name": "s", "kind": "one_api_http", "config": relay_config(&relay)});
        let sink = made(process.call("POST", SINKS), &sink).await;
        let links = format!("{SINKS}/{sink}/links");
        made(process.call("POST", &links), &json!({"token_id": account, "channel_id": 12})).await;
        let refreshed = async |process: &Process| {
            let body = json!({"biz_id": "a"});
            let answer = process.call("POST", "/public-api/refresh").json(&body).root().send().await.expect(200);
            answer["data"]["access_token"].as_str().unwrap().to_owned()
        };
        let mut process = Some(process);
        let mut newest = String::new();
        for round in 1..=3 {
            let living = process.take().unwrap();
            let before = relay.puts();
            relay.be(Mood::HangsOnPut);
            newest = refreshed(&living).await;
            eventually("it is under way", async || relay.puts() > before).await;
            if round > 1 {
                newest = refreshed(&living).await; // waits for the one before it
            }
            living.kill();
            relay.be(Mood::Well);
            process = Some(serve(&database).await);
            eventually("the newest has arrived", async || relay.key(12) == newest).await;
        }
        let living = process.take().unwrap();
        let list = format!("{SINKS}/{sink}/deliveries");
        eventually("and all is noted", async || {
            let list = living.call("GET", &list).root().send().await.expect(200);
            list["items"].as_array().unwrap().iter().all(|one| one["state"] == "delivered" || one["state"] == "superseded")
        })
        .await;
        let order: Vec<u64> = relay.keys_put().iter().map(|key| nth(key)).collect();
        assert!(order.is_sorted() && order.last() == Some(&nth(&newest)), "{order:?}");
        assert!(order.len() >= 6, "what was cut off was repeated: {order:?}");
        drop(living);
        database.drop().await;
    }
}

on_both_with! {
    open;
    async fn an_older_token_that_arrives_late_is_followed_by_the_newest(app: TestApp) {
        let relay = Relay::start(Flavour::OneApi).await;
        let account = app.vault_account("rt", Some("at-1")).await;
        let sink = sink(&app, "one_api_http", &relay_config(&relay)).await;
        relay.hold("at-1");
        link(&app, sink, account.id, 12).await;
        eventually("the first is on its way", async || relay.is_holding()).await;
        app.refreshed(&account, "at-2").await;
        // Whoever delivers is believed dead, as a process that was stopped for minutes is.
        app.deliver_later(LEASE_MS).await;
        eventually("the second has arrived", async || relay.key(12) == "at-2").await;
        eventually("and is noted", async || newest(&app, sink).await["state"] == "delivered").await;
        relay.release();
        let lost = "latchkey_outbox_tries_total{kind=\"sink\",outcome=\"lost\"} 1";
        eventually("the first has come in after all", async || app.get("/metrics").send().await.text().contains(lost)).await;
        eventually("and was followed", async || nothing_waits(&app).await).await;
        assert_eq!(relay.key(12), "at-2");
    }

    async fn a_change_of_the_sink_does_not_wait_for_a_lease_to_lapse(app: TestApp) {
        let (old, new) = (Relay::start(Flavour::OneApi).await, Relay::start(Flavour::OneApi).await);
        let account = app.vault_account("rt", Some("at-1")).await;
        let sink = sink(&app, "one_api_http", &relay_config(&old)).await;
        old.hold("at-1");
        link(&app, sink, account.id, 12).await;
        eventually("it is under way", async || old.is_holding()).await;
        app.patch(&format!("{SINKS}/{sink}"), &json!({"config": relay_config(&new)})).root().send().await.expect(200);
        old.release();
        eventually("it goes to the new place as soon as the old one has answered", async || new.key(12) == "at-1").await;
        eventually("and is noted", async || nothing_waits(&app).await).await;
        assert_eq!(newest(&app, sink).await["state"], "delivered");
    }

    async fn what_waits_for_an_account_or_a_sink_that_is_deleted_is_not_delivered(app: TestApp) {
        let relay = Relay::start(Flavour::OneApi).await;
        relay.set_channel(13, |_| {});
        relay.be(Mood::Fails(503));
        let (first, second) = (app.vault_account("rt-1", Some("at-1")).await, app.vault_account("rt-2", Some("at-2")).await);
        let (one, other) = (sink(&app, "one_api_http", &relay_config(&relay)).await, sink(&app, "one_api_http", &relay_config(&relay)).await);
        link(&app, one, first.id, 12).await;
        link(&app, other, second.id, 13).await;
        for sink in [one, other] {
            eventually("it waits", async || newest(&app, sink).await["last_error"] == "HTTP 503").await;
        }
        app.delete(&format!("/public-api/tokens/{}", first.id)).root().send().await.expect(204);
        app.delete(&format!("{SINKS}/{other}")).root().send().await.expect(204);
        relay.be(Mood::Well);
        app.deliver_later(3_600_000).await;
        eventually("nothing waits any more", async || nothing_waits(&app).await).await;
        let delivery = newest(&app, one).await;
        assert_eq!((&delivery["state"], &delivery["last_error"]), (&json!("superseded"), &json!("the link is gone")));
        assert_eq!(relay.puts(), 0);
        let again = format!("{SINKS}/deliveries/{}/retry", delivery["id"]);
        app.call("POST", &again).root().send().await.problem(409, "DELIVERY_OVER");
        assert_eq!(app.get(&format!("{SINKS}/{one}/links")).root().send().await.expect(200)["total"], 0);
    }

    async fn whatever_a_relay_answers_nothing_is_written_that_was_not_looked_at(app: TestApp) {
        let relay = Relay::start(Flavour::NewApi).await;
        let account = app.vault_account("rt", Some("at-1")).await;
        let config = json!({"base_url": relay.url, "access_token": Relay::TOKEN, "user_id": 1});
        for (mood, error) in [
            (Mood::Says(200, "<html><body>welcome</body></html>"), "HTTP 200, but no JSON"),
            (Mood::Says(200, "[]"), "the relay refuses"),
            (Mood::Says(200, "\"success\""), "the relay refuses"),
            (Mood::Says(200, "{\"success\": \"true\", \"data\": {\"id\": 12, \"type\": 1}}"), "the relay refuses"),
            (Mood::Says(200, "{\"success\": true}"), "the relay does not say what channel 12 is: nothing was written"),
            (Mood::Says(200, "{\"success\": true, \"data\": {\"id\": 13, \"type\": 1}}"), "asked for channel 12, the relay answers with channel 13"),
            (Mood::Says(500, "{\"success\": true, \"data\": {\"id\": 12, \"type\": 1}}"), "HTTP 500"),
            (Mood::Says(200, ""), "HTTP 200, but no JSON"),
            (Mood::Endless, "the connection broke before the answer was complete"),
        ] {
            relay.be(mood.clone());
            let sink = sink(&app, "new_api_http", &config).await;
            link(&app, sink, account.id, 12).await;
            eventually("it was tried", async || newest(&app, sink).await["last_error"].is_string()).await;
            let delivery = newest(&app, sink).await;
            assert!(delivery["last_error"].as_str().unwrap().starts_with(error), "{mood:?}: {delivery}");
            assert!(["pending", "failed"].contains(&delivery["state"].as_str().unwrap()), "{mood:?}: {delivery}");
            let found = app.call("POST", &format!("{SINKS}/{sink}/test")).root().send().await.expect(200);
            assert_eq!(found["ok"], false, "{mood:?}: {found}");
            app.delete(&format!("{SINKS}/{sink}")).root().send().await.expect(204);
        }
        assert_eq!(relay.puts(), 0);
    }

    async fn a_key_that_is_changed_at_the_same_moment_is_not_overwritten_unseen(app: TestApp) {
        for place in ["sqlite", "mysql"] {
            let database = match place {
                "sqlite" => OneApiDatabase::sqlite(&app.database.folder).await,
                _ => OneApiDatabase::mysql().await,
            };
            let account = app.vault_account(&format!("rt {place}"), Some("at-1")).await;
            let sink = sink(&app, "one_api_db", &database.config()).await;
            let other = database.another().await;
            if place == "sqlite" {
                // Whoever writes first: our UPDATE meets no row.
                database.run("CREATE TRIGGER in_the_way BEFORE UPDATE ON channels BEGIN SELECT RAISE(IGNORE); END").await;
                link(&app, sink, account.id, 12).await;
            } else {
                other.execute_unprepared("BEGIN").await.unwrap();
                other.execute_unprepared("UPDATE channels SET `key` = 'by hand' WHERE id = 12").await.unwrap();
                link(&app, sink, account.id, 12).await;
                let sql = "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() AND info LIKE 'UPDATE channels%'";
                eventually("our UPDATE waits for theirs", async || {
                    let sql = Statement::from_string(other.get_database_backend(), sql);
                    other.query_one_raw(sql).await.unwrap().unwrap().try_get_by_index::<i64>(0).unwrap() == 1
                })
                .await;
                other.execute_unprepared("COMMIT").await.unwrap();
            }
            let error = "the channel was changed at the same moment";
            eventually("it is seen", async || newest(&app, sink).await["last_error"] == error).await;
            assert_eq!(database.keys().await[0], if place == "sqlite" { "old" } else { "by hand" });
            if place == "sqlite" {
                database.run("DROP TRIGGER in_the_way").await;
            }
            app.deliver_later(10_000).await;
            eventually("the next try has looked again", async || newest(&app, sink).await["state"] == "delivered").await;
            assert_eq!(database.keys().await[0], "at-1");
            other.close().await.unwrap();
            database.drop().await;
        }
    }

    async fn a_target_that_is_slower_than_was_known_brings_the_refresh_forward_at_once(app: TestApp) {
        app.patch("/public-api/jobs/refresh-tokens", &json!({"enabled": false})).root().send().await.expect(200);
        let stub = Provider::start(&app.clock); // its access tokens live for an hour
        let provider = json!({"name": "stub", "token_url": stub.url(), "client_id": "c"});
        app.post("/public-api/providers", &provider).root().send().await.expect(201);
        let account = json!({"biz_id": "a", "provider": "stub", "refresh_token": stub.issue("a")});
        let account = made(app.call("POST", "/public-api/tokens"), &account).await;
        let refresh = async || {
            app.post("/public-api/refresh", &json!({"biz_id": "a"})).root().send().await.expect(200);
        };
        // Seconds between the refresh and the token's end.
        let lead = async || {
            let row = entity::refresh_token::Entity::find_by_id(account).one(app.state.db.orm()).await.unwrap().unwrap();
            (row.access_expires_at.unwrap().0 - row.next_refresh_at.unwrap().0) / 1000
        };
        refresh().await;
        let usual = lead().await;
        assert!((900..=1080).contains(&usual), "{usual}");
        let body = json!({"name": "s", "kind": "one_api_http", "config": {"base_url": "http://127.0.0.1:9", "access_token": "t"}, "sync_delay_s": 1200});
        let sink = made(app.call("POST", SINKS), &body).await;
        let change = async |change: Value| app.patch(&format!("{SINKS}/{sink}"), &change).root().send().await.expect(200);
        assert_eq!(lead().await, usual, "nothing goes there yet");
        link(&app, sink, account, 12).await;
        assert_eq!(lead().await, 1260, "with the link");
        change(json!({"sync_delay_s": 1500})).await;
        assert_eq!(lead().await, 1560, "with the delay");
        change(json!({"sync_delay_s": 0})).await;
        assert_eq!(lead().await, 1560, "a refresh that is planned stays planned");
        change(json!({"enabled": false, "sync_delay_s": 1700})).await;
        assert_eq!(lead().await, 1560, "one that is off does not count");
        change(json!({"enabled": true})).await;
        assert_eq!(lead().await, 1760, "and does when it is on again");
        change(json!({"sync_delay_s": 86_400})).await;
        assert_eq!(lead().await, 1800, "half of the lifetime is left in any case");
        app.delete(&format!("{SINKS}/{sink}")).root().send().await.expect(204);
        refresh().await;
        assert_eq!(lead().await, usual);
    }
}
