//! `/public-api/notifications/channels`.

use entity::notification_channel::Entity;
use sea_orm::EntityTrait;
use serde_json::{Map, Value, json};

use super::*;
use crate::kit::{Call, Database, block_on};

fn fields(problem: &Value) -> Vec<String> {
    let list = problem["errors"].as_array().unwrap().iter();
    list.map(|one| format!("{} {}", one["field"].as_str().unwrap(), one["code"].as_str().unwrap())).collect()
}

/// Every operation of the room, on a channel of that id.
fn operations(app: &TestApp, id: i64) -> [Call; 6] {
    let path = format!("{PATH}/{id}");
    let body = json!({"name": "another", "kind": "bark", "config": {"device_key": "k"}});
    [
        app.get(PATH),
        app.post(PATH, &body),
        app.get(&path),
        app.patch(&path, &json!({"enabled": false})),
        app.delete(&path),
        app.call("POST", &format!("{path}/test")),
    ]
}

#[test]
fn without_a_database_every_operation_is_503() {
    block_on(async {
        let app = TestApp::start(Database::mysql().await).await;
        app.state.db.close().await;
        app.state.writer.close().await;
        for call in operations(&app, 1) {
            call.root().send().await.expect(503);
        }
        app.stop().await;
    });
}

on_both! {
    async fn only_admins_may_see_or_change_channels(app: TestApp) {
        let id = channel(&app, "bark", json!({"device_key": "k"}), json!({})).await;
        let (_, secret) = app.new_secret("all but admin", &["tokens:write", "tokens:reveal", "keys:write", "apps:write"]).await;
        for call in operations(&app, id) {
            call.send().await.problem(401, "UNAUTHENTICATED");
        }
        for call in operations(&app, id) {
            call.secret(&secret).send().await.problem(403, "SCOPE_MISSING");
        }
        assert_eq!(app.get(PATH).root().send().await.expect(200)["total"], 1);
    }

    async fn a_channel_is_made_read_listed_changed_and_deleted(app: TestApp) {
        let body = json!({"name": " ops ", "kind": "bark", "quiet_hours": "22:00-08:00", "config": {"device_key": "ynJ5Ft4atkMkWeo2PAvFhF"}});
        let made = app.post(PATH, &body).root().send().await;
        let view = made.expect(201);
        let path = format!("{PATH}/{}", view["id"]);
        assert_eq!(made.header("location"), Some(path.as_str()));
        assert_eq!((&view["name"], &view["enabled"], &view["min_interval_s"]), (&json!("ops"), &json!(true), &json!(0)));
        assert_eq!(view["config"], json!({"device_key": "…vFhF"}));
        let events = view["events"].as_array().unwrap();
        assert_eq!(events.len(), EventKind::ALL.len() - 1);
        assert!(!events.contains(&json!("token.refreshed")), "off unless it is asked for");
        assert_eq!(app.get(&path).root().send().await.expect(200), view);
        let list = app.get(PATH).root().send().await.expect(200);
        assert_eq!((&list["total"], &list["items"]), (&json!(1), &json!([view])));

        let patch = json!({"quiet_hours": null, "events": ["token.dead", "token.dead"], "min_interval_s": 60, "config": {"group": "g", "level": "critical"}});
        let changed = app.patch(&path, &patch).root().send().await.expect(200);
        assert_eq!(changed["config"], json!({"device_key": "…vFhF", "group": "g", "level": "critical"}), "what is absent stays");
        assert_eq!((&changed["quiet_hours"], &changed["events"]), (&Value::Null, &json!(["token.dead"])));
        let cleared = app.patch(&path, &json!({"config": {"level": null}, "events": null})).root().send().await.expect(200);
        assert_eq!(cleared["config"], json!({"device_key": "…vFhF", "group": "g"}));
        assert_eq!(cleared["events"], view["events"]);
        app.delete(&path).root().send().await.expect(204);
        for answer in [app.get(&path).root().send().await, app.delete(&path).root().send().await, app.patch(&path, &json!({})).root().send().await, app.call("POST", &format!("{path}/test")).root().send().await] {
            answer.problem(404, "NOT_FOUND");
        }
    }

    async fn secrets_are_sealed_and_neither_shown_nor_audited(app: TestApp) {
        let secrets = ["SECRET0token0of0telegram", "12345:SECRET1", "http://user:SECRET2@proxy.example:3128", "short"];
        let config = json!({"bot_token": format!("{}{}", secrets[1], secrets[0]), "chat_id": "-1001", "proxy": secrets[2]});
        let id = channel(&app, "telegram", config, json!({})).await;
        let path = format!("{PATH}/{id}");
        app.patch(&path, &json!({"config": {"chat_id": "@ops"}})).root().send().await.expect(200);
        let dingtalk = channel(&app, "dingtalk", json!({"access_token": secrets[0], "secret": secrets[3]}), json!({})).await;
        let shown = app.get(&format!("{PATH}/{dingtalk}")).root().send().await.expect(200);
        assert_eq!(shown["config"], json!({"access_token": "…gram", "secret": true}), "of a short one nothing is shown");
        let mut seen = app.get(PATH).root().send().await.text();
        seen.push_str(&app.get("/public-api/audit").root().send().await.text());
        for row in Entity::find().all(app.state.db.orm()).await.unwrap() {
            assert!(row.config.starts_with("1."), "{}", row.config);
            seen.push_str(&row.config);
        }
        for part in ["SECRET", "user:", "@proxy", "short"] {
            assert!(!seen.contains(part), "{part} is in {seen}");
        }
        let audit = app.get("/public-api/audit?entity=notification_channel").root().send().await.expect(200);
        let changes: Vec<_> = audit["items"].as_array().unwrap().iter().map(|event| (event["action"].clone(), event["changes"]["config"].clone())).collect();
        assert_eq!(changes[1], (json!("update"), json!({"old": [], "new": ["chat_id"]})), "names of members, no values");
        assert_eq!(changes[2].1, json!(["bot_token", "chat_id", "proxy"]));
    }

    async fn what_is_wrong_is_named_by_its_path(app: TestApp) {
        let refused = async |kind: &str, config: Value| {
            let body = json!({"name": "x", "kind": kind, "config": config});
            fields(&app.post(PATH, &body).root().send().await.problem(422, "INVALID_REQUEST"))
        };
        assert_eq!(refused("bark", json!({})).await, ["config.device_key required"]);
        assert_eq!(refused("bark", json!({"device_key": 7, "token": "x"})).await, ["config.device_key type", "config.token unknown_field"]);
        assert_eq!(refused("bark", json!({"device_key": "a/../b"})).await, ["config.device_key format"]);
        assert_eq!(refused("bark", json!({"device_key": "k", "level": "loud"})).await, ["config.level choice"]);
        for base in ["http://127.0.0.1:8080", "https://169.254.169.254", "ftp://example.com", "bark.example", "https://bark.example/?a", "https://a:b@bark.example"] {
            assert_eq!(refused("bark", json!({"device_key": "k", "base_url": base})).await, ["config.base_url format"], "{base}");
        }
        assert_eq!(refused("slack", json!({"url": "https://10.0.0.1/services/x"})).await, ["config.url format"]);
        assert_eq!(refused("webhook", json!({"url": "https://example.com/", "secret": "whsec_short"})).await, ["config.secret format"]);
        assert_eq!(refused("telegram", json!({"bot_token": "1:a", "chat_id": "1", "proxy": "socks5://10.0.0.1:1080"})).await, ["config.proxy format"]);
        let mail = json!({"host": "localhost", "port": 70_000, "username": "u", "from": "nobody", "to": [], "base_url": "https://example.com"});
        assert_eq!(
            refused("email", mail).await,
            ["config.base_url unknown_field", "config.from format", "config.host format", "config.password required", "config.port range", "config.to length"]
        );
        let good = json!({"device_key": "k"});
        for (body, expected) in [
            (json!({"name": "x", "kind": "fax", "config": good}), "kind type"),
            (json!({"name": "x", "kind": "bark", "config": good, "evnts": []}), "evnts unknown_field"),
            (json!({"name": "x", "kind": "bark", "config": good, "events": ["token.lost"]}), "events[0] type"),
            (json!({"name": "x", "kind": "bark", "config": good, "quiet_hours": "22-8"}), "quiet_hours format"),
            (json!({"name": "x", "kind": "bark", "config": good, "min_interval_s": 604_801}), "min_interval_s range"),
            (json!({"name": " ", "kind": "bark", "config": good}), "name length"),
            (json!({"name": "x", "kind": "bark"}), "config required"),
        ] {
            let problem = app.post(PATH, &body).root().send().await.problem(422, "INVALID_REQUEST");
            assert_eq!(fields(&problem), [expected], "{body}");
        }
        let id = channel(&app, "bark", good, json!({})).await;
        for (patch, expected) in [
            (json!({"kind": "slack"}), "kind unknown_field"),
            (json!({"name": null}), "name required"),
            (json!({"name": ""}), "name length"),
            (json!({"config": {"device_key": null}}), "config.device_key required"),
            (json!({"config": {"base_url": "http://[::1]/"}}), "config.base_url format"),
            // Else whoever may edit channels could have the key sent to himself.
            (json!({"config": {"base_url": "https://bark.example"}}), "config.device_key required"),
            (json!({"quiet_hours": "08:00-08:00"}), "quiet_hours format"),
            (json!({"min_interval_s": -1}), "min_interval_s range"),
        ] {
            let problem = app.patch(&format!("{PATH}/{id}"), &patch).root().send().await.problem(422, "INVALID_REQUEST");
            assert_eq!(fields(&problem), [expected], "{patch}");
        }
    }

    async fn every_kind_of_event_there_is_can_be_chosen(app: TestApp) {
        let all = [
            "token.dead", "token.failing", "provider.paused", "token.recovered", "token.refreshed", "sink.failed", "key.expiring",
            "key.expired", "key.quota_low", "recharge.paid", "recharge.needs_refund", "job.failed", "security.login_locked",
        ];
        let id = channel(&app, "bark", json!({"device_key": "k"}), json!({"events": all, "break_through": all})).await;
        let view = app.get(&format!("{PATH}/{id}")).root().send().await.expect(200);
        for member in ["events", "break_through"] {
            let chosen = view[member].as_array().unwrap();
            assert!(chosen.len() == all.len() && all.iter().all(|name| chosen.contains(&json!(name))), "{view}");
        }
    }

    async fn a_name_belongs_to_one_channel(app: TestApp) {
        let config = json!({"device_key": "k"});
        channel(&app, "bark", config.clone(), json!({"name": "one"})).await;
        let second = channel(&app, "bark", config.clone(), json!({"name": "two"})).await;
        let body = json!({"name": "one", "kind": "bark", "config": config});
        app.post(PATH, &body).root().send().await.problem(409, "CHANNEL_NAME_TAKEN");
        app.patch(&format!("{PATH}/{second}"), &json!({"name": "one"})).root().send().await.problem(409, "CHANNEL_NAME_TAKEN");
    }

    async fn a_request_that_is_sent_twice_makes_one_channel(app: TestApp) {
        let body = json!({"name": "once", "kind": "bark", "config": {"device_key": "k"}});
        let first = app.post(PATH, &body).root().header("idempotency-key", "k1").send().await;
        let again = app.post(PATH, &body).root().header("idempotency-key", "k1").send().await;
        assert_eq!(first.expect(201), again.expect(201));
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
        assert_eq!(app.get(PATH).root().send().await.expect(200)["total"], 1);
        let other = json!({"name": "other", "kind": "bark", "config": {"device_key": "k"}});
        app.post(PATH, &other).root().header("idempotency-key", "k1").send().await.problem(422, "IDEMPOTENCY_KEY_REUSED");
    }

    async fn a_nested_patch_cannot_smuggle_in_what_is_no_object(app: TestApp) {
        let id = channel(&app, "bark", json!({"device_key": "k"}), json!({})).await;
        for config in [json!([]), json!("x"), json!(1)] {
            app.patch(&format!("{PATH}/{id}"), &json!({"config": config})).root().send().await.problem(422, "INVALID_REQUEST");
        }
        let many: Map<String, Value> = (0..50).map(|nth| (format!("m{nth}"), json!(nth))).collect();
        let problem = app.patch(&format!("{PATH}/{id}"), &json!({"config": many})).root().send().await.problem(422, "INVALID_REQUEST");
        assert_eq!(problem["errors"].as_array().unwrap().len(), 50);
    }
}
