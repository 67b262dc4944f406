//! What really happens, told by the room in which it happens: a message says whom it concerns and everything its event
//! has to say.

use sea_orm::ConnectionTrait;

use super::*;
use crate::kit::{Flavour, Provider, Received, Relay, provider::Act};

/// The message about an event of that kind, out of those that came in after it was due; it has every param of its event,
/// each of them in its words.
async fn said(app: &TestApp, stubs: &Notifiers, kind: EventKind) -> Received {
    later(app, 6_000).await;
    let all = stubs.take();
    let mut of_kind = all.iter().filter(|one| one.body["type"] == kind.name());
    let message = of_kind.next().unwrap_or_else(|| panic!("no {} in {all:#?}", kind.name())).clone();
    assert!(of_kind.next().is_none(), "told twice: {all:#?}");
    let data = &message.body["data"];
    let words = format!("{}\n{}", data["title"], data["text"]);
    for param in kind.params() {
        let value = &data["params"][*param];
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        assert!(!value.is_null() && !text.is_empty(), "{param} is missing: {}", message.text);
        assert!(words.contains(&text), "{param} is not said: {}", message.text);
    }
    message
}

async fn hook(app: &TestApp, stubs: &Notifiers) {
    channel(app, "webhook", config_for("webhook", stubs), json!({"events": EventKind::ALL})).await;
}

/// An account of a stub provider, whose refreshes are asked for by the test alone.
async fn account(app: &TestApp, stub: &Provider) {
    app.patch("/public-api/jobs/refresh-tokens", &json!({"enabled": false})).root().send().await.expect(200);
    let provider = json!({"name": "stub", "token_url": stub.url(), "client_id": "c"});
    app.post("/public-api/providers", &provider).root().send().await.expect(201);
    let new =
        json!({"biz_id": "team-a", "email": "ann@example.org", "provider": "stub", "refresh_token": stub.issue("ann")});
    app.post("/public-api/tokens", &new).root().send().await.expect(201);
}

async fn refresh(app: &TestApp) -> u16 {
    app.post("/public-api/refresh", &json!({"biz_id": "team-a"})).root().send().await.status
}

