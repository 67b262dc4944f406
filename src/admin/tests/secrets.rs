use entity::api_secret;
use sea_orm::EntityTrait;

use super::*;
use crate::base::scratch::on_each;

fn new_secret(name: &str, scopes: &[&str]) -> TestRequest {
    root(post("/public-api/secrets", json!({ "name": name, "scopes": scopes })))
}

fn with(secret: &str, request: TestRequest) -> TestRequest {
    request.insert_header(("x-api-secret", secret.to_owned()))
}

fn patch(path: &str, body: Value) -> TestRequest {
    root(from(1, TestRequest::patch().uri(path))).set_json(body)
}

fn delete(path: &str) -> TestRequest {
    root(from(1, TestRequest::delete().uri(path)))
}

#[actix_web::test]
async fn the_root_secret_may_do_everything_and_others_nothing() {
    on_each(async |state| {
        let app = app(&state).await;
        let who = send(&app, root(get("/verify"))).await.expect(200);
        assert_eq!(who.body, json!({ "name": "root", "kind": "root", "caller": "root" }));
        for wrong in ["", "x", "ROOT-secret-of-the-tests-0123456789"] {
            let refused = send(&app, with(wrong, get("/verify"))).await.problem(401, "UNAUTHENTICATED");
            assert_eq!(refused.header("www-authenticate"), Some("Bearer realm=\"latchkey\""));
        }
        send(&app, get("/verify")).await.problem(401, "UNAUTHENTICATED");
        send(&app, bearer("a.b.c", get("/verify"))).await.problem(401, "UNAUTHENTICATED");
        send(&app, bearer("abc", get("/verify"))).await.problem(401, "UNAUTHENTICATED");
    })
    .await;
}

#[actix_web::test]
async fn a_secret_is_shown_once_and_only_its_hash_is_kept() {
    on_each(async |state| {
        let app = app(&state).await;
        let made =
            send(&app, new_secret("  gateway ", &["usage:write", "keys:verify", "usage:write"])).await.expect(201);
        let (location, secret) = (made.header("location").unwrap().to_owned(), made.text("secret"));
        assert_eq!(made.text("name"), "gateway");
        assert_eq!(made.body["scopes"], json!(["keys:verify", "usage:write"]));
        let read = send(&app, root(get(&location))).await.expect(200);
        assert_eq!(read.body.get("secret"), None);
        assert!(secret.ends_with(&read.text("last4")));
        let row = api_secret::Entity::find().one(state.db.orm()).await.unwrap().unwrap();
        assert!(!format!("{row:?}").contains(&secret));
        let list = send(&app, root(get("/public-api/secrets"))).await.expect(200);
        assert_eq!(list.body, json!({ "items": [read.body], "next_cursor": null, "total": 1 }));
    })
    .await;
}

#[actix_web::test]
async fn outside_its_scopes_a_secret_is_refused_by_name_of_the_scope() {
    on_each(async |state| {
        let app = app(&state).await;
        let verifier = send(&app, new_secret("verifier", &["keys:verify"])).await.expect(201);
        let (secret, id) = (verifier.text("secret"), &verifier.body["id"]);
        let who = send(&app, with(&secret, get("/verify"))).await.expect(200);
        let expected = json!({ "name": "secret:verifier", "kind": "secret", "caller": format!("secret:{id}") });
        assert_eq!(who.body, expected);
        let refused = send(&app, with(&secret, get("/public-api/secrets"))).await.problem(403, "SCOPE_MISSING");
        assert_eq!(refused.text("scope"), "admin");
        let refused = send(&app, with(&secret, get("/maybe"))).await.problem(403, "SCOPE_MISSING");
        assert_eq!(refused.text("scope"), "apps:write");
        let admin = send(&app, new_secret("all", &["admin"])).await.expect(201).text("secret");
        for path in ["/verify", "/public-api/secrets", "/public-api/audit", "/maybe"] {
            send(&app, with(&admin, get(path))).await.expect(200);
        }
    })
    .await;
}

