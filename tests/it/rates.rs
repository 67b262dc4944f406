//! Calls a minute: by token and kind of call, by address; and whose address it is.

use latchkey::config::Config;
use serde_json::{Value, json};

use crate::kit::{Answer, Device, TestApp};

/// Small limits, behind a proxy on this machine and one in front of it.
fn small(config: &mut Config) {
    (config.kv.rate_read, config.kv.rate_write, config.kv.rate_delete) = (3, 2, 1);
    (config.kv.rate_batch, config.kv.rate_address) = (1, 4);
    config.server.trusted_proxies = vec!["127.0.0.1".parse().unwrap(), "10.0.0.0/8".parse().unwrap()];
}

fn direct(config: &mut Config) {
    config.kv.rate_address = 4;
    config.server.trusted_proxies = Vec::new();
}

/// The headers of a limited call.
#[track_caller]
fn quota(answer: &Answer, limit: u32, remaining: u32, reset: u32) {
    let told = format!("limit={limit}, remaining={remaining}, reset={reset}");
    assert_eq!(answer.header("ratelimit"), Some(told.as_str()), "{}", answer.text());
    assert_eq!(answer.header("ratelimit-policy"), Some(format!("{limit};w=60").as_str()));
}

async fn refused(answer: Answer, limit: u32, seconds: u32) {
    let problem = answer.problem(429, "TOO_MANY_REQUESTS");
    assert_eq!(problem["message"], problem["detail"]);
    assert_eq!(answer.header("retry-after"), Some(seconds.to_string().as_str()));
    quota(&answer, limit, 0, seconds);
}

async fn creator(app: &TestApp, device: &Device, key: &str) -> (Value, Value) {
    let known = app.get(&format!("/kv/{key}/metadata")).token(&device.token).send().await.expect(200);
    (known["metadata"]["creatorIp"].clone(), known["metadata"]["updaterIp"].clone())
}

