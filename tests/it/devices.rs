//! Devices for their owners: registering, names, passwords, proof, deletion.

use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};

use crate::kit::{Call, Device, TestApp, encoded};

fn path(device: &Device) -> String {
    format!("/devices/{}", device.uuid)
}

/// A request for a password; the first one of a device needs one of its tokens.
fn set_password(app: &TestApp, device: &Device, body: &Value) -> Call {
    app.put(&format!("{}/password", path(device)), body)
}

async fn lock(app: &TestApp, device: &Device, password: &str) {
    set_password(app, device, &json!({"newPassword": password})).token(&device.token).send().await.expect(200);
}

async fn read_only(app: &TestApp, device: &Device) -> String {
    let body = json!({"deviceUuid": device.uuid, "readOnly": true});
    let granted = app.post(&format!("/apps/{}/authorize", device.app_id), &body).send().await.expect(200);
    granted["token"].as_str().unwrap().to_owned()
}

async fn rows(app: &TestApp, table: &str) -> i64 {
    let db = app.database.connect().await;
    let sql = Statement::from_string(db.get_database_backend(), format!("SELECT COUNT(*) FROM {table}"));
    let count = db.query_one_raw(sql).await.unwrap().unwrap().try_get_by_index(0).unwrap();
    db.close().await.unwrap();
    count
}

