//! Sinks, their links and their deliveries over HTTP.

use entity::{notification, token_sink};
use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::{Value, json};

use crate::kit::{Answer, Flavour, Mood, Receiver, Relay, TestApp, eventually};

const SINKS: &str = "/public-api/sinks";

fn open(config: &mut latchkey::config::Config) {
    config.security.allow_private_targets = true;
}

async fn create(app: &TestApp, kind: &str, config: &Value) -> Answer {
    app.post(SINKS, &json!({"name": format!("a {kind}"), "kind": kind, "config": config})).root().send().await
}

async fn made(app: &TestApp, kind: &str, config: &Value) -> i64 {
    create(app, kind, config).await.expect(201)["id"].as_i64().unwrap()
}

fn relay_config(url: &str) -> Value {
    json!({"base_url": url, "access_token": Relay::TOKEN})
}

async fn patch(app: &TestApp, id: i64, change: &Value) -> Answer {
    app.patch(&format!("{SINKS}/{id}"), change).root().send().await
}

async fn link(app: &TestApp, sink: i64, body: &Value) -> Answer {
    app.post(&format!("{SINKS}/{sink}/links"), body).root().send().await
}

fn fields(problem: &Value) -> Vec<String> {
    let errors = problem["errors"].as_array().unwrap().iter();
    errors.map(|one| format!("{} {}", one["field"].as_str().unwrap(), one["code"].as_str().unwrap())).collect()
}

