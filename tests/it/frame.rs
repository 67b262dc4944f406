//! What holds for every request, whatever it asks for.

use latchkey::{
    base::clock::Clock,
    config::Config,
    server::{self, Running},
};
use reqwest::{Client, Method, Response};
use serde_json::Value;

struct Service {
    running: Running,
    client: Client,
    folder: std::path::PathBuf,
}

impl Service {
    async fn start(change: impl FnOnce(&mut Config)) -> Self {
        let folder = std::env::temp_dir().join(format!("latchkey-frame-{}", uuid::Uuid::now_v7()));
        let mut config = Config::default();
        config.server.host = "127.0.0.1".to_owned();
        config.server.port = 0;
        config.server.workers = 1;
        config.database.database = folder.join("latchkey.db").display().to_string();
        change(&mut config);
        let running = server::start(config, Clock::System).await.unwrap();
        let client = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { running, client, folder }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.running.addr)
    }

    async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = self.client.request(method, self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    async fn get(&self, path: &str) -> Response {
        self.send(Method::GET, path, &[]).await
    }

    async fn stop(self) {
        self.running.stop().await;
        std::fs::remove_dir_all(self.folder).unwrap();
    }
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

async fn problem(response: Response, status: u16, code: &str) -> Value {
    assert_eq!(response.status(), status);
    assert_eq!(header(&response, "content-type"), "application/problem+json");
    let id = header(&response, "x-request-id").to_owned();
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["code"], code);
    assert_eq!(body["status"], status);
    assert_eq!(body["request_id"], id.as_str());
    body
}

#[tokio::test]
async fn a_new_service_is_healthy_and_ready() {
    let service = Service::start(|_| {}).await;
    let health: Value = service.get("/health").await.json().await.unwrap();
    assert_eq!(health, serde_json::json!({"status": "ok", "message": "service is healthy"}));
    let ready = service.get("/ready").await;
    assert_eq!(ready.status(), 200);
    let ready: Value = ready.json().await.unwrap();
    let names: Vec<_> = ready["checks"].as_array().unwrap().iter().map(|check| check["name"].clone()).collect();
    assert_eq!(names, ["stopping", "database", "migrations", "disk"]);
    service.stop().await;
}

#[tokio::test]
async fn a_stopping_service_is_healthy_and_not_ready() {
    let service = Service::start(|_| {}).await;
    service.running.state.stopping.cancel();
    assert_eq!(service.get("/health").await.status(), 200);
    let response = service.get("/ready").await;
    assert!(response.headers().contains_key("retry-after"));
    let body = problem(response, 503, "NOT_READY").await;
    assert_eq!(body["checks"][0]["ok"], false);
    service.stop().await;
}

#[tokio::test]
async fn an_unknown_path_is_a_404_problem() {
    let service = Service::start(|_| {}).await;
    let body = problem(service.get("/no/such/path?secret=1").await, 404, "NOT_FOUND").await;
    assert_eq!(body["type"], "/errors/not-found");
    assert!(body.get("message").is_none());
    let body = problem(service.get("/kv/a/b/c").await, 404, "NOT_FOUND").await;
    assert_eq!(body["message"], body["detail"], "older clients of the store read message");
    service.stop().await;
}

#[tokio::test]
async fn a_wrong_method_is_a_405_that_names_the_right_ones() {
    let service = Service::start(|_| {}).await;
    for path in ["/health", "/errors/not-found", "/", "/swagger-ui/"] {
        let response = service.send(Method::DELETE, path, &[]).await;
        assert_eq!(header(&response, "allow"), "GET, HEAD, OPTIONS", "{path}");
        problem(response, 405, "METHOD_NOT_ALLOWED").await;
        let options = service.send(Method::OPTIONS, path, &[]).await;
        assert_eq!((options.status().as_u16(), header(&options, "allow")), (204, "GET, HEAD, OPTIONS"), "{path}");
    }
    service.stop().await;
}

