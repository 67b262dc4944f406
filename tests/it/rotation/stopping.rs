//! The service is told to stop in the midst of refreshes, or killed in the midst of many.

use std::net::TcpStream;

use entity::{refresh_event, refresh_token, task_item};
use latchkey::base::clock::Clock;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use serde_json::{Value, json};

use super::{accounts, introduce, revealed, serve};
use crate::kit::{Process, Provider, TestApp, eventually, provider::Rules};

fn names(count: usize) -> Vec<String> {
    (0..count).map(|nth| format!("account-{nth}")).collect()
}

/// A call that goes on while other things happen.
fn ask(process: &Process, path: &str, body: Value) -> tokio::task::JoinHandle<Option<(u16, Value)>> {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let call = client.post(format!("http://{}{path}", process.addr)).header("x-api-secret", TestApp::SECRET);
    tokio::spawn(async move {
        let answer = call.json(&body).send().await.ok()?;
        let status = answer.status().as_u16();
        answer.json().await.ok().map(|body| (status, body))
    })
}

async fn ended(process: &Process, task: &str) -> Value {
    let mut found = Value::Null;
    eventually("the task is over", async || {
        found = process.call("GET", &format!("/public-api/tasks/{task}")).root().send().await.expect(200);
        found["state"] != "running"
    })
    .await;
    found
}

on_each_database! {
    async fn sigterm_lets_the_call_under_way_commit_and_begins_no_other(database: Database) {
        let process = serve(&database).await;
        let stub = Provider::start(&Clock::System);
        introduce(&process, &stub, json!({"max_concurrency": 1})).await;
        let ids = accounts(&process, &stub, &names(2)).await;
        stub.hold();
        let first = ask(&process, "/public-api/refresh", json!({"biz_id": "account-0"}));
        stub.wait_for_calls(1).await;
        // This one has its lease, and waits for its turn at the provider.
        let second = ask(&process, "/public-api/refresh", json!({"biz_id": "account-1"}));
        let db = database.connect().await;
        eventually("both have begun", async || {
            let open = refresh_event::Entity::find().filter(refresh_event::Column::Open.eq(true));
            open.count(&db).await.unwrap() == 2
        })
        .await;
        db.close().await.unwrap();
        process.signal("TERM");
        let addr = process.addr;
        eventually("no new connection is taken", async || TcpStream::connect(addr).is_err()).await;
        stub.release();
        let (status, body) = first.await.unwrap().expect("an answer");
        assert_eq!((status, body["data"]["refresh_token"].as_str()), (200, stub.current("account-0").as_deref()));
        let (status, body) = second.await.unwrap().expect("an answer");
        assert_eq!((status, &body["code"]), (503, &json!("BUSY")));
        assert_eq!(process.wait(), Some(0));
        assert_eq!((stub.calls_of("account-0"), stub.calls_of("account-1")), (1, 0));

        let db = database.connect().await;
        for (id, version, state) in [(ids[0], 1, "ok"), (ids[1], 0, "new")] {
            let row = refresh_token::Entity::find_by_id(id).one(&db).await.unwrap().unwrap();
            assert_eq!((row.version, row.state.as_str(), row.lease_until, row.failure_count), (version, state, None, 0));
        }
        db.close().await.unwrap();
        let process = serve(&database).await;
        for (name, id) in names(2).iter().zip(ids) {
            let again = async || ask(&process, "/public-api/refresh", json!({"biz_id": name})).await.unwrap().unwrap().0;
            eventually("it is refreshed", async || again().await == 200).await;
            assert_eq!(Some(revealed(&process, id).await), stub.current(name));
        }
        drop(process);
        database.drop().await;
    }

    async fn a_batch_goes_on_after_a_kill_and_does_nothing_twice_that_was_noted(database: Database) {
        let process = serve(&database).await;
        let stub = Provider::start_with(&Clock::System, Rules { forgives: true, ..Rules::default() });
        introduce(&process, &stub, json!({"max_concurrency": 4})).await;
        let names = names(200);
        let ids = accounts(&process, &stub, &names).await;
        let started = process.call("POST", "/public-api/tokens/batch-refresh").root().json(&json!({"ids": ids}));
        let task = started.send().await.expect(202)["task_id"].as_str().unwrap().to_owned();
        stub.wait_for_calls(60).await;
        process.kill();
        stub.quiesce().await;
        let db = database.connect().await;
        let noted = task_item::Entity::find().filter(task_item::Column::Status.eq(200)).all(&db).await.unwrap();
        db.close().await.unwrap();
        assert!(!noted.is_empty() && noted.len() < names.len(), "{} were noted: it was killed in the midst", noted.len());

        let process = serve(&database).await;
        let over = ended(&process, &task).await;
        assert_eq!((&over["state"], &over["done"], &over["detail"]), (&json!("done"), &json!(200), &json!("200 of 200 succeeded")));
        for (name, id) in names.iter().zip(&ids) {
            assert_eq!(Some(revealed(&process, *id).await), stub.current(name), "{name}");
            if noted.iter().any(|item| item.subject == *id) {
                assert_eq!(stub.calls_of(name), 1, "{name} was done before the kill");
            }
        }
        drop(process);
        database.drop().await;
    }

    async fn an_import_with_a_refresh_that_was_killed_leaves_no_account_that_nobody_refreshes(database: Database) {
        let process = serve(&database).await;
        let stub = Provider::start_with(&Clock::System, Rules { forgives: true, ..Rules::default() });
        introduce(&process, &stub, json!({})).await;
        // Two transactions' worth. The process is killed as soon as one of them is there.
        let list: Vec<Value> = names(600).iter().map(|name| json!({"biz_id": name, "refresh_token": stub.issue(name)})).collect();
        let import = json!({"format": "json", "content": list, "defaults": {"provider": "stub"}, "refresh": true});
        let asked = ask(&process, "/public-api/tokens/import", import.clone());
        let db = database.connect().await;
        let stored = async || refresh_token::Entity::find().count(&db).await.unwrap();
        eventually("some are stored", async || stored().await > 0).await;
        process.kill();
        drop(asked.await);
        stub.quiesce().await;
        let count = stored().await;

        let process = serve(&database).await;
        let ok = async || refresh_token::Entity::find().filter(refresh_token::Column::State.eq("ok")).count(&db).await.unwrap();
        let forgotten = async || {
            let items = task_item::Entity::find().all(&db).await.unwrap();
            let accounts = refresh_token::Entity::find().all(&db).await.unwrap();
            accounts.iter().filter(|account| items.iter().all(|item| item.subject != account.id)).count()
        };
        eventually("the task goes on", async || ok().await > 20).await;
        assert_eq!(forgotten().await, 0, "every account that is stored is to be refreshed");
        // The caller repeats what was not answered.
        let done = process.call("POST", "/public-api/tokens/import").root().json(&import).send().await.expect(200);
        let known = done["duplicate"].as_u64().unwrap() + done["invalid"].as_u64().unwrap(); // the latter by its biz_id
        assert_eq!((&done["created"], known), (&json!(600 - count), count), "{}", Process::log(&database));
        assert_eq!((stored().await, forgotten().await), (600, 0));
        db.close().await.unwrap();
        drop(process);
        database.drop().await;
    }
}
