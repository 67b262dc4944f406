//! What ends when a token does: the next call, open event streams, waiting polls.

use std::time::Duration;

use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use crate::kit::{Answer, Call, Device, Events, TestApp};

/// A poll that waits, as the service knows, and whoever it is waiting for.
async fn waiting_poll(app: &TestApp, device: &Device) -> tokio::task::JoinHandle<Answer> {
    let call = app.get("/kv/_changes?wait=60").token(&device.token);
    let poll = tokio::task::spawn_local(call.send());
    while app.state.wakeups.devices().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await; // between two looks, not for a race
    }
    poll
}

/// Opens a stream and a poll, ends the token by `call`, and sees everything end.
async fn ends_by(app: &TestApp, device: &Device, call: Call) {
    app.set(device, "k", &json!(1)).await;
    let poll = waiting_poll(app, device).await;
    let mut events = Events::open(app.get("/kv/_changes").token(&device.token)).await;
    let ended = call.send().await;
    assert!(matches!(ended.status, 200 | 204), "{}", ended.text());
    app.get("/kv/k").token(&device.token).send().await.problem(401, "TOKEN_INVALID");
    app.post("/kv/k", &json!(2)).token(&device.token).send().await.problem(401, "TOKEN_INVALID");
    assert_eq!(events.next().await, None, "the stream ends");
    poll.await.unwrap().problem(401, "TOKEN_INVALID");
    let anew = app.get("/kv/_changes").token(&device.token).header("accept", "text/event-stream").send().await;
    anew.problem(401, "TOKEN_INVALID");
}

async fn id_of(app: &TestApp, device: &Device) -> Value {
    app.get("/kv/_token").token(&device.token).send().await.expect(200)["id"].clone()
}

on_both! {
    async fn a_token_that_revokes_itself_ends_its_streams(app: TestApp) {
        let device = app.new_device().await;
        ends_by(&app, &device, app.delete(&format!("/apps/tokens/{}", device.token))).await;
    }

    async fn a_token_revoked_by_its_owner_ends_its_streams(app: TestApp) {
        let device = app.new_device().await;
        let path = format!("/apps/tokens/{}", id_of(&app, &device).await);
        ends_by(&app, &device, app.delete(&path).header("x-device-uuid", &device.uuid)).await;
    }

    async fn a_deleted_app_ends_the_streams_of_its_tokens(app: TestApp) {
        let device = app.new_device().await;
        ends_by(&app, &device, app.delete(&format!("/public-api/apps/{}", device.app_id)).root()).await;
        let kept = app.get(&format!("/public-api/devices/{}/kv/k", device.uuid)).root().send().await;
        assert_eq!(kept.expect(200), json!(1), "the device and its keys stay");
    }

    async fn a_deleted_device_ends_the_streams_of_its_tokens(app: TestApp) {
        let device = app.new_device().await;
        ends_by(&app, &device, app.delete(&format!("/devices/{}", device.uuid)).token(&device.token)).await;
    }

    async fn a_device_deleted_by_an_admin_ends_the_streams_of_its_tokens(app: TestApp) {
        let device = app.new_device().await;
        ends_by(&app, &device, app.delete(&format!("/public-api/devices/{}", device.uuid)).root()).await;
    }

    async fn a_password_that_revokes_tokens_ends_their_streams(app: TestApp) {
        let device = app.new_device().await;
        let body = json!({"newPassword": "correct horse", "revokeTokens": true});
        let call = app.put(&format!("/devices/{}/password", device.uuid), &body).token(&device.token);
        ends_by(&app, &device, call).await;
    }

    async fn another_tokens_end_leaves_a_stream_alone(app: TestApp) {
        let device = app.new_device().await;
        let second = app.authorize(device.app_id, &device.uuid).await;
        let mut events = Events::open(app.get("/kv/_changes").token(&device.token)).await;
        assert_eq!(app.delete(&format!("/apps/tokens/{second}")).send().await.status, 204);
        app.set(&device, "k", &json!(1)).await;
        assert_eq!(events.data().await["key"], "k");
    }

    async fn a_token_revoked_by_another_process_ends_its_streams(app: TestApp) {
        let device = app.new_device().await;
        let poll = waiting_poll(&app, &device).await;
        let mut events = Events::open(app.get("/kv/_changes").token(&device.token)).await;
        let outside = app.database.connect().await;
        outside.execute_unprepared("DELETE FROM app_install").await.unwrap();
        outside.close().await.unwrap();
        assert_eq!(events.next().await, None, "the stream ends");
        poll.await.unwrap().problem(401, "TOKEN_INVALID");
        app.get("/kv/k").token(&device.token).send().await.problem(401, "TOKEN_INVALID");
    }
}
