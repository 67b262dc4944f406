//! What is done to many accounts at once, and the tasks that refresh them.

use entity::{idempotency_key, task, task_item};
use sea_orm::{ActiveValue::Set, EntityTrait};
use serde_json::{Value, json};

use crate::{
    kit::{Answer, TestApp, eventually},
    tokens::errors,
};

async fn batch(app: &TestApp, what: &str, body: Value) -> Answer {
    app.post(&format!("/public-api/tokens/batch-{what}"), &body).root().send().await
}

async fn accounts(app: &TestApp, count: usize) -> Vec<i64> {
    let mut ids = Vec::new();
    for nth in 0..count {
        let more = json!({"biz_id": format!("b{nth}"), "tag": if nth % 2 == 0 { "even" } else { "odd" }});
        let made = app.new_account(&format!("rt_{nth}_0123456789"), &more).await;
        ids.push(made["id"].as_i64().unwrap());
    }
    ids
}

/// The task when it is over.
async fn ended(app: &TestApp, id: &str) -> Value {
    let mut task = Value::Null;
    eventually("the task is over", async || {
        task = app.get(&format!("/public-api/tasks/{id}")).root().send().await.expect(200);
        task["state"] != "running"
    })
    .await;
    task
}

on_both! {
    async fn many_accounts_are_changed_at_once(app: TestApp) {
        let ids = accounts(&app, 4).await;
        app.database.new_provider("other").await;
        app.clock.advance_millis(7);
        let set = json!({"provider": "other", "client_id": "app_x", "proxy": "http://u:p@proxy.example:1", "tag": "new", "memo": "m", "enabled": false});
        let done = batch(&app, "update", json!({"ids": [ids[2], 4711, ids[0], ids[2]], "set": set})).await.expect(200);
        assert_eq!(done["results"], json!([{"id": ids[2], "status": 200, "code": null}, {"id": 4711, "status": 404, "code": "ACCOUNT_NOT_FOUND"}, {"id": ids[0], "status": 200, "code": null}]));
        for (id, changed) in [(ids[0], true), (ids[1], false), (ids[2], true)] {
            let account = app.get(&format!("/public-api/tokens/{id}")).root().send().await.expect(200);
            let expected = if changed { [json!("other"), json!("app_x"), json!("http://proxy.example:1"), json!("new"), json!("m"), json!(false), json!("2026-11-21T04:31:00.007Z")] }
                else { [json!("stub"), Value::Null, Value::Null, json!("odd"), Value::Null, json!(true), json!("2026-11-21T04:31:00.000Z")] };
            assert_eq!(["provider", "client_id", "proxy", "tag", "memo", "enabled", "updated_at"].map(|name| account[name].clone()), expected);
        }
        let filtered = batch(&app, "update", json!({"filter": {"provider": "other"}, "set": {"proxy": null, "enabled": true}})).await.expect(200);
        assert_eq!(filtered["results"], json!([{"id": ids[0], "status": 200, "code": null}, {"id": ids[2], "status": 200, "code": null}]));
        let account = app.get(&format!("/public-api/tokens/{}", ids[2])).root().send().await.expect(200);
        assert_eq!((&account["proxy"], &account["enabled"], &account["tag"]), (&Value::Null, &json!(true), &json!("new")));
        let audit = app.get("/public-api/audit?action=batch_update").root().send().await.expect(200);
        assert_eq!(audit["items"][1]["changes"]["set"]["proxy"], "http://proxy.example:1");
        assert_eq!(audit["items"][0]["changes"], json!({"set": {"proxy": null, "enabled": true}, "ids": [ids[0], ids[2]]}));
        let events = app.get(&format!("/public-api/tokens/{}/events", ids[2])).root().send().await.expect(200);
        assert_eq!((&events["items"][0]["kind"], &events["items"][0]["detail"]), (&json!("edited"), &json!("enabled, proxy")));
    }

    async fn many_accounts_are_deleted_at_once(app: TestApp) {
        let ids = accounts(&app, 5).await;
        let done = batch(&app, "delete", json!({"ids": [ids[0], 4711]})).await.expect(200);
        assert_eq!(done["results"], json!([{"id": ids[0], "status": 204, "code": null}, {"id": 4711, "status": 404, "code": "ACCOUNT_NOT_FOUND"}]));
        let done = batch(&app, "delete", json!({"filter": {"tag": "odd"}})).await.expect(200);
        assert_eq!(done["results"], json!([{"id": ids[1], "status": 204, "code": null}, {"id": ids[3], "status": 204, "code": null}]));
        let left = app.get("/public-api/tokens?sort=created_at").root().send().await.expect(200);
        assert_eq!((&left["total"], &left["items"][0]["id"], &left["items"][1]["id"]), (&json!(2), &json!(ids[2]), &json!(ids[4])));
        let audit = app.get("/public-api/audit?action=batch_delete").root().send().await.expect(200);
        assert_eq!(audit["items"][0]["changes"], json!({"ids": [ids[1], ids[3]]}));
    }

    async fn a_batch_that_cannot_be_is_refused_and_does_nothing(app: TestApp) {
        let ids = accounts(&app, 1).await;
        for what in ["delete", "refresh", "update"] {
            for (mut body, field) in [
                (json!({}), "ids"), (json!({"ids": []}), "ids"), (json!({"ids": [0]}), "ids"), (json!({"ids": ids, "filter": {}}), "ids"), (json!({"ids": vec![1; 10_001]}), "ids"),
                (json!({"ids": ["x"]}), "ids[0]"), (json!({"filter": {"tga": "x"}}), "filter.tga"), (json!({"filter": {"state": "odd"}}), "filter"), (json!({"ids": ids, "dis": 1}), "dis"),
            ] {
                if what == "update" {
                    body["set"] = json!({"enabled": false});
                }
                assert_eq!(errors(&batch(&app, what, body.clone()).await)[0].0, field, "{what} {body}");
            }
        }
        for (set, field) in [
            (json!({}), "set"), (json!({"biz_id": "x"}), "set.biz_id"), (json!({"refresh_token": "x"}), "set.refresh_token"), (json!({"enabled": null}), "set.enabled"),
            (json!({"provider": "nobody"}), "set.provider"), (json!({"proxy": "ftp://x"}), "set.proxy"),
        ] {
            assert_eq!(errors(&batch(&app, "update", json!({"ids": ids, "set": set})).await)[0].0, field);
        }
        let account = app.get(&format!("/public-api/tokens/{}", ids[0])).root().send().await.expect(200);
        assert_eq!((&account["enabled"], &account["tag"]), (&json!(true), &json!("even")));
        assert_eq!(app.get("/public-api/tasks").root().send().await.expect(200)["total"], 0);
    }

    async fn a_filter_that_fits_more_than_ten_thousand_is_refused(app: TestApp) {
        app.database.new_provider("stub").await;
        for round in 0..2 {
            let text: String = (0..10_000 - round * 9_999).map(|nth| format!("rt_{round}_{nth}\n")).collect();
            let body = json!({"format": "text", "content": text, "defaults": {"provider": "stub", "tag": format!("{round}")}});
            app.post("/public-api/tokens/import", &body).root().send().await.expect(200);
        }
        for what in ["delete", "refresh"] {
            assert_eq!(errors(&batch(&app, what, json!({"filter": {}})).await), [("filter".to_owned(), "range".to_owned())]);
        }
        let done = batch(&app, "delete", json!({"filter": {"tag": "0"}})).await.expect(200);
        assert_eq!(done["results"].as_array().unwrap().len(), 10_000);
        assert_eq!(app.get("/public-api/tokens").root().send().await.expect(200)["total"], 1);
    }
}