#[actix_web::test]
async fn expired_and_revoked_secrets_are_refused() {
    on_each(async |state| {
        let app = app(&state).await;
        let body = json!({ "name": "short", "scopes": ["keys:verify"], "expires_at": "2026-11-21T12:32:00+08:00" });
        let short = send(&app, root(post("/public-api/secrets", body))).await.expect(201).text("secret");
        let made = send(&app, new_secret("long", &["keys:verify"])).await.expect(201);
        let (long, location) = (made.text("secret"), made.header("location").unwrap().to_owned());
        state.clock.advance_millis(59_999);
        send(&app, with(&short, get("/verify"))).await.expect(200);
        state.clock.advance_millis(1);
        send(&app, with(&short, get("/verify"))).await.problem(401, "UNAUTHENTICATED");
        send(&app, with(&long, get("/verify"))).await.expect(200);
        send(&app, delete(&location)).await.expect(204);
        send(&app, with(&long, get("/verify"))).await.problem(401, "UNAUTHENTICATED");
        send(&app, delete(&location)).await.problem(404, "NOT_FOUND");
        send(&app, root(get(&location))).await.problem(404, "NOT_FOUND");
        send(&app, patch(&location, json!({ "name": "back" }))).await.problem(404, "NOT_FOUND");
    })
    .await;
}

#[actix_web::test]
async fn names_are_unique_until_they_are_revoked() {
    on_each(async |state| {
        let app = app(&state).await;
        let first = send(&app, new_secret("gateway", &["admin"])).await.expect(201);
        send(&app, new_secret("gateway", &["admin"])).await.problem(409, "SECRET_NAME_TAKEN");
        let other = send(&app, new_secret("other", &["admin"])).await.expect(201);
        let path = other.header("location").unwrap();
        send(&app, patch(path, json!({ "name": "gateway" }))).await.problem(409, "SECRET_NAME_TAKEN");
        for location in [first.header("location").unwrap(), path] {
            send(&app, delete(location)).await.expect(204);
        }
        let again = send(&app, new_secret("gateway", &["admin"])).await.expect(201);
        send(&app, delete(again.header("location").unwrap())).await.expect(204);
        let list = send(&app, root(get("/public-api/secrets"))).await.expect(200);
        assert_eq!(list.body["total"], 0);
        let list = send(&app, root(get("/public-api/secrets?revoked=true"))).await.expect(200);
        let names: Vec<_> = list.body["items"].as_array().unwrap().iter().map(|item| item["name"].clone()).collect();
        assert_eq!(names, ["gateway", "other", "gateway"]);
        assert_eq!(list.body["items"][0]["revoked_at"], "2026-11-21T04:31:00.000Z");
    })
    .await;
}

#[actix_web::test]
async fn a_patch_changes_what_it_names_and_clears_only_the_end() {
    on_each(async |state| {
        let app = app(&state).await;
        let body = json!({ "name": "a", "scopes": ["admin"], "expires_at": "2027-01-01T00:00:00Z" });
        let made = send(&app, root(post("/public-api/secrets", body))).await.expect(201);
        let path = made.header("location").unwrap().to_owned();
        state.clock.advance_millis(1000);
        let same = send(&app, patch(&path, json!({}))).await.expect(200);
        assert_eq!(same.text("updated_at"), "2026-11-21T04:31:00.000Z");
        let renamed = send(&app, patch(&path, json!({ "name": " b " }))).await.expect(200);
        assert_eq!((renamed.text("name"), renamed.text("expires_at")), ("b".into(), "2027-01-01T00:00:00.000Z".into()));
        assert_eq!(renamed.text("updated_at"), "2026-11-21T04:31:01.000Z");
        let changed = json!({ "scopes": ["keys:read"], "expires_at": null });
        let changed = send(&app, patch(&path, changed)).await.expect(200);
        assert_eq!(changed.body["expires_at"], Value::Null);
        assert_eq!(changed.body["scopes"], json!(["keys:read"]));
        let read = send(&app, root(get(&path))).await.expect(200);
        assert_eq!(read.body, changed.body);
        for (body, field) in [
            (json!({ "name": null }), "name"),
            (json!({ "name": " " }), "name"),
            (json!({ "name": "a\u{0}" }), "name"),
            (json!({ "scopes": null }), "scopes"),
            (json!({ "scopes": [] }), "scopes"),
            (json!({ "scopes": ["keys:paint"] }), "scopes[0]"),
            (json!({ "expires_at": "2026-11-21T04:31:01.000Z" }), "expires_at"),
            (json!({ "expires_at": "tomorrow" }), "expires_at"),
            (json!({ "secret": "x" }), "secret"),
        ] {
            let refused = send(&app, patch(&path, body.clone())).await.problem(422, "INVALID_REQUEST");
            assert_eq!(refused.body["errors"][0]["field"], field, "{body} {}", refused.body);
        }
    })
    .await;
}

