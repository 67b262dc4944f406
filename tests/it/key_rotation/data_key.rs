//! `rotate-data-key`, beside a server and without one, cut off and resumed.

use super::*;
use crate::kit::{GOOD, Notifiers, OutboundProxy, Receiver, Speaks};

/// Which data keys the boxes of each column are of.
async fn boxes(database: &Database) -> BTreeMap<(String, String), BTreeSet<i64>> {
    let mut found: BTreeMap<_, BTreeSet<i64>> = BTreeMap::new();
    for stored in database.everything().await {
        if let Some(key) = stored.data_key() {
            found.entry((stored.table, stored.column)).or_default().insert(key);
        }
    }
    found
}

fn columns() -> Vec<(String, String)> {
    COLUMNS.iter().map(|(table, column)| ((*table).to_owned(), (*column).to_owned())).collect()
}

/// Something sealed in every column that can be; answers the account `a`.
async fn fill(process: &Process, stub: &Provider, channels: &Notifiers, proxy: &OutboundProxy) -> i64 {
    connect(process, stub).await;
    let id = account(process, stub, "a").await;
    stub.always(crate::kit::provider::Act::With("id_token", json!("e30.e30.planted-id-token")));
    refresh(process, "a").await.expect(200);
    let with_proxy = json!({"biz_id": "b", "provider": "stub", "refresh_token": stub.issue("b"), "proxy": "http://u:planted@127.0.0.1:9"});
    let call = process.call("POST", TOKENS).json(&with_proxy).header("idempotency-key", "once").root();
    call.send().await.expect(201);
    let sink = json!({"name": "hook", "kind": "webhook", "config": {"url": "http://127.0.0.1:9/", "secret": Receiver::SECRET}});
    process.call("POST", "/public-api/sinks").json(&sink).root().send().await.expect(201);
    let channel = json!({"name": "bark", "kind": "bark", "config": {"device_key": GOOD, "base_url": channels.url}});
    process.call("POST", "/public-api/notifications/channels").json(&channel).root().send().await.expect(201);
    let settings = json!({"proxy_list": [proxy.url("http", "u:planted-password@")]});
    process.call("PATCH", "/public-api/settings").json(&settings).root().send().await.expect(200);
    id
}

