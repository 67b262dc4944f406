//! How much a device may hold.

use latchkey::config::Config;
use serde_json::{Value, json};

use crate::kit::{Answer, Device, TestApp};

/// Three keys, a hundred bytes.
fn little(config: &mut Config) {
    config.kv.max_keys_per_device = 3;
    config.kv.max_device_bytes = 100;
}

/// A value of that many bytes.
fn of_size(bytes: usize) -> Value {
    json!("x".repeat(bytes - 2))
}

async fn put(app: &TestApp, device: &Device, path: &str, bytes: usize) -> Answer {
    app.put(path, &of_size(bytes)).token(&device.token).send().await
}

/// Keys and bytes, counted twice: by the list and by the counters.
async fn held(app: &TestApp, device: &Device) -> (usize, i64) {
    let list = app.get("/kv?limit=1000").token(&device.token).send().await.expect(200);
    let items = list["items"].as_array().unwrap();
    assert_eq!(list["total_rows"], items.len());
    (items.len(), items.iter().map(|item| item["metadata"]["size"].as_i64().unwrap()).sum())
}

on_both_with! { little;
    async fn a_full_device_takes_no_new_key_and_lets_old_ones_change(app: TestApp) {
        let device = app.new_device().await;
        for key in ["/kv/a", "/kv/b", "/kv/c"] {
            put(&app, &device, key, 10).await.expect(200);
        }
        let refused = put(&app, &device, "/kv/d", 10).await;
        let problem = refused.problem(413, "DEVICE_QUOTA");
        assert_eq!(problem["message"], problem["detail"]);
        app.put(&format!("/public-api/devices/{}/kv/d", device.uuid), &json!(1)).root().send().await.problem(413, "DEVICE_QUOTA");
        put(&app, &device, "/kv/a", 20).await.expect(200);
        assert_eq!(app.delete("/kv/b").token(&device.token).send().await.status, 204);
        put(&app, &device, "/kv/d", 10).await.expect(200);
        assert_eq!(held(&app, &device).await, (3, 40));
        let other = app.new_device().await;
        put(&app, &other, "/kv/d", 10).await.expect(200);
    }

    async fn the_bytes_of_a_device_are_limited_to_the_last_one(app: TestApp) {
        let device = app.new_device().await;
        put(&app, &device, "/kv/a", 101).await.problem(413, "DEVICE_QUOTA");
        put(&app, &device, "/kv/a", 60).await.expect(200);
        put(&app, &device, "/kv/b", 41).await.problem(413, "DEVICE_QUOTA");
        put(&app, &device, "/kv/b", 40).await.expect(200);
        put(&app, &device, "/kv/a", 61).await.problem(413, "DEVICE_QUOTA");
        assert_eq!(held(&app, &device).await, (2, 100), "a refused write changes nothing");
        put(&app, &device, "/kv/a", 60).await.expect(200);
        put(&app, &device, "/kv/a", 50).await.expect(200);
        put(&app, &device, "/kv/b", 50).await.expect(200);
        assert_eq!(held(&app, &device).await, (2, 100));
    }

    async fn a_batch_or_import_that_does_not_fit_stores_nothing(app: TestApp) {
        let device = app.new_device().await;
        put(&app, &device, "/kv/a", 10).await.expect(200);
        let import = |body: Value| app.post("/kv/_batchimport", &body).token(&device.token).send();
        let batch = |ops: Value| app.post("/kv/_batch", &json!({"ops": ops})).token(&device.token).send();
        import(json!({"b": 1, "c": 2, "d": 3})).await.problem(413, "DEVICE_QUOTA");
        import(json!({"b": of_size(50), "c": of_size(41)})).await.problem(413, "DEVICE_QUOTA");
        let set = |key: &str| json!({"op": "set", "key": key, "value": 1});
        batch(json!([set("b"), set("c"), set("d")])).await.problem(413, "DEVICE_QUOTA");
        batch(json!([{"op": "delete", "key": "a"}, {"op": "set", "key": "b", "value": of_size(101)}])).await.problem(413, "DEVICE_QUOTA");
        assert_eq!(held(&app, &device).await, (1, 10));
        let now = app.get("/kv/_changes").token(&device.token).send().await.expect(200);
        assert_eq!(now["revision"], 1, "nothing was changed");
        batch(json!([set("b"), set("c"), set("d"), {"op": "delete", "key": "a"}])).await.expect(200);
        assert_eq!(held(&app, &device).await, (3, 3), "what counts is how it ends");
        import(json!({"b": of_size(30), "c": of_size(30), "d": of_size(40)})).await.expect(200);
        assert_eq!(held(&app, &device).await, (3, 100));
    }

    async fn expired_keys_free_their_place(app: TestApp) {
        let device = app.new_device().await;
        put(&app, &device, "/kv/a?ttl=10", 30).await.expect(200);
        put(&app, &device, "/kv/b?ttl=10", 30).await.expect(200);
        put(&app, &device, "/kv/c", 40).await.expect(200);
        put(&app, &device, "/kv/d", 1 + 2).await.problem(413, "DEVICE_QUOTA");
        app.clock.advance_millis(9_999);
        put(&app, &device, "/kv/d", 1 + 2).await.problem(413, "DEVICE_QUOTA");
        app.clock.advance_millis(1);
        assert_eq!(held(&app, &device).await, (1, 40));
        put(&app, &device, "/kv/d", 50).await.expect(200);
        put(&app, &device, "/kv/a", 11).await.problem(413, "DEVICE_QUOTA");
        put(&app, &device, "/kv/a", 10).await.expect(200);
        put(&app, &device, "/kv/b", 2).await.problem(413, "DEVICE_QUOTA");
        assert_eq!(held(&app, &device).await, (3, 100));
        let store = latchkey::kv::Store::new(&app.state);
        assert_eq!(latchkey::kv::purge(&app.state, &store).await.unwrap(), 1);
        let known = app.get(&format!("/public-api/devices/{}", device.uuid)).root().send().await.expect(200);
        assert_eq!((&known["key_count"], &known["byte_count"]), (&json!(3), &json!(100)));
    }

    async fn of_many_writers_at_once_none_gets_past_the_quota(app: TestApp) {
        let device = app.new_device().await;
        let paths: Vec<String> = (0..24).map(|nth| format!("/kv/k{nth}")).collect();
        let answers = futures_util::future::join_all(paths.iter().map(|path| put(&app, &device, path, 10))).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 3);
        assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 413)));
        assert_eq!(held(&app, &device).await, (3, 30));
    }
}