#[actix_web::test]
async fn a_new_secret_needs_a_name_scopes_and_an_end_to_come() {
    on_each(async |state| {
        let app = app(&state).await;
        for (body, field) in [
            (json!({ "scopes": ["admin"] }), "name"),
            (json!({ "name": " ", "scopes": ["admin"] }), "name"),
            (json!({ "name": "x".repeat(65), "scopes": ["admin"] }), "name"),
            (json!({ "name": "a", "scopes": [] }), "scopes"),
            (json!({ "name": "a", "scopes": ["admin"], "expires_at": "2026-11-21T04:31:00Z" }), "expires_at"),
            (json!({ "name": "a", "scopes": ["admin"], "expire_at": null }), "expire_at"),
        ] {
            let refused = send(&app, root(post("/public-api/secrets", body.clone()))).await;
            let refused = refused.problem(422, "INVALID_REQUEST");
            assert_eq!(refused.body["errors"][0]["field"], field, "{body} {}", refused.body);
        }
    })
    .await;
}

#[actix_web::test]
async fn the_21st_wrong_secret_of_a_minute_is_429_and_a_right_one_always_passes() {
    on_each(async |state| {
        let app = app(&state).await;
        for _ in 0..20 {
            send(&app, with("wrong", get("/verify"))).await.problem(401, "UNAUTHENTICATED");
        }
        let refused = send(&app, with("wrong", get("/verify"))).await.problem(429, "TOO_MANY_REQUESTS");
        assert_eq!(refused.header("retry-after"), Some("60"));
        send(&app, from(2, with("wrong", get("/verify")))).await.problem(401, "UNAUTHENTICATED");
        let scoped = send(&app, new_secret("gateway", &["keys:verify"])).await.expect(201).text("secret");
        send(&app, with(&scoped, get("/verify"))).await.expect(200);
    })
    .await;
}

#[actix_web::test]
async fn the_last_use_is_recorded_to_the_minute() {
    on_each(async |state| {
        let app = app(&state).await;
        let made = send(&app, new_secret("gateway", &["keys:verify"])).await.expect(201);
        let (secret, path) = (made.text("secret"), made.header("location").unwrap().to_owned());
        for expected in ["2026-11-21T04:31:00.000Z", "2026-11-21T04:32:00.000Z"] {
            state.clock.advance_millis(59_000);
            send(&app, with(&secret, get("/verify"))).await.expect(200);
            // Recorded in the background: what is waited for is the record itself.
            while send(&app, root(get(&path))).await.body["last_used_at"] != expected {
                tokio::task::yield_now().await;
            }
        }
    })
    .await;
}

#[actix_web::test]
async fn who_does_not_claim_to_be_an_admin_is_left_to_other_credentials() {
    on_each(async |state| {
        seed(&state).await;
        let app = app(&state).await;
        let nobody = json!({ "name": null });
        assert_eq!(send(&app, get("/maybe")).await.expect(200).body, nobody);
        assert_eq!(send(&app, bearer("0123abcd", get("/maybe"))).await.expect(200).body, nobody);
        assert_eq!(send(&app, root(get("/maybe"))).await.expect(200).body["name"], "root");
        let token = send(&app, login("admin", PASSWORD)).await.text("token");
        assert_eq!(send(&app, bearer(&token, get("/maybe"))).await.expect(200).body["name"], "admin:admin");
        send(&app, bearer("a.b.c", get("/maybe"))).await.problem(401, "UNAUTHENTICATED");
        send(&app, with("wrong", bearer(&token, get("/maybe")))).await.problem(401, "UNAUTHENTICATED");
    })
    .await;
}

#[actix_web::test]
async fn ids_that_cannot_be_are_400_and_unknown_ones_404() {
    on_each(async |state| {
        let app = app(&state).await;
        send(&app, root(get("/public-api/secrets/x"))).await.problem(400, "MALFORMED_REQUEST");
        send(&app, root(get("/public-api/secrets/9"))).await.problem(404, "NOT_FOUND");
        send(&app, delete("/public-api/secrets/9")).await.problem(404, "NOT_FOUND");
    })
    .await;
}
