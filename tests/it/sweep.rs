//! The same few things done to every operation: its common answers, each as documented.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use serde_json::{Value, json};

use crate::kit::{Answer, Call, Device, TestApp, check_raw, documented};

/// One operation, with a path that leads to something.
struct Operation {
    id: String,
    method: String,
    path: String,
    template: String,
    document: Value,
}

impl Operation {
    fn documents(&self, status: &str) -> bool {
        self.document["responses"].get(status).is_some()
    }

    fn takes(&self, scheme: &str) -> bool {
        self.document["security"].to_string().contains(&format!("\"{scheme}\""))
    }

    fn has_body(&self) -> bool {
        self.document["requestBody"].is_object()
    }

    fn call(&self, app: &TestApp) -> Call {
        app.call(&self.method, &self.path)
    }

    /// With the document's example of its body.
    fn with_body(&self, call: Call) -> Call {
        match crate::openapi::body_example(&self.id) {
            Some(body) => call.json(&body),
            None => call,
        }
    }

    /// With a credential that it takes.
    fn identified(&self, call: Call, device: &Device, session: &str) -> Call {
        if self.takes("ApiSecret") {
            call.root()
        } else if self.takes("AppToken") {
            call.token(&device.token)
        } else if self.takes("AdminJwt") {
            call.token(session)
        } else {
            call
        }
    }
}

fn operations(device: &Device) -> Vec<Operation> {
    let all = documented().into_iter().map(|(method, template, document)| {
        let id = document["operationId"].as_str().unwrap().to_owned();
        let value = |name: &str| match name {
            "id" if template.contains("/tasks/") => "0198f1b2-5f0a-7c3e-9a51-3f6f0c2b7d11".to_owned(),
            "id" => device.app_id.to_string(),
            "link_id" => "1".to_owned(),
            "slug" => "not-found".to_owned(),
            "name" => "purge".to_owned(),
            "uuid" | "deviceUuid" => device.uuid.clone(),
            _ => "k".to_owned(),
        };
        let parts = template
            .split('/')
            .map(|part| part.strip_prefix('{').map_or(part.to_owned(), |name| value(name.trim_end_matches('}'))));
        Operation { id, method, path: parts.collect::<Vec<_>>().join("/"), template: template.clone(), document }
    });
    all.filter(|operation| operation.id != "followChanges").collect()
}

/// Sends a head and perhaps some bytes, and reads what comes back.
fn raw(app: &TestApp, operation: &Operation, credential: &str, body: &str) -> String {
    let mut socket = TcpStream::connect(app.addr).unwrap();
    let (method, path) = (&operation.method, &operation.path);
    let head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{credential}{body}");
    socket.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    let _ = socket.read_to_string(&mut answer); // an answer may be followed by a reset
    answer
}

/// The header that identifies the caller.
fn credential(operation: &Operation, device: &Device, session: &str) -> String {
    if operation.takes("ApiSecret") {
        format!("X-API-Secret: {}\r\n", TestApp::SECRET)
    } else if operation.takes("AppToken") {
        format!("Authorization: Bearer {}\r\n", device.token)
    } else if operation.takes("AdminJwt") {
        format!("Authorization: Bearer {session}\r\n")
    } else {
        String::new()
    }
}

#[track_caller]
fn expect(operation: &Operation, answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{} {}: {}", operation.method, operation.template, answer.text());
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{}", operation.id);
}