on_both_with! {
    |config| config.security.allow_private_targets = true;

    async fn a_refusal_to_refresh_is_a_problem(app: TestApp) {
        let ids = accounts(&app, 1).await;
        let refused = app.call("POST", &format!("/public-api/tokens/{}/refresh", ids[0])).root().send().await;
        refused.problem(502, "PROVIDER_FAILED");
        app.call("POST", "/public-api/tokens/4711/refresh").root().send().await.problem(404, "ACCOUNT_NOT_FOUND");
        app.call("POST", "/public-api/tokens/x/refresh").root().send().await.problem(400, "MALFORMED_REQUEST");
    }

    async fn a_batch_of_refreshes_is_a_task_that_tells_of_each(app: TestApp) {
        let ids = accounts(&app, 3).await;
        let answer = batch(&app, "refresh", json!({"ids": [ids[2], ids[0]]})).await;
        let started = answer.expect(202);
        assert_eq!((&started["id"], &started["kind"], &started["total"]), (&started["task_id"], &json!("refresh-accounts"), &json!(2)));
        let id = started["task_id"].as_str().unwrap();
        assert_eq!(answer.header("location"), Some(format!("/public-api/tasks/{id}").as_str()));
        let task = ended(&app, id).await;
        assert_eq!((&task["state"], &task["done"], &task["total"], &task["detail"]), (&json!("done"), &json!(2), &json!(2), &json!("0 of 2 succeeded")));
        assert_eq!(task["items"], json!([{"id": ids[2], "status": 502, "code": "PROVIDER_FAILED"}, {"id": ids[0], "status": 502, "code": "PROVIDER_FAILED"}]));
        let filtered = batch(&app, "refresh", json!({"filter": {"tag": "odd"}})).await.expect(202);
        assert_eq!(ended(&app, filtered["task_id"].as_str().unwrap()).await["items"][0]["id"], ids[1]);
        let none = batch(&app, "refresh", json!({"filter": {"tag": "none"}})).await.expect(202);
        assert_eq!((&none["state"], &none["total"], &none["detail"]), (&json!("done"), &json!(0), &json!("nothing to do")));
        let listed = app.get("/public-api/tasks").root().send().await.expect(200);
        assert_eq!((&listed["total"], listed["items"][0].get("items")), (&json!(3), None), "items are in the task itself");
        let audit = app.get("/public-api/audit?action=batch_refresh&count=true").root().send().await.expect(200);
        assert_eq!((&audit["total"], &audit["items"][2]["changes"]["ids"]), (&json!(3), &json!([ids[2], ids[0]])));
    }

    async fn a_repeated_request_starts_one_task(app: TestApp) {
        let ids = accounts(&app, 1).await;
        let send = async || app.post("/public-api/tokens/batch-refresh", &json!({"ids": ids})).root().header("idempotency-key", "k").send().await;
        let first = send().await.expect(202);
        let again = send().await;
        assert_eq!((again.header("idempotency-replayed"), again.expect(202)), (Some("true"), first));
        assert_eq!(app.get("/public-api/tasks").root().send().await.expect(200)["total"], 1);
        let database = app.database.connect().await;
        let unanswered = sea_orm::sea_query::Expr::val(None::<i32>);
        let marked = idempotency_key::Entity::update_many().col_expr(idempotency_key::Column::Status, unanswered);
        marked.exec(&database).await.unwrap();
        database.close().await.unwrap();
        send().await.problem(409, "IDEMPOTENCY_IN_PROGRESS");
    }
}

