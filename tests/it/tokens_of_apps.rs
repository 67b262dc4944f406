//! Who may note something at an app token, and who may revoke it.

use serde_json::{Value, json};

use crate::kit::{Device, TestApp, encoded};

async fn install_id(app: &TestApp, token: &str) -> i64 {
    app.get("/kv/_token").token(token).send().await.expect(200)["id"].as_i64().unwrap()
}

/// A device whose uuid and password need percent-encoding.
async fn locked_device(app: &TestApp) -> (Device, i64) {
    let app_id = app.new_app().await;
    let uuid = "教室/3 %".to_owned();
    let token = app.authorize(app_id, &uuid).await;
    let path = format!("/devices/{}/password", encoded(&uuid));
    app.put(&path, &json!({"newPassword": "密码 100%"})).token(&token).send().await.expect(200);
    let id = install_id(app, &token).await;
    (Device { uuid, token, app_id }, id)
}

on_both! {
    async fn a_note_is_changed_by_whoever_may_revoke_the_token(app: TestApp) {
        let (device, other) = (app.new_device().await, app.new_device().await);
        let id = install_id(&app, &device.token).await;
        let call = |which: &str, note: Value| app.put(&format!("/apps/tokens/{which}/note"), &json!({"note": note}));
        app.clock.advance_millis(1000);
        let noted = call(&device.token, json!("blackboard")).send().await.expect(200);
        assert_eq!((&noted["id"], &noted["note"]), (&json!(id), &json!("blackboard")));
        assert_eq!((&noted["installedAt"], &noted["updatedAt"]), (&json!("2026-11-21T04:31:00.000Z"), &json!("2026-11-21T04:31:01.000Z")));
        let by_owner = call(&id.to_string(), json!("窗")).header("x-device-uuid", &device.uuid).send().await.expect(200);
        assert_eq!(by_owner["note"], "窗");
        assert_eq!(call(&id.to_string(), json!("")).root().send().await.expect(200)["note"], "");
        let own = app.get("/kv/_token").token(&device.token).send().await.expect(200);
        assert_eq!(own["note"], "");
        call(&id.to_string(), json!("no")).send().await.problem(404, "INSTALL_NOT_FOUND");
        call(&id.to_string(), json!("no")).token(&device.token).send().await.problem(404, "INSTALL_NOT_FOUND");
        call(&id.to_string(), json!("no")).header("x-device-uuid", &other.uuid).send().await.problem(404, "INSTALL_NOT_FOUND");
        call(&"0".repeat(64), json!("no")).send().await.problem(404, "INSTALL_NOT_FOUND");
        call("4711", json!("no")).root().send().await.problem(404, "INSTALL_NOT_FOUND");
        for bad in [json!(null), json!(7), json!("x".repeat(192)), json!("a\u{7}")] {
            call(&device.token, bad).send().await.problem(400, "MALFORMED_REQUEST");
        }
        let path = format!("/apps/tokens/{}/note", device.token);
        app.put(&path, &json!({})).send().await.problem(400, "MALFORMED_REQUEST");
        app.call("PUT", &path).send().await.problem(400, "MALFORMED_REQUEST");
    }

    async fn a_token_revokes_itself_once(app: TestApp) {
        let device = app.new_device().await;
        let second = app.authorize(device.app_id, &device.uuid).await;
        let path = format!("/apps/tokens/{}", device.token);
        let revoked = app.delete(&path).send().await;
        assert_eq!((revoked.status, revoked.body.len()), (204, 0));
        app.get("/kv").token(&device.token).send().await.problem(401, "TOKEN_INVALID");
        app.post("/kv/k", &json!(1)).token(&device.token).send().await.problem(401, "TOKEN_INVALID");
        app.delete(&path).send().await.problem(404, "INSTALL_NOT_FOUND");
        app.delete("/apps/tokens/not-a-token").send().await.problem(404, "INSTALL_NOT_FOUND");
        app.get("/kv").token(&second).send().await.expect(200);
    }

    async fn an_install_is_revoked_by_number_for_its_own_device_alone(app: TestApp) {
        let (device, other) = (app.new_device().await, app.new_device().await);
        let path = format!("/apps/tokens/{}", install_id(&app, &device.token).await);
        app.delete(&path).send().await.problem(404, "INSTALL_NOT_FOUND");
        app.delete(&path).token(&device.token).send().await.problem(404, "INSTALL_NOT_FOUND");
        app.delete(&path).header("x-device-uuid", &other.uuid).send().await.problem(404, "INSTALL_NOT_FOUND");
        app.delete(&path).header("x-device-uuid", "nobody").send().await.problem(404, "INSTALL_NOT_FOUND");
        app.get("/kv").token(&device.token).send().await.expect(200);
        assert_eq!(app.delete(&path).header("x-device-uuid", &device.uuid).send().await.status, 204);
        app.get("/kv").token(&device.token).send().await.problem(401, "TOKEN_INVALID");
        let by_admin = format!("/apps/tokens/{}", install_id(&app, &other.token).await);
        assert_eq!(app.delete(&by_admin).root().send().await.status, 204);
        app.get("/kv").token(&other.token).send().await.problem(401, "TOKEN_INVALID");
        app.delete(&by_admin).root().send().await.problem(404, "INSTALL_NOT_FOUND");
    }

    async fn a_locked_device_gives_its_password_in_percent_encoded_utf8(app: TestApp) {
        let (device, id) = locked_device(&app).await;
        let path = format!("/apps/tokens/{id}");
        let call = || app.delete(&path).header("x-device-uuid", &encoded(&device.uuid));
        call().send().await.problem(401, "DEVICE_PASSWORD_REQUIRED");
        call().header("x-device-password", "wrong").send().await.problem(401, "DEVICE_PASSWORD_INVALID");
        call().header("x-device-password", "%E5%AF").send().await.problem(400, "MALFORMED_REQUEST");
        app.delete(&path).header("x-device-uuid", "%E5%AF").send().await.problem(400, "MALFORMED_REQUEST");
        let twice = encoded(&encoded("密码 100%"));
        call().header("x-device-password", &twice).send().await.problem(401, "DEVICE_PASSWORD_INVALID");
        let list = app.get(&format!("/apps/{}/installations", device.app_id)).header("x-device-uuid", &encoded(&device.uuid));
        let list = list.header("x-device-password", &encoded("密码 100%")).send().await.expect(200);
        assert_eq!(list["total"], 1);
        assert_eq!(call().header("x-device-password", &encoded("密码 100%")).send().await.status, 204);
        app.get("/kv").token(&device.token).send().await.problem(401, "TOKEN_INVALID");
    }

    async fn another_devices_install_is_unknown_whatever_the_password(app: TestApp) {
        let (locked, _) = locked_device(&app).await;
        let device = app.new_device().await;
        let path = format!("/apps/tokens/{}", install_id(&app, &device.token).await);
        let call = || app.delete(&path).header("x-device-uuid", &encoded(&locked.uuid));
        call().send().await.problem(404, "INSTALL_NOT_FOUND");
        call().header("x-device-password", &encoded("密码 100%")).send().await.problem(404, "INSTALL_NOT_FOUND");
        app.get("/kv").token(&device.token).send().await.expect(200);
    }

    async fn a_secret_without_the_scope_manages_nothing(app: TestApp) {
        let device = app.new_device().await;
        let body = json!({"name": "gateway", "scopes": ["keys:verify"]});
        let secret = app.post("/public-api/secrets", &body).root().send().await.expect(201)["secret"].as_str().unwrap().to_owned();
        let id = install_id(&app, &device.token).await;
        for call in [app.delete(&format!("/apps/tokens/{id}")), app.get(&format!("/apps/{}/installations", device.app_id)),
            app.get("/public-api/devices"), app.delete(&format!("/devices/{}", device.uuid))] {
            call.header("x-api-secret", &secret).send().await.problem(403, "SCOPE_MISSING");
        }
        app.get("/kv").token(&device.token).send().await.expect(200);
    }
}
