//! The site key, and pages of other origins.

use latchkey::config::{Config, Secret};
use serde_json::json;

use crate::kit::{Answer, TestApp};

const KEY: &str = "key & more";
const ENCODED: &str = "key%20%26%20more";

fn guarded(config: &mut Config) {
    config.kv.site_key = Secret::new(KEY);
    config.kv.cors_origins = vec!["https://app.example".to_owned(), "https://b.example".to_owned()];
}

/// A token of a new device, got with the site key.
async fn token(app: &TestApp) -> String {
    let id = app.new_app().await;
    let call = app.post(&format!("/apps/{id}/authorize"), &json!({"deviceUuid": "d"})).header("x-site-key", KEY);
    call.send().await.expect(200)["token"].as_str().unwrap().to_owned()
}

fn names(answer: &Answer, header: &str) -> Vec<String> {
    answer.header(header).unwrap_or_default().split(", ").map(str::to_ascii_lowercase).collect()
}

on_both_with! { guarded;
    async fn every_call_of_the_store_needs_the_site_key(app: TestApp) {
        let token = token(&app).await;
        for (method, path) in [("GET", "/apps"), ("GET", "/apps/1"), ("POST", "/apps/1/authorize"), ("GET", "/apps/1/installations"),
            ("GET", "/apps/devices/d/tokens"), ("DELETE", "/apps/tokens/1"), ("PUT", "/apps/tokens/1/note"), ("POST", "/devices"),
            ("GET", "/devices/d"), ("PUT", "/devices/d/name"), ("PUT", "/devices/d/password"), ("DELETE", "/devices/d/password"),
            ("POST", "/devices/d/password/verify"), ("DELETE", "/devices/d"), ("GET", "/kv"), ("GET", "/kv/_keys"), ("GET", "/kv/k"),
            ("GET", "/kv/k/metadata"), ("POST", "/kv/k"), ("PUT", "/kv/k"), ("DELETE", "/kv/k"), ("POST", "/kv/_batchimport"),
            ("POST", "/kv/_batch"), ("GET", "/kv/_info"), ("GET", "/kv/_token"), ("GET", "/kv/_changes")] {
            let call = || app.call(method, path).token(&token).text("{}");
            let missing = call().send().await.problem(401, "SITE_KEY_INVALID");
            assert_eq!(missing["message"], missing["detail"]);
            call().header("x-site-key", "wrong").send().await.problem(401, "SITE_KEY_INVALID");
            call().root().send().await.problem(401, "SITE_KEY_INVALID");
        }
        for path in ["/health", "/public-api/apps", "/public-api/devices/d", "/openapi.json"] {
            app.get(path).root().send().await.expect(200);
        }
    }

    async fn the_first_source_of_the_site_key_decides(app: TestApp) {
        let token = token(&app).await;
        let get = |path: &str| app.get(path).token(&token);
        let good = format!("/kv/_info?sitekey={ENCODED}");
        get(&good).send().await.expect(200);
        get("/kv/_info").header("x-site-key", KEY).send().await.expect(200);
        get("/kv/_info?sitekey=wrong").header("x-site-key", KEY).send().await.expect(200);
        get(&good).header("x-site-key", "wrong").send().await.problem(401, "SITE_KEY_INVALID");
        get(&good).header("x-site-key", "").send().await.problem(401, "SITE_KEY_INVALID");
        let post = |path: &str| app.post(path, &json!({"sitekey": KEY, "v": 1})).token(&token);
        post("/kv/k").send().await.expect(200);
        post("/kv/k?sitekey=wrong").send().await.problem(401, "SITE_KEY_INVALID");
        app.post("/kv/k", &json!({"sitekey": "wrong"})).token(&token).send().await.problem(401, "SITE_KEY_INVALID");
        app.post("/kv/k", &json!({"sitekey": 7})).token(&token).send().await.problem(401, "SITE_KEY_INVALID");
        app.post("/kv/k", &json!([KEY])).token(&token).send().await.problem(401, "SITE_KEY_INVALID");
    }

    async fn a_site_key_in_the_body_is_cut_out_when_it_was_the_credential(app: TestApp) {
        let token = token(&app).await;
        let body = format!(r#"{{"b": 1.0, "sitekey":"{KEY}", "token":"{token}", "a":[ ]}}"#);
        app.call("POST", "/kv/k").text(body.clone()).send().await.expect(200);
        let stored = || app.get("/kv/k").token(&token).header("x-site-key", KEY).send();
        let text = stored().await.text();
        assert!(!text.contains(KEY) && !text.contains(&token) && text.contains(r#""b": 1.0"#), "{text}");
        assert_eq!(stored().await.expect(200), json!({"a": [], "b": 1.0}));
        app.call("POST", "/kv/k").token(&token).header("x-site-key", KEY).text(body.clone()).send().await.expect(200);
        assert_eq!(stored().await.text(), body, "it is data here");
        let import = app.post("/kv/_batchimport", &json!({"sitekey": KEY, "token": token, "x": 1})).send().await.expect(200);
        assert_eq!(import["results"], json!([{"key": "x", "created": true}]));
        let authorize = app.post("/apps/1/authorize", &json!({"deviceUuid": "d", "sitekey": KEY}));
        authorize.send().await.expect(200);
    }

    async fn a_preflight_needs_no_site_key_and_names_what_is_allowed(app: TestApp) {
        let preflight = |path: &str, origin: &str| {
            app.call("OPTIONS", path).header("origin", origin).header("access-control-request-method", "PUT").send()
        };
        for path in ["/apps", "/devices/d/name", "/kv/k"] {
            let answer = preflight(path, "https://b.example").await;
            assert_eq!((answer.status, answer.header("access-control-allow-origin")), (204, Some("https://b.example")));
            assert_eq!(answer.header("access-control-max-age"), Some("86400"));
            let allowed = names(&answer, "access-control-allow-headers");
            for name in ["authorization", "content-type", "x-app-token", "x-site-key", "x-device-uuid", "x-device-password",
                "if-match", "if-none-match", "last-event-id", "x-request-id"] {
                assert!(allowed.contains(&name.to_owned()), "{name}");
            }
            for method in ["get", "post", "put", "delete"] {
                assert!(names(&answer, "access-control-allow-methods").contains(&method.to_owned()), "{method}");
            }
            assert_eq!(answer.header("access-control-allow-credentials"), None);
            let other = preflight(path, "https://evil.example").await;
            assert_eq!(other.header("access-control-allow-origin"), None);
        }
        let plain = app.call("OPTIONS", "/kv/k").send().await;
        assert_eq!((plain.status, plain.body.len()), (204, 0), "OPTIONS alone needs none either");
        let token = token(&app).await;
        let call = || app.get("/kv/missing").token(&token).header("x-site-key", KEY);
        let answer = call().header("origin", "https://app.example").send().await;
        answer.problem(404, "KEY_NOT_FOUND");
        assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example"));
        let exposed = names(&answer, "access-control-expose-headers");
        for name in ["etag", "last-modified", "link", "location", "retry-after", "ratelimit", "ratelimit-policy", "x-request-id"] {
            assert!(exposed.contains(&name.to_owned()), "{name}");
        }
        let refused = app.get("/kv/missing").header("origin", "https://app.example").send().await;
        refused.problem(401, "SITE_KEY_INVALID");
        assert_eq!(refused.header("access-control-allow-origin"), Some("https://app.example"), "a page can read why");
        let foreign = call().header("origin", "https://evil.example").send().await;
        assert_eq!(foreign.header("access-control-allow-origin"), None);
    }
}
