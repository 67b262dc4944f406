//! What arrives at the targets of sinks, and what never does.

use std::os::unix::fs::{PermissionsExt, symlink};

use entity::notification;
use sea_orm::EntityTrait;
use serde_json::{Value, json};

use crate::kit::{Flavour, Mood, OneApiDatabase, Receiver, Relay, TestApp, eventually};

const SINKS: &str = "/public-api/sinks";
const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

fn open(config: &mut latchkey::config::Config) {
    config.security.allow_private_targets = true;
}

fn relay_config(relay: &Relay) -> Value {
    json!({"base_url": relay.url, "access_token": Relay::TOKEN, "user_id": Relay::USER})
}

async fn sink(app: &TestApp, kind: &str, config: &Value) -> i64 {
    let body = json!({"name": uuid::Uuid::new_v4(), "kind": kind, "config": config});
    app.post(SINKS, &body).root().send().await.expect(201)["id"].as_i64().unwrap()
}

async fn link(app: &TestApp, sink: i64, body: &Value) -> i64 {
    app.post(&format!("{SINKS}/{sink}/links"), body).root().send().await.expect(201)["id"].as_i64().unwrap()
}

/// The newest delivery of a link.
async fn newest(app: &TestApp, sink: i64, link: i64) -> Value {
    let path = format!("{SINKS}/{sink}/deliveries?link_id={link}");
    app.get(&path).root().send().await.expect(200)["items"][0].clone()
}

/// The newest delivery, once it is as it should be.
async fn ends(app: &TestApp, sink: i64, link: i64, state: &str) -> Value {
    let mut last = Value::Null;
    eventually(state, async || {
        last = newest(app, sink, link).await;
        last["state"] == state && (state != "pending" || last["last_error"].is_string())
    })
    .await;
    last
}

async fn told(app: &TestApp) -> Vec<(String, Value)> {
    let rows = notification::Entity::find().all(app.state.db.orm()).await.unwrap();
    rows.into_iter().map(|row| (row.event, serde_json::from_str(&row.params).unwrap())).collect()
}

/// Has the outbox look now, some time later.
async fn later(app: &TestApp, millis: i64) {
    app.deliver_later(millis).await;
}

