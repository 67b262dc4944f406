//! A client of ClassworksKV, which knows that service's token API and nothing else, works here unchanged.

use serde_json::{Value, json};

use crate::kit::{Answer, Call, TestApp};

/// What such a client keeps.
struct Client<'a> {
    app: &'a TestApp,
    app_id: i64,
    token: String,
}

/// An answer of 4xx as such a client reads it: final, with `message`.
#[track_caller]
fn message(answer: &Answer, status: u16) -> String {
    let body = answer.expect(status);
    let message = body["message"].as_str().expect("a message").to_owned();
    assert!(!message.is_empty());
    message
}

impl<'a> Client<'a> {
    async fn open(app: &'a TestApp, uuid: &str) -> Self {
        // The app is registered by the operator; the client is configured with its number.
        let app_id = app.new_app().await;
        let body = json!({"deviceUuid": uuid, "note": "Classworks"});
        let granted = app.post(&format!("/apps/{app_id}/authorize"), &body).send().await.expect(200);
        for field in ["token", "appId", "appName", "deviceUuid", "deviceName", "readOnly", "note", "authorizedAt"] {
            assert!(granted.get(field).is_some(), "{field}");
        }
        Self { app, app_id, token: granted["token"].as_str().unwrap().to_owned() }
    }

    fn call(&self, method: &str, path: &str) -> Call {
        self.app.call(method, path).token(&self.token)
    }

    async fn save(&self, key: &str, value: &Value) -> Value {
        let saved = self.call("POST", &format!("/kv/{key}")).json(value).send().await.expect(200);
        assert_eq!(saved["key"], key);
        assert!(saved["deviceId"].is_number() && saved["updatedAt"].is_string());
        saved
    }

    /// `None`: there are no data yet.
    async fn load(&self, key: &str) -> Option<Value> {
        let answer = self.call("GET", &format!("/kv/{key}")).send().await;
        if answer.status == 404 {
            message(&answer, 404);
            return None;
        }
        Some(answer.expect(200))
    }
}