on_each_database! {
    async fn a_task_goes_on_after_a_restart_with_what_waits(database: Database) {
        let app = TestApp::start_with(database, |config| config.security.allow_private_targets = true).await;
        let ids = accounts(&app, 3).await;
        // As a process leaves it that was killed in the middle.
        let now = app.clock.now();
        let id = uuid::Uuid::now_v7().to_string();
        let row = task::Model { id: id.clone(), kind: "refresh-accounts".to_owned(), status: "running".to_owned(), detail: None,
            total: 3, done: 1, created_at: now, updated_at: now, finished_at: None };
        let items = ids.iter().zip(0..).map(|(subject, nth)| task_item::ActiveModel {
            task_id: Set(id.clone()), nth: Set(nth), subject: Set(*subject), status: Set((nth == 0).then_some(200)), code: Set(None),
        });
        let connection = app.database.connect().await;
        // So that nothing is worked on before the restart.
        app.state.stopping.cancel();
        task::Entity::insert(task::ActiveModel::from(row)).exec_without_returning(&connection).await.unwrap();
        task_item::Entity::insert_many(items).exec_without_returning(&connection).await.unwrap();
        connection.close().await.unwrap();
        let app = app.restart().await;
        let task = ended(&app, &id).await;
        assert_eq!((&task["state"], &task["done"], &task["detail"]), (&json!("done"), &json!(3), &json!("1 of 3 succeeded")));
        let statuses: Vec<&Value> = task["items"].as_array().unwrap().iter().map(|item| &item["status"]).collect();
        assert_eq!(statuses, [&json!(200), &json!(502), &json!(502)], "what was done is not done again");
        app.stop().await;
    }
}