on_both! {
    async fn bodies_that_are_too_large_of_another_kind_or_no_json_are_refused(app: TestApp) {
        let (device, session) = (app.new_device().await, app.sign_in().await);
        for operation in operations(&device).iter().filter(|operation| operation.has_body()) {
            let identified = || operation.identified(operation.call(&app), &device, &session);
            let large = identified().header("content-length", "99999999").text("").send().await;
            expect(operation, &large, 413);
            if operation.documents("415") {
                expect(operation, &identified().body("text/csv", "{}").send().await, 415);
            }
            expect(operation, &identified().text("{\"a\":").send().await, 400);
            // Any JSON is a value to adminSetValue, and the store's own paths keep the 400 of older clients.
            if operation.documents("422") && !operation.template.contains("/kv/") {
                expect(operation, &identified().text("[1]").send().await, 422);
            }
        }
    }

    async fn paths_that_cannot_be_are_400(app: TestApp) {
        let (device, session) = (app.new_device().await, app.sign_in().await);
        for operation in operations(&device).iter().filter(|operation| operation.template.contains('{')) {
            let start = operation.template.split('{').next().unwrap();
            let rest = operation.template.split('}').nth(1).unwrap().replace("{key}", "k");
            let call = app.call(&operation.method, &format!("{start}%FF{rest}"));
            let call = operation.with_body(operation.identified(call, &device, &session));
            expect(operation, &call.send().await, 400);
        }
    }

    async fn credentials_that_do_not_suffice_are_refused_and_counted(app: TestApp) {
        let device = app.new_device().await;
        let (_, secret) = app.new_secret("reader of usage", &["usage:read"]).await;
        let reading = json!({"deviceUuid": device.uuid, "readOnly": true});
        let reading = app.post(&format!("/apps/{}/authorize", device.app_id), &reading).send().await.expect(200);
        let reading = reading["token"].as_str().unwrap();
        for _ in 0..21 {
            app.get("/public-api/apps").secret("wrong").send().await;
        }
        for operation in operations(&device) {
            if operation.takes("ApiSecret") {
                let call = operation.with_body(operation.call(&app).secret(&secret));
                expect(&operation, &call.send().await, 403);
                let call = operation.with_body(operation.call(&app).secret("another wrong one"));
                let refused = call.send().await;
                expect(&operation, &refused, 429);
                assert!(refused.header("retry-after").is_some());
            }
            if operation.takes("AppToken") && operation.template.starts_with("/kv") && operation.method != "GET" {
                let call = operation.call(&app).token(reading);
                expect(&operation, &operation.with_body(call).send().await, 403);
            }
        }
    }

    async fn calls_over_the_rate_of_a_token_are_429(app: TestApp) {
        let device = app.new_device().await;
        let all = json!({"kv.rate_read": 1, "kv.rate_write": 1, "kv.rate_delete": 1, "kv.rate_batch": 1});
        app.patch("/public-api/settings", &all).root().send().await.expect(200);
        for operation in operations(&device).iter().filter(|operation| operation.template.starts_with("/kv")) {
            let call = || operation.with_body(operation.call(&app).token(&device.token));
            call().send().await;
            let refused = call().send().await;
            expect(operation, &refused, 429);
            for name in ["retry-after", "ratelimit", "ratelimit-policy"] {
                assert!(refused.header(name).is_some(), "{}: {name}", operation.id);
            }
        }
    }

    async fn without_a_token_the_store_is_closed(app: TestApp) {
        let device = app.new_device().await;
        for operation in operations(&device).iter().filter(|operation| operation.takes("AppToken")) {
            let answer = operation.with_body(operation.call(&app)).send().await;
            if operation.template.starts_with("/kv") {
                expect(operation, &answer, 401); // elsewhere a token is one proof of several
            }
        }
    }

    async fn a_device_that_is_not_there_is_404(app: TestApp) {
        let (device, session) = (app.new_device().await, app.sign_in().await);
        let named = |operation: &&Operation| operation.template.contains("{uuid}") || operation.template.contains("{deviceUuid}");
        for operation in operations(&device).iter().filter(named) {
            let call = app.call(&operation.method, &operation.path.replace(&device.uuid, "nobody"));
            let call = operation.with_body(operation.identified(call, &device, &session));
            expect(operation, &call.send().await, 404);
        }
    }

    async fn a_precondition_that_does_not_hold_is_412(app: TestApp) {
        let (device, session) = (app.new_device().await, app.sign_in().await);
        app.set(&device, "k", &json!(1)).await;
        for operation in operations(&device).iter().filter(|operation| operation.documents("412")) {
            let call = operation.identified(operation.call(&app), &device, &session).header("if-match", "\"4711\"");
            expect(operation, &operation.with_body(call).send().await, 412);
        }
        assert_eq!(app.get("/kv/k").token(&device.token).send().await.expect(200), json!(1));
    }

    async fn the_document_is_not_sent_again_to_who_has_it(app: TestApp) {
        let first = app.get("/openapi.json").send().await;
        let tag = first.header("etag").unwrap();
        let again = app.get("/openapi.json").header("if-none-match", tag).send().await;
        assert_eq!((again.status, again.body.len(), again.header("etag")), (304, 0, Some(tag.trim_start_matches("W/"))));
        app.get("/openapi.json").header("if-none-match", "\"another\"").send().await.expect(200);
    }

    async fn a_lifetime_that_cannot_be_is_refused(app: TestApp) {
        let device = app.new_device().await;
        for ttl in ["0", "-1", "x", "315360001"] {
            let path = format!("/public-api/devices/{}/kv/k?ttl={ttl}", device.uuid);
            app.put(&path, &json!(1)).root().send().await.problem(422, "INVALID_REQUEST");
            app.put(&format!("/kv/k?ttl={ttl}"), &json!(1)).token(&device.token).send().await.problem(400, "MALFORMED_REQUEST");
        }
    }
}

#[test]
fn without_a_database_every_operation_that_needs_it_is_503() {
    crate::kit::block_on(async {
        let app = TestApp::start(crate::kit::Database::mysql().await).await;
        let (device, session) = (app.new_device().await, app.sign_in().await);
        let operations = operations(&device);
        app.state.db.close().await;
        app.state.writer.close().await;
        for operation in operations.iter().filter(|operation| operation.documents("503")) {
            let call = operation.identified(operation.call(&app), &device, &session);
            let answer = operation.with_body(call).send().await;
            expect(operation, &answer, 503);
            assert!(answer.header("retry-after").is_some(), "{}", operation.id);
        }
        app.get("/health").send().await.expect(200);
        app.stop().await;
    });
}

#[test]
fn bodies_that_do_not_come_are_408() {
    crate::kit::block_on(async {
        let app = TestApp::start(crate::kit::Database::sqlite()).await;
        let (device, session) = (app.new_device().await, app.sign_in().await);
        let operations: Vec<_> = operations(&device).into_iter().filter(Operation::has_body).collect();
        assert!(operations.iter().all(|operation| operation.documents("408")));
        // All at once: each takes as long as the service waits for the next piece.
        let answers: Vec<(usize, String)> = std::thread::scope(|scope| {
            let (app, session) = (&app, session.as_str());
            let waiting: Vec<_> = operations
                .iter()
                .enumerate()
                .map(|(nth, operation)| {
                    let credential = credential(operation, &device, session);
                    scope.spawn(move || {
                        (
                            nth,
                            raw(
                                app,
                                operation,
                                &credential,
                                "Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{\"a\"",
                            ),
                        )
                    })
                })
                .collect();
            waiting.into_iter().map(|one| one.join().unwrap()).collect()
        });
        for (nth, answer) in answers {
            let operation = &operations[nth];
            assert!(answer.starts_with("HTTP/1.1 408 "), "{} {}: {answer}", operation.method, operation.template);
            check_raw(&operation.method, &operation.path, &answer);
        }
        app.stop().await;
    });
}