on_both! {
    async fn a_day_in_a_classroom(app: TestApp) {
        let probe = app.call("HEAD", "/").send().await;
        assert!(probe.status < 500, "the client rotates to another server on 5xx");
        let client = Client::open(&app, "classroom-3").await;
        assert_eq!(client.load("homework-2026-11-21").await, None);
        let homework = json!({"homework": {"语文": {"content": "第三课"}}, "attendance": {"absent": []}});
        assert_eq!(client.save("homework-2026-11-21", &homework).await["created"], true);
        assert_eq!(client.save("homework-2026-11-21", &homework).await["created"], false, "200 both times");
        assert_eq!(client.load("homework-2026-11-21").await, Some(homework));
        assert_eq!(client.save("notices", &json!([])).await["created"], true, "the last notice can be deleted");
        assert_eq!(client.load("notices").await, Some(json!([])));
        let head = client.call("HEAD", "/kv/notices").send().await;
        assert_eq!((head.status, head.body.len(), head.header("content-length")), (200, 0, Some("2")));
        assert_eq!(client.call("HEAD", "/kv/never").send().await.status, 404);
        let tag = client.call("GET", "/kv/notices").send().await.header("etag").unwrap().to_owned();
        for known in [tag.clone(), format!("W/{tag}")] {
            assert_eq!(client.call("GET", "/kv/notices").header("if-none-match", &known).send().await.status, 304);
        }
        assert_eq!(client.call("DELETE", "/kv/notices").send().await.status, 204);
        message(&client.call("DELETE", "/kv/notices").send().await, 404);
    }

    async fn every_source_of_the_token_works(app: TestApp) {
        let client = Client::open(&app, "d").await;
        client.save("k", &json!(1)).await;
        let token = &client.token;
        app.get("/kv/k").header("authorization", &format!("Bearer {token}")).send().await.expect(200);
        app.get("/kv/k").header("x-app-token", token).send().await.expect(200);
        app.get(&format!("/kv/k?token={token}")).send().await.expect(200);
        app.get(&format!("/kv/k?apptoken={token}")).send().await.expect(200);
        app.post("/kv/k", &json!({"token": token, "data": 1})).send().await.expect(200);
        assert_eq!(client.load("k").await, Some(json!({"data": 1})));
        for call in [app.get("/kv/k"), app.get("/kv/k?token=bad"), app.delete("/kv/k"), app.post("/kv/k", &json!({"token": "bad"})),
            app.get(&format!("/kv/k?token={token}")).header("authorization", "Bearer bad")] {
            message(&call.send().await, 401);
        }
        assert_eq!(client.load("k").await, Some(json!({"data": 1})));
    }

    async fn lists_are_read_page_by_page_with_their_links(app: TestApp) {
        let client = Client::open(&app, "d").await;
        for nth in 0..7 {
            client.save(&format!("homework-{nth}"), &json!({"n": nth})).await;
            app.clock.advance_millis(1);
        }
        let (mut items, mut next) = (Vec::new(), "/kv?sortBy=updatedAt&sortDir=desc&limit=3&skip=0".to_owned());
        loop {
            let page = client.call("GET", &next).send().await.expect(200);
            assert_eq!(page["total_rows"], 7);
            for item in page["items"].as_array().unwrap() {
                assert!(item["deviceId"].is_number() && item["metadata"]["creatorIp"].is_string());
                assert!(item["metadata"]["createdAt"].is_string() && item["metadata"]["updatedAt"].is_string());
                items.push(item["key"].as_str().unwrap().to_owned());
            }
            let Some(more) = page["load_more"].as_str() else { break };
            assert!(more.starts_with("/kv?"), "relative to the server, as before");
            next = more.to_owned();
        }
        let expected: Vec<String> = (0..7).rev().map(|nth| format!("homework-{nth}")).collect();
        assert_eq!(items, expected);
        let names = client.call("GET", "/kv/_keys?limit=5").send().await.expect(200);
        assert_eq!((names["keys"].as_array().unwrap().len(), &names["total_rows"]), (5, &json!(7)), "the true total");
        assert_eq!(names["current_page"], json!({"limit": 5, "skip": 0, "count": 5}));
        let more = names["load_more"].as_str().unwrap();
        let rest = client.call("GET", more).send().await.expect(200);
        assert_eq!((&rest["keys"], rest.get("load_more")), (&json!(["homework-5", "homework-6"]), None));
        for bad in ["limit=abc", "skip=-1", "sortBy=value", "sortDir=up"] {
            message(&client.call("GET", &format!("/kv?{bad}")).send().await, 400);
        }
    }

    async fn an_import_is_read_by_both_generations_of_clients(app: TestApp) {
        let client = Client::open(&app, "d").await;
        client.save("old", &json!(0)).await;
        let done = client.call("POST", "/kv/_batchimport").json(&json!({"new": {"a": 1}, "old": null})).send().await.expect(200);
        let device = client.call("GET", "/kv/old/metadata").send().await.expect(200)["deviceId"].clone();
        assert_eq!((&done["deviceId"], &done["total"], &done["successful"], &done["failed"]), (&device, &json!(2), &json!(2), &json!(0)));
        assert_eq!(done["results"], json!([{"key": "new", "created": true}, {"key": "old", "created": false}]));
        assert_eq!(done["code"], 200);
        assert!(done["message"].is_string());
        assert_eq!(done["data"], json!({"deviceId": device, "summary": {"total": 2, "successful": 2, "failed": 0},
            "results": [{"key": "new", "isNew": true}, {"key": "old", "isNew": false}]}));
        assert_eq!(client.load("old").await, Some(Value::Null), "null is a value, not a missing one");
        message(&client.call("POST", "/kv/_batchimport").json(&json!({})).send().await, 400);
    }

    async fn errors_are_final_and_carry_a_message(app: TestApp) {
        let client = Client::open(&app, "d").await;
        let Client { app_id, .. } = client;
        message(&app.get("/apps/4711").send().await, 404);
        message(&app.get("/apps/abc").send().await, 400);
        message(&app.post("/apps/4711/authorize", &json!({"deviceUuid": "d"})).send().await, 404);
        message(&app.post(&format!("/apps/{app_id}/authorize"), &json!({})).send().await, 400);
        message(&app.call("POST", &format!("/apps/{app_id}/authorize")).send().await, 400);
        message(&client.call("POST", "/kv/k").send().await, 400);
        message(&client.call("POST", "/kv/k").text("{").send().await, 400);
        message(&client.call("POST", "/kv/_keys").json(&json!(1)).send().await, 400);
        message(&client.call("POST", "/kv/k").text(format!("\"{}\"", "x".repeat(1_048_576))).send().await, 413);
        message(&client.call("PATCH", "/kv/k").send().await, 405);
        message(&app.get("/apps/devices/nobody/tokens").send().await, 404);
        message(&app.delete("/apps/tokens/nothing").send().await, 404);
        message(&app.get("/kv/a/b/c").send().await, 404);
        assert_eq!(app.delete(&format!("/apps/tokens/{}", client.token)).send().await.status, 204);
        message(&client.call("GET", "/kv/k").send().await, 401);
    }

    async fn an_unusual_key_is_one_piece_of_the_path(app: TestApp) {
        let client = Client::open(&app, "d").await;
        for (path, key) in [("%E4%BD%9C%E4%B8%9A", "作业"), ("a%2Fb", "a/b"), ("a%20b", "a b"), ("a+b", "a+b"), ("a%252Fb", "a%2Fb"), ("a%3Fb%23", "a?b#")] {
            let saved = client.call("POST", &format!("/kv/{path}")).json(&json!(key)).send().await.expect(200);
            assert_eq!(saved["key"], key);
            assert_eq!(client.load(path).await, Some(json!(key)));
            let known = client.call("GET", &format!("/kv/{path}/metadata")).send().await.expect(200);
            assert_eq!(known["key"], key);
        }
    }
}