on_both! {
    async fn a_device_is_registered_once(app: TestApp) {
        let made = app.post("/devices", &json!({"uuid": "room/3 ü", "name": "  Room 3 ", "later": 1})).send().await;
        let device = made.expect(201);
        let location = format!("/devices/{}", encoded("room/3 ü"));
        assert_eq!(made.header("location"), Some(location.as_str()));
        let id = device["id"].as_i64().unwrap();
        assert_eq!(device, json!({"id": id, "uuid": "room/3 ü", "name": "Room 3", "hasPassword": false, "passwordHint": null,
            "createdAt": "2026-11-21T04:31:00.000Z"}));
        assert_eq!(app.get(&location).send().await.expect(200), device);
        let again = app.post("/devices", &json!({"uuid": "room/3 ü"})).send().await;
        assert_eq!(again.problem(409, "DEVICE_EXISTS")["type"], "/errors/device-exists");
        assert_eq!(app.get(&location).send().await.expect(200), device, "it is as it was");
        let calls = (0..10).map(|_| app.post("/devices", &json!({"uuid": "race"})).send());
        let answers = futures_util::future::join_all(calls).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
        assert!(answers.iter().all(|answer| matches!(answer.status, 201 | 409)));
        for bad in [json!({}), json!({"uuid": ""}), json!({"uuid": "x".repeat(192)}), json!({"uuid": "a\tb"}), json!({"uuid": 1}),
            json!({"uuid": "u", "name": "x".repeat(192)}), json!({"uuid": "u", "name": 5})] {
            app.post("/devices", &bad).send().await.problem(400, "MALFORMED_REQUEST");
        }
        app.call("POST", "/devices").send().await.problem(400, "MALFORMED_REQUEST");
        app.get("/devices/u").send().await.problem(404, "DEVICE_NOT_FOUND");
        app.get("/devices/%00").send().await.problem(400, "MALFORMED_REQUEST");
        app.get("/devices/%ff").send().await.problem(400, "MALFORMED_REQUEST");
    }

    async fn a_device_is_renamed_by_whoever_knows_its_password(app: TestApp) {
        let device = app.new_device().await;
        let rename = |name: Value| app.put(&format!("{}/name", path(&device)), &json!({"name": name}));
        assert_eq!(rename(json!(" 教室 ")).send().await.expect(200)["name"], "教室");
        assert_eq!(rename(json!(null)).send().await.expect(200)["name"], Value::Null);
        for bad in [json!(5), json!("x".repeat(192)), json!("a\nb")] {
            rename(bad).send().await.problem(400, "MALFORMED_REQUEST");
        }
        app.put("/devices/nobody/name", &json!({"name": "x"})).send().await.problem(404, "DEVICE_NOT_FOUND");
        lock(&app, &device, "correct horse").await;
        rename(json!("x")).send().await.problem(401, "DEVICE_PASSWORD_REQUIRED");
        rename(json!("x")).token(&device.token).send().await.problem(401, "DEVICE_PASSWORD_REQUIRED");
        rename(json!("x")).header("x-device-password", "wrong").send().await.problem(401, "DEVICE_PASSWORD_INVALID");
        rename(json!("x")).header("x-device-password", "correct%20horse").send().await.expect(200);
        assert_eq!(rename(json!("y")).root().send().await.expect(200)["name"], "y");
    }

    async fn a_password_is_set_changed_and_taken_away(app: TestApp) {
        let device = app.new_device().await;
        for bad in [json!({}), json!({"newPassword": "short"}), json!({"newPassword": "x".repeat(129)}), json!({"newPassword": 123456}),
            json!({"newPassword": "long enough", "passwordHint": "x".repeat(192)})] {
            set_password(&app, &device, &bad).token(&device.token).send().await.problem(400, "MALFORMED_REQUEST");
        }
        let first = json!({"newPassword": "密".repeat(6), "passwordHint": "six signs", "currentPassword": "ignored"});
        let locked = set_password(&app, &device, &first).token(&device.token).send().await.expect(200);
        assert_eq!((&locked["hasPassword"], &locked["passwordHint"]), (&json!(true), &json!("six signs")));
        let public = app.get(&path(&device)).send().await.expect(200);
        assert_eq!(public, locked, "anyone may see the hint");
        let second = |current: Option<&str>| json!({"newPassword": "second password", "currentPassword": current});
        set_password(&app, &device, &second(None)).token(&device.token).send().await.problem(401, "DEVICE_PASSWORD_REQUIRED");
        set_password(&app, &device, &second(Some("wrong"))).send().await.problem(401, "DEVICE_PASSWORD_INVALID");
        let by_body = set_password(&app, &device, &second(Some(&"密".repeat(6)))).send().await.expect(200);
        assert_eq!(by_body["passwordHint"], Value::Null, "a new password, a new hint");
        let by_header = set_password(&app, &device, &json!({"newPassword": "x".repeat(128)}));
        by_header.header("x-device-password", "second%20password").send().await.expect(200);
        let delete = |body: Value| app.delete(&format!("{}/password", path(&device))).json(&body);
        delete(json!({"password": "second password"})).send().await.problem(401, "DEVICE_PASSWORD_INVALID");
        app.delete(&format!("{}/password", path(&device))).send().await.problem(401, "DEVICE_PASSWORD_REQUIRED");
        let gone = delete(json!({"password": "x".repeat(128)})).send().await;
        assert_eq!((gone.status, gone.body.len()), (204, 0));
        assert_eq!(app.get(&path(&device)).send().await.expect(200)["hasPassword"], false);
        app.get("/kv").token(&device.token).send().await.expect(200);
    }

    async fn asking_whether_a_password_is_right_needs_nothing_else(app: TestApp) {
        let device = app.new_device().await;
        let verify = |password: Value| app.post(&format!("{}/password/verify", path(&device)), &json!({"password": password}));
        assert_eq!(verify(json!("any")).send().await.expect(200), json!({"valid": true}), "it has none");
        lock(&app, &device, "correct horse").await;
        assert_eq!(verify(json!("correct horse")).send().await.expect(200), json!({"valid": true}));
        assert_eq!(verify(json!("Correct horse")).send().await.expect(200), json!({"valid": false}));
        let empty = app.call("POST", &format!("{}/password/verify", path(&device)));
        assert_eq!(empty.header("x-device-password", "correct%20horse").send().await.expect(200), json!({"valid": true}));
        app.call("POST", &format!("{}/password/verify", path(&device))).send().await.problem(400, "MALFORMED_REQUEST");
        verify(json!(7)).send().await.problem(400, "MALFORMED_REQUEST");
        app.post("/devices/nobody/password/verify", &json!({"password": "x"})).send().await.problem(404, "DEVICE_NOT_FOUND");
    }

    async fn the_first_password_of_a_device_with_installs_needs_proof(app: TestApp) {
        let (device, other) = (app.new_device().await, app.new_device().await);
        let reader = read_only(&app, &device).await;
        let first = json!({"newPassword": "mine now"});
        let refused = set_password(&app, &device, &first).send().await;
        refused.problem(403, "DEVICE_PROOF_REQUIRED");
        for wrong in [reader.as_str(), other.token.as_str(), &"0".repeat(64)] {
            set_password(&app, &device, &first).token(wrong).send().await.problem(403, "DEVICE_PROOF_REQUIRED");
        }
        assert_eq!(app.get(&path(&device)).send().await.expect(200)["hasPassword"], false);
        set_password(&app, &device, &first).header("x-app-token", &device.token).send().await.expect(200);
        set_password(&app, &other, &first).root().send().await.expect(200);
        app.post("/devices", &json!({"uuid": "fresh"})).send().await.expect(201);
        let fresh = Device { uuid: "fresh".to_owned(), ..device };
        set_password(&app, &fresh, &first).send().await.expect(200);
    }

    async fn deleting_a_device_with_installs_needs_proof_or_its_password(app: TestApp) {
        let (device, locked) = (app.new_device().await, app.new_device().await);
        let reader = read_only(&app, &device).await;
        app.delete(&path(&device)).send().await.problem(403, "DEVICE_PROOF_REQUIRED");
        for wrong in [&reader, &locked.token] {
            app.delete(&path(&device)).token(wrong).send().await.problem(403, "DEVICE_PROOF_REQUIRED");
        }
        assert_eq!(app.delete(&path(&device)).token(&device.token).send().await.status, 204);
        app.delete(&path(&device)).send().await.problem(404, "DEVICE_NOT_FOUND");
        lock(&app, &locked, "correct horse").await;
        app.delete(&path(&locked)).token(&locked.token).send().await.problem(401, "DEVICE_PASSWORD_REQUIRED");
        assert_eq!(app.delete(&path(&locked)).header("x-device-password", "correct%20horse").send().await.status, 204);
        app.post("/devices", &json!({"uuid": "fresh"})).send().await.expect(201);
        assert_eq!(app.delete("/devices/fresh").send().await.status, 204, "it has nothing to protect");
        let third = app.new_device().await;
        assert_eq!(app.delete(&path(&third)).root().send().await.status, 204);
    }

    async fn a_deleted_device_leaves_no_row_behind(app: TestApp) {
        let (device, kept) = (app.new_device().await, app.new_device().await);
        for key in ["a", "b"] {
            app.set(&device, key, &json!(1)).await;
        }
        app.set(&kept, "a", &json!(2)).await;
        assert_eq!((rows(&app, "app_install").await, rows(&app, "kv_store").await, rows(&app, "kv_change").await), (2, 3, 3));
        assert_eq!(app.delete(&path(&device)).token(&device.token).send().await.status, 204);
        assert_eq!((rows(&app, "app_install").await, rows(&app, "kv_store").await, rows(&app, "kv_change").await), (1, 1, 1));
        app.get("/kv/a").token(&device.token).send().await.problem(401, "TOKEN_INVALID");
        let anew = app.authorize(device.app_id, &device.uuid).await;
        app.get("/kv/a").token(&anew).send().await.problem(404, "KEY_NOT_FOUND");
        assert_eq!(app.get("/kv/a").token(&kept.token).send().await.expect(200), json!(2));
    }

    async fn tokens_and_passwords_lie_in_the_database_as_hashes(app: TestApp) {
        let device = app.new_device().await;
        lock(&app, &device, "correct horse").await;
        let db = app.database.connect().await;
        let text = async |sql: &str| -> String {
            let sql = Statement::from_string(db.get_database_backend(), sql);
            db.query_one_raw(sql).await.unwrap().unwrap().try_get_by_index(0).unwrap()
        };
        let sha256 = latchkey::base::secret::sha256_hex(device.token.as_bytes());
        assert_eq!(text("SELECT token_hash FROM app_install").await, sha256);
        assert_eq!(text("SELECT token_last4 FROM app_install").await, device.token[60..]);
        let hash = text("SELECT password_hash FROM device").await;
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        db.close().await.unwrap();
    }

    async fn a_password_may_end_the_tokens_given_before(app: TestApp) {
        let (device, other) = (app.new_device().await, app.new_device().await);
        let second = app.authorize(device.app_id, &device.uuid).await;
        let body = json!({"newPassword": "mine alone", "revokeTokens": true});
        set_password(&app, &device, &body).token(&device.token).send().await.expect(200);
        for token in [&device.token, &second] {
            app.get("/kv").token(token).send().await.problem(401, "TOKEN_INVALID");
        }
        app.get("/kv").token(&other.token).send().await.expect(200);
        lock(&app, &other, "not revoking").await;
        app.get("/kv").token(&other.token).send().await.expect(200);
        let body = json!({"deviceUuid": device.uuid, "password": "mine alone"});
        app.post(&format!("/apps/{}/authorize", device.app_id), &body).send().await.expect(200);
    }

    async fn a_token_in_the_body_is_proof_as_well(app: TestApp) {
        let device = app.new_device().await;
        let body = json!({"newPassword": "correct horse", "token": device.token});
        set_password(&app, &device, &body).send().await.expect(200);
        let other = app.new_device().await;
        assert_eq!(app.delete(&path(&other)).json(&json!({"token": other.token})).send().await.status, 204);
    }
}

