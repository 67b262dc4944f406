//! Lists of keys: their form, their pages, prefixes; and batches at their limits.

use serde_json::{Value, json};

use crate::kit::{Call, Device, TestApp, encoded};

fn get(app: &TestApp, device: &Device, path: &str) -> Call {
    app.get(path).token(&device.token)
}

async fn fill(app: &TestApp, device: &Device, keys: &[&str]) {
    let all: serde_json::Map<String, Value> = keys.iter().map(|key| ((*key).to_owned(), json!(1))).collect();
    app.post("/kv/_batchimport", &Value::Object(all)).token(&device.token).send().await.expect(200);
}

/// Follows `load_more` to the end, and answers all keys with the last page.
async fn follow(app: &TestApp, device: &Device, path: &str) -> (Vec<String>, Value) {
    let (mut keys, mut next) = (Vec::new(), path.to_owned());
    loop {
        let page = get(app, device, &next).send().await.expect(200);
        match page["keys"].as_array() {
            Some(names) => keys.extend(names.iter().map(|key| key.as_str().unwrap().to_owned())),
            None => keys
                .extend(page["items"].as_array().unwrap().iter().map(|item| item["key"].as_str().unwrap().to_owned())),
        }
        assert!(keys.len() < 1000, "it never ends");
        match page["load_more"].as_str() {
            Some(more) => next = more.to_owned(),
            None => return (keys, page),
        }
    }
}