on_both_with! {
    open;
    async fn a_sink_of_each_kind_is_made_shown_changed_and_deleted(app: TestApp) {
        let relay = relay_config("https://relay.example.com/base/");
        let kinds = [
            ("one_api_http", relay.clone(), 600, json!(["access_token"])),
            ("new_api_http", json!({"base_url": "http://relay.example.com", "access_token": "t", "user_id": 7, "user_id_header": "Veloera-User", "test_after": true}), 60, json!(["access_token"])),
            ("codex_channel", relay, 60, json!(["access_token"])),
            ("one_api_db", json!({"dsn": "mysql://root:pw@db.example.com/oneapi"}), 600, json!(["dsn"])),
            ("webhook", json!({"url": "https://hooks.example.com/x?y=1", "secret": Receiver::SECRET, "include_access_token": true}), 0, json!(["secret"])),
            ("file", json!({"directory": "/run/tokens", "format": "json"}), 0, json!([])),
        ];
        for (kind, config, delay, secrets) in &kinds {
            let answer = create(&app, kind, config).await;
            let sink = answer.expect(201);
            let path = format!("{SINKS}/{}", sink["id"]);
            assert_eq!(answer.header("location"), Some(path.as_str()));
            assert_eq!((&sink["kind"], &sink["sync_delay_s"], &sink["secrets"], &sink["enabled"]), (&json!(kind), &json!(delay), secrets, &json!(true)));
            assert_eq!(app.get(&path).root().send().await.expect(200), sink);
            let changed = app.patch(&path, &json!({"name": format!("renamed {kind}"), "enabled": false, "sync_delay_s": 30})).root().send().await.expect(200);
            assert_eq!((&changed["name"], &changed["enabled"], &changed["sync_delay_s"]), (&json!(format!("renamed {kind}")), &json!(false), &json!(30)));
            assert_eq!((&changed["config"], &changed["secrets"]), (&sink["config"], secrets));
            assert!(sink["config"]["user_id"].is_null() || sink["config"]["user_id"] == "7");
            let back = app.patch(&path, &json!({"sync_delay_s": null})).root().send().await.expect(200);
            assert_eq!(back["sync_delay_s"], json!(delay));
        }
        let all = app.get(SINKS).root().send().await.expect(200);
        assert_eq!((&all["total"], all["items"].as_array().unwrap().len()), (&json!(6), 6));
        let some = app.get(&format!("{SINKS}?kind=webhook&enabled=false")).root().send().await.expect(200);
        assert_eq!((&some["total"], &some["items"][0]["kind"]), (&json!(1), &json!("webhook")));
        assert_eq!(app.get(&format!("{SINKS}?enabled=true")).root().send().await.expect(200)["total"], 0);
        app.get(&format!("{SINKS}?kind=command")).root().send().await.problem(422, "INVALID_REQUEST");
        for item in all["items"].as_array().unwrap() {
            let path = format!("{SINKS}/{}", item["id"]);
            assert_eq!(app.delete(&path).root().send().await.status, 204);
            app.get(&path).root().send().await.problem(404, "SINK_NOT_FOUND");
            app.delete(&path).root().send().await.problem(404, "SINK_NOT_FOUND");
            app.patch(&path, &json!({})).root().send().await.problem(404, "SINK_NOT_FOUND");
            app.call("POST", &format!("{path}/test")).root().send().await.problem(404, "SINK_NOT_FOUND");
        }
    }

    async fn what_a_kind_lacks_or_does_not_take_is_named(app: TestApp) {
        let base = "https://relay.example.com";
        for (kind, config, wrong) in [
            ("one_api_http", json!({"base_url": base}), "config.access_token required"),
            ("one_api_http", json!({"access_token": "t"}), "config.base_url required"),
            ("one_api_http", json!({"base_url": base, "access_token": 5}), "config.access_token type"),
            ("one_api_http", json!({"base_url": base, "access_token": "a b"}), "config.access_token format"),
            ("one_api_http", json!({"base_url": "ftp://x", "access_token": "t"}), "config.base_url format"),
            ("one_api_http", json!({"base_url": "https://user:pw@x.example", "access_token": "t"}), "config.base_url format"),
            ("one_api_http", json!({"base_url": "https://x.example/?a=b", "access_token": "t"}), "config.base_url format"),
            ("one_api_http", json!({"base_url": base, "access_token": "t", "dsn": "x"}), "config.dsn unknown_field"),
            ("new_api_http", json!({"base_url": base, "access_token": "t", "user_id": "1", "user_id_header": "Authorization"}), "config.user_id_header format"),
            ("new_api_http", json!({"base_url": base, "access_token": "t", "test_after": "yes"}), "config.test_after type"),
            ("new_api_http", json!({"base_url": base, "access_token": "t", "user_id": 1.5}), "config.user_id type"),
            ("new_api_http", json!({"base_url": base, "access_token": "t", "user_id": true}), "config.user_id type"),
            ("one_api_db", json!({}), "config.dsn required"),
            ("one_api_db", json!({"dsn": "mysql://root@db.example/x", "sqlite_file": "/x"}), "config.dsn required"),
            ("one_api_db", json!({"dsn": "postgres://root@db.example/x"}), "config.dsn format"),
            ("one_api_db", json!({"sqlite_file": "one-api.db"}), "config.sqlite_file format"),
            ("webhook", json!({"url": base, "secret": "short"}), "config.secret format"),
            ("webhook", json!({"secret": Receiver::SECRET}), "config.url required"),
            ("file", json!({"directory": "tokens"}), "config.directory format"),
            ("file", json!({"directory": "/x", "format": "yaml"}), "config.format type"),
        ] {
            let problem = create(&app, kind, &config).await.problem(422, "INVALID_REQUEST");
            assert_eq!(fields(&problem), [wrong], "{kind} {config}");
        }
        create(&app, "command", &json!({"command": "sh"})).await.problem(422, "INVALID_REQUEST");
        let other = json!({"name": " ", "kind": "file", "config": {"directory": "/x"}, "sync_delay_s": 86_401});
        let problem = app.post(SINKS, &other).root().send().await.problem(422, "INVALID_REQUEST");
        assert_eq!(fields(&problem), ["name length", "sync_delay_s range"]);
        let id = made(&app, "file", &json!({"directory": "/x"})).await;
        let bad = json!({"name": null, "enabled": null, "config": null, "sync_delay_s": -1});
        let problem = patch(&app, id, &bad).await.problem(422, "INVALID_REQUEST");
        assert_eq!(fields(&problem), ["name required", "enabled required", "config required", "sync_delay_s range"]);
        patch(&app, id, &json!({"kind": "webhook"})).await.problem(422, "INVALID_REQUEST");
        patch(&app, id, &json!({"config": {"directory": "relative"}})).await.problem(422, "INVALID_REQUEST");
        assert_eq!(token_sink::Entity::find().count(app.state.db.orm()).await.unwrap(), 1);
    }

    async fn names_are_unique(app: TestApp) {
        let config = json!({"directory": "/x"});
        made(&app, "file", &config).await;
        create(&app, "file", &config).await.problem(409, "SINK_NAME_TAKEN");
        let other = made(&app, "webhook", &json!({"url": "https://x.example", "secret": Receiver::SECRET})).await;
        patch(&app, other, &json!({"name": "a file"})).await.problem(409, "SINK_NAME_TAKEN");
        patch(&app, other, &json!({"name": "a webhook"})).await.expect(200);
    }

    async fn a_repetition_makes_one_sink_and_one_link(app: TestApp) {
        let body = json!({"name": "s", "kind": "file", "config": {"directory": "/x"}});
        let account = app.vault_account("rt", None).await;
        let twice = async |path: &str, body: &Value| {
            let once = async || app.post(path, body).root().header("idempotency-key", "k").send().await;
            let (first, again) = (once().await, once().await);
            assert_eq!(again.header("idempotency-replayed"), Some("true"));
            assert_eq!(first.expect(201), again.expect(201));
            first.json()["id"].as_i64().unwrap()
        };
        let sink = twice(SINKS, &body).await;
        twice(&format!("{SINKS}/{sink}/links"), &json!({"token_id": account.id, "channel_id": "a/token"})).await;
        assert_eq!(token_sink::Entity::find().count(app.state.db.orm()).await.unwrap(), 1);
    }

    async fn a_patch_of_the_configuration_keeps_its_secrets_but_not_for_another_address(app: TestApp) {
        let id = made(&app, "new_api_http", &json!({"base_url": "https://a.example", "access_token": "t1", "user_id": "1"})).await;
        let changed = patch(&app, id, &json!({"config": {"test_after": true, "user_id": null}})).await.expect(200);
        assert_eq!(changed["config"], json!({"base_url": "https://a.example", "test_after": true}));
        assert_eq!(changed["secrets"], json!(["access_token"]));
        let problem = patch(&app, id, &json!({"config": {"base_url": "https://b.example"}})).await.problem(422, "INVALID_REQUEST");
        assert_eq!(fields(&problem), ["config.access_token required"]);
        let moved = json!({"config": {"base_url": "https://b.example", "access_token": "t2"}});
        assert_eq!(patch(&app, id, &moved).await.expect(200)["config"]["base_url"], "https://b.example");
        patch(&app, id, &json!({"config": {"access_token": null}})).await.problem(422, "INVALID_REQUEST");
    }

    async fn links_join_an_account_to_one_target_each(app: TestApp) {
        let (first, second) = (app.vault_account("rt-1", None).await, app.vault_account("rt-2", None).await);
        let sink = made(&app, "one_api_http", &relay_config("https://relay.example.com")).await;
        let answer = link(&app, sink, &json!({"token_id": first.id, "channel_id": 12, "channel_name": "plus", "channel_type": 1})).await;
        let one = answer.expect(201);
        let path = format!("{SINKS}/{sink}/links/{}", one["id"]);
        assert_eq!(answer.header("location"), Some(path.as_str()));
        let expected = json!({"id": one["id"], "sink_id": sink, "token_id": first.id, "channel_id": "12", "channel_name": "plus",
            "channel_type": 1, "delivered_version": null, "delivered_at": null, "created_at": "2026-11-21T04:31:00.000Z"});
        assert_eq!(one, expected);
        assert_eq!(app.get(&path).root().send().await.expect(200), one);
        link(&app, sink, &json!({"token_id": second.id, "channel_id": " 012 "})).await.problem(409, "CHANNEL_LINKED");
        link(&app, sink, &json!({"token_id": second.id, "channel_id": "13"})).await.expect(201);
        link(&app, sink, &json!({"token_id": second.id, "channel_id": "14"})).await.expect(201);
        for (body, wrong) in [
            (json!({"token_id": 4711, "channel_id": 15}), "token_id unknown"),
            (json!({"token_id": first.id, "channel_id": "abc"}), "channel_id format"),
            (json!({"token_id": first.id, "channel_id": 0}), "channel_id format"),
            (json!({"token_id": first.id}), "channel_id required"),
            (json!({"token_id": first.id, "channel_id": 1.5}), "channel_id type"),
            (json!({"token_id": first.id, "channel_id": u64::MAX}), "channel_id type"),
            (json!({"token_id": first.id, "channel_id": [12]}), "channel_id type"),
            (json!({"token_id": first.id, "channel_id": 15, "channel_type": -1}), "channel_type range"),
            (json!({"token_id": first.id, "channel_id": 15, "channel_name": ""}), "channel_name length"),
            (json!({"token_id": first.id, "channel_id": 15, "chanel_name": "x"}), "chanel_name unknown_field"),
        ] {
            let problem = link(&app, sink, &body).await.problem(422, "INVALID_REQUEST");
            assert_eq!(fields(&problem), [wrong], "{body}");
        }
        let links = format!("{SINKS}/{sink}/links");
        let page = app.get(&format!("{links}?limit=2")).root().send().await.expect(200);
        assert_eq!((&page["total"], page["items"].as_array().unwrap().len()), (&json!(3), 2));
        let next = app.get(&format!("{links}?limit=2&cursor={}", page["next_cursor"].as_str().unwrap())).root().send().await.expect(200);
        assert_eq!((&next["items"][0]["channel_id"], &next["next_cursor"]), (&json!("14"), &Value::Null));
        app.get(&format!("{links}?limit=0")).root().send().await.problem(422, "INVALID_REQUEST");
        assert_eq!(app.delete(&path).root().send().await.status, 204);
        app.delete(&path).root().send().await.problem(404, "LINK_NOT_FOUND");
        app.get(&path).root().send().await.problem(404, "LINK_NOT_FOUND");
        link(&app, 4711, &json!({"token_id": first.id, "channel_id": 12})).await.problem(404, "SINK_NOT_FOUND");
        app.get(&format!("{SINKS}/4711/links")).root().send().await.problem(404, "SINK_NOT_FOUND");
        let files = made(&app, "file", &json!({"directory": "/run/tokens"})).await;
        for name in ["../x", "/x", "a//b", ""] {
            link(&app, files, &json!({"token_id": first.id, "channel_id": name})).await.problem(422, "INVALID_REQUEST");
        }
        link(&app, files, &json!({"token_id": first.id, "channel_id": "team/token"})).await.expect(201);
    }

    async fn deliveries_are_listed_the_newest_first_and_can_be_tried_again(app: TestApp) {
        let relay = Relay::start(Flavour::OneApi).await;
        relay.be(Mood::Fails(500));
        let sink = made(&app, "one_api_http", &relay_config(&relay.url)).await;
        let account = app.vault_account("rt", Some("at-1")).await;
        let made_link = link(&app, sink, &json!({"token_id": account.id, "channel_id": 12})).await.expect(201);
        let path = format!("{SINKS}/{sink}/deliveries");
        let list = async |query: &str| app.get(&format!("{path}{query}")).root().send().await.expect(200);
        eventually("it was tried", async || list("").await["items"][0]["last_error"].is_string()).await;
        let one = list("").await["items"][0].clone();
        assert_eq!((&one["state"], &one["link_id"], &one["version"]), (&json!("pending"), &made_link["id"], &json!(1)));
        assert_eq!((one["last_error"].as_str(), &one["delivered_at"]), (Some("HTTP 500"), &Value::Null));
        assert!(one["next_attempt_at"].is_string());
        relay.be(Mood::Well);
        let retry = format!("{SINKS}/deliveries/{}/retry", one["id"]);
        assert_eq!(app.call("POST", &retry).root().send().await.expect(200)["state"], "pending");
        eventually("it has arrived", async || list("?state=delivered").await["items"].as_array().unwrap().len() == 1).await;
        app.call("POST", &retry).root().send().await.problem(409, "DELIVERY_OVER");
        app.call("POST", &format!("{SINKS}/deliveries/4711/retry")).root().send().await.problem(404, "NOT_FOUND");
        app.call("POST", &format!("{SINKS}/deliveries/x/retry")).root().send().await.problem(400, "MALFORMED_REQUEST");
        for at in ["at-2", "at-3"] {
            app.refreshed(&account, at).await;
        }
        let all = list("?count=true&limit=2").await;
        assert_eq!((&all["total"], &all["items"][0]["version"]), (&json!(3), &json!(3)));
        let rest = list(&format!("?limit=2&cursor={}", all["next_cursor"].as_str().unwrap())).await;
        assert_eq!((&rest["items"][0]["version"], &rest["total"]), (&json!(1), &Value::Null));
        assert_eq!(list("?link_id=4711&count=true").await["total"], 0);
        assert_eq!(list("?state=superseded&count=true").await["total"], 1);
        app.get(&format!("{path}?state=lost")).root().send().await.problem(422, "INVALID_REQUEST");
        app.get(&format!("{SINKS}/4711/deliveries")).root().send().await.problem(404, "SINK_NOT_FOUND");
    }

    async fn a_test_tells_what_is_there_and_changes_nothing(app: TestApp) {
        let relay = Relay::start(Flavour::NewApi).await;
        let config = json!({"base_url": relay.url, "access_token": Relay::TOKEN, "user_id": 1});
        let body = json!({"name": "s", "kind": "new_api_http", "config": config, "enabled": false});
        let sink = app.post(SINKS, &body).root().send().await.expect(201)["id"].as_i64().unwrap();
        let account = app.vault_account("rt", Some("at-1")).await;
        for (channel, name) in [(12, "plus"), (13, "plus"), (14, "x")] {
            link(&app, sink, &json!({"token_id": account.id, "channel_id": channel, "channel_name": name})).await.expect(201);
        }
        relay.set_channel(13, |channel| channel.name = "free".to_owned());
        let test = async || app.call("POST", &format!("{SINKS}/{sink}/test")).root().send().await.expect(200);
        let found = test().await;
        assert_eq!((&found["ok"], found["links"].as_array().unwrap().len()), (&json!(false), 3));
        let each: Vec<bool> = found["links"].as_array().unwrap().iter().map(|link| link["ok"].as_bool().unwrap()).collect();
        assert_eq!(each, [true, false, false], "{found}");
        assert!(found["links"][1]["detail"].as_str().unwrap().contains("is called 'free' there"), "{found}");
        relay.rename_user_header("Veloera-User");
        let found = test().await;
        assert_eq!((&found["ok"], &found["links"]), (&json!(false), &json!([])));
        assert!(found["detail"].as_str().unwrap().starts_with("HTTP 401: 未提供 New-Api-User"), "{found}");
        patch(&app, sink, &json!({"config": {"user_id_header": "Veloera-User"}})).await.expect(200);
        app.delete(&format!("{SINKS}/{sink}/links/{}", 2)).root().send().await;
        app.delete(&format!("{SINKS}/{sink}/links/{}", 3)).root().send().await;
        assert_eq!(test().await["ok"], true);
        assert!(relay.asked().iter().all(|asked| asked.method == "GET") && relay.key(12) == "old");

        let receiver = Receiver::start().await;
        let hook = made(&app, "webhook", &json!({"url": receiver.url, "secret": Receiver::SECRET})).await;
        assert_eq!(app.call("POST", &format!("{SINKS}/{hook}/test")).root().send().await.expect(200)["ok"], true);
        assert!(receiver.calls().is_empty());
        let folder = app.database.folder.join("tokens");
        let files = made(&app, "file", &json!({"directory": folder})).await;
        let test = async || app.call("POST", &format!("{SINKS}/{files}/test")).root().send().await.expect(200);
        assert_eq!(test().await["ok"], false);
        std::fs::create_dir(&folder).unwrap();
        assert_eq!(test().await["ok"], true);
        assert!(std::fs::read_dir(&folder).unwrap().next().is_none());
    }

    async fn everything_an_admin_does_is_on_record(app: TestApp) {
        let sink = made(&app, "file", &json!({"directory": "/x"})).await;
        let account = app.vault_account("rt", None).await;
        patch(&app, sink, &json!({"enabled": false})).await.expect(200);
        let id = link(&app, sink, &json!({"token_id": account.id, "channel_id": "t"})).await.expect(201)["id"].clone();
        app.delete(&format!("{SINKS}/{sink}/links/{id}")).root().send().await;
        app.delete(&format!("{SINKS}/{sink}")).root().send().await;
        let audit = app.get("/public-api/audit").root().send().await.expect(200);
        let events: Vec<_> = audit["items"].as_array().unwrap().iter().map(|event| format!("{} {}", event["action"].as_str().unwrap(), event["entity"].as_str().unwrap())).collect();
        assert_eq!(events, ["delete token_sink", "delete sink_link", "create sink_link", "update token_sink", "create token_sink"]);
        assert_eq!(audit["items"][3]["changes"], json!({"enabled": {"old": true, "new": false}}));
    }

    /// Secrets of every kind are planted, everything is made to fail and to tell why, and then all that can be seen is
    /// searched for them.
    async fn no_secret_is_seen_in_any_answer_event_or_row(app: TestApp) {
        let relay = Relay::start(Flavour::OneApi).await;
        let (rt, at) = ("rt-planted-4f1c9a", "at-planted-77be20.cGxhbnRlZA");
        let dsn = "planted:pw-planted-91d3@tcp(127.0.0.1:1)/oneapi";
        let account = app.vault_account(rt, Some(at)).await;
        let planted = [rt, at, Relay::TOKEN, dsn, "pw-planted-91d3", Receiver::SECRET];
        let mut seen = Vec::new();
        for (kind, config) in [
            ("one_api_http", relay_config(&relay.url)),
            ("codex_channel", json!({"base_url": relay.url, "access_token": Relay::TOKEN, "user_id": 1})),
            ("one_api_db", json!({"dsn": dsn})),
            ("webhook", json!({"url": "http://127.0.0.1:1/", "secret": Receiver::SECRET, "include_access_token": true})),
        ] {
            relay.be(Mood::Refuses);
            let answer = create(&app, kind, &config).await;
            let sink = answer.expect(201)["id"].as_i64().unwrap();
            seen.push(answer.text());
            seen.push(link(&app, sink, &json!({"token_id": account.id, "channel_id": 12})).await.text());
            let list = format!("{SINKS}/{sink}/deliveries");
            let tried = async |times: i64| {
                let list = app.get(&list).root().send().await.expect(200);
                list["items"][0]["attempts"].as_i64().unwrap() >= times && list["items"][0]["next_attempt_at"].as_str().is_none_or(|next| next > app.clock.now().to_string().as_str())
            };
            for nth in 1..=6 {
                eventually("it was tried", async || tried(nth).await).await;
                app.clock.advance_millis(3_600_000);
            }
            // The relay's own test repeats the key.
            relay.be(Mood::FailsTests);
            relay.set_channel(12, |channel| channel.kind = if kind == "codex_channel" { 57 } else { 1 });
            if kind.contains("api_http") || kind == "codex_channel" {
                patch(&app, sink, &json!({"config": {"test_after": true}})).await.expect(200);
                eventually("its test failed", async || {
                    app.get(&list).root().send().await.text().contains("Incorrect API key provided")
                })
                .await;
            }
            seen.push(app.call("POST", &format!("{SINKS}/{sink}/test")).root().send().await.text());
            seen.push(app.get(&list).root().send().await.text());
            let wrong = json!({"config": {"access_token": ["x"], "dsn": 5, "secret": {}}});
            seen.push(patch(&app, sink, &wrong).await.text());
            seen.push(patch(&app, sink, &json!({"name": format!("renamed {kind}")})).await.text());
        }
        for path in [SINKS, "/public-api/audit?limit=200", "/metrics", "/public-api/jobs"] {
            seen.push(app.get(path).root().send().await.text());
        }
        let told = notification::Entity::find().all(app.state.db.orm()).await.unwrap();
        assert!(told.len() >= 4);
        seen.extend(told.into_iter().map(|row| row.params));
        let rows = entity::outbox::Entity::find().all(app.state.db.orm()).await.unwrap();
        seen.extend(rows.into_iter().map(|row| format!("{row:?}")));
        let rows = token_sink::Entity::find().all(app.state.db.orm()).await.unwrap();
        seen.extend(rows.into_iter().map(|row| format!("{row:?}")));
        for text in seen {
            for secret in planted {
                assert!(!text.contains(secret), "{secret} in {text}");
                // Nor a telling piece of it.
                assert!(!text.contains(&secret[..secret.len().min(12)]), "{secret} in {text}");
            }
        }
    }
}

on_both! {
    async fn private_addresses_are_refused_unless_they_are_allowed(app: TestApp) {
        for (kind, config) in [
            ("one_api_http", relay_config("http://127.0.0.1:3000")),
            ("new_api_http", relay_config("http://[::1]:3000")),
            ("codex_channel", relay_config("http://169.254.169.254")),
            ("one_api_db", json!({"dsn": "mysql://root@10.0.0.5/oneapi"})),
            ("one_api_db", json!({"dsn": "root@tcp(localhost:3306)/oneapi"})),
            ("webhook", json!({"url": "http://192.168.1.1/", "secret": Receiver::SECRET})),
        ] {
            let problem = create(&app, kind, &config).await.problem(422, "INVALID_REQUEST");
            assert_eq!(problem["errors"][0]["message"], "must not name a private address", "{config}");
        }
    }
}
