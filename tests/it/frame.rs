//! What holds for every request, whatever it asks for.

use latchkey::{
    config::{Config, Secret},
    server,
};
use reqwest::{Client, Method, Response, redirect::Policy};
use serde_json::{Value, json};

use crate::kit::{Database, TestApp};

/// A service on SQLite; what is tested here does not depend on the database.
async fn app() -> TestApp {
    TestApp::start(Database::sqlite()).await
}

/// An answer as it comes over the wire: not unpacked, not redirected.
async fn raw(app: &TestApp, method: Method, path: &str, headers: &[(&str, &str)]) -> Response {
    let client = Client::builder().no_proxy().redirect(Policy::none()).no_gzip().no_brotli().no_zstd().build().unwrap();
    let mut request = client.request(method, format!("http://{}{path}", app.addr));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn a_new_service_is_healthy_and_ready() {
    let app = app().await;
    let health = app.get("/health").send().await.expect(200);
    assert_eq!(health, json!({"status": "ok", "message": "service is healthy"}));
    let ready = app.get("/ready").send().await.expect(200);
    let names: Vec<_> = ready["checks"].as_array().unwrap().iter().map(|check| check["name"].clone()).collect();
    assert_eq!(names, ["stopping", "database", "migrations", "disk"]);
    app.stop().await;
}

#[tokio::test]
async fn a_stopping_service_is_healthy_and_not_ready() {
    let app = app().await;
    app.state.stopping.cancel();
    app.get("/health").send().await.expect(200);
    let answer = app.get("/ready").send().await;
    assert!(answer.header("retry-after").is_some());
    assert_eq!(
        answer.problem(503, "NOT_READY")["checks"][0],
        json!({
            "name": "stopping", "ok": false, "message": "the service is stopping"
        })
    );
    app.stop().await;
}

#[tokio::test]
async fn an_unknown_path_is_a_404_problem() {
    let app = app().await;
    let problem = app.get("/no/such/path?secret=1").send().await.problem(404, "NOT_FOUND");
    assert_eq!(problem["type"], "/errors/not-found");
    assert!(problem.get("message").is_none());
    let problem = app.get("/kv/a/b/c").send().await.problem(404, "NOT_FOUND");
    assert_eq!(problem["message"], problem["detail"], "older clients of the store read message");
    app.stop().await;
}

#[tokio::test]
async fn a_wrong_method_is_a_405_that_names_the_right_ones() {
    let app = app().await;
    let paths = [
        ("/health", "GET, HEAD, OPTIONS"),
        ("/errors/not-found", "GET, HEAD, OPTIONS"),
        ("/", "GET, HEAD, OPTIONS"),
        ("/swagger-ui/", "GET, HEAD, OPTIONS"),
        ("/auth/login", "POST, OPTIONS"),
        ("/kv/key", "GET, HEAD, POST, PUT, DELETE, OPTIONS"),
        ("/public-api/apps/1", "GET, HEAD, PATCH, DELETE, OPTIONS"),
    ];
    for (path, allowed) in paths {
        let answer = app.call("INVENTED", path).send().await;
        assert_eq!(answer.header("allow"), Some(allowed), "{path}");
        answer.problem(405, "METHOD_NOT_ALLOWED");
        let options = app.call("OPTIONS", path).send().await;
        assert_eq!((options.status, options.header("allow")), (204, Some(allowed)), "{path}");
    }
    app.stop().await;
}

#[tokio::test]
async fn head_is_get_without_its_body() {
    let app = app().await;
    for path in ["/health", "/", "/openapi.json", "/no/such/path", "/kv/key", "/public-api/apps"] {
        let get = raw(&app, Method::GET, path, &[]).await;
        let head = raw(&app, Method::HEAD, path, &[]).await;
        assert_eq!(head.status(), get.status(), "{path}");
        let names = |response: &Response| {
            let mut names: Vec<_> = response.headers().keys().map(ToString::to_string).collect();
            names.sort();
            names
        };
        assert_eq!(names(&head), names(&get), "{path}");
        assert_eq!(header(&head, "content-length"), header(&get, "content-length"), "{path}");
        assert!(head.bytes().await.unwrap().is_empty(), "{path}");
    }
    app.stop().await;
}

#[tokio::test]
async fn a_fitting_request_id_comes_back_and_another_is_replaced() {
    let app = app().await;
    let answer = app.get("/health").header("X-Request-Id", "a-B_3.x").send().await;
    assert_eq!(answer.header("x-request-id"), Some("a-B_3.x"));
    for wrong in ["", "with blank", "quote\"", &"x".repeat(129)] {
        let answer = app.get("/nothing").header("X-Request-Id", wrong).send().await;
        let id = uuid::Uuid::parse_str(answer.header("x-request-id").unwrap()).unwrap();
        assert_eq!(id.get_version_num(), 7);
        answer.problem(404, "NOT_FOUND");
    }
    app.stop().await;
}

#[tokio::test]
async fn every_answer_forbids_sniffing_and_pages_forbid_foreign_scripts() {
    let app = app().await;
    for path in ["/health", "/nothing", "/", "/errors/", "/swagger-ui/", "/swagger-ui/index.css"] {
        let response = raw(&app, Method::GET, path, &[]).await;
        assert_eq!(header(&response, "x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header(&response, "referrer-policy"), "no-referrer", "{path}");
        if header(&response, "content-type").starts_with("text/html") {
            let policy = header(&response, "content-security-policy");
            assert!(policy.contains("frame-ancestors 'none'") && policy.contains("default-src 'self'"), "{path}");
            assert!(!policy.contains("script-src"), "{path}: scripts fall under default-src");
        }
    }
    app.stop().await;
}

#[tokio::test]
async fn the_swagger_ui_works_without_inline_scripts_and_reads_our_document() {
    let app = app().await;
    let page = app.get("/swagger-ui/").send().await.text();
    for script in page.split("<script").skip(1) {
        assert!(script.trim_start().starts_with("src="), "inline script: {script}");
        let file = script.split('"').nth(1).unwrap().trim_start_matches("./");
        assert_eq!(app.get(&format!("/swagger-ui/{file}")).send().await.status, 200, "{file}");
    }
    let start = app.get("/swagger-ui/swagger-initializer.js").send().await.text();
    assert!(start.contains("\"../openapi.json\""));
    let redirect = raw(&app, Method::GET, "/swagger-ui", &[]).await;
    assert_eq!((redirect.status().as_u16(), header(&redirect, "location")), (308, "/swagger-ui/"));
    app.stop().await;
}

#[tokio::test]
async fn the_document_is_served_with_a_tag_that_saves_sending_it_again() {
    let app = app().await;
    let plain = raw(&app, Method::GET, "/openapi.json", &[("Accept-Encoding", "identity")]).await;
    let tag = header(&plain, "etag").to_owned();
    assert!(!plain.headers().contains_key("content-encoding"));
    let document: Value = plain.json().await.unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    assert!(document["paths"]["/auth/login"]["post"]["responses"]["503"].is_object(), "the common answers are listed");
    for coding in ["gzip", "br", "zstd"] {
        let response = raw(&app, Method::GET, "/openapi.json", &[("Accept-Encoding", coding)]).await;
        assert_eq!(header(&response, "content-encoding"), coding);
        assert_eq!(header(&response, "etag"), format!("W/{tag}"), "another coding is another representation");
        assert_eq!(header(&response, "vary"), "accept-encoding", "{coding}");
        let weak = header(&response, "etag").to_owned();
        let again = app.get("/openapi.json").header("If-None-Match", &weak).send().await;
        assert_eq!(again.status, 304, "{coding}");
    }
    app.stop().await;
}

#[tokio::test]
async fn a_tag_of_a_compressed_value_is_good_for_a_precondition() {
    let app = app().await;
    let device = app.new_device().await;
    app.set(&device, "large", &json!("x".repeat(5000))).await;
    let auth = format!("Bearer {}", device.token);
    let read = raw(&app, Method::GET, "/kv/large", &[("Accept-Encoding", "gzip"), ("Authorization", &auth)]).await;
    assert_eq!(header(&read, "content-encoding"), "gzip");
    let tag = header(&read, "etag").to_owned();
    let call = |value| app.put("/kv/large", &json!(value)).token(&device.token).header("If-Match", &tag);
    call("the first").send().await.expect(200);
    assert_eq!(call("too late").send().await.status, 412);
    app.stop().await;
}

#[tokio::test]
async fn compression_gives_back_the_same_bytes() {
    let app = app().await;
    let plain = raw(&app, Method::GET, "/openapi.json", &[("Accept-Encoding", "identity")]).await;
    let plain = plain.bytes().await.unwrap();
    for coding in ["gzip", "br", "zstd"] {
        let only = Client::builder().no_proxy();
        let only = only.gzip(coding == "gzip").brotli(coding == "br").zstd(coding == "zstd").build().unwrap();
        let response = only.get(format!("http://{}/openapi.json", app.addr)).send().await.unwrap();
        assert_eq!(header(&response, "vary"), "accept-encoding", "{coding}");
        assert_eq!(response.bytes().await.unwrap(), plain, "{coding}");
    }
    app.stop().await;
}

#[tokio::test]
async fn every_kind_of_problem_has_a_page() {
    let app = app().await;
    for kind in server::routes::problems() {
        let page = app.get(&format!("/errors/{}", kind.slug())).send().await;
        assert_eq!(page.status, 200, "{}", kind.code);
        assert!(page.text().contains(kind.code));
    }
    app.get("/errors/no-such-problem").send().await.problem(404, "NOT_FOUND");
    assert!(app.get("/errors/").send().await.text().contains("href=\"not-found\""));
    app.stop().await;
}

#[tokio::test]
async fn pages_of_other_origins_may_call_the_store_and_nothing_else() {
    let app = TestApp::start_with(Database::sqlite(), |config| config.kv.site_key = Secret::new("site-key")).await;
    let preflight = [("Origin", "https://app.example"), ("Access-Control-Request-Method", "PUT")];
    let response = raw(&app, Method::OPTIONS, "/kv/anything", &preflight).await;
    assert_eq!(response.status(), 204, "a preflight carries no site key");
    assert_eq!(header(&response, "access-control-allow-origin"), "*");
    assert_eq!(header(&response, "access-control-max-age"), "86400");
    assert!(header(&response, "access-control-allow-headers").contains("x-app-token"));
    let refused = raw(&app, Method::GET, "/kv/key", &preflight[..1]).await;
    assert_eq!(refused.status(), 401);
    assert_eq!(header(&refused, "access-control-allow-origin"), "*", "a page must be able to read an error");
    assert!(header(&refused, "access-control-expose-headers").contains("Retry-After"));
    for path in ["/health", "/public-api/apps", "/openapi.json"] {
        let response = raw(&app, Method::OPTIONS, path, &preflight).await;
        assert!(!response.headers().contains_key("access-control-allow-origin"), "{path}");
    }
    app.stop().await;
}

#[tokio::test]
async fn metrics_name_templates_and_ask_for_their_token() {
    let token = "metrics-token-of-at-least-32-characters";
    let change = |config: &mut Config| config.security.metrics_token = Secret::new(token);
    let app = TestApp::start_with(Database::sqlite(), change).await;
    app.get("/errors/not-found").send().await;
    app.get("/secret-path-of-nobody").send().await;
    app.get("/metrics").send().await.problem(401, "UNAUTHENTICATED");
    let answer = app.get("/metrics").token(token).send().await;
    assert_eq!(answer.status, 200);
    let text = answer.text();
    assert!(
        text.contains(r#"latchkey_http_request_seconds_count{method="GET",route="/errors/{slug}",status="2xx"} 1"#)
    );
    assert!(text.contains("process_resident_memory_bytes"));
    assert!(text.contains("latchkey_commit_writes_count"));
    assert!(!text.contains("secret-path"));
    app.stop().await;
}
