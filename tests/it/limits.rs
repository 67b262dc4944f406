//! Conventions that hold on every operation: body sizes, media types, JSON, ids, cursors, HEAD, compression.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
};

use serde_json::{Value, json};

use crate::kit::{TestApp, documented};

/// Sends bytes as they are and reads the answer until the service closes the connection.
fn raw(addr: SocketAddr, request: &[u8]) -> String {
    let mut socket = TcpStream::connect(addr).unwrap();
    socket.write_all(request).unwrap();
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    // Up to the end of the problem document: the service need not close the connection.
    while !answer.ends_with(b"}") {
        match socket.read(&mut piece).unwrap() {
            0 => break,
            read => answer.extend_from_slice(&piece[..read]),
        }
    }
    let _ = socket.shutdown(Shutdown::Both);
    String::from_utf8(answer).unwrap()
}

/// Operations of admins with a JSON body: method and path.
fn with_body() -> Vec<(String, String)> {
    let all = documented().into_iter().filter(|(_, path, operation)| {
        operation["requestBody"].is_object()
            && (path.starts_with("/public-api/") || path.starts_with("/auth/login"))
            && !path.contains("/kv/")
    });
    all.map(|(method, path, _)| {
        (method, path.replace("{id}", "1").replace("{name}", "purge").replace("{uuid}", "some-device"))
    })
    .collect()
}

/// A sink that writes files: its id.
async fn new_sink(app: &TestApp) -> String {
    let folder = app.database.folder.join("sink");
    std::fs::create_dir_all(&folder).unwrap();
    let sink = json!({"name": "files", "kind": "file", "config": {"directory": folder, "format": "json"}});
    app.post("/public-api/sinks", &sink).root().send().await.expect(201)["id"].to_string()
}

