//! Scoped secrets and the root secret: who may do what.

use aws_lc_rs::digest::{SHA256, digest};
use entity::api_secret;
use sea_orm::EntityTrait;
use serde_json::{Value, json};

use crate::kit::{Answer, TestApp, documented, eventually};

const MINUTE: i64 = 60_000;

async fn apps(app: &TestApp, secret: &str) -> Answer {
    app.get("/public-api/apps").secret(secret).send().await
}

/// Every documented operation of admins: method and a path that can be.
fn admin_operations() -> Vec<(String, String, Value)> {
    let every = documented().into_iter().filter(|(_, path, operation)| {
        path.starts_with("/public-api/") && operation["security"].to_string().contains("ApiSecret")
    });
    let concrete = |path: &str| {
        path.replace("{id}", "1").replace("{name}", "purge").replace("{uuid}", "some-device").replace("{key}", "k")
    };
    every.map(|(method, path, operation)| (method, concrete(&path), operation)).collect()
}

fn call(app: &TestApp, method: &str, path: &str, operation: &Value) -> crate::kit::Call {
    let call = app.call(method, path);
    match operation["requestBody"].is_object() {
        true => call.json(&json!({})),
        false => call,
    }
}

/// The scope of an operation.
fn needed(method: &str, path: &str) -> &'static str {
    let last = path.rsplit('/').next().unwrap_or_default();
    match path.split('/').nth(2).unwrap_or_default() {
        "apps" | "devices" => "apps:write",
        "providers" if method == "GET" => "tokens:read",
        "providers" => "tokens:write",
        "refresh" => "tokens:refresh",
        "get-at" => "tokens:read",
        "tokens" if ["export", "reveal"].contains(&last) => "tokens:reveal",
        "tokens" if ["batch-refresh", "refresh"].contains(&last) => "tokens:refresh",
        "tokens" if method == "GET" => "tokens:read",
        "tokens" => "tokens:write",
        _ => "admin",
    }
}

