//! Apps and devices for administrators: CRUD, merge patches, pages, search, the store of any device, the audit.

use std::collections::HashSet;

use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use crate::kit::{Answer, Call, Device, Process, TestApp, encoded};

fn create(app: &TestApp, body: &Value) -> Call {
    app.post("/public-api/apps", body).root()
}

#[track_caller]
fn errors(answer: &Answer) -> Vec<(String, String)> {
    let problem = answer.problem(422, "INVALID_REQUEST");
    let text = |error: &Value, name: &str| error[name].as_str().unwrap().to_owned();
    problem["errors"].as_array().unwrap().iter().map(|error| (text(error, "field"), text(error, "code"))).collect()
}

/// What was done, the oldest first, as `action entity id`.
async fn audited(app: &TestApp) -> Vec<String> {
    let page = app.get("/public-api/audit?limit=200").root().send().await;
    assert!(!page.text().contains("correct horse"), "no secret is on record");
    let page = page.expect(200);
    let text = |event: &Value, name: &str| event[name].as_str().unwrap().to_owned();
    let line =
        |event: &Value| format!("{} {} {}", text(event, "action"), text(event, "entity"), text(event, "entity_id"));
    page["items"].as_array().unwrap().iter().rev().map(line).collect()
}

on_both! {
    async fn an_app_is_created_read_changed_and_deleted(app: TestApp) {
        let body = json!({"name": "  Board ", "developer_name": "Ann", "description": "line\nline", "developer_link": "https://a.example",
            "homepage_link": "https://b.example", "icon_hash": "abc", "repository_url": "https://c.example", "metadata": {"a": [1, null]}});
        let made = create(&app, &body).send().await;
        let one = made.expect(201);
        let path = format!("/public-api/apps/{}", one["id"]);
        assert_eq!(made.header("location"), Some(path.as_str()));
        assert_eq!((&one["name"], &one["metadata"]), (&json!("Board"), &json!({"a": [1, null]})));
        assert_eq!(app.get(&path).root().send().await.expect(200), one);
        app.clock.advance_millis(7);
        let patch = json!({"name": " Seats ", "description": null, "metadata": {"b": 2}});
        let changed = app.patch(&path, &patch).root().send().await.expect(200);
        let mut expected = one.clone();
        expected["name"] = json!("Seats");
        expected["description"] = Value::Null;
        expected["metadata"] = json!({"b": 2});
        expected["updated_at"] = json!("2026-11-21T04:31:00.007Z");
        assert_eq!(changed, expected, "what is absent stays");
        assert_eq!(app.patch(&path, &json!({"metadata": null})).root().send().await.expect(200)["metadata"], Value::Null);
        let deleted = app.delete(&path).root().send().await;
        assert_eq!((deleted.status, deleted.body.len()), (204, 0));
        app.get(&path).root().send().await.problem(404, "APP_NOT_FOUND");
        app.patch(&path, &json!({})).root().send().await.problem(404, "APP_NOT_FOUND");
        app.delete(&path).root().send().await.problem(404, "APP_NOT_FOUND");
        for method in ["GET", "PATCH", "DELETE"] {
            app.call(method, "/public-api/apps/x").root().text("{}").send().await.problem(400, "MALFORMED_REQUEST");
            app.call(method, "/public-api/apps/1").text("{}").send().await.problem(401, "UNAUTHENTICATED");
        }
    }

    async fn a_bad_app_is_refused_with_every_field(app: TestApp) {
        let one = create(&app, &json!({"name": "n", "developer_name": "d"})).send().await.expect(201);
        let path = format!("/public-api/apps/{}", one["id"]);
        let long = "键".repeat(192);
        let bad = errors(&create(&app, &json!({"name": " ", "developer_name": long, "homepage_link": "x".repeat(501)})).send().await);
        assert_eq!(bad, [("developer_name", "length"), ("homepage_link", "length"), ("name", "length")].map(|(f, c)| (f.to_owned(), c.to_owned())));
        for (body, field, code) in [
            (json!({"name": "n", "developer_name": "d", "developerName": "d"}), "developerName", "unknown_field"),
            (json!({"name": "n"}), "developer_name", "required"),
            (json!({"name": 5, "developer_name": "d"}), "name", "type"),
            (json!({"name": "a\u{0}b", "developer_name": "d"}), "name", "control_character"),
        ] {
            let found = errors(&create(&app, &body).send().await);
            assert_eq!(found, [(field.to_owned(), code.to_owned())], "{body}");
        }
        for (body, field, code) in [
            (json!({"naem": "n"}), "naem", "unknown_field"),
            (json!({"name": null}), "name", "required"),
            (json!({"name": ""}), "name", "length"),
            (json!({"description": 7}), "description", "type"),
            (json!({"icon_hash": long}), "icon_hash", "length"),
        ] {
            let found = errors(&app.patch(&path, &body).root().send().await);
            assert_eq!(found, [(field.to_owned(), code.to_owned())], "{body}");
        }
        let again = app.get(&path).root().send().await.expect(200);
        assert_eq!(again, one, "a refused change changes nothing");
        app.call("POST", "/public-api/apps").root().text("{").send().await.problem(400, "MALFORMED_REQUEST");
        app.call("POST", "/public-api/apps").root().body("text/plain", "{}").send().await.problem(415, "UNSUPPORTED_MEDIA_TYPE");
        create(&app, &json!({"name": "键".repeat(191), "developer_name": "🀄".repeat(191), "description": "键".repeat(2000)})).send().await.expect(201);
    }

    async fn a_repeated_create_makes_one_app(app: TestApp) {
        let body = json!({"name": "Board", "developer_name": "Ann"});
        let first = create(&app, &body).header("idempotency-key", "one").send().await;
        let again = create(&app, &body).header("idempotency-key", "one").send().await;
        assert_eq!((again.expect(201), again.header("location")), (first.expect(201), first.header("location")));
        assert_eq!((first.header("idempotency-replayed"), again.header("idempotency-replayed")), (None, Some("true")));
        let other = create(&app, &json!({"name": "Other", "developer_name": "Ann"})).header("idempotency-key", "one").send().await;
        other.problem(422, "IDEMPOTENCY_KEY_REUSED");
        create(&app, &json!({"name": ""})).header("idempotency-key", "two").send().await.problem(422, "INVALID_REQUEST");
        create(&app, &body).header("idempotency-key", "two").send().await.expect(201);
        assert_eq!(app.get("/public-api/apps").root().send().await.expect(200)["total"], 2);
        assert_eq!(audited(&app).await.len(), 2, "a replay is no second event");
    }

    async fn paging_loses_and_repeats_no_app_while_others_are_made(app: TestApp) {
        let mut expected = HashSet::new();
        for nth in 0..13 {
            let made = create(&app, &json!({"name": format!("App {nth}"), "developer_name": "Ann"})).send().await.expect(201);
            expected.insert(made["id"].as_i64().unwrap());
            app.clock.advance_millis(i64::from(nth % 3 == 0));
        }
        let (mut seen, mut next) = (Vec::new(), Some("/public-api/apps?limit=4&search=app".to_owned()));
        while let Some(path) = next {
            let answer = app.get(&path).root().send().await;
            let page = answer.expect(200);
            seen.extend(page["items"].as_array().unwrap().iter().map(|item| item["id"].as_i64().unwrap()));
            next = page["next_cursor"].as_str().map(|cursor| format!("/public-api/apps?limit=4&search=app&cursor={cursor}"));
            let link = next.as_ref().map(|next| format!("<{next}>; rel=\"next\""));
            assert_eq!(answer.header("link"), link.as_deref());
            app.clock.advance_millis(1);
            create(&app, &json!({"name": "App later", "developer_name": "Ann"})).send().await.expect(201);
        }
        assert_eq!(seen.len(), expected.len(), "none twice");
        assert_eq!(seen.iter().copied().collect::<HashSet<_>>(), expected);
        assert!(seen.is_sorted_by(|a, b| a > b), "newest first");
        for (bad, field) in [("limit=0", "limit"), ("limit=201", "limit"), ("cursor=x", "cursor"), ("cursor=", "cursor")] {
            assert_eq!(errors(&app.get(&format!("/public-api/apps?{bad}")).root().send().await)[0].0, field);
        }
    }

    async fn devices_are_found_counted_and_paged(app: TestApp) {
        let device = app.new_device().await;
        app.set(&device, "k", &json!("12345678")).await;
        app.authorize(device.app_id, &device.uuid).await;
        for uuid in ["room 1", "room 2", "hall_3", "hallX3"] {
            app.clock.advance_millis(1);
            app.post("/devices", &json!({"uuid": uuid, "name": format!("Named {uuid}")})).send().await.expect(201);
        }
        let one = app.get(&format!("/public-api/devices/{}", device.uuid)).root().send().await.expect(200);
        assert_eq!((&one["key_count"], &one["byte_count"], &one["install_count"], &one["revision"]), (&json!(1), &json!(10), &json!(2), &json!(1)));
        assert_eq!(one["has_password"], false);
        for (search, found) in [("room", 2), ("hall_", 1), ("%25", 0), ("Named", 4), (&device.uuid[..8], 1), (&device.uuid.to_uppercase(), 1)] {
            let page = app.get(&format!("/public-api/devices?search={search}")).root().send().await.expect(200);
            assert_eq!(page["total"], found, "{search}");
            assert_eq!(page["items"].as_array().unwrap().len(), found, "{search}");
        }
        let (mut seen, mut next) = (Vec::new(), Some("/public-api/devices?limit=2".to_owned()));
        while let Some(path) = next {
            let page = app.get(&path).root().send().await.expect(200);
            assert_eq!(page["total"], 5 + i64::from(!seen.is_empty()));
            seen.extend(page["items"].as_array().unwrap().iter().map(|item| item["uuid"].as_str().unwrap().to_owned()));
            next = page["next_cursor"].as_str().map(|cursor| format!("/public-api/devices?limit=2&cursor={cursor}"));
            let made = app.post("/devices", &json!({"uuid": "late"})).send().await;
            assert!(matches!(made.status, 201 | 409));
        }
        assert_eq!(seen, ["hallX3", "hall_3", "room 2", "room 1", device.uuid.as_str()]);
        app.get("/public-api/devices/nobody").root().send().await.problem(404, "DEVICE_NOT_FOUND");
        app.get("/public-api/devices/%00").root().send().await.problem(400, "MALFORMED_REQUEST");
        app.get("/public-api/devices").send().await.problem(401, "UNAUTHENTICATED");
        app.get("/public-api/devices").token(&device.token).send().await.problem(401, "UNAUTHENTICATED");
    }

    async fn an_admin_changes_a_device_without_its_password(app: TestApp) {
        let device = app.new_device().await;
        let path = format!("/public-api/devices/{}", device.uuid);
        let put = |body: Value| app.put(&format!("{path}/password"), &body).root().send();
        let locked = put(json!({"password": "correct horse", "password_hint": "hint"})).await.expect(200);
        assert_eq!((&locked["has_password"], &locked["password_hint"], &locked["install_count"]), (&json!(true), &json!("hint"), &json!(1)));
        app.get(&format!("/apps/devices/{}/tokens", device.uuid)).send().await.problem(401, "DEVICE_PASSWORD_REQUIRED");
        assert_eq!(errors(&put(json!({"password": "correct horse", "hint": 1})).await), [("hint".to_owned(), "unknown_field".to_owned())]);
        assert_eq!(errors(&put(json!({"password": "short"})).await)[0].0, "password", "outside the old paths it is 422");
        assert_eq!(app.patch(&path, &json!({"name": "Hall"})).root().send().await.expect(200)["name"], "Hall");
        assert_eq!(app.patch(&path, &json!({})).root().send().await.expect(200)["name"], "Hall");
        assert_eq!(app.patch(&path, &json!({"name": null})).root().send().await.expect(200)["name"], Value::Null);
        assert_eq!(errors(&app.patch(&path, &json!({"nmae": "x"})).root().send().await), [("nmae".to_owned(), "unknown_field".to_owned())]);
        assert_eq!(errors(&app.patch(&path, &json!({"name": "x".repeat(192)})).root().send().await), [("name".to_owned(), "length".to_owned())]);
        assert_eq!(app.delete(&format!("{path}/password")).root().send().await.status, 204);
        app.get(&format!("/apps/devices/{}/tokens", device.uuid)).send().await.expect(200);
        assert_eq!(app.delete(&path).root().send().await.status, 204);
        for call in [app.delete(&path), app.patch(&path, &json!({"name": "x"})), app.delete(&format!("{path}/password")),
            app.put(&format!("{path}/password"), &json!({"password": "correct horse"}))] {
            call.root().send().await.problem(404, "DEVICE_NOT_FOUND");
        }
        app.get("/kv").token(&device.token).send().await.problem(401, "TOKEN_INVALID");
    }

    async fn an_admin_reads_and_writes_the_store_of_any_device(app: TestApp) {
        let app_id = app.new_app().await;
        let uuid = "教室/3";
        let device = Device { uuid: uuid.to_owned(), token: app.authorize(app_id, uuid).await, app_id };
        let path = format!("/public-api/devices/{}/kv/{}", encoded(uuid), encoded("a/b 键"));
        let own = format!("/kv/{}", encoded("a/b 键"));
        app.get(&path).root().send().await.problem(404, "KEY_NOT_FOUND");
        let written = app.call("PUT", &path).root().text(" {\"n\": 1.10} ").send().await;
        assert_eq!((&written.expect(200)["created"], written.header("etag")), (&json!(true), Some("\"1\"")));
        assert_eq!(app.get(&own).token(&device.token).send().await.text(), "{\"n\": 1.10}");
        let read = app.get(&path).root().send().await;
        assert_eq!((read.text().as_str(), read.header("etag")), ("{\"n\": 1.10}", Some("\"1\"")));
        app.put(&path, &json!(2)).root().header("if-match", "\"7\"").send().await.problem(412, "PRECONDITION_FAILED");
        app.call("PUT", &format!("{path}?ttl=5")).root().text("2").header("if-match", "\"1\"").send().await.expect(200);
        app.clock.advance_millis(5_000);
        app.get(&path).root().send().await.problem(404, "KEY_NOT_FOUND");
        app.delete(&path).root().send().await.problem(404, "KEY_NOT_FOUND");
        app.put(&path, &json!(3)).root().send().await.expect(200);
        assert_eq!(app.delete(&path).root().send().await.status, 204);
        app.get(&own).token(&device.token).send().await.problem(404, "KEY_NOT_FOUND");
        for method in ["GET", "PUT", "DELETE"] {
            let call = |path: &str| app.call(method, path).text("1");
            call(&path).send().await.problem(401, "UNAUTHENTICATED");
            call(&path).token(&device.token).send().await.problem(401, "UNAUTHENTICATED");
            call("/public-api/devices/nobody/kv/k").root().send().await.problem(404, "DEVICE_NOT_FOUND");
            call(&format!("/public-api/devices/{}/kv/_k", encoded(uuid))).root().send().await.problem(400, "KEY_RESERVED");
        }
        app.call("PUT", &path).root().send().await.problem(400, "VALUE_MISSING");
        app.call("PUT", &path).root().text("{").send().await.problem(400, "MALFORMED_REQUEST");
    }

    async fn every_write_of_an_admin_is_on_record(app: TestApp) {
        let device = app.new_device().await;
        let (uuid, id) = (&device.uuid, device.app_id);
        let admin = format!("/public-api/devices/{uuid}");
        let install = app.get("/kv/_token").token(&device.token).send().await.expect(200)["id"].clone();
        let secret = json!({"password": "correct horse"});
        let calls = [
            (app.patch(&format!("/public-api/apps/{id}"), &json!({"name": "New"})), format!("update app {id}")),
            (app.patch(&admin, &json!({"name": "Hall"})), format!("update device {uuid}")),
            (app.put(&format!("{admin}/password"), &secret), format!("set_password device {uuid}")),
            (app.delete(&format!("{admin}/password")), format!("delete_password device {uuid}")),
            (app.put(&format!("{admin}/kv/k"), &json!("correct horse")), format!("set_key device {uuid}")),
            (app.delete(&format!("{admin}/kv/k")), format!("delete_key device {uuid}")),
            (app.put(&format!("/devices/{uuid}/name"), &json!({"name": "Room"})), format!("update device {uuid}")),
            (app.put(&format!("/devices/{uuid}/password"), &json!({"newPassword": "correct horse"})), format!("set_password device {uuid}")),
            (app.delete(&format!("/devices/{uuid}/password")), format!("delete_password device {uuid}")),
            (app.put(&format!("/apps/tokens/{install}/note"), &json!({"note": "n"})), format!("update app_install {install}")),
            (app.delete(&format!("/apps/tokens/{install}")), format!("delete app_install {install}")),
            (app.delete(&format!("/devices/{uuid}")), format!("delete device {uuid}")),
            (app.delete(&format!("/public-api/apps/{id}")), format!("delete app {id}")),
        ];
        let mut expected = vec![format!("create app {id}")];
        for (call, event) in calls {
            let answer = call.root().header("x-request-id", "the-request").send().await;
            assert!(matches!(answer.status, 200 | 204), "{event}: {}", answer.text());
            expected.push(event);
            assert_eq!(audited(&app).await, expected);
        }
        let last = app.get("/public-api/audit?limit=1").root().send().await.expect(200)["items"][0].clone();
        assert_eq!((&last["actor"], &last["ip"], &last["request_id"]), (&json!("root"), &json!("127.0.0.1"), &json!("the-request")));
        app.delete(&format!("/public-api/apps/{id}")).root().send().await.problem(404, "APP_NOT_FOUND");
        assert_eq!(audited(&app).await, expected, "what was refused was not done");
    }

    async fn a_write_of_an_admin_that_cannot_be_recorded_does_not_happen(app: TestApp) {
        let device = app.new_device().await;
        app.set(&device, "k", &json!(1)).await;
        let outside = app.database.connect().await;
        outside.execute_unprepared("DROP TABLE audit_event").await.unwrap();
        outside.close().await.unwrap();
        let path = format!("/public-api/devices/{}/kv/k", device.uuid);
        for call in [app.put(&path, &json!(2)), app.delete(&path)] {
            assert_eq!(call.root().open().await.status(), 500);
            assert_eq!(app.get("/kv/k").token(&device.token).send().await.expect(200), json!(1));
        }
    }

    async fn what_owners_do_is_not_the_admins_record(app: TestApp) {
        let device = app.new_device().await;
        app.put(&format!("/devices/{}/name", device.uuid), &json!({"name": "x"})).send().await.expect(200);
        assert_eq!(app.delete(&format!("/apps/tokens/{}", device.token)).send().await.status, 204);
        assert_eq!(audited(&app).await, [format!("create app {}", device.app_id)]);
    }
}

on_each_database! {
    async fn an_app_made_on_the_command_line_is_there(database: Database) {
        let output = Process::run(&database, &["apps", "create", "--name", " Board ", "--developer-name", "Ann"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let id: i64 = String::from_utf8(output.stdout).unwrap().trim().parse().expect("it prints the id alone");
        let blank = Process::run(&database, &["apps", "create", "--name", " ", "--developer-name", "Ann"]);
        assert_eq!(blank.status.code(), Some(1), "the rules are the same everywhere");
        let service = Process::serve(&database).await;
        let made = service.call("GET", &format!("/public-api/apps/{id}")).root().send().await.expect(200);
        assert_eq!((&made["name"], &made["developer_name"]), (&json!("Board"), &json!("Ann")));
        let audit = service.call("GET", "/public-api/audit").root().send().await.expect(200);
        assert_eq!((&audit["items"][0]["actor"], &audit["items"][0]["action"]), (&json!("cli"), &json!("create")));
        service.kill();
        database.drop().await;
    }
}