on_each_database! {
    async fn everything_sealed_gets_the_new_key_while_the_service_runs(database: Database) {
        let (stub, channels) = (Provider::start(&Clock::System), Notifiers::start().await);
        let process = serve(&database).await;
        let proxy = OutboundProxy::start_with(Speaks::Http, Some(("u", "planted-password")));
        let id = fill(&process, &stub, &channels, &proxy).await;
        let old = data_keys(&database).await;
        let before = boxes(&database).await;
        assert_eq!(before.keys().cloned().collect::<Vec<_>>(), columns(), "a box in every sealed column, and nowhere else");
        let fields = ["refresh_token", "previous_refresh_token", "access_token", "id_token"];
        let mut known = Vec::new();
        for field in fields {
            known.push(revealed(&process, id, field).await);
        }
        let done = rotate(&database);
        assert!(done.status.success(), "{}", errors(&done));
        let told = report(&done);
        assert_eq!((&told["resumed"], &told["deleted"], &told["unopened"]), (&json!(false), &json!(1), &json!([])));
        let new = data_keys(&database).await;
        assert!(new.len() == 1 && new != old, "{old:?} {new:?}");
        let after = boxes(&database).await;
        assert_eq!(after.keys().cloned().collect::<Vec<_>>(), columns());
        assert!(after.values().all(|keys| keys.iter().eq(&new)), "{after:?}");
        // The server reads all of it, and writes with the new key.
        for (field, value) in fields.iter().zip(&known) {
            assert_eq!(&revealed(&process, id, field).await, value);
        }
        let again = json!({"biz_id": "b", "provider": "stub", "refresh_token": stub.current("b"), "proxy": "http://u:planted@127.0.0.1:9"});
        let again = process.call("POST", TOKENS).json(&again).header("idempotency-key", "once").root().send().await;
        assert_eq!((again.status, again.header("idempotency-replayed")), (201, Some("true")), "{}", again.text());
        refresh(&process, "a").await.expect(200);
        assert_eq!(proxy.connections(), 1);
        let sent = stub.last();
        assert_eq!(sent.headers.get("x-extra").map(String::as_str), Some("planted-header"));
        assert_eq!((sent.fields["client_secret"].as_str(), sent.fields["audience"].as_str()), ("planted-client-secret", "planted-param"));
        let tried = process.call("POST", "/public-api/notifications/channels/1/test").root().send().await.expect(200);
        assert_eq!(tried["delivered"], true, "{tried}");
        assert!(boxes(&database).await.values().all(|keys| keys.iter().eq(&new)));
        // And once more, with no server.
        stop(process);
        let done = rotate(&database);
        assert!(done.status.success() && report(&done)["deleted"] == 1, "{}", errors(&done));
        let process = serve(&database).await;
        assert_eq!(Some(revealed(&process, id, "refresh_token").await), stub.current("a"));
        drop(process);
        database.drop().await;
    }

    async fn refreshes_go_on_while_it_is_killed_and_resumed_and_none_is_overwritten(database: Database) {
        const BUSY: usize = 8;
        let stub = Provider::start(&Clock::System);
        let process = serve(&database).await;
        connect(&process, &stub).await;
        let mut ids = Vec::new();
        for nth in 0..BUSY {
            ids.push(account(&process, &stub, &format!("busy-{nth}")).await);
        }
        // Many that nothing happens to, so that it takes its time.
        let lines: String = (0..2000).map(|nth| format!("rt_of_an_idle_account_{nth}\n")).collect();
        let idle = json!({"format": "text", "content": lines, "defaults": {"provider": "stub", "proxy": "http://u:p@127.0.0.1:9"}});
        process.call("POST", &format!("{TOKENS}/import")).json(&idle).root().send().await.expect(200);
        let over = tokio_util::sync::CancellationToken::new();
        let busy = async {
            let one = async |nth: usize| {
                let mut rounds = 0;
                while !over.is_cancelled() {
                    let answer = refresh(&process, &format!("busy-{nth}")).await;
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    rounds += 1;
                }
                rounds
            };
            futures_util::future::join_all((0..BUSY).map(one)).await
        };
        let rotations = async {
            let (mut resumed, mut round) = (0, 0_u64);
            while resumed < 3 {
                let before = data_keys(&database).await;
                let mut command = Process::command(&database, &["rotate-data-key"]);
                let mut child = command.stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
                eventually("it has begun", async || data_keys(&database).await != before || before.len() > 1).await;
                tokio::time::sleep(Duration::from_millis(40 * (round % 4))).await; // the moment of the kill
                let _ = child.kill();
                child.wait().unwrap();
                resumed += usize::from(data_keys(&database).await.len() == 2);
                round += 1;
                assert!(round < 40, "it is over before it can be killed");
            }
            let output = tokio::task::spawn_blocking({
                let mut command = Process::command(&database, &["--json", "rotate-data-key"]);
                move || command.output().unwrap()
            });
            let output = output.await.unwrap();
            over.cancel();
            output
        };
        let (rounds, output) = tokio::join!(busy, rotations);
        assert!(output.status.success(), "{}", errors(&output));
        let told = report(&output);
        assert_eq!((&told["unopened"], &told["held_by"]), (&json!([]), &json!([])));
        assert!(rounds.iter().all(|rounds| *rounds > 3), "{rounds:?}");
        let keys = data_keys(&database).await;
        assert_eq!((keys.len(), &told["key"]), (1, &json!(keys[0])));
        let after = boxes(&database).await;
        assert!(after.values().all(|found| found.iter().eq(&keys)), "{after:?}");
        for (nth, id) in ids.into_iter().enumerate() {
            assert_eq!(Some(revealed(&process, id, "refresh_token").await), stub.current(&format!("busy-{nth}")));
            refresh(&process, &format!("busy-{nth}")).await.expect(200);
        }
        drop(process);
        let log = Process::log(&database);
        assert!(!log.contains("does not open") && !log.contains(" 500 "), "{log}");
        database.drop().await;
    }

    async fn what_lies_in_the_journal_is_sealed_anew_and_reaches_the_database(database: Database) {
        let stub = Provider::start(&Clock::System);
        let process = serve(&database).await;
        connect(&process, &stub).await;
        let id = account(&process, &stub, "a").await;
        stub.hold();
        let call = process.call("POST", "/public-api/refresh").json(&json!({"biz_id": "a"})).root();
        let call = actix_web::rt::spawn(call.open());
        stub.wait_for_calls(1).await;
        // The intent is written; what the provider answers cannot be.
        execute(&database, "ALTER TABLE refresh_event RENAME TO refresh_event_away").await;
        stub.release();
        let entry = async || {
            let files = database.files().into_iter();
            files.filter(|(path, _)| path.extension().is_some_and(|ending| ending == "sealed")).collect::<Vec<_>>()
        };
        eventually("the answer lies in the journal", async || !entry().await.is_empty()).await;
        process.kill();
        call.abort();
        execute(&database, "ALTER TABLE refresh_event_away RENAME TO refresh_event").await;
        let old = data_keys(&database).await[0];
        let key_in = |bytes: &[u8]| String::from_utf8_lossy(bytes).split('.').next().unwrap().parse::<i64>().unwrap();
        let (path, sealed) = entry().await.remove(0);
        assert_eq!(key_in(&sealed), old);
        assert!(path.to_string_lossy().contains("rotation-journal"));
        for (path, bytes) in database.files() {
            assert!(!holds(&bytes, &stub.current("a").unwrap()), "{}", path.display());
        }
        let done = rotate(&database);
        assert!(done.status.success(), "{}", errors(&done));
        let new = data_keys(&database).await;
        assert!(new.len() == 1 && new[0] > old);
        assert_eq!(entry().await.iter().map(|(_, bytes)| key_in(bytes)).collect::<Vec<_>>(), new);
        let process = serve(&database).await;
        assert_eq!(Some(revealed(&process, id, "refresh_token").await), stub.current("a"));
        assert!(entry().await.is_empty(), "it is in the database");
        drop(process);
        database.drop().await;
    }

    async fn a_box_that_does_not_open_is_named_and_keeps_the_old_key(database: Database) {
        let stub = Provider::start(&Clock::System);
        let process = serve(&database).await;
        connect(&process, &stub).await;
        execute(&database, "UPDATE provider SET headers = client_secret WHERE name = 'stub'").await;
        let refused = rotate(&database);
        assert_eq!(refused.status.code(), Some(1));
        let told = report(&refused);
        let place = told["unopened"][0].as_str().unwrap().to_owned();
        assert!(place.starts_with("provider ") && place.ends_with(" headers"), "{place}");
        assert!(errors(&refused).contains(&place), "{}", errors(&refused));
        assert_eq!(data_keys(&database).await.len(), 2);
        execute(&database, "UPDATE provider SET headers = NULL WHERE name = 'stub'").await;
        let done = rotate(&database);
        assert!(done.status.success(), "{}", errors(&done));
        assert_eq!((&report(&done)["resumed"], &report(&done)["key"]), (&json!(true), &told["key"]));
        assert_eq!(data_keys(&database).await.len(), 1);
        drop(process);
        database.drop().await;
    }

    async fn the_journal_of_a_replica_elsewhere_keeps_the_old_key_until_it_is_given_up(database: Database) {
        stop(serve(&database).await);
        let connection = database.connect().await;
        let old = data_keys(&database).await[0];
        assert!(key_holder::Entity::find().all(&connection).await.unwrap().is_empty(), "who stopped with an empty journal holds none");
        let elsewhere = key_holder::ActiveModel { instance: Set("elsewhere".to_owned()), key_id: Set(old), updated_at: Set(UtcMillis(0)) };
        key_holder::Entity::insert(elsewhere).exec_without_returning(&connection).await.unwrap();
        let deleted = sealing_key::Entity::delete_many().exec(&connection).await;
        assert!(deleted.is_err(), "the database itself keeps it");
        connection.close().await.unwrap();
        let held = rotate(&database);
        assert_eq!((held.status.code(), &report(&held)["held_by"]), (Some(1), &json!(["elsewhere"])));
        assert!(errors(&held).contains("elsewhere"), "{}", errors(&held));
        assert_eq!(data_keys(&database).await[0], old);
        assert_eq!(Process::run(&database, &["rotate-data-key", "--forget", "nobody"]).status.code(), Some(1));
        let done = Process::run(&database, &["--json", "rotate-data-key", "--forget", "elsewhere"]);
        assert!(done.status.success(), "{}", errors(&done));
        assert_eq!((&report(&done)["resumed"], &report(&done)["deleted"]), (&json!(true), &json!(1)));
        database.drop().await;
    }
}