#[tokio::test]
async fn head_is_get_without_its_body() {
    let service = Service::start(|_| {}).await;
    for path in ["/health", "/", "/openapi.json", "/no/such/path"] {
        let get = service.get(path).await;
        let head = service.send(Method::HEAD, path, &[]).await;
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
    service.stop().await;
}

#[tokio::test]
async fn a_fitting_request_id_comes_back_and_another_is_replaced() {
    let service = Service::start(|_| {}).await;
    let response = service.send(Method::GET, "/health", &[("X-Request-Id", "a-B_3.x")]).await;
    assert_eq!(header(&response, "x-request-id"), "a-B_3.x");
    for wrong in ["", "with blank", "quote\"", &"x".repeat(129)] {
        let response = service.send(Method::GET, "/nothing", &[("X-Request-Id", wrong)]).await;
        let id = uuid::Uuid::parse_str(header(&response, "x-request-id")).unwrap();
        assert_eq!(id.get_version_num(), 7);
        problem(response, 404, "NOT_FOUND").await;
    }
    service.stop().await;
}

#[tokio::test]
async fn every_answer_forbids_sniffing_and_pages_forbid_foreign_scripts() {
    let service = Service::start(|_| {}).await;
    for path in ["/health", "/nothing", "/", "/errors/", "/swagger-ui/", "/swagger-ui/index.css"] {
        let response = service.get(path).await;
        assert_eq!(header(&response, "x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header(&response, "referrer-policy"), "no-referrer", "{path}");
        if header(&response, "content-type").starts_with("text/html") {
            let policy = header(&response, "content-security-policy");
            assert!(policy.contains("frame-ancestors 'none'") && policy.contains("default-src 'self'"), "{path}");
            assert!(!policy.contains("script-src"), "{path}: scripts fall under default-src");
        }
    }
    service.stop().await;
}

#[tokio::test]
async fn the_swagger_ui_works_without_inline_scripts_and_reads_our_document() {
    let service = Service::start(|_| {}).await;
    let page = service.get("/swagger-ui/").await.text().await.unwrap();
    for script in page.split("<script").skip(1) {
        assert!(script.trim_start().starts_with("src="), "inline script: {script}");
        let file = script.split('"').nth(1).unwrap().trim_start_matches("./");
        assert_eq!(service.get(&format!("/swagger-ui/{file}")).await.status(), 200, "{file}");
    }
    let start = service.get("/swagger-ui/swagger-initializer.js").await.text().await.unwrap();
    assert!(start.contains("\"../openapi.json\""));
    let redirect = service.get("/swagger-ui").await;
    assert_eq!((redirect.status().as_u16(), header(&redirect, "location")), (308, "/swagger-ui/"));
    service.stop().await;
}

#[tokio::test]
async fn the_document_is_served_with_a_tag_that_saves_sending_it_again() {
    let service = Service::start(|_| {}).await;
    let plain = service.send(Method::GET, "/openapi.json", &[("Accept-Encoding", "identity")]).await;
    let tag = header(&plain, "etag").to_owned();
    assert!(!plain.headers().contains_key("content-encoding"));
    let document: Value = plain.json().await.unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    assert!(document["paths"]["/health"]["get"]["responses"]["503"].is_object(), "the common answers are listed");
    for coding in ["gzip", "br", "zstd"] {
        let response = service.send(Method::GET, "/openapi.json", &[("Accept-Encoding", coding)]).await;
        assert_eq!(header(&response, "etag"), format!("W/{tag}"), "{coding}");
        assert_eq!(header(&response, "vary"), "accept-encoding", "{coding}");
        let weak = header(&response, "etag").to_owned();
        let again = service.send(Method::GET, "/openapi.json", &[("If-None-Match", &weak)]).await;
        assert_eq!(again.status(), 304, "{coding}");
    }
    service.stop().await;
}

#[tokio::test]
async fn compression_gives_back_the_same_bytes() {
    let service = Service::start(|_| {}).await;
    let plain = service.send(Method::GET, "/openapi.json", &[("Accept-Encoding", "identity")]).await;
    let plain = plain.bytes().await.unwrap();
    for coding in ["gzip", "br", "zstd"] {
        let only = Client::builder().no_proxy();
        let only = only.gzip(coding == "gzip").brotli(coding == "br").zstd(coding == "zstd").build().unwrap();
        let response = only.get(service.url("/openapi.json")).send().await.unwrap();
        assert_eq!(header(&response, "vary"), "accept-encoding", "{coding}");
        assert_eq!(response.bytes().await.unwrap(), plain, "{coding}");
    }
    service.stop().await;
}

#[tokio::test]
async fn every_kind_of_problem_has_a_page() {
    let service = Service::start(|_| {}).await;
    for kind in server::routes::problems() {
        let page = service.get(&format!("/errors/{}", kind.slug())).await;
        assert_eq!(page.status(), 200, "{}", kind.code);
        assert!(page.text().await.unwrap().contains(kind.code));
    }
    problem(service.get("/errors/no-such-problem").await, 404, "NOT_FOUND").await;
    assert!(service.get("/errors/").await.text().await.unwrap().contains("href=\"not-found\""));
    service.stop().await;
}

#[tokio::test]
async fn pages_of_other_origins_may_call_the_store_and_nothing_else() {
    let service = Service::start(|_| {}).await;
    let preflight = [("Origin", "https://app.example"), ("Access-Control-Request-Method", "PUT")];
    let response = service.send(Method::OPTIONS, "/kv/anything", &preflight).await;
    assert_eq!(response.status(), 204);
    assert_eq!(header(&response, "access-control-allow-origin"), "*");
    assert_eq!(header(&response, "access-control-max-age"), "86400");
    assert!(header(&response, "access-control-allow-headers").contains("x-app-token"));
    let refused = service.send(Method::GET, "/kv/a/b/c", &preflight[..1]).await;
    assert_eq!(header(&refused, "access-control-allow-origin"), "*", "a page must be able to read an error");
    assert!(header(&refused, "access-control-expose-headers").contains("Retry-After"));
    for path in ["/health", "/public-api/apps", "/openapi.json"] {
        let response = service.send(Method::OPTIONS, path, &preflight).await;
        assert!(!response.headers().contains_key("access-control-allow-origin"), "{path}");
    }
    service.stop().await;
}

#[tokio::test]
async fn metrics_name_templates_and_ask_for_their_token() {
    let token = "metrics-token-of-at-least-32-characters";
    let service = Service::start(|config| config.security.metrics_token = latchkey::config::Secret::new(token)).await;
    service.get("/errors/not-found").await;
    service.get("/secret-path-of-nobody").await;
    problem(service.get("/metrics").await, 401, "UNAUTHENTICATED").await;
    let response = service.send(Method::GET, "/metrics", &[("Authorization", &format!("Bearer {token}"))]).await;
    assert_eq!(response.status(), 200);
    let text = response.text().await.unwrap();
    assert!(
        text.contains(r#"latchkey_http_request_seconds_count{method="GET",route="/errors/{slug}",status="2xx"} 1"#)
    );
    assert!(text.contains("process_resident_memory_bytes"));
    assert!(text.contains("latchkey_commit_writes_count"));
    assert!(!text.contains("secret-path"));
    service.stop().await;
}

#[tokio::test]
async fn a_second_server_on_the_same_file_is_refused() {
    let service = Service::start(|_| {}).await;
    let database = service.running.state.config.database.clone();
    let mut config = Config::default();
    config.server.port = 0;
    config.database = database;
    let refused = server::start(config, Clock::System).await.err().unwrap();
    assert!(refused.contains("only one server"), "{refused}");
    service.stop().await;
}

#[tokio::test]
async fn a_database_keeps_to_the_secrets_it_began_with() {
    let service = Service::start(|_| {}).await;
    let known = service.running.state.config.clone();
    service.running.stop().await;
    let with = |change: fn(&mut Config)| {
        let mut config = known.clone();
        change(&mut config);
        server::start(config, Clock::System)
    };
    let gone = with(|config| config.security.master_key = Default::default()).await.err().unwrap();
    assert!(gone.contains("security.master_key is missing"), "{gone}");
    let gone = with(|config| config.auth.api_secret = Default::default()).await.err().unwrap();
    assert!(gone.contains("auth.api_secret is missing"), "{gone}");
    let other = with(|config| config.security.master_key = latchkey::config::Secret::new("ab".repeat(32))).await;
    assert!(other.err().unwrap().contains("security.master_key is not the one"));
    let other = with(|config| config.auth.jwt_secret = latchkey::config::Secret::new("other")).await;
    assert!(other.err().unwrap().contains("auth.jwt_secret is not the one"));
    let without_password = with(|config| config.auth.password = Default::default()).await.unwrap();
    without_password.stop().await;
    std::fs::remove_dir_all(service.folder).unwrap();
}