on_both! {
    async fn an_announced_body_over_the_limit_is_refused_before_it_is_sent(app: TestApp) {
        let device = app.new_device().await;
        let auth = format!("Authorization: Bearer {}\r\n", device.token);
        let root = format!("X-API-Secret: {}\r\n", TestApp::SECRET);
        let default = 256 * 1024;
        for (line, auth, limit) in [
            ("POST /auth/login", "", default), ("POST /public-api/apps", root.as_str(), default), ("PATCH /public-api/settings", &root, default),
            ("POST /devices", "", default), ("PUT /kv/k", &auth, 1_048_576 + 4096), ("POST /kv/_batch", &auth, 16 << 20), ("POST /kv/_batchimport", &auth, 16 << 20),
        ] {
            let over = limit + 1;
            let request = format!("{line} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{auth}Content-Length: {over}\r\n\r\n");
            let answer = tokio::task::spawn_blocking({
                let (addr, request) = (app.addr, request.clone());
                move || raw(addr, request.as_bytes())
            }).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("PAYLOAD_TOO_LARGE"), "{line}: {answer}");
        }
        let login = json!({"username": "admin", "password": TestApp::PASSWORD}).to_string();
        let padded = login.clone() + &" ".repeat(default - login.len());
        app.call("POST", "/auth/login").text(padded.clone()).send().await.expect(200);
        app.call("POST", "/auth/login").text(padded + " ").send().await.problem(413, "PAYLOAD_TOO_LARGE");
    }

    async fn a_body_that_grows_over_the_limit_is_refused_too(app: TestApp) {
        let piece = " ".repeat(64 * 1024);
        let mut request = b"POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for _ in 0..5 {
            request.extend_from_slice(format!("{:x}\r\n{piece}\r\n", piece.len()).as_bytes());
        }
        let addr = app.addr;
        let answer = tokio::task::spawn_blocking(move || raw(addr, &request)).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    }

    async fn bodies_have_to_be_declared_as_json(app: TestApp) {
        for (method, path) in with_body() {
            for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "json"] {
                let answer = app.call(&method, &path).root().body(kind, "{}").send().await;
                answer.problem(415, "UNSUPPORTED_MEDIA_TYPE");
            }
        }
    }

    async fn json_that_is_none_is_400_with_line_and_column(app: TestApp) {
        for (method, path) in with_body() {
            for (text, place) in [("{\n  oops", "line 2, column 3"), ("{\"a\":", "line 1, column 5"), ("", "line 1, column 0"), ("{} {}", "line 1, column 4")] {
                let answer = app.call(&method, &path).root().text(text).send().await;
                let problem = answer.problem(400, "MALFORMED_REQUEST");
                assert!(problem["detail"].as_str().unwrap().contains(place), "{method} {path}: {problem}");
                assert!(problem.get("errors").is_none(), "errors are for 422 only");
            }
        }
    }

    async fn a_field_that_nobody_knows_is_refused_by_name(app: TestApp) {
        // Clients of oai-rt call these two, and may send more than we know.
        let lenient = ["/public-api/refresh", "/public-api/get-at"];
        for (method, path) in with_body().into_iter().filter(|(_, path)| !lenient.contains(&path.as_str())) {
            let answer = app.call(&method, &path).root().json(&json!({"totla_cost_limit": 1})).send().await;
            let problem = answer.problem(422, "INVALID_REQUEST");
            let errors = problem["errors"].as_array().unwrap();
            let unknown = errors.iter().find(|error| error["code"] == "unknown_field");
            assert_eq!(unknown.map(|error| &error["field"]), Some(&json!("totla_cost_limit")), "{method} {path}: {problem}");
        }
    }

    async fn lists_take_limits_of_1_to_200_and_their_own_cursors(app: TestApp) {
        let lists = documented().into_iter().filter(|(_, path, operation)| {
            path.starts_with("/public-api/") && operation["parameters"].to_string().contains("\"cursor\"")
        });
        let account = app.new_account("rt_0123456789", &json!({})).await["id"].to_string();
        let sink = new_sink(&app).await;
        let mut seen = 0;
        for (_, path, _) in lists {
            let id = if path.contains("/sinks/") { &sink } else { &account };
            let path = path.replace("{id}", id);
            for bad in ["limit=0", "limit=201", "limit=-1", "limit=ten", "cursor=", "cursor=x", "cursor=eyJ9"] {
                let problem = app.get(&format!("{path}?{bad}")).root().send().await.problem(422, "INVALID_REQUEST");
                assert!(!problem["errors"].as_array().unwrap().is_empty(), "{path}?{bad}");
            }
            let page = app.get(&format!("{path}?limit=200&unknown=parameter")).root().send().await.expect(200);
            let members: Vec<_> = page.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(members.len(), 3, "{path}: {members:?}");
            seen += 1;
        }
        assert!(seen >= 6, "{seen}");
    }

    async fn ids_that_cannot_be_are_400_and_unknown_ones_404(app: TestApp) {
        for (method, path, operation) in documented() {
            if !path.contains("{id}") || path.starts_with("/apps/{id}/authorize") {
                continue;
            }
            let call = |id: &str| {
                let call = app.call(&method, &path.replace("{id}", id).replace("{link_id}", "1")).root();
                let body = operation["operationId"].as_str().and_then(crate::openapi::body_example);
                if let Some(body) = body { call.json(&body) } else { call }
            };
            for bad in ["x", "0", "-1", "1.5", "%20", "99999999999999999999"] {
                call(bad).send().await.problem(400, "MALFORMED_REQUEST");
            }
            let unknown = if path.contains("tasks") { "0198f1b2-5f0a-7c3e-9a51-3f6f0c2b7d11" } else { "4711" };
            assert_eq!(call(unknown).send().await.status, 404, "{method} {path}");
        }
    }

    async fn head_is_answered_like_get_on_every_path(app: TestApp) {
        let device = app.new_device().await;
        app.set(&device, "k", &json!("v")).await;
        let (id, _) = app.new_secret("s", &["usage:read"]).await;
        let account = app.new_account("rt_0123456789", &json!({})).await["id"].to_string();
        let session = app.sign_in().await;
        let sink = new_sink(&app).await;
        let link = json!({"token_id": account.parse::<i64>().unwrap(), "channel_id": "a.json"});
        let link = app.post(&format!("/public-api/sinks/{sink}/links"), &link).root().send().await.expect(201)["id"].to_string();
        let channel = json!({"name": "c", "kind": "bark", "config": {"device_key": "k"}});
        let channel = app.post("/public-api/notifications/channels", &channel).root().send().await.expect(201)["id"].to_string();
        let task = app.call("POST", "/public-api/jobs/purge/run").root().send().await.expect(202)["task_id"].as_str().unwrap().to_owned();
        for (method, template, operation) in documented() {
            if method != "GET" || operation["operationId"] == "followChanges" || template == "/metrics" {
                continue; // one never ends, the other counts these calls
            }
            let id = if template.contains("/tasks") { &task } else if template.contains("secrets") { &id.to_string() } else if template.contains("channels") { &channel } else if template.contains("/sinks/") { &sink } else if template.contains("/tokens/") { &account } else { &device.app_id.to_string() };
            let path = template.replace("{id}", id).replace("{slug}", "not-found").replace("{key}", "k").replace("{name}", "claude").replace("{link_id}", &link);
            let path = path.replace("{uuid}", &device.uuid).replace("{deviceUuid}", &device.uuid);
            let call = |method: &str| {
                let call = app.call(method, &path);
                match template.split('/').nth(1) {
                    Some("kv") => call.token(&device.token),
                    Some("auth") => call.token(&session),
                    _ => call.root(),
                }
            };
            let (get, head) = (call("GET").send().await, call("HEAD").send().await);
            assert_eq!(get.status, 200, "{path}: {}", get.text());
            assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
            for name in get.headers.keys() {
                assert!(head.headers.contains_key(name), "HEAD {path} lacks {name}");
            }
            for name in ["content-type", "etag", "link"] {
                assert_eq!(head.header(name), get.header(name), "HEAD {path}: {name}");
            }
        }
    }

    async fn bodies_over_one_kib_are_compressed_as_the_client_accepts(app: TestApp) {
        let device = app.new_device().await;
        let client = reqwest::Client::builder().no_proxy().no_gzip().no_brotli().no_zstd().build().unwrap();
        for size in [1024, 1025] {
            app.set(&device, &format!("{size}"), &Value::from("x".repeat(size - 2))).await;
        }
        let get = async |size: usize, accept: &str| {
            let request = client.get(format!("http://{}/kv/{size}", app.addr)).bearer_auth(&device.token);
            let answer = request.header("accept-encoding", accept).send().await.unwrap();
            let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
            (header("content-encoding"), header("vary").unwrap_or_default(), answer.bytes().await.unwrap().len())
        };
        for accept in ["gzip", "br", "zstd", "gzip, br, zstd", "*"] {
            assert_eq!(get(1024, accept).await.0, None, "{accept}");
            let (coding, vary, length) = get(1025, accept).await;
            let coding = coding.unwrap_or_else(|| panic!("nothing for {accept}"));
            assert!(accept == "*" || accept.contains(&coding), "{accept}: {coding}");
            assert!(vary.to_ascii_lowercase().contains("accept-encoding") && length < 1025, "{accept}");
        }
        for accept in ["identity", "gzip;q=0", "deflate", "br;q=0, gzip;q=0, zstd;q=0", ""] {
            assert_eq!((get(1025, accept).await.0, get(1025, accept).await.2), (None, 1025), "{accept}");
        }
        assert_eq!(get(1025, "gzip;q=0.5, br;q=0").await.0.as_deref(), Some("gzip"));
    }

    async fn names_are_trimmed_and_refuse_control_characters(app: TestApp) {
        let new = |name: &str| json!({"name": name, "developer_name": "d"});
        let made = app.post("/public-api/apps", &new("  Class\u{a0}works ")).root().send().await.expect(201);
        assert_eq!(made["name"], "Class\u{a0}works");
        for bad in ["a\u{0}b", "a\nb", "a\u{7f}", "\u{85}", " ", "\t"] {
            app.post("/public-api/apps", &new(bad)).root().send().await.problem(422, "INVALID_REQUEST");
        }
        app.post("/public-api/apps", &new(&"键".repeat(191))).root().send().await.expect(201);
        app.post("/public-api/apps", &new(&"键".repeat(192))).root().send().await.problem(422, "INVALID_REQUEST");
    }
}
