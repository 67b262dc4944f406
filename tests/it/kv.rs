//! The key-value store.

use serde_json::{Value, json};

use crate::kit::{Device, TestApp};

fn path(key: &str) -> String {
    format!("/kv/{}", percent_encoding::utf8_percent_encode(key, percent_encoding::NON_ALPHANUMERIC))
}

async fn raw(app: &TestApp, device: &Device, key: &str, text: &str) -> Value {
    app.call("POST", &path(key)).token(&device.token).text(text).send().await.expect(200)
}

on_both! {
    async fn a_value_comes_back_byte_for_byte(app: TestApp) {
        let device = app.new_device().await;
        let values = [
            "null", "true", "0", "-0.0", "1e400", "1.10", "123456789012345678901234567890", "\"\"", "\"\\u00e9é\\/\"", "[]", "{}",
            "{\"b\":1,\"a\": [ 2 ,3]}", "{\"a\":1,\"a\":2}", "\"\\ud800\"", "\"🀄\"",
        ];
        for (nth, text) in values.into_iter().enumerate() {
            let key = format!("value {nth}");
            let written = raw(&app, &device, &key, &format!(" \n{text}\t")).await;
            assert_eq!(written["created"], true);
            let read = app.get(&path(&key)).token(&device.token).send().await;
            assert_eq!((read.status, read.text().as_str()), (200, text));
            assert_eq!(read.header("content-type"), Some("application/json"));
            assert_eq!(read.header("etag").unwrap(), format!("\"{}\"", written["revision"]));
            assert!(read.headers.contains_key("last-modified"));
        }
        assert_eq!(raw(&app, &device, "value 0", "1").await["created"], false);
    }

    async fn keys_differ_by_every_byte(app: TestApp) {
        let device = app.new_device().await;
        let keys = ["a", "A", "á", "a\u{301}", "a ", " a", "a/b", "a%2Fb", "%", "+", "键", "🀄", "a\u{200b}", "x".repeat(191).as_str(), "键".repeat(191).as_str()]
            .map(str::to_owned);
        for key in &keys {
            assert_eq!(raw(&app, &device, key, &json!(key).to_string()).await["created"], true, "{key:?}");
        }
        for key in &keys {
            assert_eq!(app.get(&path(key)).token(&device.token).send().await.expect(200), json!(key));
        }
        let list = app.get("/kv/_keys?limit=1000").token(&device.token).send().await.expect(200);
        let mut sorted = keys.to_vec();
        sorted.sort();
        assert_eq!(list["keys"], json!(sorted), "sorted byte by byte");
    }

    async fn bad_keys_are_refused_and_reserved_ones_named_so(app: TestApp) {
        let device = app.new_device().await;
        for key in ["x".repeat(192), "键".repeat(192), "a\u{0}b".to_owned(), "a\nb".to_owned(), "\u{7f}".to_owned()] {
            app.call("POST", &path(&key)).token(&device.token).text("1").send().await.problem(400, "MALFORMED_REQUEST");
        }
        for key in ["_", "_mine", "_keys", "_batch2"] {
            let answer = app.call("PUT", &path(key)).token(&device.token).text("1").send().await;
            answer.problem(400, "KEY_RESERVED");
        }
        app.call("POST", "/kv/%ff").token(&device.token).text("1").send().await.problem(400, "MALFORMED_REQUEST");
    }

    async fn bad_bodies_are_refused_and_store_nothing(app: TestApp) {
        let device = app.new_device().await;
        let deep = "[".repeat(20_000);
        for (body, code) in [
            ("", "VALUE_MISSING"), (" ", "VALUE_MISSING"), ("{", "MALFORMED_REQUEST"), ("nul", "MALFORMED_REQUEST"),
            ("{} {}", "MALFORMED_REQUEST"), ("'a'", "MALFORMED_REQUEST"), (deep.as_str(), "MALFORMED_REQUEST"),
        ] {
            app.call("POST", "/kv/k").token(&device.token).text(body).send().await.problem(400, code);
        }
        app.call("POST", "/kv/k").token(&device.token).text(vec![b'"', 0xff, b'"']).send().await.problem(400, "MALFORMED_REQUEST");
        app.call("POST", "/kv/k").token(&device.token).body("text/plain", "1").send().await.problem(415, "UNSUPPORTED_MEDIA_TYPE");
        app.call("POST", "/kv/k").token(&device.token).send().await.problem(400, "VALUE_MISSING");
        let nested = format!("{}{}", "[".repeat(128), "]".repeat(128));
        app.get("/kv/k").token(&device.token).send().await.problem(404, "KEY_NOT_FOUND");
        raw(&app, &device, "k", &nested).await;
    }

    async fn a_value_may_be_as_large_as_configured_and_no_larger(app: TestApp) {
        let device = app.new_device().await;
        let most = 1_048_576;
        let fits = format!("\"{}\"", "x".repeat(most - 2));
        raw(&app, &device, "k", &fits).await;
        assert_eq!(app.get("/kv/k").token(&device.token).send().await.body.len(), most);
        let long = format!("\"{}\"", "x".repeat(most - 1));
        app.call("POST", "/kv/k").token(&device.token).text(long).send().await.problem(413, "VALUE_TOO_LARGE");
        let huge = vec![b' '; most + 5000];
        app.call("POST", "/kv/k").token(&device.token).text(huge).send().await.problem(413, "PAYLOAD_TOO_LARGE");
    }

    async fn preconditions_decide_between_writers(app: TestApp) {
        let device = app.new_device().await;
        let call = |method: &'static str| app.call(method, "/kv/k").token(&device.token);
        call("PUT").header("if-match", "*").text("1").send().await.problem(412, "PRECONDITION_FAILED");
        let first = call("PUT").header("if-none-match", "*").text("1").send().await;
        first.expect(200);
        let tag = first.header("etag").unwrap().to_owned();
        call("PUT").header("if-none-match", "*").text("2").send().await.problem(412, "PRECONDITION_FAILED");
        let second = call("PUT").header("if-match", &tag).text("2").send().await;
        second.expect(200);
        call("PUT").header("if-match", &tag).text("3").send().await.problem(412, "PRECONDITION_FAILED");
        call("DELETE").header("if-match", &tag).send().await.problem(412, "PRECONDITION_FAILED");
        let now = second.header("etag").unwrap();
        let known = call("GET").header("if-none-match", now).send().await;
        assert_eq!((known.status, known.body.len()), (304, 0));
        assert_eq!(known.header("etag"), Some(now));
        assert_eq!(call("GET").header("if-none-match", &tag).send().await.expect(200), json!(2));
        assert_eq!(call("DELETE").header("if-match", now).send().await.status, 204);
        call("DELETE").send().await.problem(404, "KEY_NOT_FOUND");
    }

    async fn of_many_writers_with_one_etag_exactly_one_wins(app: TestApp) {
        let device = app.new_device().await;
        let revision = app.set(&device, "k", &json!(0)).await;
        let tag = format!("\"{revision}\"");
        let calls = (1..=32).map(|nth| app.put("/kv/k", &json!(nth)).token(&device.token).header("if-match", &tag).send());
        let answers = futures_util::future::join_all(calls).await;
        let won = answers.iter().filter(|answer| answer.status == 200).count();
        assert_eq!(won, 1);
        assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 412)));
    }

    async fn revisions_grow_by_one_with_every_change_of_a_device(app: TestApp) {
        let (one, other) = (app.new_device().await, app.new_device().await);
        let calls = (0..50).map(|nth| app.set(&one, if nth % 2 == 0 { "even" } else { "odd" }, &Value::Null));
        let mut revisions = futures_util::future::join_all(calls).await;
        app.set(&other, "k", &json!(1)).await;
        revisions.sort_unstable();
        assert_eq!(revisions, (1..=50).collect::<Vec<i64>>());
        let own = app.get("/kv/k/metadata").token(&other.token).send().await.expect(200);
        assert_eq!(own["metadata"]["revision"], 1, "each device counts for itself");
    }

    async fn an_expired_key_is_absent_to_the_millisecond(app: TestApp) {
        let device = app.new_device().await;
        let call = |method: &'static str, path: &'static str| app.call(method, path).token(&device.token);
        for bad in ["0", "315360001", "-1", "x", "1.5"] {
            let path = format!("/kv/k?ttl={bad}");
            app.call("PUT", &path).token(&device.token).text("1").send().await.problem(400, "MALFORMED_REQUEST");
        }
        call("PUT", "/kv/k?ttl=10").text("1").send().await.expect(200);
        app.clock.advance_millis(9_999);
        assert_eq!(call("GET", "/kv/k").send().await.expect(200), json!(1));
        app.clock.advance_millis(1);
        call("GET", "/kv/k").send().await.problem(404, "KEY_NOT_FOUND");
        call("GET", "/kv/k/metadata").send().await.problem(404, "KEY_NOT_FOUND");
        call("DELETE", "/kv/k").send().await.problem(404, "KEY_NOT_FOUND");
        let list = call("GET", "/kv").send().await.expect(200);
        assert_eq!((&list["items"], &list["total_rows"]), (&json!([]), &json!(0)));
        let anew = call("PUT", "/kv/k").text("2").send().await.expect(200);
        assert_eq!(anew["created"], true);
        let known = call("GET", "/kv/k/metadata").send().await.expect(200);
        assert_eq!(known["metadata"]["createdAt"], anew["updatedAt"]);
        assert_eq!(known["metadata"]["expiresAt"], Value::Null, "a write without ttl never expires");
    }

    async fn every_order_pages_through_each_key_exactly_once(app: TestApp) {
        let device = app.new_device().await;
        for nth in 0..23 {
            app.set(&device, &format!("key {:02}", (nth * 7) % 23), &json!("x".repeat(nth % 3))).await;
            if nth % 4 == 0 {
                app.clock.advance_millis(1);
            }
        }
        app.set(&device, "other", &json!(1)).await;
        for sort in ["key", "createdAt", "updatedAt", "size"] {
            for dir in ["asc", "desc"] {
                let query = format!("sortBy={sort}&sortDir={dir}&limit=5&prefix=key%20");
                let by_skip = pages(&app, &device, &query, true).await;
                let by_cursor = pages(&app, &device, &query, false).await;
                assert_eq!(by_skip, by_cursor, "{query}");
                assert_eq!(by_skip.len(), 23);
                let mut unique = by_skip.clone();
                unique.sort();
                unique.dedup();
                assert_eq!(unique.len(), 23, "{query}");
            }
        }
        for bad in ["sortBy=value", "sortDir=up", "limit=0", "limit=1001", "limit=x", "skip=-1", "cursor=bad"] {
            app.get(&format!("/kv?{bad}")).token(&device.token).send().await.problem(400, "MALFORMED_REQUEST");
        }
    }

    async fn an_import_stores_all_or_nothing(app: TestApp) {
        let device = app.new_device().await;
        let call = || app.call("POST", "/kv/_batchimport").token(&device.token);
        let bad = call().json(&json!({"good": 1, "_bad": 2, "": 3, "x".repeat(192): 4})).send().await;
        let errors = bad.problem(422, "INVALID_REQUEST")["errors"].as_array().unwrap().clone();
        assert_eq!(errors.len(), 3, "each bad key is listed");
        app.get("/kv/good").token(&device.token).send().await.problem(404, "KEY_NOT_FOUND");
        app.set(&device, "old", &json!(0)).await;
        let done = call().text(r#"{"old":1.0,"new":null,"empty":[]}"#).send().await.expect(200);
        assert_eq!((&done["code"], &done["successful"], &done["failed"]), (&json!(200), &json!(3), &json!(0)));
        assert_eq!(done["results"], json!([{"key": "old", "created": false}, {"key": "new", "created": true}, {"key": "empty", "created": true}]));
        assert_eq!(done["data"]["results"][1], json!({"key": "new", "isNew": true}));
        assert_eq!(app.get("/kv/old").token(&device.token).send().await.text(), "1.0");
        let many: serde_json::Map<String, Value> = (0..10_001).map(|nth| (format!("k{nth}"), json!(nth))).collect();
        call().json(&Value::Object(many)).send().await.problem(422, "INVALID_REQUEST");
        for empty in ["{}", "[]", "[1]", "1", "null"] {
            call().text(empty).send().await.problem(400, "MALFORMED_REQUEST");
        }
    }

    async fn ten_thousand_keys_are_imported_at_once(app: TestApp) {
        let device = app.new_device().await;
        let many: serde_json::Map<String, Value> = (0..10_000).map(|nth| (format!("k{nth}"), json!(nth))).collect();
        let done = app.post("/kv/_batchimport", &Value::Object(many)).token(&device.token).send().await.expect(200);
        assert_eq!(done["successful"], 10_000);
        let list = app.get("/kv/_keys?limit=1").token(&device.token).send().await.expect(200);
        assert_eq!(list["total_rows"], 10_000);
        assert_eq!(app.get("/kv/k9999").token(&device.token).send().await.expect(200), json!(9999));
    }

    async fn a_batch_happens_whole_or_not_at_all(app: TestApp) {
        let device = app.new_device().await;
        let run = |ops: Value| app.post("/kv/_batch", &json!({"ops": ops})).token(&device.token).send();
        let revision = app.set(&device, "a", &json!(1)).await;
        let failed = run(json!([{"op": "set", "key": "b", "value": 1}, {"op": "check", "key": "a", "ifMatch": revision + 1}])).await;
        assert_eq!(failed.problem(409, "CHECK_FAILED")["index"], 1);
        app.get("/kv/b").token(&device.token).send().await.problem(404, "KEY_NOT_FOUND");
        let done = run(json!([
            {"op": "check", "key": "a", "ifMatch": revision},
            {"op": "check", "key": "b", "ifMatch": 0},
            {"op": "set", "key": "b", "value": null},
            {"op": "delete", "key": "a"},
            {"op": "delete", "key": "never"},
            {"op": "set", "key": "c", "value": 3, "ttl": 60},
        ])).await.expect(200);
        assert_eq!(done["revision"], revision + 3);
        assert_eq!(done["results"][2], json!({"index": 2, "key": "b", "op": "set", "revision": revision + 1, "created": true}));
        assert_eq!(done["results"][3]["deleted"], true);
        assert_eq!(done["results"][4]["deleted"], false, "deleting nothing is no error");
        assert_eq!(app.get("/kv/b").token(&device.token).send().await.text(), "null");
        for bad in [json!([]), json!([{"op": "add", "key": "a"}]), json!([{"op": "check", "key": "a"}]),
            json!([{"op": "set", "key": "a", "value": 1, "ttl": 0}]), json!([{"op": "delete", "key": "a", "ifMatch": -1}]), json!("x")] {
            run(bad).await.problem(400, "MALFORMED_REQUEST");
        }
        run(json!([{"op": "set", "key": "a"}])).await.problem(400, "VALUE_MISSING");
        run(json!([{"op": "set", "key": "_a", "value": 1}])).await.problem(400, "KEY_RESERVED");
    }

    async fn what_the_counters_say_is_what_is_there(app: TestApp) {
        let device = app.new_device().await;
        let ops = (0..300).map(|nth| {
            let key = format!("/kv/k{}", nth % 17);
            if nth % 5 == 0 { app.delete(&key).token(&device.token).send() } else { app.post(&key, &json!("x".repeat(nth))).token(&device.token).send() }
        });
        futures_util::future::join_all(ops).await;
        let list = app.get("/kv?limit=1000").token(&device.token).send().await.expect(200);
        let items = list["items"].as_array().unwrap();
        let bytes: i64 = items.iter().map(|item| item["metadata"]["size"].as_i64().unwrap()).sum();
        let known = app.get(&format!("/public-api/devices/{}", device.uuid)).root().send().await.expect(200);
        assert_eq!((&known["key_count"], &known["byte_count"]), (&json!(items.len()), &json!(bytes)));
        assert_eq!(list["total_rows"], json!(items.len()));
    }

    async fn a_read_only_token_writes_nothing(app: TestApp) {
        let device = app.new_device().await;
        app.set(&device, "k", &json!(1)).await;
        let body = json!({"deviceUuid": device.uuid, "readOnly": true});
        let granted = app.post(&format!("/apps/{}/authorize", device.app_id), &body).send().await.expect(200);
        assert_eq!(granted["readOnly"], true);
        let token = granted["token"].as_str().unwrap();
        assert_eq!(app.get("/kv/k").token(token).send().await.expect(200), json!(1));
        for call in [app.post("/kv/k", &json!(2)), app.put("/kv/new", &json!(2)), app.delete("/kv/k"), app.delete("/kv/never"),
            app.post("/kv/_batchimport", &json!({"k": 2})), app.post("/kv/_batch", &json!({"ops": [{"op": "delete", "key": "k"}]}))] {
            call.token(token).send().await.problem(403, "READ_ONLY");
        }
        assert_eq!(app.get("/kv/k").token(&device.token).send().await.expect(200), json!(1));
    }

    async fn the_first_token_source_present_decides(app: TestApp) {
        let device = app.new_device().await;
        app.set(&device, "k", &json!(1)).await;
        let (good, bad) = (device.token.as_str(), "0".repeat(64));
        for path in [format!("/kv/k?token={good}"), format!("/kv/k?apptoken={good}")] {
            app.get(&path).send().await.expect(200);
            app.get(&path).token(&bad).send().await.problem(401, "TOKEN_INVALID");
            app.get(&path).header("x-app-token", &bad).send().await.problem(401, "TOKEN_INVALID");
        }
        app.get("/kv/k").header("authorization", &format!("bearer {good}")).send().await.expect(200);
        app.get(&format!("/kv/k?token={bad}")).header("x-app-token", good).send().await.expect(200);
        let missing = app.get("/kv/k").send().await;
        missing.problem(401, "TOKEN_MISSING");
        assert_eq!(missing.header("www-authenticate"), Some("Bearer"));
        app.get("/kv/k?token=").send().await.problem(401, "TOKEN_INVALID");
        app.get("/kv/k").header("authorization", "Bearer").send().await.problem(401, "TOKEN_INVALID");
        app.delete("/kv/k").send().await.problem(401, "TOKEN_MISSING");
    }

    async fn a_token_in_the_body_is_cut_out_only_when_it_was_the_credential(app: TestApp) {
        let device = app.new_device().await;
        let body = format!(r#"{{ "a": 1.0, "token":"{}" , "b":[] }}"#, device.token);
        app.call("POST", "/kv/k").text(body.clone()).send().await.expect(200);
        let stored = app.get("/kv/k").token(&device.token).send().await.text();
        assert!(!stored.contains(&device.token) && stored.contains("\"a\": 1.0"), "{stored}");
        app.call("POST", "/kv/k").token(&device.token).text(body.clone()).send().await.expect(200);
        assert_eq!(app.get("/kv/k").token(&device.token).send().await.text(), body, "it is data here");
        let import = format!(r#"{{"token":"{}","x":1}}"#, device.token);
        let done = app.call("POST", "/kv/_batchimport").text(import).send().await.expect(200);
        assert_eq!(done["results"], json!([{"key": "x", "created": true}]));
        app.get("/kv/token").token(&device.token).send().await.problem(404, "KEY_NOT_FOUND");
    }

    async fn clearing_up_tells_followers_that_a_key_is_gone(app: TestApp) {
        let device = app.new_device().await;
        app.call("PUT", "/kv/short?ttl=1").token(&device.token).text("1").send().await.expect(200);
        app.set(&device, "long", &json!(1)).await;
        app.clock.advance_millis(1000);
        let store = latchkey::kv::Store::new(&app.state);
        assert_eq!(latchkey::kv::purge(&app.state, &store).await.unwrap(), 1);
        let feed = app.get("/kv/_changes?since=2").token(&device.token).send().await.expect(200);
        assert_eq!(feed["changes"][0]["key"], "short");
        assert_eq!(feed["changes"][0]["action"], "delete");
        let known = app.get(&format!("/public-api/devices/{}", device.uuid)).root().send().await.expect(200);
        assert_eq!(known["key_count"], 1);
    }
}

async fn pages(app: &TestApp, device: &Device, query: &str, by_skip: bool) -> Vec<String> {
    let (mut keys, mut next) = (Vec::new(), Some(format!("/kv?{query}")));
    while let Some(path) = next {
        let page = app.get(&path).token(&device.token).send().await.expect(200);
        assert_eq!(page["total_rows"], 23);
        keys.extend(page["items"].as_array().unwrap().iter().map(|item| item["key"].as_str().unwrap().to_owned()));
        next = if by_skip {
            page["load_more"].as_str().map(str::to_owned)
        } else {
            page["next_cursor"].as_str().map(|cursor| format!("/kv?{query}&cursor={cursor}"))
        };
    }
    keys
}