on_both! {
    async fn a_list_tells_everything_but_the_values(app: TestApp) {
        let device = app.new_device().await;
        let id = get(&app, &device, "/kv/_info").send().await.expect(200)["device"]["id"].clone();
        app.call("PUT", "/kv/b?ttl=60").token(&device.token).text(" \"é\" ").send().await.expect(200);
        app.clock.advance_millis(1_500);
        app.set(&device, "a", &json!("secret value")).await;
        app.call("PUT", "/kv/b?ttl=60").token(&device.token).text("\"éé\"").send().await.expect(200);
        let list = get(&app, &device, "/kv").send().await;
        assert!(!list.text().contains("secret value"));
        let list = list.expect(200);
        let b = json!({"deviceId": id, "key": "b", "metadata": {"creatorIp": "127.0.0.1", "updaterIp": "127.0.0.1",
            "createdAt": "2026-11-21T04:31:00.000Z", "updatedAt": "2026-11-21T04:31:01.500Z", "size": 6, "revision": 3,
            "expiresAt": "2026-11-21T04:32:01.500Z"}});
        assert_eq!(list["items"][1], b);
        assert_eq!((&list["items"][0]["key"], &list["total_rows"]), (&json!("a"), &json!(2)));
        assert_eq!((list.get("load_more"), &list["next_cursor"]), (None, &Value::Null), "only while more follow");
        assert_eq!(get(&app, &device, "/kv/b/metadata").send().await.expect(200), b);
        let names = get(&app, &device, "/kv/_keys").send().await.expect(200);
        assert_eq!(names, json!({"keys": ["a", "b"], "total_rows": 2, "current_page": {"limit": 100, "skip": 0, "count": 2}, "next_cursor": null}));
        let read = get(&app, &device, "/kv/b").send().await;
        assert_eq!(read.header("last-modified"), Some("Sat, 21 Nov 2026 04:31:01 GMT"));
        get(&app, &device, "/kv/none/metadata").send().await.problem(404, "KEY_NOT_FOUND");
    }

    async fn load_more_leads_through_every_key_from_wherever_it_starts(app: TestApp) {
        let device = app.new_device().await;
        let keys: Vec<String> = (0..11).map(|nth| format!("k {nth:02}")).collect();
        fill(&app, &device, &keys.iter().map(String::as_str).collect::<Vec<_>>()).await;
        fill(&app, &device, &["other"]).await;
        for path in ["/kv", "/kv/_keys"] {
            let (all, _) = follow(&app, &device, &format!("{path}?limit=3&prefix=k%20")).await;
            assert_eq!(all, keys);
            let (all, last) = follow(&app, &device, &format!("{path}?limit=4&sortDir=desc&sortBy=size")).await;
            assert_eq!(all.len(), 12);
            assert_eq!(last["total_rows"], 12);
            let (rest, _) = follow(&app, &device, &format!("{path}?limit=3&skip=8&prefix=k%20")).await;
            assert_eq!(rest, keys[8..]);
            let first = get(&app, &device, &format!("{path}?limit=3&prefix=k%20")).send().await.expect(200);
            let cursor = first["next_cursor"].as_str().unwrap();
            let (rest, _) = follow(&app, &device, &format!("{path}?limit=3&prefix=k%20&cursor={cursor}")).await;
            assert_eq!(rest, keys[3..], "a page by cursor leads on as well");
        }
        let names = get(&app, &device, "/kv/_keys?limit=5&skip=5").send().await.expect(200);
        assert_eq!(names["current_page"], json!({"limit": 5, "skip": 5, "count": 5}));
        assert_eq!(names["load_more"], "/kv/_keys?sortBy=key&sortDir=asc&limit=5&skip=10");
        let beyond = get(&app, &device, "/kv?skip=9223372036854775807").send().await.expect(200);
        assert_eq!((&beyond["items"], &beyond["total_rows"]), (&json!([]), &json!(12)));
        let other = get(&app, &device, "/kv?limit=3&sortBy=size").send().await.expect(200)["next_cursor"].clone();
        get(&app, &device, &format!("/kv?cursor={}", other.as_str().unwrap())).send().await.problem(400, "MALFORMED_REQUEST");
    }

    async fn a_prefix_means_itself_byte_by_byte(app: TestApp) {
        let device = app.new_device().await;
        let keys = ["a", "a%", "a_b", "a%b", "A", "á", "ab", "aé", "a\u{10FFFF}", "a\u{10FFFF}\u{10FFFF}z", "b", "作业", "作业/1", "作"];
        fill(&app, &device, &keys).await;
        for prefix in ["", "a", "a%", "a_", "ab", "A", "á", "a\u{10FFFF}", "作", "作业", "zz"] {
            let mut expected: Vec<&str> = keys.into_iter().filter(|key| key.starts_with(prefix)).collect();
            expected.sort_unstable();
            let names = get(&app, &device, &format!("/kv/_keys?prefix={}", encoded(prefix))).send().await.expect(200);
            assert_eq!((&names["keys"], &names["total_rows"]), (&json!(expected), &json!(expected.len())), "{prefix}");
        }
    }

    async fn expired_keys_are_in_no_list_and_no_total(app: TestApp) {
        let device = app.new_device().await;
        fill(&app, &device, &["p1", "p2", "q"]).await;
        let ops = json!([{"op": "set", "key": "p3", "value": 1, "ttl": 1}, {"op": "set", "key": "p2", "value": 1, "ttl": 1}, {"op": "set", "key": "q", "value": 2, "ttl": 1}]);
        app.post("/kv/_batch", &json!({"ops": ops})).token(&device.token).send().await.expect(200);
        fill(&app, &device, &["q"]).await;
        app.clock.advance_millis(1_000);
        let all = get(&app, &device, "/kv/_keys").send().await.expect(200);
        assert_eq!((&all["keys"], &all["total_rows"]), (&json!(["p1", "q"]), &json!(2)), "an import clears the ttl");
        let some = get(&app, &device, "/kv?prefix=p").send().await.expect(200);
        assert_eq!((&some["items"][0]["key"], &some["total_rows"]), (&json!("p1"), &json!(1)));
        let check = json!({"ops": [{"op": "check", "key": "p3", "ifMatch": 0}, {"op": "delete", "key": "p2"}]});
        let done = app.post("/kv/_batch", &check).token(&device.token).send().await.expect(200);
        assert_eq!(done["results"][1]["deleted"], false);
    }

    async fn a_device_sees_no_key_of_another(app: TestApp) {
        let (one, other) = (app.new_device().await, app.new_device().await);
        fill(&app, &one, &["a", "b"]).await;
        fill(&app, &other, &["b", "c"]).await;
        assert_eq!(get(&app, &one, "/kv/_keys").send().await.expect(200)["keys"], json!(["a", "b"]));
        get(&app, &one, "/kv/c").send().await.problem(404, "KEY_NOT_FOUND");
        app.delete("/kv/b").token(&one.token).send().await;
        get(&app, &other, "/kv/b").send().await.expect(200);
        let second = app.authorize(app.new_app().await, &one.uuid).await;
        get(&app, &Device { token: second, ..one }, "/kv/a").send().await.expect(200);
    }

    async fn batches_are_taken_up_to_their_limits(app: TestApp) {
        let device = app.new_device().await;
        let post = |path: &str, body: String| app.call("POST", path).token(&device.token).text(body).send();
        let ops = |count: usize| json!({"ops": vec![json!({"op": "delete", "key": "k"}); count]}).to_string();
        post("/kv/_batch", ops(1000)).await.expect(200);
        post("/kv/_batch", ops(1001)).await.problem(400, "MALFORMED_REQUEST");
        let value = format!("\"{}\"", "x".repeat(1_048_574));
        let import = |count: usize, rest: usize| {
            let members: Vec<String> = (0..count).map(|nth| format!("\"k{nth}\":{value}")).collect();
            format!("{{{}}}{}", members.join(","), " ".repeat(rest))
        };
        let whole = import(15, 16 * 1024 * 1024 - import(15, 0).len());
        assert_eq!(post("/kv/_batchimport", whole).await.expect(200)["successful"], 15);
        let over = import(15, 16 * 1024 * 1024 + 1 - import(15, 0).len());
        post("/kv/_batchimport", over).await.problem(413, "PAYLOAD_TOO_LARGE");
        let large = format!("{{\"k\":1,\"large\":\"{}\"}}", "x".repeat(1_048_575));
        let refused = post("/kv/_batchimport", large).await.problem(422, "INVALID_REQUEST");
        assert_eq!(refused["errors"][0]["field"], "large");
        let set = json!({"ops": [{"op": "set", "key": "ok", "value": 1}, {"op": "set", "key": "k", "value": "x".repeat(1_048_575)}]});
        assert_eq!(post("/kv/_batch", set.to_string()).await.problem(413, "VALUE_TOO_LARGE")["index"], 1);
        get(&app, &device, "/kv/ok").send().await.problem(404, "KEY_NOT_FOUND");
        assert_eq!(get(&app, &device, "/kv/k14").send().await.body.len(), 1_048_576);
    }

    async fn what_is_wrong_in_a_batch_is_told_with_its_place(app: TestApp) {
        let device = app.new_device().await;
        let post = |path: &str, body: &str| app.call("POST", path).token(&device.token).text(body).send();
        let twice = post("/kv/_batchimport", r#"{"a":1,"b":2,"a":3}"#).await.problem(422, "INVALID_REQUEST");
        assert_eq!(twice["errors"], json!([{"field": "a", "code": "duplicate", "message": "is given twice"}]));
        let deep = format!(r#"{{"deep":{}{}}}"#, "[".repeat(129), "]".repeat(129));
        let refused = post("/kv/_batchimport", &deep).await.problem(422, "INVALID_REQUEST");
        assert_eq!(refused["errors"][0]["field"], "deep");
        let bad = post("/kv/_batch", r#"{"ops":[{"op":"delete","key":"a"},{"op":"set","key":"","value":1}]}"#).await;
        assert_eq!(bad.problem(400, "MALFORMED_REQUEST")["index"], 1);
        for path in ["/kv/_batch", "/kv/_batchimport"] {
            app.call("POST", path).token(&device.token).send().await.problem(400, "MALFORMED_REQUEST");
            app.call("POST", path).token(&device.token).body("text/plain", "").send().await.problem(400, "MALFORMED_REQUEST");
            app.call("POST", path).token(&device.token).body("text/plain", "{}").send().await.problem(415, "UNSUPPORTED_MEDIA_TYPE");
            let broken = post(path, "{\n \"ops\": [,]}").await.problem(400, "MALFORMED_REQUEST");
            assert!(broken["detail"].as_str().unwrap().contains("line 2"), "{broken}");
        }
        let with_token = json!({"token": device.token, "later": 1, "ops": [{"op": "set", "key": "a", "value": {"token": "kept"}, "note": "x"}]});
        app.post("/kv/_batch", &with_token).send().await.expect(200);
        assert_eq!(get(&app, &device, "/kv/a").send().await.expect(200), json!({"token": "kept"}));
        let order = post("/kv/_batch", r#"{"ops":[{"op":"set","key":"z","value":1},{"op":"delete","key":"z"},{"op":"check","key":"z","ifMatch":0},{"op":"set","key":"z","value":2}]}"#).await;
        let order = order.expect(200);
        assert_eq!((&order["results"][1]["deleted"], &order["results"][3]["created"]), (&json!(true), &json!(true)), "one after the other");
        assert_eq!(order["results"][2], json!({"index": 2, "key": "z", "op": "check", "revision": 0}));
        assert_eq!(get(&app, &device, "/kv/z").send().await.text(), "2");
        let failed = post("/kv/_batch", r#"{"ops":[{"op":"set","key":"z","value":3,"ifMatch":1}]}"#).await;
        assert_eq!(failed.problem(409, "CHECK_FAILED")["index"], 0);
    }

    async fn a_query_parameter_that_is_given_twice_is_400_here(app: TestApp) {
        let device = app.new_device().await;
        for path in ["/kv?skip=1&skip=1", "/kv/_keys?limit=1&limit=2", "/kv/_changes?since=0&since=1", "/apps?skip=1&skip=1"] {
            get(&app, &device, path).send().await.problem(400, "MALFORMED_REQUEST");
        }
        app.call("PUT", "/kv/k?ttl=1&ttl=2").token(&device.token).text("1").send().await.problem(400, "MALFORMED_REQUEST");
        get(&app, &device, "/kv?unknown=1&unknown=2").send().await.expect(200);
    }
}
