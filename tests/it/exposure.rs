//! What must not get out: secrets, keys and ids, into metrics or the log.

use std::{fs::File, process::Stdio};

use serde_json::{Value, json};

use crate::kit::{Call, Database, Process, TestApp, block_on, eventually};

const PASSWORD: &str = "a-password-of-the-admin-9";
const DEVICE: &str = "device-uuid-of-the-test-7";
const DEVICE_PASSWORD: &str = "a-password-of-the-device-8";
const KEY: &str = "a-key-of-the-test-6";
const VALUE: &str = "a-value-of-the-test-5";
const WRONG: &str = "a-wrong-secret-of-the-test-4";
const NOWHERE: &str = "a-path-of-nobody-3";

/// Sends requests with every kind of credential in every place it may be in; answers what must not be seen anywhere.
async fn traffic(call: impl Fn(&str, &str) -> Call) -> Vec<String> {
    let app = json!({"name": "Classworks", "developer_name": "ZeroCat"});
    let app = call("POST", "/public-api/apps").json(&app).root().send().await.expect(201)["id"].clone();
    let granted =
        call("POST", &format!("/apps/{app}/authorize")).json(&json!({"deviceUuid": DEVICE})).send().await.expect(200);
    let token = granted["token"].as_str().unwrap().to_owned();
    call("PUT", &format!("/kv/{KEY}")).token(&token).json(&json!(VALUE)).send().await.expect(200);
    call("GET", &format!("/kv/{KEY}?token={token}")).send().await.expect(200);
    call("GET", &format!("/kv/{KEY}/metadata")).header("x-app-token", &token).send().await.expect(200);
    call("GET", &format!("/kv/{KEY}")).token(WRONG).send().await;
    call("GET", &format!("/kv?prefix={KEY}")).token(&token).send().await.expect(200);
    let path = format!("/devices/{DEVICE}/password");
    call("PUT", &path).json(&json!({"newPassword": DEVICE_PASSWORD})).send().await;
    call("PUT", &format!("/public-api{path}")).json(&json!({"password": DEVICE_PASSWORD})).root().send().await;
    call("GET", &format!("/apps/devices/{DEVICE}/tokens")).header("x-device-password", DEVICE_PASSWORD).send().await;
    call("GET", "/public-api/apps").secret(WRONG).send().await.problem(401, "UNAUTHENTICATED");
    let login = json!({"username": "admin", "password": PASSWORD});
    let jwt = call("POST", "/auth/login").json(&login).send().await.expect(200)["token"].as_str().unwrap().to_owned();
    call("POST", "/auth/login").json(&json!({"username": "admin", "password": WRONG})).send().await;
    call("POST", "/auth/login").text(format!("{{\"password\": \"{WRONG}")).send().await;
    let secret = json!({"name": "s", "scopes": ["apps:write"]});
    let secret = call("POST", "/public-api/secrets").json(&secret).token(&jwt).send().await.expect(201);
    let secret = secret["secret"].as_str().unwrap().to_owned();
    call("GET", &format!("/public-api/devices/{DEVICE}/kv/{KEY}")).secret(&secret).send().await.expect(200);
    call("GET", &format!("/{NOWHERE}?api_secret={secret}")).send().await.problem(404, "NOT_FOUND");
    call("DELETE", &format!("/apps/tokens/{token}")).send().await;
    call("POST", "/public-api/jobs/purge/run").root().send().await.expect(202);
    call("BREW", &format!("/kv/{KEY}")).token(&token).send().await;
    let known = [PASSWORD, DEVICE, DEVICE_PASSWORD, KEY, VALUE, WRONG, NOWHERE, TestApp::SECRET].map(str::to_owned);
    known.into_iter().chain([token, jwt, secret]).collect()
}

