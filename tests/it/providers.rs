//! Providers over HTTP, and what the other rooms ask of them.

use entity::{UtcMillis, meta, provider, refresh_token};
use latchkey::providers;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ConnectionTrait, EntityTrait};
use serde_json::{Value, json};

use crate::kit::{Answer, Database, TestApp};

const PATH: &str = "/public-api/providers";
const SEEDS: [&str; 8] =
    ["claude", "custom", "github", "google", "microsoft", "openai-codex", "openai-ios", "openai-ios-legacy"];

fn acme() -> Value {
    json!({"name": "acme", "token_url": "https://auth.example.com/oauth/token"})
}

fn with(change: &Value) -> Value {
    let mut whole = acme();
    whole.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    whole
}

async fn create(app: &TestApp, body: &Value) -> Answer {
    app.post(PATH, body).root().send().await
}

async fn show(app: &TestApp, name: &str) -> Answer {
    app.get(&format!("{PATH}/{name}")).root().send().await
}

async fn patch(app: &TestApp, name: &str, change: &Value) -> Answer {
    app.patch(&format!("{PATH}/{name}"), change).root().send().await
}

async fn resume(app: &TestApp, name: &str) -> Answer {
    app.call("POST", &format!("{PATH}/{name}/resume")).root().send().await
}

async fn delete(app: &TestApp, name: &str) -> Answer {
    app.delete(&format!("{PATH}/{name}")).root().send().await
}

/// Pauses it as a refused refresh does: whether it was this that paused it.
async fn pause(app: &TestApp, called: provider::Model) -> bool {
    let now = app.clock.now();
    let work = async move |tx: &_| providers::pause(tx, &called, "invalid_client", now).await;
    app.state.writer.write(work).await.unwrap()
}

async fn row(app: &TestApp, name: &str) -> provider::Model {
    providers::require(app.state.db.orm(), name).await.unwrap()
}

/// An account as its row is, of which only the provider matters here.
async fn insert_account(db: &impl ConnectionTrait, provider: &str, nth: u32) {
    let account = refresh_token::ActiveModel {
        biz_id: Set(format!("account-{nth}").into()),
        provider: Set(provider.to_owned()),
        refresh_token: Set("-".to_owned()),
        refresh_token_hash: Set(format!("{nth:064}")),
        refresh_token_last6: Set("-".to_owned()),
        enabled: Set(true),
        state: Set("new".to_owned()),
        failure_count: Set(0),
        version: Set(0),
        lease_epoch: Set(0),
        created_at: Set(UtcMillis(0)),
        updated_at: Set(UtcMillis(0)),
        ..Default::default()
    };
    account.insert(db).await.unwrap();
}

async fn audit(app: &TestApp, action: &str) -> Vec<Value> {
    let path = format!("/public-api/audit?entity=provider&action={action}");
    app.get(&path).root().send().await.expect(200)["items"].as_array().unwrap().clone()
}

