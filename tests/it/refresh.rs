//! The refresh: one call for many callers, no rotated token lost, nothing sent that was refused for good.

use std::time::Duration;

use entity::{notification, refresh_event, refresh_token};
use futures_util::future::join_all;
use latchkey::{
    base::http_client::HttpClient,
    outbox::{Couriers, Outbox},
    providers::Providers,
    settings::Settings,
    tokens::refresh::{Cause, Outcome, Refresher},
};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use serde_json::{Value, json};

use crate::kit::{
    Answer, Database, Provider, TestApp, block_on, eventually,
    provider::{Act, Acting, Rules},
};

/// A service with a stub provider of its own, and one account.
struct Vault {
    app: TestApp,
    stub: Provider,
}

impl Vault {
    async fn open(database: Database) -> Self {
        Self::with(database, Rules::default()).await
    }

    async fn with(database: Database, rules: Rules) -> Self {
        let app = TestApp::start_with(database, |config| config.security.allow_private_targets = true).await;
        let stub = Provider::start_with(&app.clock, rules);
        let vault = Self { app, stub };
        let provider = json!({"name": "stub", "token_url": vault.stub.url(), "client_id": "c", "timeout_ms": 1000});
        vault.app.post("/public-api/providers", &provider).root().send().await.expect(201);
        vault
    }

    async fn account(&self, name: &str) -> i64 {
        let new = json!({"biz_id": name, "provider": "stub", "refresh_token": self.stub.issue(name)});
        self.app.post("/public-api/tokens", &new).root().send().await.expect(201)["id"].as_i64().unwrap()
    }

    /// Another replica, as far as refreshes go.
    async fn refresher(&self) -> Refresher {
        let (state, name) = (self.app.state_of_another(), uuid::Uuid::new_v4().to_string());
        let settings = Settings::load(state.clone()).await.unwrap();
        let providers = Providers::new(&state, settings, HttpClient::new(true));
        let outbox = Outbox::new(state.clone(), &name, Couriers::default()).unwrap();
        let journal = self.app.database.folder.join(&name);
        Refresher::start(state, providers, outbox, &name, journal).await.unwrap()
    }

    async fn refresh(&self, name: &str) -> Answer {
        self.app.post("/public-api/refresh", &json!({"biz_id": name})).root().send().await
    }

    async fn get_at(&self, body: Value) -> Answer {
        self.app.post("/public-api/get-at", &body).root().send().await
    }

    async fn row(&self, id: i64) -> refresh_token::Model {
        refresh_token::Entity::find_by_id(id).one(self.app.state.db.orm()).await.unwrap().unwrap()
    }

    async fn told(&self, event: &str) -> u64 {
        let told = notification::Entity::find().filter(notification::Column::Event.eq(event));
        told.count(self.app.state.db.orm()).await.unwrap()
    }

    /// The refresh token that is stored.
    async fn stored(&self, name: &str) -> String {
        let answer = self.get_at(json!({"biz_id": name})).await.expect(200);
        answer["data"]["refresh_token"].as_str().unwrap().to_owned()
    }

    /// How many writes were committed so far.
    async fn writes(&self) -> u64 {
        let text = self.app.get("/metrics").send().await.text();
        let sum = text.lines().find_map(|line| line.strip_prefix("latchkey_commit_writes_sum{lane=\"general\"} "));
        sum.expect("the metric").parse().unwrap()
    }

    async fn run_job(&self) {
        self.app.post("/public-api/jobs/refresh-tokens/run", &json!({})).root().send().await.expect(202);
        eventually("the job is over", async || {
            let jobs = self.app.get("/public-api/tasks?limit=1").root().send().await.expect(200);
            jobs["items"][0]["state"] != "running"
        })
        .await;
    }
}