async fn nothing_of_it_is_written(database: Database, format: &str) {
    let log = database.folder.join("log.txt");
    let file = File::create(&log).unwrap();
    let process = Process::serve_with(&database, |command| {
        command.env("LATCHKEY__LOG__LEVEL", "trace").env("LATCHKEY__LOG__FORMAT", format);
        command.env("LATCHKEY__AUTH__PASSWORD", PASSWORD).stderr(Stdio::from(file));
    });
    let process = process.await;
    let hidden = traffic(|method, path| process.call(method, path)).await;
    let marked = process.call("GET", "/health").header("x-request-id", "the-marked-request").send().await;
    marked.expect(200);
    let mut metrics = String::new();
    eventually("the job has ended and is counted", async || {
        metrics = process.call("GET", "/metrics").send().await.text();
        metrics.contains("latchkey_job")
    })
    .await;
    process.signal("TERM");
    assert_eq!(process.wait(), Some(0));
    let log = std::fs::read_to_string(log).unwrap();
    for secret in &hidden {
        assert!(!metrics.contains(secret.as_str()), "{secret} is in the metrics");
        let line = log.lines().find(|line| line.contains(secret.as_str()));
        // A path that is nobody's, a device's uuid and a key are no secrets, but belong into no line either.
        assert_eq!(line, None, "{secret} is in the log");
    }
    let line = log.lines().find(|line| line.contains("the-marked-request")).expect("an access line");
    assert!(log.contains("/kv/{key}") && log.contains("/apps/tokens/{token}"), "templates, not paths");
    if format == "json" {
        let lines: Vec<Value> = log
            .lines()
            .filter(|line| line.starts_with('{'))
            .map(|line| serde_json::from_str(line).expect(line))
            .collect();
        assert!(lines.iter().all(|line| line["time"].is_string() && line["level"].is_string()));
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(
            (&line["method"], &line["route"], &line["status"]),
            (&json!("GET"), &json!("/health"), &json!(200)),
            "{line}"
        );
        assert!(line["ms"].is_number() && line.get("caller").is_some(), "{line}");
    } else {
        assert!(line.contains("GET") && line.contains("/health") && line.contains("200"), "{line}");
    }
    let lines = log.lines().filter(|line| line.contains("the-marked-request")).count();
    assert_eq!(lines, 1, "one access line per request");
    bounded(&metrics);
    database.drop().await;
}

/// Each label's values are few and known beforehand.
fn bounded(metrics: &str) {
    let routes: Vec<String> = crate::kit::documented().into_iter().map(|(_, path, _)| path).collect();
    let mut seen = 0;
    for line in metrics.lines().filter(|line| !line.starts_with('#')) {
        let labels = line.split_once('{').and_then(|(_, rest)| rest.rsplit_once('}')).map_or("", |(labels, _)| labels);
        for label in labels.split("\",").filter(|label| !label.is_empty()) {
            let (name, value) = label.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
            let value = value.trim_end_matches('"');
            match name {
                "route" => assert!(
                    value == "-"
                        || value == "other"
                        || value.starts_with("/swagger")
                        || value == "/"
                        || routes.iter().any(|route| route == value),
                    "{line}"
                ),
                "method" => assert!(
                    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "OTHER"].contains(&value),
                    "{line}"
                ),
                "status" => assert!(["1xx", "2xx", "3xx", "4xx", "5xx"].contains(&value), "{line}"),
                _ => assert!(value.len() <= 40, "{line}"),
            }
            seen += 1;
        }
    }
    assert!(seen > 20);
    for name in ["latchkey_http_request_seconds_bucket", "latchkey_commit_", "latchkey_job", "process_"] {
        assert!(metrics.contains(name), "no {name}");
    }
}

#[test]
fn no_secret_key_or_value_is_in_metrics_or_log_on_sqlite() {
    block_on(nothing_of_it_is_written(Database::sqlite(), "text"));
}

#[test]
fn no_secret_key_or_value_is_in_metrics_or_log_on_mysql() {
    block_on(async { nothing_of_it_is_written(Database::mysql().await, "json").await });
}