on_both_with! { small;
    async fn each_kind_of_call_has_a_budget_of_its_own(app: TestApp) {
        let device = app.new_device().await;
        let call = |method: &str, path: &str| app.call(method, path).token(&device.token);
        let read = call("GET", "/kv/k").send().await;
        read.problem(404, "KEY_NOT_FOUND");
        quota(&read, 3, 2, 60);
        let written = call("POST", "/kv/k").text("1").send().await;
        written.expect(200);
        quota(&written, 2, 1, 60);
        app.clock.advance_millis(20_500);
        let bad = call("PUT", "/kv/k").text("{").send().await;
        bad.problem(400, "MALFORMED_REQUEST");
        quota(&bad, 2, 0, 40);
        refused(call("PUT", "/kv/k").text("2").send().await, 2, 40).await;
        let deleted = call("DELETE", "/kv/k").send().await;
        assert_eq!(deleted.status, 204);
        quota(&deleted, 1, 0, 60);
        refused(call("DELETE", "/kv/k").send().await, 1, 60).await;
        let batch = call("POST", "/kv/_batchimport").text(r#"{"k":1}"#).send().await;
        batch.expect(200);
        quota(&batch, 1, 0, 60);
        refused(call("POST", "/kv/_batch").text(r#"{"ops":[]}"#).send().await, 1, 60).await;
        quota(&call("GET", "/kv").send().await, 3, 1, 40);
        quota(&call("GET", "/kv/k/metadata").send().await, 3, 0, 40);
        for path in ["/kv/k", "/kv", "/kv/_keys", "/kv/_info", "/kv/_token", "/kv/_changes", "/kv/k/metadata"] {
            refused(call("GET", path).send().await, 3, 40).await;
        }
        app.clock.advance_millis(39_499);
        refused(call("GET", "/kv/k").send().await, 3, 1).await;
        app.clock.advance_millis(1);
        quota(&call("GET", "/kv/k").send().await, 3, 2, 60);
    }

    async fn each_token_has_a_budget_of_its_own(app: TestApp) {
        let device = app.new_device().await;
        let second = app.authorize(device.app_id, &device.uuid).await;
        for remaining in [2, 1, 0] {
            quota(&app.get(&format!("/kv?token={}", device.token)).send().await, 3, remaining, 60);
        }
        refused(app.get("/kv").token(&device.token).send().await, 3, 60).await;
        quota(&app.get("/kv").token(&second).send().await, 3, 2, 60);
        app.get("/kv").token("unknown").send().await.problem(401, "TOKEN_INVALID");
    }

    async fn each_address_has_a_budget_for_what_costs_a_password_check(app: TestApp) {
        let id = app.new_app().await;
        let from = |address: &str, call: crate::kit::Call| call.header("x-forwarded-for", address);
        let authorize = || app.post(&format!("/apps/{id}/authorize"), &json!({"deviceUuid": "d"}));
        let first = from("192.0.2.1", authorize()).send().await;
        first.expect(200);
        quota(&first, 4, 3, 60);
        let made = from("192.0.2.1", app.post("/devices", &json!({"uuid": "e"}))).send().await;
        made.expect(201);
        quota(&made, 4, 2, 60);
        let verify = app.post("/devices/e/password/verify", &json!({"password": "x"}));
        quota(&from("192.0.2.1", verify).send().await, 4, 1, 60);
        let unknown = from("192.0.2.1", app.post("/apps/4711/authorize", &json!({"deviceUuid": "d"}))).send().await;
        unknown.problem(404, "APP_NOT_FOUND");
        quota(&unknown, 4, 0, 60);
        refused(from("192.0.2.1", authorize()).send().await, 4, 60).await;
        refused(from("192.0.2.1", app.post("/devices", &json!({"uuid": "f"}))).send().await, 4, 60).await;
        app.get("/devices/f").send().await.problem(404, "DEVICE_NOT_FOUND");
        quota(&from("192.0.2.2", authorize()).send().await, 4, 3, 60);
        for (nth, host) in ["1", "2:3", "ffff::", "4"].into_iter().enumerate() {
            let address = if host.ends_with("::") { "2001:db8::ffff:0:0:1".to_owned() } else { format!("2001:db8::{host}") };
            quota(&from(&address, authorize()).send().await, 4, 3 - u32::try_from(nth).unwrap(), 60);
        }
        refused(from("2001:db8::5", authorize()).send().await, 4, 60).await;
        quota(&from("2001:db8:0:1::5", authorize()).send().await, 4, 3, 60);
        app.clock.advance_millis(60_000);
        quota(&from("192.0.2.1", authorize()).send().await, 4, 3, 60);
    }

    async fn every_call_that_checks_a_password_counts_for_its_address(app: TestApp) {
        let device = app.new_device().await;
        let set = json!({"newPassword": "correct horse"});
        app.put(&format!("/devices/{}/password", device.uuid), &set).token(&device.token).send().await.expect(200);
        let id = app.get("/kv/_token").token(&device.token).send().await.expect(200)["id"].clone();
        let calls = [
            ("GET", format!("/apps/{}/installations", device.app_id), None),
            ("GET", format!("/apps/devices/{}/tokens", device.uuid), None),
            ("PUT", format!("/apps/tokens/{id}/note"), Some(json!({"note": "n"}))),
            ("PUT", format!("/devices/{}/name", device.uuid), Some(json!({"name": "n"}))),
            ("PUT", format!("/devices/{}/password", device.uuid), Some(set)),
            ("DELETE", format!("/devices/{}/password", device.uuid), None),
            ("DELETE", format!("/apps/tokens/{id}"), None),
            ("DELETE", format!("/devices/{}", device.uuid), None),
        ];
        for (nth, (method, path, body)) in calls.iter().enumerate() {
            let address = format!("198.51.100.{nth}");
            let call = |method: &str, path: &str| app.call(method, path).header("x-forwarded-for", &address);
            for _ in 0..4 {
                call("POST", &format!("/devices/{}/password/verify", device.uuid)).json(&json!({"password": "correct horse"})).send().await.expect(200);
            }
            let call = call(method, path).header("x-device-uuid", &device.uuid).header("x-device-password", "correct%20horse");
            let call = if let Some(body) = body { call.json(body) } else { call };
            let answer = call.send().await;
            assert_eq!(answer.status, 429, "{method} {path}: {}", answer.text());
            refused(answer, 4, 60).await;
        }
    }

    async fn who_checked_a_password_is_told_what_is_left(app: TestApp) {
        let device = app.new_device().await;
        app.put(&format!("/public-api/devices/{}/password", device.uuid), &json!({"password": "correct horse"})).root().send().await;
        let id = app.get("/kv/_token").token(&device.token).send().await.expect(200)["id"].to_string();
        let list = format!("/apps/devices/{}/tokens", device.uuid);
        let note = (format!("/apps/tokens/{id}/note"), json!({"note": "n"}));
        let installs = format!("/apps/{}/installations", device.app_id);
        let calls = [app.get(&list), app.put(&note.0, &note.1), app.get(&installs), app.delete(&format!("/apps/tokens/{id}"))];
        for call in calls {
            let answer = call
                .header("x-device-uuid", &device.uuid)
                .header("x-device-password", "correct%20horse")
                .header("x-forwarded-for", "192.0.2.77")
                .send()
                .await;
            assert!(answer.status < 300, "{}", answer.text());
            assert!(answer.header("ratelimit").is_some() && answer.header("ratelimit-policy").is_some());
        }
    }

    async fn settings_change_limits_at_once_and_are_on_record(app: TestApp) {
        let device = app.new_device().await;
        let set = |patch: Value| app.patch("/public-api/settings", &patch).root().send();
        let read = || app.get("/kv").token(&device.token).send();
        quota(&read().await, 3, 2, 60);
        set(json!({"kv.rate_read": 5})).await.expect(200);
        quota(&read().await, 5, 3, 60);
        set(json!({"kv.rate_read": 0})).await.expect(200);
        for _ in 0..10 {
            let unlimited = read().await;
            unlimited.expect(200);
            assert_eq!((unlimited.header("ratelimit"), unlimited.header("ratelimit-policy")), (None, None));
        }
        let back = set(json!({"kv.rate_read": null, "kv.rate_address": 1000})).await.expect(200);
        let row = |name: &str| back["settings"].as_array().unwrap().iter().find(|row| row["name"] == name).unwrap().clone();
        assert_eq!((&row("kv.rate_read")["value"], &row("kv.rate_read")["source"]), (&json!(3), &json!("configuration")));
        assert_eq!((&row("kv.rate_address")["value"], &row("kv.rate_address")["default"]), (&json!(1000), &json!(4)));
        quota(&read().await, 3, 0, 60);
        let bad = set(json!({"kv.rate_read": -1, "kv.rate_wirte": 1, "kv.rate_write": "2"})).await;
        let problem = bad.problem(422, "INVALID_REQUEST");
        let codes: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|error| error["code"].clone()).collect();
        assert_eq!(codes, ["range", "unknown_field", "type"]);
        let audit = app.get("/public-api/audit?entity=setting").root().send().await.expect(200);
        let events: Vec<_> = audit["items"].as_array().unwrap().iter().rev()
            .map(|event| (event["entity_id"].clone(), event["changes"]["value"].clone())).collect();
        assert_eq!(events, [
            (json!("kv.rate_read"), json!({"old": null, "new": 5})),
            (json!("kv.rate_read"), json!({"old": 5, "new": 0})),
            (json!("kv.rate_address"), json!({"old": null, "new": 1000})),
            (json!("kv.rate_read"), json!({"old": 0, "new": null})),
        ]);
    }

    async fn behind_trusted_proxies_the_last_foreign_address_counts(app: TestApp) {
        let device = app.new_device().await;
        let write = |key: &str, forwarded: &str| {
            app.call("PUT", &format!("/kv/{key}")).token(&device.token).text("1").header("x-forwarded-for", forwarded).send()
        };
        for (forwarded, client) in [
            ("192.0.2.7", "192.0.2.7"),
            ("6.6.6.6, 192.0.2.7", "192.0.2.7"),
            ("6.6.6.6, 192.0.2.7, 10.1.2.3", "192.0.2.7"),
            ("10.9.9.9, 10.1.2.3", "10.9.9.9"),
            ("nonsense, 10.1.2.3", "10.1.2.3"),
            ("6.6.6.6, unknown", "127.0.0.1"),
            ("192.0.2.7:4711", "192.0.2.7"),
            ("[2001:db8::7]:4711", "2001:db8::7"),
            ("::ffff:192.0.2.8", "192.0.2.8"),
            ("", "127.0.0.1"),
        ] {
            app.clock.advance_millis(60_000);
            write("k", forwarded).await.expect(200);
            assert_eq!(creator(&app, &device, "k").await.1, client, "{forwarded}");
        }
        app.clock.advance_millis(60_000);
        assert_eq!(creator(&app, &device, "k").await.0, "192.0.2.7", "the first writer's stays");
        app.delete("/kv/k").token(&device.token).send().await;
        write("k", "192.0.2.9").await.expect(200);
        assert_eq!(creator(&app, &device, "k").await, (json!("192.0.2.9"), json!("192.0.2.9")));
    }
}

on_both_with! { direct;
    async fn without_trusted_proxies_nobody_chooses_an_address(app: TestApp) {
        let device = app.new_device().await;
        let call = app.call("PUT", "/kv/k").token(&device.token).text("1").header("x-forwarded-for", "192.0.2.7");
        call.header("forwarded", "for=192.0.2.7").header("x-real-ip", "192.0.2.7").send().await.expect(200);
        assert_eq!(creator(&app, &device, "k").await, (json!("127.0.0.1"), json!("127.0.0.1")));
        for nth in 0..3 {
            let call = app.post(&format!("/apps/{}/authorize", device.app_id), &json!({"deviceUuid": "d"}));
            call.header("x-forwarded-for", &format!("192.0.2.{nth}")).send().await.expect(200);
        }
        let call = app.post(&format!("/apps/{}/authorize", device.app_id), &json!({"deviceUuid": "d"}));
        refused(call.header("x-forwarded-for", "192.0.2.99").send().await, 4, 60).await;
    }
}

on_both! {
    async fn a_limit_of_zero_is_none(app: TestApp) {
        let device = app.new_device().await;
        for call in [app.get("/kv"), app.put("/kv/k", &json!(1)), app.delete("/kv/k"), app.post("/kv/_batchimport", &json!({"k": 1}))] {
            let answer = call.token(&device.token).send().await;
            assert!(answer.status < 300);
            assert_eq!((answer.header("ratelimit"), answer.header("ratelimit-policy")), (None, None));
        }
    }
}
