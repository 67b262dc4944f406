//! Apps as their users see them: authorize, lists of installs, notes, revoking.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::kit::{TestApp, encoded};

const FIELDS_OF_AUTHORIZE: [&str; 8] =
    ["appId", "appName", "authorizedAt", "deviceName", "deviceUuid", "note", "readOnly", "token"];

/// Names of the members, sorted.
fn members(value: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

fn authorize(app: &TestApp, id: i64, body: &Value) -> crate::kit::Call {
    app.post(&format!("/apps/{id}/authorize"), body)
}

on_both! {
    async fn twenty_first_authorizes_at_once_make_one_device_and_twenty_tokens(app: TestApp) {
        let (id, uuid) = (app.new_app().await, "the one device");
        let calls = (0..20).map(|_| authorize(&app, id, &json!({"deviceUuid": uuid})).send());
        let answers = futures_util::future::join_all(calls).await;
        let tokens: HashSet<String> =
            answers.iter().map(|answer| answer.expect(200)["token"].as_str().unwrap().to_owned()).collect();
        assert_eq!(tokens.len(), 20, "every call is a new token");
        assert!(tokens.iter().all(|token| token.len() == 64 && token.bytes().all(|b| b.is_ascii_hexdigit())));
        let devices = app.get("/public-api/devices").root().send().await.expect(200);
        assert_eq!((&devices["total"], &devices["items"][0]["install_count"]), (&json!(1), &json!(20)));
        for token in &tokens {
            let own = app.get("/kv/_info").token(token).send().await.expect(200);
            assert_eq!(own["device"]["id"], devices["items"][0]["id"]);
        }
    }

    async fn authorize_answers_what_clients_read(app: TestApp) {
        let id = app.new_app().await;
        let first = authorize(&app, id, &json!({"deviceUuid": "教室 3", "later": "field"})).send().await.expect(200);
        assert_eq!(members(&first), FIELDS_OF_AUTHORIZE);
        assert_eq!((&first["appId"], &first["appName"]), (&json!(id), &json!("Classworks")));
        assert_eq!((&first["deviceUuid"], &first["deviceName"]), (&json!("教室 3"), &Value::Null));
        assert_eq!((&first["readOnly"], &first["note"]), (&json!(false), &json!("授权访问")));
        assert_eq!(first["authorizedAt"], "2026-11-21T04:31:00.000Z");
        app.put(&format!("/devices/{}/name", encoded("教室 3")), &json!({"name": "Room 3"})).send().await.expect(200);
        let body = json!({"deviceUuid": "教室 3", "readOnly": true, "note": "黑板", "password": "ignored, it has none"});
        let second = authorize(&app, id, &body).send().await.expect(200);
        assert_eq!((&second["readOnly"], &second["note"]), (&json!(true), &json!("黑板")));
        assert_eq!(second["deviceName"], "Room 3");
        assert_ne!(first["token"], second["token"]);
    }

    async fn an_unknown_app_creates_nothing(app: TestApp) {
        let answer = authorize(&app, 4711, &json!({"deviceUuid": "new"})).send().await;
        let problem = answer.problem(404, "APP_NOT_FOUND");
        assert_eq!(problem["message"], problem["detail"]);
        app.get("/devices/new").send().await.problem(404, "DEVICE_NOT_FOUND");
        let devices = app.get("/public-api/devices").root().send().await.expect(200);
        assert_eq!(devices["total"], 0);
    }

    async fn what_cannot_be_an_authorize_is_400(app: TestApp) {
        let id = app.new_app().await;
        for bad in ["abc", "0", "-1", "1.5", "+1", "99999999999999999999"] {
            let call = app.post(&format!("/apps/{bad}/authorize"), &json!({"deviceUuid": "d"}));
            call.send().await.problem(400, "MALFORMED_REQUEST");
            app.get(&format!("/apps/{bad}")).send().await.problem(400, "MALFORMED_REQUEST");
        }
        let long = "键".repeat(192);
        for bad in [json!({}), json!({"deviceUuid": ""}), json!({"deviceUuid": 7}), json!({"deviceUuid": null}),
            json!({"deviceUuid": long}), json!({"deviceUuid": "a\nb"}), json!({"deviceUuid": "d", "note": long}),
            json!({"deviceUuid": "d", "readOnly": "yes"}), json!({"deviceUuid": "d", "note": "a\u{0}"}), json!([]), json!("d")] {
            authorize(&app, id, &bad).send().await.problem(400, "MALFORMED_REQUEST");
        }
        let path = format!("/apps/{id}/authorize");
        app.call("POST", &path).send().await.problem(400, "MALFORMED_REQUEST");
        app.call("POST", &path).body("text/plain", "").send().await.problem(400, "MALFORMED_REQUEST");
        app.call("POST", &path).text("{").send().await.problem(400, "MALFORMED_REQUEST");
        let plain = app.call("POST", &path).body("text/plain", r#"{"deviceUuid":"d"}"#).send().await;
        plain.problem(415, "UNSUPPORTED_MEDIA_TYPE");
        authorize(&app, id, &json!({"deviceUuid": "键".repeat(191)})).send().await.expect(200);
        let devices = app.get("/public-api/devices").root().send().await.expect(200);
        assert_eq!(devices["total"], 1, "only the last one");
    }

    async fn device_uuids_differ_by_every_byte(app: TestApp) {
        let id = app.new_app().await;
        let uuids = ["room", "Room", "room ", " room", "roóm", "roo\u{301}m", "ROOM", "room/1", "room%2F1"];
        for uuid in uuids {
            authorize(&app, id, &json!({"deviceUuid": uuid})).send().await.expect(200);
            let device = app.get(&format!("/devices/{}", encoded(uuid))).send().await.expect(200);
            assert_eq!(device["uuid"], uuid);
        }
        let devices = app.get("/public-api/devices").root().send().await.expect(200);
        assert_eq!(devices["total"], uuids.len());
    }

    async fn apps_are_listed_newest_first_in_windows(app: TestApp) {
        let mut ids = Vec::new();
        for (name, developer) in [("Board", "Ann"), ("Seats", "Bob"), ("Clock", "annie"), ("100%", "_")] {
            let body = json!({"name": name, "developer_name": developer, "description": format!("the {name}"), "metadata": {"n": [1.5]}});
            ids.push(app.post("/public-api/apps", &body).root().send().await.expect(201)["id"].clone());
            app.clock.advance_millis(i64::from(name != "Seats"));
        }
        let all = app.get("/apps").send().await.expect(200);
        assert_eq!(members(&all), ["apps", "limit", "skip", "total"]);
        assert_eq!((&all["total"], &all["limit"], &all["skip"]), (&json!(4), &json!(20), &json!(0)));
        let listed: Vec<_> = all["apps"].as_array().unwrap().iter().map(|app| app["id"].clone()).collect();
        assert_eq!(listed, ids.iter().rev().cloned().collect::<Vec<_>>());
        let one = app.get(&format!("/apps/{}", ids[0])).send().await.expect(200);
        assert_eq!(one, all["apps"][3]);
        assert_eq!(members(&one), ["createdAt", "description", "developerLink", "developerName", "homepageLink", "iconHash",
            "id", "metadata", "name", "repositoryUrl", "updatedAt"]);
        assert_eq!(one["metadata"], json!({"n": [1.5]}));
        let window = app.get("/apps?limit=2&skip=1").send().await.expect(200);
        assert_eq!((window["apps"].as_array().unwrap().len(), &window["total"]), (2, &json!(4)));
        assert_eq!(window["apps"][0]["id"], ids[2]);
        for (search, found) in [("ANN", 2), ("the%20seats", 1), ("clock", 1), ("%25", 1), ("_", 1), ("nothing", 0), ("", 4)] {
            let some = app.get(&format!("/apps?search={search}")).send().await.expect(200);
            assert_eq!(some["total"], found, "{search}");
        }
        for bad in ["limit=0", "limit=1001", "limit=-1", "limit=abc", "skip=-1", "skip=x"] {
            app.get(&format!("/apps?{bad}")).send().await.problem(400, "MALFORMED_REQUEST");
        }
        app.get("/apps/4711").send().await.problem(404, "APP_NOT_FOUND");
    }

    async fn installs_are_listed_for_admins_and_owners_alone(app: TestApp) {
        let (one, other) = (app.new_device().await, app.new_device().await);
        app.clock.advance_millis(1);
        let more = app.authorize(one.app_id, &other.uuid).await;
        let path = format!("/apps/{}/installations", one.app_id);
        let unknown = app.get(&path).send().await;
        unknown.problem(401, "UNAUTHENTICATED");
        app.get(&path).token(&one.token).send().await.problem(401, "UNAUTHENTICATED");
        let all = app.get(&path).root().send().await.expect(200);
        assert_eq!(members(&all), ["appId", "installations", "limit", "skip", "total"]);
        assert_eq!((&all["appId"], &all["total"], &all["limit"], &all["skip"]), (&json!(one.app_id), &json!(2), &json!(20), &json!(0)));
        let newest = &all["installations"][0];
        assert_eq!(members(newest), ["device", "id", "installedAt", "lastUsedAt", "note", "readOnly", "token", "updatedAt"]);
        assert_eq!(newest["device"], json!({"uuid": other.uuid, "name": null}));
        assert_eq!(newest["token"], format!("…{}", &more[60..]));
        let window = app.get(&format!("{path}?limit=1&skip=1")).root().send().await.expect(200);
        assert_eq!((&window["total"], &window["installations"][0]["device"]["uuid"]), (&json!(2), &json!(one.uuid)));
        let own = app.get(&path).header("x-device-uuid", &encoded(&one.uuid)).send().await.expect(200);
        assert_eq!((&own["total"], &own["installations"][0]["device"]["uuid"]), (&json!(1), &json!(one.uuid)));
        app.get(&path).header("x-device-uuid", "nobody").send().await.problem(404, "DEVICE_NOT_FOUND");
        app.get("/apps/4711/installations").root().send().await.problem(404, "APP_NOT_FOUND");
        app.get("/apps/x/installations").root().send().await.problem(400, "MALFORMED_REQUEST");
        app.get(&format!("{path}?limit=0")).root().send().await.problem(400, "MALFORMED_REQUEST");
        app.get(&path).header("x-device-uuid", "%ff").send().await.problem(400, "MALFORMED_REQUEST");
    }

    async fn a_devices_tokens_are_listed_with_their_apps(app: TestApp) {
        let device = app.new_device().await;
        let path = format!("/apps/devices/{}/tokens", device.uuid);
        let list = app.get(&path).send().await.expect(200);
        assert_eq!(members(&list), ["deviceName", "deviceUuid", "tokens", "total"]);
        assert_eq!((&list["deviceUuid"], &list["deviceName"], &list["total"]), (&json!(device.uuid), &Value::Null, &json!(1)));
        let token = &list["tokens"][0];
        assert_eq!(members(token), ["app", "id", "installedAt", "lastUsedAt", "note", "readOnly", "token", "updatedAt"]);
        assert_eq!(token["app"], app.get(&format!("/apps/{}", device.app_id)).send().await.expect(200));
        app.get("/apps/devices/nobody/tokens").send().await.problem(404, "DEVICE_NOT_FOUND");
        app.get(&format!("/apps/devices/{}/tokens", "x".repeat(192))).send().await.problem(400, "MALFORMED_REQUEST");
        let password = json!({"newPassword": "geheim ü", "passwordHint": "umlaut"});
        app.put(&format!("/devices/{}/password", device.uuid), &password).token(&device.token).send().await.expect(200);
        app.get(&path).send().await.problem(401, "DEVICE_PASSWORD_REQUIRED");
        app.get(&path).header("x-device-password", "wrong").send().await.problem(401, "DEVICE_PASSWORD_INVALID");
        app.get(&path).header("x-device-password", &encoded("geheim ü")).send().await.expect(200);
        app.get(&path).root().send().await.expect(200);
    }

    async fn a_full_token_is_shown_once_at_authorize_and_nowhere_else(app: TestApp) {
        let device = app.new_device().await;
        let id = app.get("/kv/_token").token(&device.token).send().await.expect(200)["id"].clone();
        let calls = [
            app.get(&format!("/apps/{}/installations", device.app_id)).root(),
            app.get(&format!("/apps/devices/{}/tokens", device.uuid)),
            app.put(&format!("/apps/tokens/{}/note", device.token), &json!({"note": "by token"})),
            app.put(&format!("/apps/tokens/{id}/note"), &json!({"note": "by id"})).root(),
            app.get("/kv/_token").token(&device.token),
            app.get("/kv/_info").token(&device.token),
            app.get("/kv").token(&device.token),
            app.get(&format!("/devices/{}", device.uuid)),
            app.get("/public-api/devices").root(),
            app.get(&format!("/public-api/devices/{}", device.uuid)).root(),
            app.get("/public-api/audit").root(),
            app.get(&format!("/kv/missing?token={}", device.token)),
        ];
        for call in calls {
            let body = call.send().await.text();
            assert!(!body.contains(&device.token), "{body}");
            assert!(!body.contains(&device.token[..32]) && !body.contains(&device.token[32..]), "{body}");
        }
    }

    async fn a_token_tells_about_itself_and_its_device(app: TestApp) {
        let device = app.new_device().await;
        let own = app.get("/kv/_token").token(&device.token).send().await.expect(200);
        assert_eq!(members(&own), ["appId", "device", "id", "installedAt", "lastUsedAt", "note", "readOnly", "token", "updatedAt"]);
        assert_eq!((&own["appId"], &own["readOnly"], &own["note"]), (&json!(device.app_id), &json!(false), &json!("授权访问")));
        assert_eq!(own["device"], json!({"uuid": device.uuid, "name": null}));
        let info = app.get("/kv/_info").token(&device.token).send().await.expect(200);
        let public = app.get(&format!("/devices/{}", device.uuid)).send().await.expect(200);
        assert_eq!(info, json!({"device": public}));
        app.get("/kv/_info").send().await.problem(401, "TOKEN_MISSING");
        app.get("/kv/_token").token("x").send().await.problem(401, "TOKEN_INVALID");
    }
}

on_each_database! {
    async fn last_use_is_written_down_to_the_minute(database: Database) {
        let app = TestApp::start(database).await;
        let device = app.new_device().await;
        let unused = app.authorize(device.app_id, &device.uuid).await;
        app.clock.advance_millis(90_000);
        app.get("/kv/none").token(&device.token).send().await.problem(404, "KEY_NOT_FOUND");
        let app = app.restart().await;
        let list = app.get(&format!("/apps/devices/{}/tokens", device.uuid)).send().await.expect(200);
        let of = |token: &str| {
            let masked = format!("…{}", &token[60..]);
            list["tokens"].as_array().unwrap().iter().find(|row| row["token"] == *masked).unwrap()["lastUsedAt"].clone()
        };
        assert_eq!(of(&device.token), "2026-11-21T04:32:00.000Z");
        assert_eq!(of(&unused), Value::Null);
        app.stop().await;
    }
}