on_both! {
    async fn a_new_database_begins_with_the_known_providers(app: TestApp) {
        let page = app.get(PATH).root().send().await.expect(200);
        let items = page["items"].as_array().unwrap();
        let names: Vec<&str> = items.iter().map(|item| item["name"].as_str().unwrap()).collect();
        assert_eq!(names, SEEDS);
        assert_eq!((&page["total"], &page["next_cursor"]), (&json!(8), &Value::Null));
        let ios = show(&app, "openai-ios").await.expect(200);
        let expected = json!({
            "name": "openai-ios", "token_url": "https://auth.openai.com/oauth/token", "body_format": "json",
            "auth_method": "body", "client_id": "app_WXrF1LSkiTtfYqiL6XtjygvX", "has_client_secret": false,
            "extra_param_names": ["redirect_uri"], "header_names": [], "expires_in_default": 86400,
            "refresh_margin_s": 900, "keepalive_days": null, "timeout_ms": 20000, "max_concurrency": 8,
            "min_interval_ms": 0, "inherited": ["refresh_margin_s", "timeout_ms", "max_concurrency", "min_interval_ms"], "rotates": true, "error_map": {}, "state": "active", "paused_reason": null,
            "version": 0, "created_at": "2026-11-21T04:31:00.000Z", "updated_at": "2026-11-21T04:31:00.000Z",
        });
        assert_eq!(ios, expected);
        for (name, url, format, client) in [
            ("openai-ios-legacy", "https://auth0.openai.com/oauth/token", "json", json!("pdlLIX2Y72MIl2rhLhTE9VV9bN905kBh")),
            ("openai-codex", "https://auth.openai.com/oauth/token", "json", json!("app_EMoamEEZ73f0CkXaXp7hrann")),
            ("claude", "https://platform.claude.com/v1/oauth/token", "json", json!("9d1c250a-e61b-44d9-88ed-5944d1962f5e")),
            ("google", "https://oauth2.googleapis.com/token", "form", Value::Null),
        ] {
            let view = show(&app, name).await.expect(200);
            assert_eq!([&view["token_url"], &view["body_format"], &view["client_id"]], [&json!(url), &json!(format), &client]);
        }
    }

    async fn what_is_secret_is_sealed_and_never_shown(app: TestApp) {
        let secrets = ["the-client-secret", "value-of-a-param", "value-of-a-header"];
        let body = with(&json!({"client_secret": secrets[0], "extra_params": {"scope": secrets[1]}, "headers": {"X-Extra": secrets[2]}}));
        let made = create(&app, &body).await;
        let view = made.expect(201);
        assert_eq!(made.header("location"), Some("/public-api/providers/acme"));
        assert_eq!((&view["has_client_secret"], &view["extra_param_names"], &view["header_names"]), (&json!(true), &json!(["scope"]), &json!(["x-extra"])));
        let changed = patch(&app, "acme", &json!({"client_secret": "another-secret"})).await;
        let answers = [made, changed, show(&app, "acme").await, app.get(PATH).root().send().await, app.get("/public-api/audit").root().send().await];
        let stored = format!("{:?}", row(&app, "acme").await);
        for secret in secrets.iter().chain(&["another-secret"]) {
            assert!(answers.iter().all(|answer| !answer.text().contains(secret)), "{secret}");
            assert!(!stored.contains(secret), "{secret}");
        }
        let cleared = patch(&app, "acme", &json!({"client_secret": null, "extra_params": null, "headers": null})).await.expect(200);
        assert_eq!((&cleared["has_client_secret"], &cleared["extra_param_names"], &cleared["header_names"]), (&json!(false), &json!([]), &json!([])));
        assert!(row(&app, "acme").await.client_secret.is_none());
    }

    async fn absent_fields_have_defaults_and_null_goes_back_to_them(app: TestApp) {
        let made = create(&app, &acme()).await.expect(201);
        let other = json!({
            "token_url": "https://other.example.com/token", "body_format": "json", "auth_method": "basic", "client_id": "c",
            "expires_in_default": 60, "refresh_margin_s": 0, "keepalive_days": 8, "timeout_ms": 100,
            "max_concurrency": 1, "min_interval_ms": 5, "rotates": false, "error_map": {"frozen": "permanent.revoked"},
        });
        let changed = patch(&app, "acme", &other).await.expect(200);
        let mut back = json!({"token_url": made["token_url"]});
        for (field, value) in other.as_object().unwrap() {
            assert_eq!(&changed[field], value, "{field}");
            assert_ne!(made[field], *value, "{field}");
            if field != "token_url" {
                back[field] = Value::Null;
            }
        }
        let mut back = patch(&app, "acme", &back).await.expect(200);
        assert_eq!(back["version"], 2);
        back["version"] = json!(0);
        assert_eq!(back, made);
    }

    async fn members_of_maps_are_merged_by_name(app: TestApp) {
        let first = json!({"headers": {"User-Agent": "a", "X-One": "1"}, "extra_params": {"a": "1", "b": "2"}, "error_map": {"x": "rate_limited", "y": "transient.5xx"}});
        create(&app, &with(&first)).await.expect(201);
        let second = json!({"headers": {"x-one": null, "X-Two": "2"}, "extra_params": {"a": null, "c": "3"}, "error_map": {"x": "permanent.reused", "y": null}});
        let view = patch(&app, "acme", &second).await.expect(200);
        assert_eq!(view["header_names"], json!(["user-agent", "x-two"]));
        assert_eq!(view["extra_param_names"], json!(["b", "c"]));
        assert_eq!(view["error_map"], json!({"x": "permanent.reused"}));
        let many: serde_json::Map<_, _> = (0..63).map(|nth| (format!("p{nth}"), json!("v"))).collect();
        let problem = patch(&app, "acme", &json!({"extra_params": many})).await.problem(422, "INVALID_REQUEST");
        assert_eq!((&problem["errors"][0]["field"], &problem["errors"][0]["code"]), (&json!("extra_params"), &json!("length")));
        assert_eq!(show(&app, "acme").await.expect(200)["extra_param_names"], json!(["b", "c"]));
    }

    async fn what_breaks_a_rule_is_named_with_its_field(app: TestApp) {
        create(&app, &with(&json!({"name": "other"}))).await.expect(201);
        let long = "x".repeat(5000);
        for (change, field, code) in [
            (json!({"token_url": "auth.example.com"}), "token_url", "format"),
            (json!({"token_url": "ftp://auth.example.com/"}), "token_url", "format"),
            (json!({"token_url": "https://u:p@auth.example.com/"}), "token_url", "format"),
            (json!({"token_url": "https://auth.example.com/#x"}), "token_url", "format"),
            (json!({"token_url": format!("https://auth.example.com/{long}")}), "token_url", "length"),
            (json!({"token_url": "https://auth.exa\tmple.com/"}), "token_url", "control_character"),
            (json!({"token_url": "http://auth.example.com/"}), "token_url", "https"),
            (json!({"token_url": "https://127.0.0.1/"}), "token_url", "target"),
            (json!({"token_url": "https://169.254.169.254/"}), "token_url", "target"),
            (json!({"token_url": "https://localhost/"}), "token_url", "target"),
            (json!({"token_url": 5}), "token_url", "type"),
            (json!({"body_format": "xml"}), "body_format", "type"),
            (json!({"auth_method": "digest"}), "auth_method", "type"),
            (json!({"client_id": ""}), "client_id", "length"),
            (json!({"client_id": "a\u{0}"}), "client_id", "control_character"),
            (json!({"client_id": "x".repeat(256)}), "client_id", "length"),
            (json!({"client_secret": ""}), "client_secret", "length"),
            (json!({"client_secret": long}), "client_secret", "length"),
            (json!({"extra_params": {"grant_type": "x"}}), "extra_params.grant_type", "reserved"),
            (json!({"extra_params": {"a": long}}), "extra_params.a", "length"),
            (json!({"extra_params": {"": "x"}}), "extra_params.", "length"),
            (json!({"headers": {"Host": "x"}}), "headers.Host", "reserved"),
            (json!({"headers": {"a b": "x"}}), "headers.a b", "format"),
            (json!({"headers": {"x": "a\r\nb: c"}}), "headers.x", "format"),
            (json!({"headers": {"x": "a", "X": "b"}}), "headers.x", "duplicate"),
            (json!({"expires_in_default": 59}), "expires_in_default", "range"),
            (json!({"refresh_margin_s": -1}), "refresh_margin_s", "range"),
            (json!({"keepalive_days": 0}), "keepalive_days", "range"),
            (json!({"timeout_ms": 99}), "timeout_ms", "range"),
            (json!({"timeout_ms": 120_001}), "timeout_ms", "range"),
            (json!({"timeout_ms": "20s"}), "timeout_ms", "type"),
            (json!({"max_concurrency": 0}), "max_concurrency", "range"),
            (json!({"min_interval_ms": 60_001}), "min_interval_ms", "range"),
            (json!({"rotates": "yes"}), "rotates", "type"),
            (json!({"error_map": {"x": "permanent.gone"}}), "error_map.x", "unknown_class"),
            (json!({"error_map": ["x"]}), "error_map", "type"),
            (json!({"state": "paused"}), "state", "unknown_field"),
        ] {
            for call in [app.post(PATH, &with(&change)), app.patch(&format!("{PATH}/other"), &change)] {
                let problem = call.root().send().await.problem(422, "INVALID_REQUEST");
                let error = &problem["errors"][0];
                assert_eq!((&error["field"], &error["code"]), (&json!(field), &json!(code)), "{change}");
            }
        }
        for name in ["", "Acme", "a b", "-a", "ä", &long] {
            let problem = create(&app, &with(&json!({"name": name}))).await.problem(422, "INVALID_REQUEST");
            assert_eq!(problem["errors"][0]["field"], "name", "{name}");
        }
        create(&app, &json!({"name": "acme"})).await.problem(422, "INVALID_REQUEST");
        patch(&app, "other", &json!({"token_url": null})).await.problem(422, "INVALID_REQUEST");
        patch(&app, "other", &json!({"name": "acme"})).await.problem(422, "INVALID_REQUEST");
        let all = create(&app, &with(&json!({"name": "A", "timeout_ms": 0, "client_id": ""}))).await.problem(422, "INVALID_REQUEST");
        assert_eq!(all["errors"].as_array().unwrap().len(), 3);
        assert_eq!(show(&app, "other").await.expect(200)["version"], 0);
    }

    async fn a_name_is_one_provider_s_and_what_is_not_there_is_404(app: TestApp) {
        create(&app, &with(&json!({"name": " acme "}))).await.expect(201);
        create(&app, &acme()).await.problem(409, "PROVIDER_NAME_TAKEN");
        for name in ["nobody", "ACME", "acme%20", "acme%00", "%F0%9F%98%80"] {
            show(&app, name).await.problem(404, "PROVIDER_NOT_FOUND");
            patch(&app, name, &json!({"rotates": true})).await.problem(404, "PROVIDER_NOT_FOUND");
            delete(&app, name).await.problem(404, "PROVIDER_NOT_FOUND");
            resume(&app, name).await.problem(404, "PROVIDER_NOT_FOUND");
        }
    }

    async fn making_one_twice_with_one_key_makes_one(app: TestApp) {
        let send = async || app.post(PATH, &acme()).root().header("idempotency-key", "k").send().await;
        let (first, again) = (send().await, send().await);
        assert_eq!((first.expect(201), again.header("idempotency-replayed")), (again.expect(201), Some("true")));
        assert_eq!(again.header("location"), Some("/public-api/providers/acme"));
        assert_eq!(audit(&app, "create").await.len(), 1);
    }

    async fn the_list_is_paged_by_name(app: TestApp) {
        let (mut names, mut path) = (Vec::new(), format!("{PATH}?limit=3"));
        loop {
            let answer = app.get(&path).root().send().await;
            let page = answer.expect(200);
            names.extend(page["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()));
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            assert!(answer.header("link").unwrap().contains(cursor));
            path = format!("{PATH}?limit=3&cursor={cursor}");
        }
        assert_eq!(names, SEEDS);
        for query in ["limit=0", "limit=201", "limit=x", "cursor=x"] {
            app.get(&format!("{PATH}?{query}")).root().send().await.problem(422, "INVALID_REQUEST");
        }
    }

    async fn reading_and_writing_need_their_scopes(app: TestApp) {
        let (_, reader) = app.new_secret("reader", &["tokens:read"]).await;
        let (_, writer) = app.new_secret("writer", &["tokens:write"]).await;
        let path = format!("{PATH}/claude");
        for path in [PATH, path.as_str()] {
            app.get(path).secret(&reader).send().await.expect(200);
            assert_eq!(app.get(path).secret(&writer).send().await.problem(403, "SCOPE_MISSING")["scope"], "tokens:read");
        }
        for call in [app.post(PATH, &acme()), app.patch(&path, &json!({})), app.delete(&path), app.call("POST", &format!("{path}/resume"))] {
            assert_eq!(call.secret(&reader).send().await.problem(403, "SCOPE_MISSING")["scope"], "tokens:write");
        }
        app.post(PATH, &acme()).secret(&writer).send().await.expect(201);
        assert_eq!(app.delete(&format!("{PATH}/acme")).secret(&writer).send().await.status, 204);
    }

    async fn every_write_is_on_record_without_its_secrets(app: TestApp) {
        create(&app, &acme()).await.expect(201);
        patch(&app, "acme", &json!({"timeout_ms": 5000, "headers": {"x-a": "hush-hush"}, "client_secret": "hush-hush"})).await.expect(200);
        patch(&app, "acme", &json!({})).await.expect(200);
        pause(&app, row(&app, "acme").await).await;
        resume(&app, "acme").await.expect(200);
        assert_eq!(delete(&app, "acme").await.status, 204);
        let update = audit(&app, "update").await;
        assert_eq!(update.len(), 1, "what names nothing changes nothing");
        let expected = json!({
            "timeout_ms": {"old": 20000, "new": 5000}, "header_names": {"old": [], "new": ["x-a"]},
            "has_client_secret": {"old": false, "new": true}, "version": {"old": 0, "new": 1},
            "headers": "set", "client_secret": "set",
            "inherited": {"old": ["refresh_margin_s", "timeout_ms", "max_concurrency", "min_interval_ms"], "new": ["refresh_margin_s", "max_concurrency", "min_interval_ms"]},
        });
        assert_eq!((&update[0]["entity_id"], &update[0]["actor"], &update[0]["changes"]), (&json!("acme"), &json!("root"), &expected));
        for action in ["create", "resume", "delete"] {
            assert_eq!(audit(&app, action).await.len(), 1, "{action}");
        }
    }

    async fn a_provider_that_accounts_use_is_not_deleted(app: TestApp) {
        let database = app.database.connect().await;
        insert_account(&database, "claude", 1).await;
        insert_account(&database, "claude", 2).await;
        assert_eq!(delete(&app, "claude").await.problem(409, "PROVIDER_IN_USE")["accounts"], 2);
        refresh_token::Entity::delete_many().exec(&database).await.unwrap();
        assert_eq!(delete(&app, "claude").await.status, 204);
        database.close().await.unwrap();
    }

    async fn no_account_is_made_for_a_provider_that_is_being_deleted(app: TestApp) {
        for nth in 0..8 {
            create(&app, &acme()).await.expect(201);
            let make = app.state.writer.write(async move |tx: &_| {
                providers::hold(tx, "acme").await?;
                insert_account(tx, "acme", nth).await;
                Ok(())
            });
            let (made, deleted) = tokio::join!(make, delete(&app, "acme"));
            assert_eq!(made.is_ok(), deleted.status == 409, "{made:?} {}", deleted.text());
            if made.is_err() {
                deleted.expect(204);
                continue;
            }
            let database = app.database.connect().await;
            refresh_token::Entity::delete_many().exec(&database).await.unwrap();
            database.close().await.unwrap();
            delete(&app, "acme").await.expect(204);
        }
    }

    async fn one_pauses_a_provider_and_an_edit_or_a_hand_resumes_it(app: TestApp) {
        let called = row(&app, "claude").await;
        providers::require_active(app.state.db.orm(), "claude").await.unwrap();
        let pauses = futures_util::future::join_all((0..8).map(|_| pause(&app, called.clone()))).await;
        assert_eq!(pauses.iter().filter(|first| **first).count(), 1, "one alert");
        let view = show(&app, "claude").await.expect(200);
        assert_eq!((&view["state"], &view["paused_reason"], &view["version"]), (&json!("paused"), &json!("invalid_client"), &json!(0)));
        let refused = providers::require_active(app.state.db.orm(), "claude").await.unwrap_err();
        assert_eq!((refused.kind().code, refused.status().as_u16()), ("PROVIDER_PAUSED", 503));
        let view = resume(&app, "claude").await.expect(200);
        assert_eq!((&view["state"], &view["paused_reason"]), (&json!("active"), &Value::Null));
        resume(&app, "claude").await.problem(409, "PROVIDER_NOT_PAUSED");
        assert!(pause(&app, called.clone()).await);
        assert_eq!(patch(&app, "claude", &json!({})).await.expect(200)["state"], "paused", "no edit");
        let view = patch(&app, "claude", &json!({"client_id": "right"})).await.expect(200);
        assert_eq!((&view["state"], &view["paused_reason"], &view["version"]), (&json!("active"), &Value::Null, &json!(1)));
        assert!(!pause(&app, called).await, "what was called is not what it is now");
        providers::require_active(app.state.db.orm(), "claude").await.unwrap();
    }
}

on_each_database! {
    async fn a_seed_that_was_deleted_or_changed_stays_so(database: Database) {
        let app = TestApp::start(database).await;
        assert_eq!(delete(&app, "github").await.status, 204);
        patch(&app, "google", &json!({"client_id": "mine"})).await.expect(200);
        let app = app.restart().await;
        show(&app, "github").await.problem(404, "PROVIDER_NOT_FOUND");
        assert_eq!(show(&app, "google").await.expect(200)["client_id"], "mine");
        let database = app.database.connect().await;
        assert!(meta::Entity::find_by_id("providers_seeded_at").one(&database).await.unwrap().is_some());
        database.close().await.unwrap();
        app.stop().await;
    }
}

#[test]
fn private_addresses_and_plain_http_are_for_who_allows_them() {
    crate::kit::block_on(async {
        let app = TestApp::start_with(Database::sqlite(), |config| config.security.allow_private_targets = true).await;
        create(&app, &with(&json!({"token_url": "http://127.0.0.1:8000/token"}))).await.expect(201);
        patch(&app, "acme", &json!({"token_url": "http://localhost/token"})).await.expect(200);
        app.stop().await;
    });
}
