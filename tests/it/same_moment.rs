//! Two changes at the same moment, each decided on what the other one changes: one of them is told to decide anew.

use serde_json::json;

use crate::kit::{Call, Device, TestApp, eventually};

const PASSWORD: &str = "the password of the device";

/// Sends a change of the device's password, and the other call while the new one is being hashed, until that call is
/// a 409: it proved itself with a password that was replaced before it could write.
async fn collides(app: &TestApp, what: &str, call: impl Fn(&Device, &str) -> Call, fine: &[u16]) {
    eventually(what, async || {
        let device = app.new_device().await;
        let path = format!("/devices/{}/password", device.uuid);
        app.put(&path, &json!({"newPassword": PASSWORD})).token(&device.token).send().await.expect(200);
        let change = app.put(&path, &json!({"currentPassword": PASSWORD, "newPassword": "another one"})).send();
        let other = async {
            // Takes as long as the first half of the change, which looks at the present password too.
            app.post(&format!("{path}/verify"), &json!({"password": PASSWORD})).send().await.expect(200);
            call(&device, PASSWORD).send().await
        };
        let (changed, other) = futures_util::future::join(change, other).await;
        assert!(matches!(changed.status, 200 | 401 | 404 | 409), "{}", changed.text());
        assert!(fine.contains(&other.status) || matches!(other.status, 401 | 404 | 409), "{what}: {}", other.text());
        other.status == 409
    })
    .await;
}

on_both! {
    async fn what_was_proved_with_a_password_that_is_none_any_more_is_409(app: TestApp) {
        let path = |device: &Device| format!("/devices/{}", device.uuid);
        collides(&app, "renaming", |device, password| {
            app.put(&format!("{}/name", path(device)), &json!({"name": "n"})).header("x-device-password", &password.replace(' ', "%20"))
        }, &[200]).await;
        collides(&app, "changing the password", |device, password| {
            app.put(&format!("{}/password", path(device)), &json!({"currentPassword": password, "newPassword": "a third one"}))
        }, &[200]).await;
        collides(&app, "taking the password away", |device, password| {
            app.call("DELETE", &format!("{}/password", path(device))).json(&json!({"password": password}))
        }, &[204]).await;
        collides(&app, "letting an app in", |device, password| {
            app.post(&format!("/apps/{}/authorize", device.app_id), &json!({"deviceUuid": device.uuid, "password": password}))
        }, &[200]).await;
        collides(&app, "deleting the device", |device, password| {
            app.delete(&path(device)).header("x-device-password", &password.replace(' ', "%20"))
        }, &[204]).await;
    }

    async fn of_two_changes_of_an_admin_s_password_one_counts(app: TestApp) {
        let mut current = TestApp::PASSWORD.to_owned();
        let mut nth = 0;
        eventually("both have looked at the same password", async || {
            let login = json!({"username": "admin", "password": current});
            let token = app.post("/auth/login", &login).send().await.expect(200)["token"].as_str().unwrap().to_owned();
            let new = [format!("new password number {nth}"), format!("other password number {nth}")];
            nth += 1;
            let change = |new: &str| {
                app.post("/auth/password", &json!({"current_password": current, "new_password": new})).token(&token).send()
            };
            let (one, other) = futures_util::future::join(change(&new[0]), change(&new[1])).await;
            assert_eq!([one.status, other.status].iter().filter(|status| **status == 204).count(), 1, "{one:?} {other:?}");
            let [first, second] = new;
            current = if one.status == 204 { first } else { second };
            [one.status, other.status].contains(&409)
        }).await;
        app.post("/auth/login", &json!({"username": "admin", "password": current})).send().await.expect(200);
    }
}