macro_rules! on_both_vaults {
    ($($(#[$meta:meta])* async fn $name:ident($vault:ident) $body:block)*) => {
        $(
            mod $name {
                use super::*;

                async fn test($vault: Vault) {
                    $body
                    $vault.app.stop().await;
                }

                #[test]
                fn sqlite() {
                    crate::kit::block_on(async { test(Vault::open(Database::sqlite()).await).await });
                }

                #[test]
                fn mysql() {
                    crate::kit::block_on(async { test(Vault::open(Database::mysql().await).await).await });
                }
            }
        )*
    };
}

on_both_vaults! {
    async fn sixty_four_callers_of_one_account_make_one_call(vault) {
        let id = vault.account("a").await;
        let refresher = vault.refresher().await;
        vault.stub.hold();
        // All of them have asked before the first one is answered: `join_all` begins with each of them once.
        let callers = join_all((0..64).map(|_| refresher.refresh(id, Cause::Api)));
        let release = async {
            vault.stub.wait_for_calls(1).await;
            vault.stub.release();
        };
        let (outcomes, ()) = tokio::join!(callers, release);
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Refreshed)), "{outcomes:?}");
        assert_eq!((vault.stub.calls(), vault.row(id).await.version), (1, 1));
    }

    async fn two_replicas_at_one_account_make_one_call(vault) {
        let id = vault.account("a").await;
        let (one, other) = (vault.refresher().await, vault.refresher().await);
        vault.stub.hold();
        let first = actix_web::rt::spawn(async move { one.refresh(id, Cause::Api).await });
        vault.stub.wait_for_calls(1).await;
        let writes = vault.writes().await;
        let release = async {
            // Nobody else writes: the other one has asked for the lease.
            eventually("the other one waits", async || vault.writes().await > writes).await;
            vault.stub.release();
        };
        let (second, ()) = tokio::join!(other.refresh(id, Cause::Api), release);
        assert!(matches!((first.await.unwrap(), second), (Outcome::Refreshed, Outcome::Refreshed)));
        assert_eq!((vault.stub.calls(), vault.row(id).await.version), (1, 1));
    }

    async fn every_rotation_is_kept_with_the_one_before(vault) {
        let id = vault.account("a").await;
        for round in 1..=5 {
            let answer = vault.refresh("a").await.expect(200);
            assert_eq!((&answer["success"], &answer["msg"]), (&json!(true), &json!("刷新成功")));
            assert_eq!(Some(vault.stored("a").await), vault.stub.current("a"));
            let row = vault.row(id).await;
            assert_eq!((row.version, row.state.as_str(), row.failure_count), (round, "ok", 0));
            assert!(row.previous_refresh_token.is_some() && row.lease_until.is_none());
            let answer = answer["data"]["refresh_token"].as_str().unwrap();
            assert!(row.refresh_token_last6.len() == 6 && answer.ends_with(&row.refresh_token_last6));
        }
        let open = refresh_event::Entity::find().filter(refresh_event::Column::Open.eq(true));
        assert_eq!(open.count(vault.app.state.db.orm()).await.unwrap(), 0, "every intent has its end");
    }

    async fn an_answer_without_a_refresh_token_keeps_the_one_that_was_used(vault) {
        vault.account("a").await;
        vault.stub.always(Act::Without("refresh_token"));
        vault.refresh("a").await.expect(200);
        let kept = vault.stored("a").await;
        vault.refresh("a").await;
        assert_eq!(vault.stored("a").await, kept);
    }

    async fn a_refresh_token_that_was_refused_for_good_is_told_once_and_never_sent_again(vault) {
        let id = vault.account("a").await;
        vault.stub.next(Act::openai(401, "refresh_token_reused"));
        let refused = vault.refresh("a").await.problem(409, "ACCOUNT_DEAD");
        assert_eq!((&refused["success"], &refused["failure_class"]), (&json!(false), &json!("permanent.reused")));
        for _ in 0..3 {
            vault.refresh("a").await.problem(409, "ACCOUNT_DEAD");
        }
        vault.run_job().await;
        assert_eq!((vault.stub.calls(), vault.told("token.dead").await), (1, 1));
        // A new refresh token re-arms it.
        let new = json!({"refresh_token": vault.stub.issue("a")});
        vault.app.patch(&format!("/public-api/tokens/{id}"), &new).root().send().await.expect(200);
        vault.refresh("a").await.expect(200);
        assert_eq!(vault.row(id).await.state, "ok");
    }

    async fn a_living_access_token_is_served_whatever_becomes_of_the_refresh(vault) {
        let id = vault.account("a").await;
        vault.get_at(json!({"biz_id": "a"})).await.problem(409, "NO_ACCESS_TOKEN");
        let first = vault.refresh("a").await.expect(200)["data"]["access_token"].clone();
        vault.stub.always(Act::failure(503));
        vault.refresh("a").await.problem(502, "PROVIDER_FAILED");
        assert_eq!(vault.row(id).await.state, "failing");
        for body in [json!({"biz_id": "a"}), json!({"biz_id": "a", "min_ttl": 400_000_000})] {
            assert_eq!(vault.get_at(body).await.expect(200)["data"]["access_token"], first);
        }
        vault.app.clock.advance_millis(400 * 86_400_000);
        vault.get_at(json!({"biz_id": "a"})).await.problem(409, "ACCESS_TOKEN_EXPIRED");
        vault.get_at(json!({"biz_id": "a", "min_ttl": 1})).await.problem(502, "PROVIDER_FAILED");
        vault.stub.always(Act::Good);
        vault.refresh("a").await.expect(200);
        let served = vault.get_at(json!({"biz_id": "a", "min_ttl": 1})).await.expect(200);
        assert_ne!(served["data"]["access_token"], first);
    }

    async fn a_request_that_was_not_answered_leaves_the_account_uncertain_and_then_each_token_is_tried_once(vault) {
        let id = vault.account("a").await;
        vault.refresh("a").await.expect(200);
        vault.stub.next(Act::Hang(Acting::First));
        vault.refresh("a").await.problem(504, "PROVIDER_TIMEOUT");
        assert_eq!(vault.row(id).await.state, "uncertain");
        // The provider forgives nothing: the present one is spent, the previous one as well.
        vault.refresh("a").await.problem(409, "ACCOUNT_DEAD");
        assert_eq!(vault.stub.calls(), 4);
        vault.refresh("a").await.problem(409, "ACCOUNT_DEAD");
        assert_eq!((vault.stub.calls(), vault.told("token.dead").await), (4, 1));
    }

    async fn a_provider_that_did_not_act_leaves_nothing_lost(vault) {
        let id = vault.account("a").await;
        for act in [Act::Hang(Acting::Not), Act::Reset(Acting::Not)] {
            vault.stub.next(act);
            assert!(vault.refresh("a").await.status >= 502);
            assert_eq!(vault.row(id).await.state, "uncertain");
            vault.refresh("a").await.expect(200);
            assert_eq!(Some(vault.stored("a").await), vault.stub.current("a"));
        }
        assert_eq!(vault.told("token.recovered").await, 2);
    }

    async fn a_refused_client_pauses_the_provider_with_one_alert_and_no_account_dies(vault) {
        for name in ["a", "b", "c"] {
            vault.account(name).await;
        }
        vault.stub.always(Act::oauth(401, "invalid_client"));
        vault.refresh("a").await.problem(503, "PROVIDER_PAUSED");
        for name in ["a", "b", "c"] {
            vault.refresh(name).await.problem(503, "PROVIDER_PAUSED");
        }
        assert_eq!((vault.stub.calls(), vault.told("provider.paused").await), (1, 1));
        vault.stub.always(Act::Good);
        vault.app.post("/public-api/providers/stub/resume", &json!({})).root().send().await.expect(200);
        for name in ["a", "b", "c"] {
            vault.refresh(name).await.expect(200);
        }
    }

    async fn a_refused_client_of_one_account_leaves_the_others_alone(vault) {
        let (own, other) = (vault.account("a").await, vault.account("b").await);
        let change = json!({"client_id": "a client of its own"});
        vault.app.patch(&format!("/public-api/tokens/{own}"), &change).root().send().await.expect(200);
        vault.stub.next(Act::oauth(401, "invalid_client"));
        let problem = vault.refresh("a").await.problem(502, "PROVIDER_FAILED");
        assert_eq!(problem["failure_class"], "config.invalid_client");
        vault.refresh("b").await.expect(200);
        assert_eq!((vault.row(own).await.state.as_str(), vault.row(other).await.state.as_str()), ("failing", "ok"));
        assert_eq!(vault.told("provider.paused").await, 0);
    }

    async fn a_pause_that_the_provider_asks_for_is_kept(vault) {
        vault.account("a").await;
        vault.stub.next(Act::rate_limited(Some("120")));
        let refused = vault.refresh("a").await;
        assert_eq!(refused.header("retry-after"), Some("120"));
        refused.problem(429, "RATE_LIMITED");
        vault.app.clock.advance_millis(119_000);
        vault.refresh("a").await.problem(429, "RATE_LIMITED");
        assert_eq!(vault.stub.calls(), 1, "nothing is sent before");
        vault.app.clock.advance_millis(2_000);
        vault.refresh("a").await.expect(200);
    }

    async fn a_challenge_or_a_refused_region_does_not_count_against_the_token(vault) {
        let id = vault.account("a").await;
        for act in [Act::page(403), Act::openai(403, "unsupported_country_region_territory")] {
            vault.stub.next(act);
            vault.refresh("a").await.problem(502, "PROVIDER_FAILED");
            let row = vault.row(id).await;
            assert_eq!((row.state.as_str(), row.failure_count), ("new", 0));
        }
        vault.refresh("a").await.expect(200);
    }

    async fn a_token_entered_by_hand_is_not_overwritten_by_a_refresh_under_way(vault) {
        let id = vault.account("a").await;
        vault.stub.hold();
        let by_hand = vault.stub.issue("other");
        let edit = async {
            vault.stub.wait_for_calls(1).await;
            let patch = json!({"refresh_token": by_hand});
            vault.app.patch(&format!("/public-api/tokens/{id}"), &patch).root().send().await.expect(200);
            vault.stub.release();
        };
        let (answer, ()) = tokio::join!(vault.refresh("a"), edit);
        answer.problem(409, "ACCOUNT_CHANGED");
        vault.refresh("a").await.expect(200);
        assert_eq!(Some(vault.stored("a").await), vault.stub.current("other"));
    }

    async fn a_token_that_was_spent_is_not_stored_again_as_another_account(vault) {
        vault.account("a").await;
        let first = vault.stub.current("a").unwrap();
        vault.refresh("a").await.expect(200);
        let list = json!({"format": "text", "content": format!("{first}\nrt_of_somebody_else"), "defaults": {"provider": "stub"}});
        let done = vault.app.post("/public-api/tokens/import", &list).root().send().await.expect(200);
        assert_eq!((&done["created"], &done["duplicate"]), (&json!(1), &json!(1)), "{done}");
        let reason = done["results"][0]["reason"].as_str().unwrap();
        assert!(reason.contains("'a'") && reason.contains("holds a newer one") && !reason.contains(&first), "{reason}");
        let again = json!({"refresh_token": first, "provider": "stub"});
        let problem = vault.app.post("/public-api/tokens", &again).root().send().await.problem(409, "TOKEN_EXISTS");
        assert_eq!(problem["biz_id"], "a");
    }

    async fn who_waits_for_an_access_token_is_answered_in_time_and_the_refresh_goes_on(vault) {
        let id = vault.account("a").await;
        vault.stub.hold();
        let late = vault.get_at(json!({"biz_id": "a", "min_ttl": 60, "wait_ms": 20})).await;
        late.problem(504, "PROVIDER_TIMEOUT");
        vault.stub.wait_for_calls(1).await;
        vault.stub.release();
        eventually("it goes on", async || vault.row(id).await.version == 1).await;
        vault.get_at(json!({"biz_id": "a", "min_ttl": 60, "wait_ms": 20})).await.expect(200);
        assert_eq!(vault.stub.calls(), 1);
    }

    async fn an_admin_refreshes_an_account_by_its_number(vault) {
        let id = vault.account("a").await;
        let refresh = async || vault.app.post(&format!("/public-api/tokens/{id}/refresh"), &json!({})).root().send().await;
        let shown = refresh().await.expect(200);
        assert_eq!((&shown["id"], &shown["state"]), (&json!(id), &json!("ok")));
        vault.stub.next(Act::Hang(Acting::Not));
        assert_eq!(refresh().await.problem(504, "PROVIDER_TIMEOUT")["failure_class"], "transient.timeout");
        refresh().await.expect(200);
        vault.stub.next(Act::openai(401, "refresh_token_expired"));
        refresh().await.problem(409, "ACCOUNT_DEAD");
        refresh().await.problem(409, "ACCOUNT_DEAD");
        assert_eq!(vault.stub.calls(), 4);
        let last = vault.app.get(&format!("/public-api/tokens/{id}/events?limit=1")).root().send().await.expect(200);
        let last = &last["items"][0];
        assert_eq!((&last["kind"], &last["cause"], &last["failure_class"]), (&json!("dead"), &json!("admin"), &json!("permanent.expired")));
    }

    async fn a_disabled_account_is_neither_refreshed_nor_served(vault) {
        let id = vault.account("a").await;
        vault.refresh("a").await.expect(200);
        vault.app.patch(&format!("/public-api/tokens/{id}"), &json!({"enabled": false})).root().send().await.expect(200);
        vault.refresh("a").await.problem(409, "ACCOUNT_DISABLED");
        vault.get_at(json!({"biz_id": "a"})).await.problem(409, "ACCOUNT_DISABLED");
        vault.app.clock.advance_millis(400 * 86_400_000);
        vault.run_job().await;
        assert_eq!(vault.stub.calls(), 1);
    }

    async fn the_job_refreshes_what_is_due_and_nothing_else(vault) {
        let (due, new) = (vault.account("due").await, vault.account("new").await);
        vault.refresh("due").await.expect(200);
        vault.run_job().await;
        assert_eq!(vault.stub.calls(), 1, "not yet");
        let next = vault.row(due).await.next_refresh_at.unwrap();
        vault.app.clock.advance_millis(next.0 - vault.app.state.clock.now().0);
        vault.run_job().await;
        assert_eq!((vault.stub.calls(), vault.row(due).await.version, vault.row(new).await.version), (2, 2, 0));
    }

    async fn who_may_not_reveal_sees_no_refresh_token(vault) {
        vault.account("a").await;
        let (_, secret) = vault.app.new_secret("gateway", &["tokens:read", "tokens:refresh"]).await;
        let call = vault.app.post("/public-api/refresh", &json!({"biz_id": "a"})).secret(&secret);
        assert_eq!(call.send().await.expect(200)["data"]["refresh_token"], Value::Null);
        let (_, reader) = vault.app.new_secret("reader", &["tokens:read"]).await;
        let get = |body: Value| vault.app.post("/public-api/get-at", &body).secret(&reader);
        assert_eq!(get(json!({"biz_id": "a"})).send().await.expect(200)["data"]["refresh_token"], Value::Null);
        get(json!({"biz_id": "a", "min_ttl": 5})).send().await.problem(403, "SCOPE_MISSING");
        let refused = vault.app.post("/public-api/refresh", &json!({"biz_id": "a"})).send().await.problem(401, "UNAUTHENTICATED");
        assert_eq!(refused["success"], false);
    }

    async fn accounts_are_named_by_biz_id_or_by_an_e_mail_that_only_one_has(vault) {
        for name in ["a", "b"] {
            let new = json!({"biz_id": name, "email": "x@example.com", "provider": "stub", "refresh_token": vault.stub.issue(name)});
            vault.app.post("/public-api/tokens", &new).root().send().await.expect(201);
        }
        let several = vault.get_at(json!({"email": "x@example.com"})).await.problem(409, "EMAIL_AMBIGUOUS");
        assert_eq!(several["biz_ids"], json!(["a", "b"]));
        vault.get_at(json!({"email": "nobody@example.com"})).await.problem(404, "ACCOUNT_NOT_FOUND");
        vault.refresh("nobody").await.problem(404, "ACCOUNT_NOT_FOUND");
        vault.get_at(json!({})).await.problem(400, "MALFORMED_REQUEST");
        vault.app.post("/public-api/refresh", &json!({"biz_id": " "})).root().send().await.problem(400, "MALFORMED_REQUEST");
        vault.refresh("b").await.expect(200);
    }
}

async fn a_stop_waits_for_the_call_under_way(database: Database) {
    let vault = Vault::open(database).await;
    let id = vault.account("a").await;
    vault.refresh("a").await.expect(200);
    vault.stub.always(Act::Late(Duration::from_millis(900)));
    let call = actix_web::rt::spawn(vault.app.post("/public-api/refresh", &json!({"biz_id": "a"})).root().open());
    vault.stub.wait_for_calls(2).await;
    let Vault { app, stub } = vault;
    let vault = Vault { app: app.restart().await, stub };
    drop(call);
    let row = vault.row(id).await;
    assert_eq!((row.version, row.state.as_str(), row.lease_until), (2, "ok", None));
    assert_eq!(Some(vault.stored("a").await), vault.stub.current("a"));
    vault.app.stop().await;
}

#[test]
fn a_stop_waits_for_the_call_under_way_sqlite() {
    block_on(a_stop_waits_for_the_call_under_way(Database::sqlite()));
}

#[test]
fn a_stop_waits_for_the_call_under_way_mysql() {
    block_on(async { a_stop_waits_for_the_call_under_way(Database::mysql().await).await });
}