on_both_with! { |config| config.server.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
    async fn five_wrong_passwords_lock_one_address_out_of_one_device(app: TestApp) {
        let (device, other) = (app.new_device().await, app.new_device().await);
        for device in [&device, &other] {
            lock(&app, device, "correct horse").await;
        }
        let authorize = |device: &Device, password: Option<&str>, from: &str| {
            let body = json!({"deviceUuid": device.uuid, "password": password});
            app.post(&format!("/apps/{}/authorize", device.app_id), &body).header("x-forwarded-for", from)
        };
        authorize(&device, None, "192.0.2.1").send().await.problem(401, "DEVICE_PASSWORD_REQUIRED");
        authorize(&device, Some("wrong"), "192.0.2.1").send().await.problem(401, "DEVICE_PASSWORD_INVALID");
        authorize(&device, Some(""), "192.0.2.1").send().await.problem(401, "DEVICE_PASSWORD_INVALID");
        let path = path(&device);
        let verify = || app.post(&format!("{path}/password/verify"), &json!({"password": "no"})).header("x-forwarded-for", "192.0.2.1");
        assert_eq!(verify().send().await.expect(200)["valid"], false, "it counts as well");
        let rename = app.put(&format!("{path}/name"), &json!({"name": "x"})).header("x-device-password", "no");
        rename.header("x-forwarded-for", "192.0.2.1").send().await.problem(401, "DEVICE_PASSWORD_INVALID");
        app.clock.advance_millis(60_000);
        authorize(&device, Some("wrong"), "192.0.2.1").send().await.problem(401, "DEVICE_PASSWORD_INVALID");
        let locked = authorize(&device, Some("correct horse"), "192.0.2.1").send().await;
        locked.problem(429, "TOO_MANY_REQUESTS");
        assert_eq!(locked.header("retry-after"), Some("900"));
        verify().send().await.problem(429, "TOO_MANY_REQUESTS");
        authorize(&device, Some("correct horse"), "192.0.2.2").send().await.expect(200);
        authorize(&other, Some("correct horse"), "192.0.2.1").send().await.expect(200);
        app.clock.advance_millis(899_999);
        authorize(&device, Some("correct horse"), "192.0.2.1").send().await.problem(429, "TOO_MANY_REQUESTS");
        app.clock.advance_millis(1);
        authorize(&device, Some("correct horse"), "192.0.2.1").send().await.expect(200);
    }

    async fn of_many_guesses_at_once_no_more_than_five_are_looked_at(app: TestApp) {
        let device = app.new_device().await;
        lock(&app, &device, "correct horse").await;
        let guesses = (0..12).map(|nth| {
            let body = json!({"deviceUuid": device.uuid, "password": format!("guess {nth}")});
            app.post(&format!("/apps/{}/authorize", device.app_id), &body).send()
        });
        let answers = futures_util::future::join_all(guesses).await;
        assert!(answers.iter().all(|answer| matches!(answer.status, 401 | 429)));
        assert!(answers.iter().filter(|answer| answer.status == 401).count() <= 5);
        let body = json!({"deviceUuid": device.uuid, "password": "correct horse"});
        app.post(&format!("/apps/{}/authorize", device.app_id), &body).send().await.problem(429, "TOO_MANY_REQUESTS");
    }
}