on_both! {
    async fn a_secret_is_shown_once_and_only_its_hash_is_kept(app: TestApp) {
        let body = json!({"name": " gateway ", "scopes": ["keys:verify", "usage:write"]});
        let answer = app.post("/public-api/secrets", &body).root().send().await;
        let made = answer.expect(201);
        let (id, secret) = (made["id"].as_i64().unwrap(), made["secret"].as_str().unwrap().to_owned());
        assert_eq!(answer.header("location"), Some(format!("/public-api/secrets/{id}").as_str()));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!((&made["name"], &made["last4"]), (&json!("gateway"), &json!(secret[secret.len() - 4..])));
        assert!(secret.len() >= 32);
        for path in [format!("/public-api/secrets/{id}"), "/public-api/secrets".to_owned(), "/public-api/audit".to_owned()] {
            assert!(!app.get(&path).root().send().await.text().contains(&secret), "{path}");
        }
        let database = app.database.connect().await;
        let rows = api_secret::Entity::find().all(&database).await.unwrap();
        assert_eq!(rows.len(), 1);
        assert!(!format!("{rows:?}").contains(&secret));
        let hash: String = digest(&SHA256, secret.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(rows[0].secret_hash, hash);
        database.close().await.unwrap();
    }

    async fn every_operation_of_admins_asks_who_it_is(app: TestApp) {
        let operations = admin_operations();
        assert!(operations.len() > 20);
        for (nth, (method, path, operation)) in operations.iter().enumerate() {
            let answer = call(&app, method, path, operation).send().await;
            answer.problem(401, "UNAUTHENTICATED");
            assert!(answer.header("www-authenticate").is_some(), "{method} {path}");
            let from = format!("192.0.2.{}", nth + 1);
            let wrong = call(&app, method, path, operation).secret("a wrong secret").from(&from).send().await;
            wrong.problem(401, "UNAUTHENTICATED");
            call(&app, method, path, operation).token("a.wrong.token").send().await.problem(401, "UNAUTHENTICATED");
        }
    }

    async fn outside_its_scopes_a_secret_is_refused_by_the_scope_s_name(app: TestApp) {
        let (_, secret) = app.new_secret("reader of usage", &["usage:read"]).await;
        for (method, path, operation) in admin_operations() {
            let answer = call(&app, &method, &path, &operation).secret(&secret).send().await;
            let problem = answer.problem(403, "SCOPE_MISSING");
            let needed = needed(&method, &path);
            assert_eq!(problem["scope"], needed, "{method} {path}");
            assert!(problem["detail"].as_str().unwrap().contains(needed));
        }
    }

    async fn a_scope_opens_what_it_names_and_admin_opens_all(app: TestApp) {
        let (id, apps_only) = app.new_secret("apps", &["apps:write"]).await;
        let (_, all) = app.new_secret("all", &["admin"]).await;
        apps(&app, &apps_only).await.expect(200);
        app.get("/public-api/secrets").secret(&apps_only).send().await.problem(403, "SCOPE_MISSING");
        apps(&app, &all).await.expect(200);
        app.get("/public-api/secrets").secret(&all).send().await.expect(200);
        app.get("/auth/me").secret(&all).send().await.problem(401, "UNAUTHENTICATED");
        let path = format!("/public-api/secrets/{id}");
        app.patch(&path, &json!({"scopes": ["usage:read"]})).root().send().await.expect(200);
        apps(&app, &apps_only).await.problem(403, "SCOPE_MISSING");
    }

    async fn a_secret_ends_at_its_time_and_goes_on_when_that_is_taken_away(app: TestApp) {
        let body = json!({"name": "s", "scopes": ["apps:write"], "expires_at": "2026-11-21T04:32:00Z"});
        let made = app.post("/public-api/secrets", &body).root().send().await.expect(201);
        assert_eq!(made["expires_at"], "2026-11-21T04:32:00.000Z");
        let secret = made["secret"].as_str().unwrap();
        app.clock.advance_millis(MINUTE - 1);
        apps(&app, secret).await.expect(200);
        app.clock.advance_millis(1);
        apps(&app, secret).await.problem(401, "UNAUTHENTICATED");
        let path = format!("/public-api/secrets/{}", made["id"]);
        app.patch(&path, &json!({"name": "t"})).root().send().await.expect(200);
        apps(&app, secret).await.problem(401, "UNAUTHENTICATED");
        let patched = app.patch(&path, &json!({"expires_at": null})).root().send().await.expect(200);
        assert_eq!((&patched["name"], &patched["expires_at"]), (&json!("t"), &Value::Null));
        apps(&app, secret).await.expect(200);
    }

    async fn a_revoked_secret_is_refused_by_the_next_request_and_frees_its_name(app: TestApp) {
        let (id, secret) = app.new_secret("gateway", &["apps:write"]).await;
        apps(&app, &secret).await.expect(200);
        let path = format!("/public-api/secrets/{id}");
        assert_eq!(app.delete(&path).root().send().await.status, 204);
        apps(&app, &secret).await.problem(401, "UNAUTHENTICATED");
        for call in [app.get(&path), app.delete(&path), app.patch(&path, &json!({"name": "x"}))] {
            call.root().send().await.problem(404, "NOT_FOUND");
        }
        assert_eq!(app.get("/public-api/secrets").root().send().await.expect(200)["items"], json!([]));
        let revoked = app.get("/public-api/secrets?revoked=true").root().send().await.expect(200);
        assert_eq!((&revoked["items"][0]["name"], &revoked["items"][0]["revoked_at"]), (&json!("gateway"), &json!("2026-11-21T04:31:00.000Z")));
        app.new_secret("gateway", &["apps:write"]).await;
        apps(&app, &secret).await.problem(401, "UNAUTHENTICATED");
    }

    async fn the_minute_of_the_last_use_is_recorded(app: TestApp) {
        let (id, secret) = app.new_secret("s", &["apps:write"]).await;
        let path = format!("/public-api/secrets/{id}");
        let last = async || app.get(&path).root().send().await.expect(200)["last_used_at"].clone();
        assert_eq!(last().await, Value::Null);
        for minute in ["2026-11-21T04:32:00.000Z", "2026-11-21T04:33:00.000Z"] {
            app.clock.advance_millis(MINUTE);
            apps(&app, &secret).await.expect(200);
            eventually("it is written, beside the request", async || last().await == minute).await;
        }
    }

    async fn bad_secrets_are_refused_with_every_field_that_is_wrong(app: TestApp) {
        app.new_secret("taken", &["apps:write"]).await;
        let (id, _) = app.new_secret("other", &["apps:write"]).await;
        let path = format!("/public-api/secrets/{id}");
        let long = "钥".repeat(65);
        for (change, field) in [
            (json!({"name": ""}), "name"), (json!({"name": long}), "name"), (json!({"name": "a\nb"}), "name"), (json!({"name": 1}), "name"),
            (json!({"scopes": []}), "scopes"), (json!({"scopes": ["everything"]}), "scopes[0]"), (json!({"scopes": "admin"}), "scopes"),
            (json!({"expires_at": "2026-11-21T04:31:00Z"}), "expires_at"), (json!({"expires_at": "tomorrow"}), "expires_at"),
            (json!({"scope": ["admin"]}), "scope"),
        ] {
            let mut whole = json!({"name": "new", "scopes": ["admin"]});
            whole.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            for call in [app.post("/public-api/secrets", &whole), app.patch(&path, &change)] {
                let problem = call.root().send().await.problem(422, "INVALID_REQUEST");
                assert_eq!(problem["errors"][0]["field"], field, "{change}");
            }
        }
        for field in ["name", "scopes"] {
            app.patch(&path, &json!({field: null})).root().send().await.problem(422, "INVALID_REQUEST");
        }
        let same = json!({"name": "taken", "scopes": ["admin"]});
        app.post("/public-api/secrets", &same).root().send().await.problem(409, "SECRET_NAME_TAKEN");
        app.patch(&path, &json!({"name": "taken"})).root().send().await.problem(409, "SECRET_NAME_TAKEN");
        for id in ["x", "0", "-1", "+1", "99999999999999999999"] {
            app.get(&format!("/public-api/secrets/{id}")).root().send().await.problem(400, "MALFORMED_REQUEST");
        }
        app.get("/public-api/secrets/99").root().send().await.problem(404, "NOT_FOUND");
    }

    async fn secrets_are_paged_in_the_order_they_were_made(app: TestApp) {
        for nth in 0..5 {
            app.new_secret(&format!("s{nth}"), &["usage:read"]).await;
        }
        let (mut names, mut path) = (Vec::new(), "/public-api/secrets?limit=2".to_owned());
        loop {
            let page = app.get(&path).root().send().await.expect(200);
            assert_eq!(page["total"], 5);
            names.extend(page["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()));
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            path = format!("/public-api/secrets?limit=2&cursor={cursor}");
        }
        assert_eq!(names, ["s0", "s1", "s2", "s3", "s4"]);
    }

    async fn the_right_secret_passes_however_many_wrong_ones_came(app: TestApp) {
        let (_, scoped) = app.new_secret("s", &["apps:write"]).await;
        for nth in 0..20 {
            apps(&app, &format!("wrong {nth}")).await.problem(401, "UNAUTHENTICATED");
        }
        app.clock.advance_millis(20_000);
        let refused = apps(&app, "wrong").await;
        refused.problem(429, "TOO_MANY_REQUESTS");
        assert_eq!(refused.header("retry-after"), Some("40"));
        apps(&app, TestApp::SECRET).await.expect(200);
        apps(&app, &scoped).await.expect(200);
        app.get("/public-api/apps").secret("wrong").from("192.0.2.1").send().await.problem(401, "UNAUTHENTICATED");
        app.clock.advance_millis(40_000);
        apps(&app, "wrong").await.problem(401, "UNAUTHENTICATED");
    }
}
