//! The change feed: event streams, long polls, resuming.

use std::time::Duration;

use sea_orm::{ConnectionTrait, TransactionTrait};
use serde_json::{Value, json};

use crate::kit::{Device, Event, Events, TestApp};

async fn changes(app: &TestApp, device: &Device, query: &str) -> Value {
    app.get(&format!("/kv/_changes?{query}")).token(&device.token).send().await.expect(200)
}

async fn follow(app: &TestApp, device: &Device, query: &str) -> Events {
    Events::open(app.get(&format!("/kv/_changes?{query}")).token(&device.token)).await
}

/// Writes `count` changes, a thousand at a time.
async fn write_many(app: &TestApp, device: &Device, count: usize) {
    let ops: Vec<Value> =
        (0..count).map(|nth| json!({"op": "set", "key": format!("k{}", nth % 7), "value": nth})).collect();
    for ops in ops.chunks(1000) {
        app.post("/kv/_batch", &json!({"ops": ops})).token(&device.token).send().await.expect(200);
    }
}

async fn listeners(app: &TestApp, count: usize) {
    while app.state.wakeups.devices().len() < count {
        tokio::time::sleep(Duration::from_millis(5)).await; // between two looks, not for a race
    }
}

on_both! {
    async fn an_event_stream_has_the_documented_form(app: TestApp) {
        let device = app.new_device().await;
        app.put("/kv/%E4%BD%9C%E4%B8%9A%2F1", &json!(1)).token(&device.token).send().await.expect(200);
        app.clock.advance_millis(5);
        app.delete("/kv/%E4%BD%9C%E4%B8%9A%2F1").token(&device.token).send().await;
        let events = follow(&app, &device, "since=0").await;
        assert_eq!(events.raw(), "event: change\nid: 1\n\
            data: {\"key\":\"作业/1\",\"action\":\"upsert\",\"revision\":1,\"updatedAt\":\"2026-11-21T04:31:00.000Z\"}\n\n\
            event: change\nid: 2\n\
            data: {\"key\":\"作业/1\",\"action\":\"delete\",\"revision\":2,\"updatedAt\":\"2026-11-21T04:31:00.005Z\"}\n\n");
        let idle = follow(&app, &device, "").await;
        assert!(idle.raw().starts_with(':') && idle.raw().ends_with("\n\n"), "a comment tells that it is open");
    }

    async fn an_idle_stream_shows_that_it_lives(app: TestApp) {
        let device = app.new_device().await;
        let call = app.get("/kv/_changes").token(&device.token).header("accept", "text/event-stream");
        let mut stream = call.open().await;
        let mut comments = 0;
        // The one that tells that it is open, and a heartbeat.
        while comments < 2 {
            let piece = tokio::time::timeout(Duration::from_secs(60), stream.chunk()).await.expect("a heartbeat");
            let piece = String::from_utf8(piece.unwrap().expect("the stream goes on").to_vec()).unwrap();
            comments += piece.lines().filter(|line| line.starts_with(':')).count();
        }
    }

    async fn a_stream_tells_every_change_in_order(app: TestApp) {
        let device = app.new_device().await;
        app.set(&device, "before", &json!(0)).await;
        let mut events = follow(&app, &device, "").await;
        app.set(&device, "a", &json!(1)).await;
        app.set(&device, "a", &json!(1)).await;
        let ops = json!([{"op": "set", "key": "b", "value": 1}, {"op": "check", "key": "a", "ifMatch": 3}, {"op": "delete", "key": "a"}, {"op": "delete", "key": "x"}]);
        app.post("/kv/_batch", &json!({"ops": ops})).token(&device.token).send().await.expect(200);
        app.post("/kv/_batchimport", &json!({"c": 1})).token(&device.token).send().await.expect(200);
        app.put(&format!("/public-api/devices/{}/kv/d", device.uuid), &json!(1)).root().send().await.expect(200);
        app.delete("/kv/missing").token(&device.token).send().await.problem(404, "KEY_NOT_FOUND");
        app.delete("/kv/b").token(&device.token).send().await;
        let expected = [("a", "upsert"), ("a", "upsert"), ("b", "upsert"), ("a", "delete"), ("c", "upsert"), ("d", "upsert"), ("b", "delete")];
        for (revision, (key, action)) in (2..).zip(expected) {
            let Event { name, id, data } = events.next().await.unwrap();
            assert_eq!((name.as_str(), id), ("change", revision));
            assert_eq!((&data["key"], &data["action"], &data["revision"]), (&json!(key), &json!(action), &json!(revision)));
        }
    }

    async fn a_stream_goes_on_where_it_was_left(app: TestApp) {
        let device = app.new_device().await;
        for key in ["a", "b", "c"] {
            app.set(&device, key, &json!(1)).await;
        }
        let resumed = |id: &str, query: &str| {
            let call = app.get(&format!("/kv/_changes?{query}")).token(&device.token);
            Events::open(call.header("last-event-id", id))
        };
        assert_eq!(resumed("1", "").await.data().await["key"], "b");
        assert_eq!(resumed("2", "since=0").await.data().await["key"], "c", "what the browser remembers outranks the address");
        assert_eq!(follow(&app, &device, "since=2").await.data().await["key"], "c");
        let mut at_the_end = resumed("3", "").await;
        app.set(&device, "d", &json!(1)).await;
        assert_eq!(at_the_end.data().await["revision"], 4);
    }

    async fn a_poll_without_a_wait_answers_at_once(app: TestApp) {
        let device = app.new_device().await;
        assert_eq!(changes(&app, &device, "").await, json!({"changes": [], "revision": 0}));
        app.set(&device, "a", &json!(1)).await;
        assert_eq!(changes(&app, &device, "").await, json!({"changes": [], "revision": 1}), "without since: from now on");
        assert_eq!(changes(&app, &device, "since=1&wait=0").await, json!({"changes": [], "revision": 1}));
        let all = changes(&app, &device, "since=0&wait=60").await;
        assert_eq!(all, json!({"changes": [{"key": "a", "action": "upsert", "revision": 1, "updatedAt": "2026-11-21T04:31:00.000Z"}], "revision": 1}));
        let ignored = app.get("/kv/_changes").token(&device.token).header("last-event-id", "0").send().await.expect(200);
        assert_eq!(ignored["changes"], json!([]), "only streams have Last-Event-ID");
    }

    async fn every_listener_hears_of_a_change_as_soon_as_it_is_committed(app: TestApp) {
        let (device, other) = (app.new_device().await, app.new_device().await);
        let reader = {
            let body = json!({"deviceUuid": device.uuid, "readOnly": true});
            let granted = app.post(&format!("/apps/{}/authorize", device.app_id), &body).send().await.expect(200);
            granted["token"].as_str().unwrap().to_owned()
        };
        let poll = |query: &str| {
            tokio::task::spawn_local(app.get(&format!("/kv/_changes?{query}")).token(&device.token).send())
        };
        let waiting = poll("wait=60");
        listeners(&app, 1).await;
        // Whether these arrive before or after the write, they are told where to begin.
        let mut polls: Vec<_> = (0..8).map(|_| poll("since=0&wait=60")).collect();
        polls.push(waiting);
        let elsewhere = tokio::task::spawn_local(app.get("/kv/_changes?wait=1").token(&other.token).send());
        let mut streams = Vec::new();
        for _ in 0..3 {
            streams.push(Events::open(app.get("/kv/_changes").token(&reader)).await);
        }
        app.set(&device, "k", &json!(1)).await;
        for poll in polls {
            let list = poll.await.unwrap().expect(200);
            assert_eq!((&list["changes"][0]["key"], &list["revision"]), (&json!("k"), &json!(1)), "none waits out its minute");
        }
        for stream in &mut streams {
            assert_eq!(stream.data().await["key"], "k");
        }
        assert_eq!(elsewhere.await.unwrap().expect(200)["changes"], json!([]), "another device's changes are its own");
    }

    async fn changes_that_are_no_longer_kept_are_gone_and_the_rest_is_whole(app: TestApp) {
        let device = app.new_device().await;
        write_many(&app, &device, 5000).await;
        let oldest = 5000 - 4096;
        for gone in [0, 1] {
            let answer = app.get(&format!("/kv/_changes?since={gone}")).token(&device.token).send().await;
            answer.problem(410, "CHANGES_GONE");
            let stream = app.get("/kv/_changes").token(&device.token).header("accept", "text/event-stream");
            stream.header("last-event-id", &gone.to_string()).send().await.problem(410, "CHANGES_GONE");
        }
        app.get("/kv/_changes?since=5001").token(&device.token).send().await.problem(410, "CHANGES_GONE");
        app.get("/kv/_changes?since=9223372036854775807&wait=5").token(&device.token).send().await.problem(410, "CHANGES_GONE");
        let mut since = oldest;
        let mut events = follow(&app, &device, &format!("since={oldest}")).await;
        while since < 5000 {
            let page = changes(&app, &device, &format!("since={since}")).await;
            for change in page["changes"].as_array().unwrap() {
                since += 1;
                assert_eq!(change["revision"], since);
                assert_eq!(events.next().await.unwrap().data, *change);
            }
            assert_eq!(page["revision"], since);
        }
        app.set(&device, "last", &json!(1)).await;
        assert_eq!(events.data().await["revision"], 5001);
    }

    async fn what_cannot_be_a_place_or_a_wait_is_400(app: TestApp) {
        let device = app.new_device().await;
        for bad in ["since=x", "since=-1", "since=1.5", "since=99999999999999999999", "wait=61", "wait=-1", "wait=x"] {
            app.get(&format!("/kv/_changes?{bad}")).token(&device.token).send().await.problem(400, "MALFORMED_REQUEST");
        }
        app.get("/kv/_changes").send().await.problem(401, "TOKEN_MISSING");
        app.get("/kv/_changes").token("x").header("accept", "text/event-stream").send().await.problem(401, "TOKEN_INVALID");
        let head = app.call("HEAD", "/kv/_changes").token(&device.token).header("accept", "text/event-stream").send().await;
        assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")), "and it ends");
    }

    async fn a_change_by_another_process_wakes_streams_and_polls(app: TestApp) {
        let device = app.new_device().await;
        app.set(&device, "k", &json!(1)).await;
        let mut events = follow(&app, &device, "").await;
        let poll = tokio::task::spawn_local(app.get("/kv/_changes?since=1&wait=60").token(&device.token).send());
        let outside = app.database.connect().await;
        let tx = outside.begin().await.unwrap();
        tx.execute_unprepared("UPDATE device SET revision = 2").await.unwrap();
        tx.execute_unprepared("INSERT INTO kv_change (device_id, revision, `key`, deleted, changed_at) SELECT id, 2, 'outside', 0, 1795235460000 FROM device").await.unwrap();
        tx.commit().await.unwrap();
        outside.close().await.unwrap();
        let event = events.data().await;
        assert_eq!((&event["key"], &event["revision"]), (&json!("outside"), &json!(2)));
        assert_eq!(poll.await.unwrap().expect(200)["changes"], json!([event]));
    }

    async fn a_stream_that_nobody_reads_any_more_is_forgotten(app: TestApp) {
        let device = app.new_device().await;
        let events = follow(&app, &device, "").await;
        assert_eq!(app.state.wakeups.devices().len(), 1);
        drop(events);
        while !app.state.wakeups.devices().is_empty() {
            app.set(&device, "k", &json!(1)).await;
        }
    }
}

on_each_database! {
    async fn a_service_that_stops_ends_its_streams_and_the_next_one_resumes_them(database: Database) {
        let app = TestApp::start(database).await;
        let device = app.new_device().await;
        let mut events = follow(&app, &device, "").await;
        app.set(&device, "a", &json!(1)).await;
        assert_eq!(events.next().await.unwrap().id, 1);
        let app = app.restart().await;
        assert_eq!(events.next().await, None);
        app.set(&device, "b", &json!(1)).await;
        let mut events = Events::open(app.get("/kv/_changes").token(&device.token).header("last-event-id", "1")).await;
        assert_eq!(events.data().await["key"], "b");
        app.stop().await;
    }
}