on_both_with! {
    open;
    async fn linking_pushes_the_current_token_and_a_refresh_the_next(app: TestApp) {
        for (kind, flavour) in [("one_api_http", Flavour::OneApi), ("new_api_http", Flavour::NewApi), ("new_api_http", Flavour::NewApiNewer)] {
            let relay = Relay::start(flavour).await;
            let account = app.vault_account(&format!("rt {kind} {flavour:?}"), Some("at-1")).await;
            let sink = sink(&app, kind, &relay_config(&relay)).await;
            let id = link(&app, sink, &json!({"token_id": account.id, "channel_id": 12, "channel_name": "plus", "channel_type": 1})).await;
            let delivered = ends(&app, sink, id, "delivered").await;
            assert_eq!((&delivered["version"], &delivered["attempts"], &delivered["last_error"]), (&json!(1), &json!(1), &Value::Null));
            assert_eq!(relay.key(12), "at-1");
            let shown = app.get(&format!("{SINKS}/{sink}/links/{id}")).root().send().await.expect(200);
            assert_eq!((&shown["delivered_version"], &shown["delivered_at"]), (&json!(1), &delivered["delivered_at"]));
            app.refreshed(&account, "at-2").await;
            later(&app, 2_000).await;
            eventually("the next one has arrived", async || relay.key(12) == "at-2").await;
            ends(&app, sink, id, "delivered").await;
            // Read first, then one write of the key and nothing else.
            let asked: Vec<_> = relay.asked().iter().map(|asked| format!("{} {}", asked.method, asked.path)).collect();
            assert_eq!(asked[..2], ["GET /api/channel/12", "PUT /api/channel/"]);
            assert_eq!(relay.asked()[1].json(), json!({"id": 12, "key": "at-1"}));
            assert!(relay.asked().iter().all(|asked| asked.header("authorization").ends_with(Relay::TOKEN)));
        }
        assert!(told(&app).await.is_empty());
    }

    async fn a_channel_that_is_not_the_links_is_never_written_and_people_are_told_once(app: TestApp) {
        for flavour in [Flavour::OneApi, Flavour::NewApi, Flavour::NewApiNewer] {
            let relay = Relay::start(flavour).await;
            relay.set_channel(13, |channel| channel.kind = 14);
            relay.set_channel(14, |channel| channel.has_several_keys = true);
            let account = app.vault_account(&format!("rt {flavour:?}"), Some("at-1")).await;
            let sink = sink(&app, "new_api_http", &relay_config(&relay)).await;
            let before = told(&app).await.len();
            for body in [
                json!({"token_id": account.id, "channel_id": 12, "channel_name": "free"}),
                json!({"token_id": account.id, "channel_id": 13, "channel_type": 1}),
            ] {
                let id = link(&app, sink, &body).await;
                let failed = ends(&app, sink, id, "failed").await;
                assert!(failed["last_error"].as_str().unwrap().contains("nothing was written"), "{failed}");
            }
            assert_eq!(told(&app).await.len(), before + 2);
            app.refreshed(&account, "at-2").await;
            later(&app, 2_000).await;
            eventually("both were tried again", async || {
                let list = app.get(&format!("{SINKS}/{sink}/deliveries?state=failed&count=true")).root().send().await;
                list.expect(200)["total"] == 4
            })
            .await;
            assert_eq!(told(&app).await.len(), before + 2, "it is still the same failure");
            if flavour != Flavour::OneApi {
                let id = link(&app, sink, &json!({"token_id": account.id, "channel_id": 14})).await;
                assert!(ends(&app, sink, id, "failed").await["last_error"].as_str().unwrap().contains("several keys"));
            }
            // One that is not there at all: One-API would say that it was written, and keep a row of rubbish.
            let id = link(&app, sink, &json!({"token_id": account.id, "channel_id": 4711})).await;
            let state = if flavour == Flavour::NewApiNewer { "failed" } else { "pending" };
            ends(&app, sink, id, state).await;
            assert_eq!((relay.puts(), relay.junk()), (0, 0));
        }
        let (event, params) = told(&app).await.remove(0);
        assert_eq!(event, "sink.failed");
        assert_eq!((&params["target"], &params["name"]), (&json!("12"), &json!("somebody@example.com")));
        assert!(params["sink"].is_string(), "{params}");
        assert!(params["error"].as_str().unwrap().contains("is called 'plus' there"), "{params}");
    }

    async fn only_success_counts_as_success(app: TestApp) {
        let relay = Relay::start(Flavour::OneApi).await;
        let account = app.vault_account("rt", Some("at-1")).await;
        let sink = sink(&app, "one_api_http", &relay_config(&relay)).await;
        relay.be(Mood::Refuses);
        let id = link(&app, sink, &json!({"token_id": account.id, "channel_id": 12})).await;
        let first = ends(&app, sink, id, "pending").await;
        assert!(first["last_error"].as_str().unwrap().starts_with("the relay refuses: "), "{first}");
        let moods = [
            (Mood::Fails(500), "HTTP 500"),
            (Mood::Fails(429), "HTTP 429"),
            (Mood::Fails(200), "HTTP 200, but no JSON: is this the address of a relay?"),
            (Mood::Fails(302), "HTTP 302, a redirect: the base URL must lead to the relay itself"),
            (Mood::Resets, "the connection broke before the answer was complete"),
        ];
        for ((mood, error), attempts) in moods.into_iter().zip(2..) {
            relay.be(mood);
            later(&app, HOUR).await;
            eventually("it was tried again", async || newest(&app, sink, id).await["attempts"] == attempts).await;
            eventually(error, async || newest(&app, sink, id).await["last_error"] == error).await;
        }
        assert_eq!(relay.key(12), "old");
        let link_path = format!("{SINKS}/{sink}/links/{id}");
        assert_eq!(app.get(&link_path).root().send().await.expect(200)["delivered_version"], Value::Null);
        // It lasts for a while: people are told, once.
        assert_eq!(told(&app).await.len(), 1);
        relay.be(Mood::Well);
        later(&app, HOUR).await;
        ends(&app, sink, id, "delivered").await;
        assert_eq!((relay.key(12).as_str(), told(&app).await.len()), ("at-1", 1));
    }

    async fn a_redirect_is_a_failure_and_no_token_follows_it(app: TestApp) {
        let relay = Relay::start(Flavour::OneApi).await;
        let account = app.vault_account("rt", Some("at-1")).await;
        // As if the base URL were the path itself: gin answers 307.
        let config = json!({"base_url": format!("{}/api/channel?x=", relay.url), "access_token": Relay::TOKEN});
        let body = json!({"name": "s", "kind": "one_api_http", "config": config});
        app.post(SINKS, &body).root().send().await.problem(422, "INVALID_REQUEST");
        let receiver = Receiver::start().await;
        receiver.answer(307);
        let hook = sink(&app, "webhook", &json!({"url": receiver.url, "secret": Receiver::SECRET, "include_access_token": true})).await;
        let id = link(&app, hook, &json!({"token_id": account.id, "channel_id": "x"})).await;
        assert!(ends(&app, hook, id, "pending").await["last_error"].as_str().unwrap().starts_with("HTTP 307, a redirect"));
        assert_eq!(receiver.calls().len(), 1);
    }

    async fn a_wrong_admin_token_or_user_is_told_apart_and_mended_by_an_edit(app: TestApp) {
        let relay = Relay::start(Flavour::NewApi).await;
        let account = app.vault_account("rt", Some("at-1")).await;
        let sink = sink(&app, "new_api_http", &json!({"base_url": relay.url, "access_token": "wrong", "user_id": "1"})).await;
        let id = link(&app, sink, &json!({"token_id": account.id, "channel_id": 12})).await;
        assert!(ends(&app, sink, id, "pending").await["last_error"].as_str().unwrap().contains("access token 无效"));
        let path = format!("{SINKS}/{sink}");
        app.patch(&path, &json!({"config": {"access_token": Relay::TOKEN, "user_id": "2"}})).root().send().await.expect(200);
        eventually("it was tried at once", async || newest(&app, sink, id).await["last_error"].as_str().is_some_and(|error| error.contains("与登录用户不匹配"))).await;
        relay.rename_user_header("Veloera-User");
        app.patch(&path, &json!({"config": {"user_id": 1, "user_id_header": "Veloera-User"}})).root().send().await.expect(200);
        ends(&app, sink, id, "delivered").await;
        assert_eq!(relay.key(12), "at-1");
    }

    async fn the_newest_token_arrives_and_older_ones_are_left_out(app: TestApp) {
        let relay = Relay::start(Flavour::OneApi).await;
        let account = app.vault_account("rt", Some("at-1")).await;
        let sink = sink(&app, "one_api_http", &relay_config(&relay)).await;
        relay.be(Mood::Fails(503));
        let id = link(&app, sink, &json!({"token_id": account.id, "channel_id": 12})).await;
        ends(&app, sink, id, "pending").await;
        for nth in 2..=5 {
            app.refreshed(&account, &format!("at-{nth}")).await;
        }
        relay.be(Mood::Well);
        later(&app, 10_000).await;
        assert_eq!(ends(&app, sink, id, "delivered").await["version"], 5);
        assert_eq!((relay.key(12).as_str(), relay.puts()), ("at-5", 1));
        let list = app.get(&format!("{SINKS}/{sink}/deliveries?state=superseded&count=true")).root().send().await;
        assert_eq!(list.expect(200)["total"], 4);
    }

    async fn the_relays_own_test_of_the_channel_counts_where_it_is_asked_for(app: TestApp) {
        let relay = Relay::start(Flavour::OneApi).await;
        let account = app.vault_account("rt", Some("at-1")).await;
        let mut config = relay_config(&relay);
        config["test_after"] = json!(true);
        let sink = sink(&app, "one_api_http", &config).await;
        let id = link(&app, sink, &json!({"token_id": account.id, "channel_id": 12})).await;
        ends(&app, sink, id, "delivered").await;
        relay.be(Mood::FailsTests);
        app.refreshed(&account, "at-2").await;
        later(&app, 2_000).await;
        let failed = ends(&app, sink, id, "failed").await;
        assert!(failed["last_error"].as_str().unwrap().contains("the key was put, but the relay's test"), "{failed}");
        assert_eq!((relay.key(12).as_str(), told(&app).await.len()), ("at-2", 1));
    }

    async fn a_codex_channel_gets_no_refresh_token(app: TestApp) {
        let relay = Relay::start(Flavour::NewApi).await;
        relay.set_channel(57, |channel| channel.kind = 57);
        let account = app.vault_account("rt-of-codex", Some("at-1")).await;
        let sink = sink(&app, "codex_channel", &relay_config(&relay)).await;
        let id = link(&app, sink, &json!({"token_id": account.id, "channel_id": 57})).await;
        ends(&app, sink, id, "delivered").await;
        let key: Value = serde_json::from_str(&relay.key(57)).unwrap();
        assert_eq!(key, json!({"access_token": "at-1", "account_id": "acc-1", "email": "somebody@example.com", "expired": "2026-12-01T04:31:00.000Z"}));
        assert!(relay.asked().iter().all(|asked| !String::from_utf8_lossy(&asked.body).contains("rt-of-codex")));
        // A channel of another type would take the JSON for a key.
        let id = link(&app, sink, &json!({"token_id": account.id, "channel_id": 12})).await;
        assert!(ends(&app, sink, id, "failed").await["last_error"].as_str().unwrap().contains("should have 57"));
        let other = json!({"token_id": account.id, "channel_id": 58, "channel_type": 1});
        app.post(&format!("{SINKS}/{sink}/links"), &other).root().send().await.problem(422, "INVALID_REQUEST");
        assert_eq!(relay.key(12), "old");
    }

    async fn the_database_of_one_api_is_written_where_it_is_as_it_was_read(app: TestApp) {
        for place in ["sqlite", "mysql"] {
            let database = match place {
                "sqlite" => OneApiDatabase::sqlite(&app.database.folder).await,
                _ => OneApiDatabase::mysql().await,
            };
            let account = app.vault_account(&format!("rt {place}"), Some("at-'1\"`;--")).await;
            let sink = sink(&app, "one_api_db", &database.config()).await;
            let id = link(&app, sink, &json!({"token_id": account.id, "channel_id": 12, "channel_name": "plus", "channel_type": 1})).await;
            ends(&app, sink, id, "delivered").await;
            assert_eq!(database.keys().await, ["at-'1\"`;--", "other"], "{place}");
            // The same key once more is no failure.
            let path = format!("{SINKS}/{sink}");
            let found = app.call("POST", &format!("{path}/test")).root().send().await.expect(200);
            assert_eq!(found["ok"], true, "{found}");
            app.refreshed(&account, "at-2").await;
            later(&app, 2_000).await;
            eventually("the next one has arrived", async || database.keys().await[0] == "at-2").await;
            let id = link(&app, sink, &json!({"token_id": account.id, "channel_id": 13, "channel_name": "plus"})).await;
            ends(&app, sink, id, "failed").await;
            let id = link(&app, sink, &json!({"token_id": account.id, "channel_id": 14})).await;
            assert!(ends(&app, sink, id, "failed").await["last_error"].as_str().unwrap().starts_with("there is no channel 14"));
            database.run("INSERT INTO channels (id, type, `key`, name) VALUES (15, 1, 'one\ntwo', 'many')").await;
            let id = link(&app, sink, &json!({"token_id": account.id, "channel_id": 15})).await;
            assert!(ends(&app, sink, id, "failed").await["last_error"].as_str().unwrap().contains("several keys"));
            assert_eq!(database.keys().await, ["at-2", "other", "one\ntwo"], "{place}");
            let found = app.call("POST", &format!("{path}/test")).root().send().await.expect(200);
            assert_eq!(found["links"].as_array().unwrap().iter().filter(|link| link["ok"] == true).count(), 1, "{found}");
            database.run("DROP TABLE channels").await;
            let found = app.call("POST", &format!("{path}/test")).root().send().await.expect(200);
            assert_eq!((&found["ok"], &found["links"]), (&json!(false), &json!([])));
            database.drop().await;
        }
    }

    async fn a_locked_database_is_waited_for(app: TestApp) {
        let database = OneApiDatabase::sqlite(&app.database.folder).await;
        let account = app.vault_account("rt", Some("at-1")).await;
        let other = rusqlite::Connection::open(app.database.folder.join("one-api.db")).unwrap();
        other.execute_batch("BEGIN EXCLUSIVE").unwrap();
        let sink = sink(&app, "one_api_db", &database.config()).await;
        let id = link(&app, sink, &json!({"token_id": account.id, "channel_id": 12})).await;
        assert_eq!(ends(&app, sink, id, "pending").await["last_error"], "the database is locked");
        other.execute_batch("COMMIT").unwrap();
        later(&app, 10_000).await;
        ends(&app, sink, id, "delivered").await;
        assert_eq!(database.keys().await[0], "at-1");
        database.drop().await;
    }

    async fn our_own_database_is_no_sink(app: TestApp) {
        let file = app.database.folder.join("latchkey.db");
        let account = app.vault_account("rt", Some("at-1")).await;
        let sink = sink(&app, "one_api_db", &json!({"sqlite_file": file})).await;
        let id = link(&app, sink, &json!({"token_id": account.id, "channel_id": 12})).await;
        match app.database.name {
            None => assert_eq!(ends(&app, sink, id, "failed").await["last_error"], "the file is Latchkey's own database"),
            Some(_) => assert!(ends(&app, sink, id, "pending").await["last_error"].is_string()),
        }
    }

    async fn webhooks_are_signed_and_hold_no_token_unless_asked_to(app: TestApp) {
        let receiver = Receiver::start().await;
        receiver.answer(500);
        let account = app.vault_account("rt-hook", Some("at-1")).await;
        let config = json!({"url": receiver.url, "secret": Receiver::SECRET});
        let sink = sink(&app, "webhook", &config).await;
        let id = link(&app, sink, &json!({"token_id": account.id, "channel_id": "main"})).await;
        assert_eq!(ends(&app, sink, id, "pending").await["last_error"], "HTTP 500");
        receiver.answer(204);
        later(&app, 10_000).await;
        ends(&app, sink, id, "delivered").await;
        let calls = receiver.calls();
        assert!(calls.len() == 2 && calls.iter().all(|call| call.is_signed));
        let ids: Vec<_> = calls.iter().map(|call| call.asked.header("webhook-id").to_owned()).collect();
        assert_eq!(ids[0], ids[1], "so that the receiver can tell a repetition");
        assert_eq!(calls[1].asked.header("webhook-timestamp"), "1795235470");
        let body = calls[0].asked.json();
        assert_eq!((&body["type"], &body["data"]["version"], &body["data"]["channel_id"]), (&json!("token.refreshed"), &json!(1), &json!("main")));
        assert!(calls.iter().all(|call| !String::from_utf8_lossy(&call.asked.body).contains("at-1")));
        app.patch(&format!("{SINKS}/{sink}"), &json!({"config": {"include_access_token": true}})).root().send().await.expect(200);
        eventually("it is told once more, with the token", async || receiver.calls().last().unwrap().asked.json()["data"]["access_token"] == "at-1").await;
        assert!(receiver.calls().iter().all(|call| call.is_signed && !String::from_utf8_lossy(&call.asked.body).contains("rt-hook")));
        receiver.answer(410);
        app.refreshed(&account, "at-2").await;
        later(&app, 2_000).await;
        assert!(ends(&app, sink, id, "failed").await["last_error"].as_str().unwrap().starts_with("HTTP 410"));
    }

    async fn files_are_replaced_whole_and_nothing_outside_is_touched(app: TestApp) {
        let folder = app.database.folder.join("tokens");
        std::fs::create_dir_all(folder.join("team")).unwrap();
        std::fs::create_dir(folder.join("a folder")).unwrap();
        std::fs::write(app.database.folder.join("outside"), "untouched").unwrap();
        symlink(app.database.folder.join("outside"), folder.join("a link")).unwrap();
        symlink(&app.database.folder, folder.join("out")).unwrap();
        let account = app.vault_account("rt", Some("at-1")).await;
        let files = sink(&app, "file", &json!({"directory": folder})).await;
        let id = link(&app, files, &json!({"token_id": account.id, "channel_id": "team/token"})).await;
        ends(&app, files, id, "delivered").await;
        let file = folder.join("team/token");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "at-1");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let held = std::fs::File::open(&file).unwrap();
        app.refreshed(&account, "at-2").await;
        later(&app, 2_000).await;
        eventually("it is replaced", async || std::fs::read_to_string(&file).unwrap() == "at-2").await;
        assert_eq!(std::io::read_to_string(held).unwrap(), "at-1", "whoever has the old one open reads that to its end");
        for name in ["a folder", "a link", "out/outside"] {
            let id = link(&app, files, &json!({"token_id": account.id, "channel_id": name})).await;
            let failed = ends(&app, files, id, "failed").await;
            assert!(failed["last_error"].as_str().unwrap().ends_with("nothing was written"), "{name}: {failed}");
        }
        let id = link(&app, files, &json!({"token_id": account.id, "channel_id": "missing/token"})).await;
        ends(&app, files, id, "pending").await;
        assert_eq!(std::fs::read_to_string(app.database.folder.join("outside")).unwrap(), "untouched");
        let left: Vec<_> = std::fs::read_dir(folder.join("team")).unwrap().collect();
        assert_eq!(left.len(), 1, "nothing half-written is left");
        // With what is known of the account, as JSON.
        let objects = sink(&app, "file", &json!({"directory": folder, "format": "json"})).await;
        let id = link(&app, objects, &json!({"token_id": account.id, "channel_id": "token.json"})).await;
        ends(&app, objects, id, "delivered").await;
        let object: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("token.json")).unwrap()).unwrap();
        assert_eq!((&object["access_token"], &object["version"], &object["account_id"]), (&json!("at-2"), &json!(2), &json!("acc-1")));
        // Where the service keeps its own data there is no room for others.
        let own = sink(&app, "file", &json!({"directory": app.database.folder})).await;
        let id = link(&app, own, &json!({"token_id": account.id, "channel_id": "secrets.yml"})).await;
        if app.database.name.is_none() {
            assert!(ends(&app, own, id, "failed").await["last_error"].as_str().unwrap().contains("own data"));
        }
    }

    async fn a_sink_that_is_switched_off_gets_nothing_and_catches_up_when_it_is_on_again(app: TestApp) {
        let relay = Relay::start(Flavour::OneApi).await;
        relay.be(Mood::Fails(503));
        let account = app.vault_account("rt", Some("at-1")).await;
        let sink = sink(&app, "one_api_http", &relay_config(&relay)).await;
        let path = format!("{SINKS}/{sink}");
        let id = link(&app, sink, &json!({"token_id": account.id, "channel_id": 12})).await;
        ends(&app, sink, id, "pending").await;
        let switch = async |on: bool| app.patch(&path, &json!({"enabled": on})).root().send().await.expect(200);
        switch(false).await;
        assert_eq!(ends(&app, sink, id, "superseded").await["last_error"], "the sink was switched off");
        relay.be(Mood::Well);
        let silent = relay.asked().len();
        app.refreshed(&account, "at-2").await;
        later(&app, HOUR).await;
        link(&app, sink, &json!({"token_id": account.id, "channel_id": 13})).await;
        assert_eq!(relay.asked().len(), silent);
        switch(true).await;
        ends(&app, sink, id, "delivered").await;
        assert_eq!(relay.key(12), "at-2");
        // Nothing is missing any more.
        let puts = relay.puts();
        switch(false).await;
        relay.remove_channel(13);
        switch(true).await;
        assert_eq!(relay.puts(), puts);
    }

    async fn after_a_change_of_the_address_everything_goes_there_anew(app: TestApp) {
        let (old, new) = (Relay::start(Flavour::OneApi).await, Relay::start(Flavour::OneApi).await);
        let account = app.vault_account("rt", Some("at-1")).await;
        let sink = sink(&app, "one_api_http", &relay_config(&old)).await;
        let id = link(&app, sink, &json!({"token_id": account.id, "channel_id": 12})).await;
        ends(&app, sink, id, "delivered").await;
        app.patch(&format!("{SINKS}/{sink}"), &json!({"config": relay_config(&new)})).root().send().await.expect(200);
        eventually("the new one has it", async || new.key(12) == "at-1").await;
        ends(&app, sink, id, "delivered").await;
        assert_eq!(old.puts(), 1);
    }

    async fn what_is_not_wanted_any_more_is_not_delivered(app: TestApp) {
        let relay = Relay::start(Flavour::OneApi).await;
        relay.be(Mood::Fails(503));
        let account = app.vault_account("rt", Some("at-1")).await;
        let sink = sink(&app, "one_api_http", &relay_config(&relay)).await;
        let gone = link(&app, sink, &json!({"token_id": account.id, "channel_id": 12})).await;
        relay.set_channel(13, |_| {});
        let stale = link(&app, sink, &json!({"token_id": account.id, "channel_id": 13})).await;
        ends(&app, sink, gone, "pending").await;
        ends(&app, sink, stale, "pending").await;
        assert_eq!(app.delete(&format!("{SINKS}/{sink}/links/{gone}")).root().send().await.status, 204);
        assert_eq!(ends(&app, sink, gone, "superseded").await["last_error"], "the link was deleted");
        relay.be(Mood::Well);
        later(&app, 10 * DAY).await;
        assert_eq!(ends(&app, sink, stale, "superseded").await["last_error"], "the access token has expired");
        assert_eq!(relay.puts(), 0);
        // An account without a token that is good is linked, and gets there with its next one.
        let fresh = link(&app, sink, &json!({"token_id": account.id, "channel_id": 12})).await;
        assert_eq!(newest(&app, sink, fresh).await, Value::Null);
        app.refreshed(&account, "at-2").await;
        later(&app, 2_000).await;
        ends(&app, sink, fresh, "delivered").await;
        assert_eq!((relay.key(12).as_str(), relay.key(13).as_str()), ("at-2", "at-2"));
    }

    async fn one_target_that_fails_does_not_hold_up_the_others_of_its_account(app: TestApp) {
        let relay = Relay::start(Flavour::OneApi).await;
        let folder = app.database.folder.join("tokens");
        std::fs::create_dir(&folder).unwrap();
        let account = app.vault_account("rt", Some("at-1")).await;
        let (bad, good) = (sink(&app, "one_api_http", &relay_config(&relay)).await, sink(&app, "file", &json!({"directory": folder})).await);
        relay.be(Mood::HangsOnPut);
        let hanging = link(&app, bad, &json!({"token_id": account.id, "channel_id": 12})).await;
        let file = link(&app, good, &json!({"token_id": account.id, "channel_id": "token"})).await;
        ends(&app, good, file, "delivered").await;
        app.refreshed(&account, "at-2").await;
        later(&app, 2_000).await;
        eventually("the other one has the next", async || std::fs::read_to_string(folder.join("token")).unwrap() == "at-2").await;
        assert_eq!(newest(&app, bad, hanging).await["state"], "pending");
    }

    async fn the_widest_delay_of_an_accounts_sinks_is_known(app: TestApp) {
        use latchkey::sinks::links_of;
        let account = app.vault_account("rt", None).await;
        let widest = async || {
            let links = links_of(app.state.db.orm(), std::iter::once(account.id)).await.unwrap();
            links.get(&account.id).map_or(0, |links| links.widest_sync_delay_s)
        };
        assert_eq!(widest().await, 0);
        let sink = sink(&app, "one_api_http", &json!({"base_url": "https://x.example", "access_token": "t"})).await;
        link(&app, sink, &json!({"token_id": account.id, "channel_id": 12})).await;
        assert_eq!(widest().await, 600);
        app.patch(&format!("{SINKS}/{sink}"), &json!({"sync_delay_s": 900})).root().send().await.expect(200);
        assert_eq!(widest().await, 900);
        app.patch(&format!("{SINKS}/{sink}"), &json!({"enabled": false})).root().send().await.expect(200);
        assert_eq!(widest().await, 0);
    }
}