on_both_with! { near;
    async fn what_befalls_an_account_is_told_under_its_name(app: TestApp) {
        let (stubs, stub) = (Notifiers::start().await, Provider::start(&app.clock));
        hook(&app, &stubs).await;
        account(&app, &stub).await;
        assert_eq!(refresh(&app).await, 200);
        let refreshed = said(&app, &stubs, EventKind::TokenRefreshed).await;
        assert_eq!(refreshed.body["data"]["subjects"][0]["name"], "ann@example.org");
        assert_eq!(refreshed.body["data"]["params"]["expires_at"], "2026-11-21 13:31", "on the clocks of the zone");

        stub.always(Act::openai(503, "overloaded"));
        for _ in 0..5 {
            assert_eq!(refresh(&app).await, 502);
        }
        let failing = said(&app, &stubs, EventKind::TokenFailing).await;
        assert_eq!(failing.body["data"]["params"]["failures"], 5);
        assert_eq!(failing.body["data"]["params"]["class"], "transient.5xx");

        stub.always(Act::Good);
        later(&app, HOUR).await;
        assert_eq!(refresh(&app).await, 200);
        let recovered = said(&app, &stubs, EventKind::TokenRecovered).await;
        assert_eq!(recovered.body["data"]["params"]["name"], "ann@example.org");

        stub.always(Act::openai(401, "refresh_token_invalidated"));
        assert_eq!(refresh(&app).await, 409);
        let dead = said(&app, &stubs, EventKind::TokenDead).await;
        assert_eq!(dead.body["data"]["params"]["class"], "permanent.revoked");
        assert!(dead.body["data"]["title"].as_str().unwrap().contains("ann@example.org"), "{}", dead.text);
    }

    async fn a_provider_that_refuses_our_client_is_told_by_name_and_once(app: TestApp) {
        let (stubs, stub) = (Notifiers::start().await, Provider::start(&app.clock));
        hook(&app, &stubs).await;
        account(&app, &stub).await;
        stub.always(Act::oauth(401, "invalid_client"));
        for _ in 0..3 {
            assert_ne!(refresh(&app).await, 200);
        }
        let paused = said(&app, &stubs, EventKind::ProviderPaused).await;
        let params = &paused.body["data"]["params"];
        assert_eq!(params["name"], "stub");
        assert!(params["reason"].as_str().unwrap().starts_with("config.invalid_client"), "{params}");
    }

    async fn a_target_that_does_not_take_its_token_is_told_with_sink_target_and_account(app: TestApp) {
        let (stubs, relay) = (Notifiers::start().await, Relay::start(Flavour::OneApi).await);
        hook(&app, &stubs).await;
        let config = json!({"base_url": relay.url, "access_token": Relay::TOKEN});
        let sink = json!({"name": "relay one", "kind": "one_api_http", "config": config});
        let sink = app.post("/public-api/sinks", &sink).root().send().await.expect(201)["id"].clone();
        let account = app.vault_account("rt", Some("at-1")).await;
        let link = json!({"token_id": account.id, "channel_id": 12, "channel_name": "another"});
        app.post(&format!("/public-api/sinks/{sink}/links"), &link).root().send().await.expect(201);
        eventually("it has failed", async || {
            entity::notification::Entity::find().one(app.state.db.orm()).await.unwrap().is_some()
        })
        .await;
        let failed = said(&app, &stubs, EventKind::SinkFailed).await;
        let params = &failed.body["data"]["params"];
        assert_eq!((&params["name"], &params["sink"], &params["target"]), (&json!("somebody@example.com"), &json!("relay one"), &json!("12")));
        assert!(!failed.text.contains("at-1"), "{}", failed.text);
    }

    async fn a_name_that_is_locked_is_told_with_the_address(app: TestApp) {
        let stubs = Notifiers::start().await;
        hook(&app, &stubs).await;
        let wrong = json!({"username": "admin", "password": "wrong"});
        for _ in 0..7 {
            app.post("/auth/login", &wrong).from("192.0.2.7").send().await;
        }
        let locked = said(&app, &stubs, EventKind::LoginLocked).await;
        let params = &locked.body["data"]["params"];
        assert_eq!((&params["name"], &params["address"], &params["minutes"]), (&json!("admin"), &json!("192.0.2.7"), &json!(15)));
        assert!(!locked.text.contains("wrong"));
    }

    async fn a_job_that_fails_is_told_by_name_and_once_for_as_long_as_it_fails_alike(app: TestApp) {
        let stubs = Notifiers::start().await;
        hook(&app, &stubs).await;
        let database = app.database.connect().await;
        database.execute_unprepared("ALTER TABLE idempotency_key RENAME TO idempotency_key_away").await.unwrap();
        for _ in 0..2 {
            let mut task = String::new();
            eventually("the job can be started", async || {
                let answer = app.call("POST", "/public-api/jobs/purge/run").root().send().await;
                task = answer.json()["task_id"].as_str().unwrap_or_default().to_owned();
                answer.status == 202
            })
            .await;
            let task = format!("/public-api/tasks/{task}");
            eventually("the job has failed", async || {
                app.get(&task).root().send().await.expect(200)["state"] == "failed"
            })
            .await;
        }
        database.execute_unprepared("ALTER TABLE idempotency_key_away RENAME TO idempotency_key").await.unwrap();
        database.close().await.unwrap();
        let failed = said(&app, &stubs, EventKind::JobFailed).await;
        assert_eq!(failed.body["data"]["params"]["name"], "purge");
        assert!(!failed.text.contains("idempotency_key"), "no SQL and no tables: {}", failed.text);
    }
}
