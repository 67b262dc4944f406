//! Settings over HTTP.

use sea_orm::EntityTrait;
use serde_json::{Value, json};

use crate::kit::{Answer, Database, TestApp, block_on};

const NAMES: [&str; 15] = [
    "kv.rate_read",
    "kv.rate_write",
    "kv.rate_delete",
    "kv.rate_batch",
    "kv.rate_address",
    "auto_refresh",
    "refresh_concurrency",
    "refresh_margin_s",
    "provider_timeout_ms",
    "provider_max_concurrency",
    "provider_min_interval_ms",
    "proxy_list",
    "proxy_choice",
    "language",
    "log_retention_days",
];

async fn patch(app: &TestApp, change: &Value) -> Answer {
    app.patch("/public-api/settings", change).root().send().await
}

fn named<'a>(settings: &'a Value, name: &str) -> &'a Value {
    settings["settings"].as_array().unwrap().iter().find(|one| one["name"] == name).expect("the setting")
}

on_both! {
    async fn settings_are_listed_with_range_default_and_source(app: TestApp) {
        let settings = app.get("/public-api/settings").root().send().await.expect(200);
        let names: Vec<_> = settings["settings"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
        assert_eq!(names, NAMES);
        for name in NAMES {
            assert_eq!(settings[name], named(&settings, name)["value"], "by name, as a change takes it");
        }
        let read = named(&settings, "kv.rate_read");
        assert_eq!((&read["value"], &read["default"], &read["source"]), (&json!(0), &json!(0), &json!("configuration")));
        assert_eq!(read["updated_at"], Value::Null);
        let concurrency = named(&settings, "refresh_concurrency");
        assert_eq!((&concurrency["value"], &concurrency["configuration"], &concurrency["source"]), (&json!(16), &json!("refresh.concurrency"), &json!("configuration")));
        assert_eq!((&concurrency["minimum"], &concurrency["maximum"], &concurrency["kind"]), (&json!(1), &json!(1024), &json!("number")));
        let language = named(&settings, "language");
        assert_eq!((&language["value"], &language["choices"], &language["source"]), (&json!("zh-CN"), &json!(["zh-CN", "en"]), &json!("default")));
        let expected = json!({"auto_refresh": true, "refresh_margin_s": 900, "provider_timeout_ms": 20_000, "provider_max_concurrency": 8, "provider_min_interval_ms": 0, "proxy_list": [], "proxy_choice": "fixed", "log_retention_days": 90});
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(&settings[name], value, "{name}");
        }
    }

    async fn a_setting_holds_from_the_next_request_on_until_it_is_null(app: TestApp) {
        let device = app.new_device().await;
        let write = async || app.put("/kv/k", &json!(1)).token(&device.token).send().await;
        write().await.expect(200);
        let changed = patch(&app, &json!({"kv.rate_write": 2})).await.expect(200);
        let changed = named(&changed, "kv.rate_write");
        assert_eq!((&changed["value"], &changed["source"]), (&json!(2), &json!("setting")));
        assert_eq!(changed["updated_at"], "2026-11-21T04:31:00.000Z");
        let mut answer = write().await;
        let mut tries = 1;
        while answer.status == 200 {
            (answer, tries) = (write().await, tries + 1);
            assert!(tries <= 3, "the limit does not hold");
        }
        answer.problem(429, "TOO_MANY_REQUESTS");
        assert!(answer.header("retry-after").is_some() && answer.header("ratelimit").is_some());
        patch(&app, &json!({"kv.rate_write": null})).await.expect(200);
        for _ in 0..5 {
            write().await.expect(200);
        }
    }

    async fn a_bad_patch_changes_nothing_and_names_every_field(app: TestApp) {
        let bad = json!({"kv.rate_read": 5, "kv.rate_write": -1, "kv.rate_raed": 1, "kv.rate_batch": "many", "kv.rate_delete": 4294967296_u64});
        let problem = patch(&app, &bad).await.problem(422, "INVALID_REQUEST");
        let fields: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|one| (one["field"].as_str().unwrap(), one["code"].as_str().unwrap())).collect();
        assert_eq!(fields, [("kv.rate_batch", "type"), ("kv.rate_delete", "range"), ("kv.rate_raed", "unknown_field"), ("kv.rate_write", "range")]);
        let settings = app.get("/public-api/settings").root().send().await.expect(200);
        assert_eq!(named(&settings, "kv.rate_read")["source"], "configuration");
        patch(&app, &json!([])).await.problem(422, "INVALID_REQUEST");
        patch(&app, &json!({"server.port": 1})).await.problem(422, "INVALID_REQUEST");
    }

    async fn every_setting_outranks_its_default_until_it_is_null(app: TestApp) {
        let before = app.get("/public-api/settings").root().send().await.expect(200);
        let changes = json!({
            "auto_refresh": false, "refresh_concurrency": 3, "refresh_margin_s": 1800, "provider_timeout_ms": 5000,
            "provider_max_concurrency": 2, "provider_min_interval_ms": 10, "proxy_list": ["socks5h://proxy.example:1080"],
            "proxy_choice": "round_robin", "language": "en", "log_retention_days": 7,
        });
        let changed = patch(&app, &changes).await.expect(200);
        let back: Value = changes.as_object().unwrap().keys().map(|name| (name.clone(), Value::Null)).collect();
        for (name, value) in changes.as_object().unwrap() {
            assert_eq!((&changed[name], &named(&changed, name)["source"]), (value, &json!("setting")), "{name}");
        }
        assert_eq!(app.get("/public-api/settings").root().send().await.expect(200), changed);
        assert_eq!(patch(&app, &back).await.expect(200), before);
    }

    async fn each_field_that_is_wrong_is_named_whatever_its_type(app: TestApp) {
        for (name, value, field, code) in [
            ("auto_refresh", json!("no"), "auto_refresh", "type"),
            ("refresh_concurrency", json!(0), "refresh_concurrency", "range"),
            ("refresh_concurrency", json!(1025), "refresh_concurrency", "range"),
            ("refresh_margin_s", json!(899), "refresh_margin_s", "range"),
            ("provider_timeout_ms", json!(99), "provider_timeout_ms", "range"),
            ("proxy_choice", json!("random"), "proxy_choice", "choice"),
            ("proxy_choice", json!(1), "proxy_choice", "type"),
            ("language", json!("de"), "language", "choice"),
            ("log_retention_days", json!(0), "log_retention_days", "range"),
            ("proxy_list", json!("http://proxy.example:1"), "proxy_list", "type"),
            ("proxy_list", json!([1]), "proxy_list", "type"),
            ("proxy_list", json!(["http://proxy.example:1", "ftp://user:hush-hush@proxy.example"]), "proxy_list[1]", "format"),
            ("proxy_list", json!(["http://10.0.0.1:3128"]), "proxy_list[0]", "format"),
            ("proxy_list", json!(["http://***@proxy.example:1"]), "proxy_list[0]", "format"),
            ("proxy_list", json!(vec!["http://proxy.example:1"; 501]), "proxy_list", "length"),
        ] {
            let problem = patch(&app, &json!({name: value, "refresh_concurrency": if name == "refresh_concurrency" { value.clone() } else { json!(5) }})).await.problem(422, "INVALID_REQUEST");
            let errors = problem["errors"].as_array().unwrap();
            assert_eq!((errors.len(), &errors[0]["field"], &errors[0]["code"]), (1, &json!(field), &json!(code)), "{value}");
            assert!(!problem.to_string().contains("hush-hush"), "{problem}");
        }
        let settings = app.get("/public-api/settings").root().send().await.expect(200);
        assert!(settings["settings"].as_array().unwrap().iter().all(|one| one["source"] != "setting"), "nothing was changed");
    }

    async fn passwords_of_proxies_are_in_no_answer_no_audit_event_and_no_row(app: TestApp) {
        let list = json!({"proxy_list": ["http://user:hush-hush@proxy.example:8080", "socks5://proxy.example:1080"]});
        let mut texts = vec![patch(&app, &list).await.text()];
        let shown = json!(["http://***@proxy.example:8080", "socks5://proxy.example:1080"]);
        let settings = app.get("/public-api/settings").root().send().await.expect(200);
        assert_eq!(settings["proxy_list"], shown);
        // Another order, as it was shown: what is behind the mask stays.
        texts.push(patch(&app, &json!({"proxy_list": [shown[1], shown[0]]})).await.text());
        texts.push(patch(&app, &json!({"proxy_list": null})).await.text());
        texts.push(settings.to_string());
        let audit = app.get("/public-api/audit?entity=setting").root().send().await.expect(200);
        let events: Vec<_> = audit["items"].as_array().unwrap().iter().map(|event| &event["changes"]["value"]).collect();
        assert_eq!(events.len(), 3);
        assert_eq!(*events[2], json!({"old": null, "new": shown}));
        texts.push(audit.to_string());
        patch(&app, &list).await.expect(200);
        let rows = entity::setting::Entity::find().all(app.state.db.orm()).await.unwrap();
        texts.push(format!("{rows:?}"));
        for text in texts {
            assert!(!text.contains("hush-hush"), "{text}");
        }
    }

    async fn each_change_is_audited_with_its_old_and_new_value(app: TestApp) {
        for value in [json!(7), json!(7), json!(8), Value::Null, Value::Null] {
            patch(&app, &json!({"kv.rate_read": value})).await.expect(200);
        }
        let audit = app.get("/public-api/audit?entity=setting&count=true").root().send().await.expect(200);
        let changes: Vec<_> = audit["items"].as_array().unwrap().iter().map(|event| event["changes"]["value"].clone()).collect();
        assert_eq!(changes, [json!({"old": 8, "new": null}), json!({"old": 7, "new": 8}), json!({"old": null, "new": 7})]);
    }
}

async fn survives_a_restart(database: Database) {
    let app = TestApp::start(database).await;
    patch(&app, &json!({"kv.rate_read": 77})).await.expect(200);
    let app = app.restart().await;
    let settings = app.get("/public-api/settings").root().send().await.expect(200);
    assert_eq!(named(&settings, "kv.rate_read")["value"], 77);
    app.stop().await;
}

#[test]
fn a_setting_survives_a_restart_on_sqlite() {
    block_on(survives_a_restart(Database::sqlite()));
}

#[test]
fn a_setting_survives_a_restart_on_mysql() {
    block_on(async { survives_a_restart(Database::mysql().await).await });
}
