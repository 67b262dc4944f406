//! Settings over HTTP.

use serde_json::{Value, json};

use crate::kit::{Answer, Database, TestApp, block_on};

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
        assert_eq!(names, ["kv.rate_read", "kv.rate_write", "kv.rate_delete", "kv.rate_batch", "kv.rate_address"]);
        let read = named(&settings, "kv.rate_read");
        assert_eq!((&read["value"], &read["default"], &read["source"]), (&json!(0), &json!(0), &json!("configuration")));
        assert_eq!(read["updated_at"], Value::Null);
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
